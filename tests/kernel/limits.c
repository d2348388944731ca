/* SPDX-License-Identifier: MIT */
/*
 * limits.c: how much one call moves, and what the calls say at the edges: end of file, zero length, the largest
 * offset, the file size limit of the process.
 *
 * Hazards 13, 20, 28. Decides that every call is sized by the library (invariant 16), that 0 with bytes owed is
 * source-short, and which errors at the edges mean "end" in the decline table.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GIB (1LL << 30)

static const struct fact facts[] = {
	{ "max-per-call-sendfile", NULL, "20: of 5 GiB asked; the library asks for 1 GiB at most and loops" },
	{ "max-per-call-copy_file_range", NULL, "20: of 5 GiB asked; the same" },
	{ "max-per-call-splice-to-pipe", NULL, "20: of 1 MiB asked into a 64 KiB pipe" },
	{ "at-eof-sendfile", "0", "13: 0 at the end; with bytes owed that is source-short, never a reason to go on" },
	{ "at-eof-splice", "0", "13: the same" },
	{ "at-eof-copy_file_range", "0", "13: the same" },
	{ "past-eof-sendfile", "0", "13: an offset beyond the end is no error" },
	{ "past-eof-copy_file_range", "0", "13: the same" },
	{ "zero-length-sendfile", "0", "13: the library makes no call for a zero length" },
	{ "zero-length-splice", "0", "13: the same" },
	{ "zero-length-copy_file_range", "0", "13: the same" },
	{ "huge-offset-sendfile", NULL, "28: 1 MiB asked at the largest offset less 4096; at source EOF taken as end" },
	{ "huge-offset-splice", NULL, "28: the same" },
	{ "huge-offset-copy_file_range", NULL, "28: the same" },
	{ "huge-sink-offset-copy_file_range", NULL, "28: 8192 bytes to the sink's largest offset less 4096" },
	{ "shrunk-sendfile", "4096", "13: 8192 asked of a file of 4096: short first, then 0" },
	{ "size-limit-sendfile", NULL, "22: RLIMIT_FSIZE met at once by a file sink: SIGXFSZ is raised as by write" },
	{ "size-limit-copy_file_range", NULL, "22: the same" },
	{ "size-limit-splice", NULL, "22: the same" },
};

static ssize_t range(int in, off_t in_at, int out, off_t out_at, size_t len)
{
	int64_t a = in_at, b = out_at;

	return syscall(SYS_copy_file_range, in, &a, out, &b, len, 0);
}

static bool here_is(const char *fs)
{
	return strcmp(fact_here(), fs) == 0;
}

/* the limit is the system call's, whatever the file system: asked once */
static void run(void)
{
	int source = fact_sparse("sparse", 5 * GIB), null = open("/dev/null", O_WRONLY | O_CLOEXEC), p[2];
	off_t at = 0;

	fact_pipe(p);
	fact_say("max-per-call-splice-to-pipe", "%s", fact_result(splice(source, &at, p[1], NULL, 1 << 20, 0)));
	at = 0;
	/* tmpfs fills its holes with memory on some kernels */
	if (strcmp(fact_fs(0), "tmpfs") == 0 || strcmp(fact_fs(0), "ramfs") == 0)
		fact_skip("max-per-call-sendfile", "not on a file system in memory");
	else
		fact_say("max-per-call-sendfile", "%s", fact_result(sendfile(null, source, &at, 5 * GIB)));
	close(source);
	close(null);
	close(p[0]);
	close(p[1]);
	unlink("sparse");
}

/* without reflink 2 GiB would really be written */
static void most_by_copy(void)
{
	int source = fact_sparse("sparse", 5 * GIB), sink = fact_file("sink", 0, 0);
	struct statfs fs;

	if (fstatfs(sink, &fs) < 0)
		fact_die("fstatfs");
	if (here_is("xfs") || here_is("btrfs") ||
	    (getenv("LEAT_FACT_BIG") && (long long)fs.f_bavail * fs.f_bsize > 4 * GIB))
		fact_say("max-per-call-copy_file_range", "%s", fact_result(range(source, 0, sink, 0, 5 * GIB)));
	else
		fact_skip("max-per-call-copy_file_range", "would write 2 GiB; LEAT_FACT_BIG=1 allows it");
	close(source);
	close(sink);
	unlink("sparse");
	unlink("sink");
}

static void ends(void)
{
	int source = fact_file("source", 'A', 4096), sink = fact_file("sink", 0, 0), p[2], pair[2];
	off_t at = 4096, huge = LLONG_MAX - 4096;

	fact_tcp_pair(pair);
	fact_pipe(p);
	fact_say("at-eof-sendfile", "%s", fact_result(sendfile(pair[0], source, &at, 8192)));
	fact_say("at-eof-splice", "%s", fact_result(splice(source, &at, p[1], NULL, 8192, 0)));
	fact_say("at-eof-copy_file_range", "%s", fact_result(range(source, 4096, sink, 0, 8192)));
	at = 1 << 20;
	fact_say("past-eof-sendfile", "%s", fact_result(sendfile(pair[0], source, &at, 8192)));
	fact_say("past-eof-copy_file_range", "%s", fact_result(range(source, 1 << 20, sink, 0, 8192)));
	at = 0;
	fact_say("zero-length-sendfile", "%s", fact_result(sendfile(pair[0], source, &at, 0)));
	fact_say("zero-length-splice", "%s", fact_result(splice(source, &at, p[1], NULL, 0, 0)));
	fact_say("zero-length-copy_file_range", "%s", fact_result(range(source, 0, sink, 0, 0)));
	fact_say("shrunk-sendfile", "%s", fact_result(sendfile(pair[0], source, &at, 8192)));
	at = huge;
	fact_say("huge-offset-sendfile", "%s", fact_result(sendfile(pair[0], source, &at, 1 << 20)));
	at = huge;
	fact_say("huge-offset-splice", "%s", fact_result(splice(source, &at, p[1], NULL, 1 << 20, 0)));
	fact_say("huge-offset-copy_file_range", "%s", fact_result(range(source, huge, sink, 0, 1 << 20)));
	fact_say("huge-sink-offset-copy_file_range", "%s", fact_result(range(source, 0, sink, huge, 8192)));
	close(source);
	close(sink);
	close(p[0]);
	close(p[1]);
	close(pair[0]);
	close(pair[1]);
}

static volatile sig_atomic_t raised;

static void too_big(int number)
{
	(void)number;
	raised = 1;
}

static void say_limit(const char *name, ssize_t n)
{
	const char *what = fact_result(n);

	fact_say(name, "%s%s", what, raised ? " + SIGXFSZ" : "");
	raised = 0;
}

static void size_limit(void)
{
	struct sigaction action = { .sa_handler = too_big }, before;
	struct rlimit limit, old;
	int source = fact_file("source", 'A', 8192), sink = fact_file("sink", 'B', 65536), p[2];
	off_t at = 0, to = 65536;

	fact_pipe(p);
	if (sigaction(SIGXFSZ, &action, &before) < 0 || getrlimit(RLIMIT_FSIZE, &old) < 0)
		fact_die("RLIMIT_FSIZE");
	limit = old;
	limit.rlim_cur = 65536;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0 || lseek(sink, 65536, SEEK_SET) < 0)
		fact_die("RLIMIT_FSIZE");
	say_limit("size-limit-sendfile", sendfile(sink, source, &at, 8192));
	say_limit("size-limit-copy_file_range", range(source, 0, sink, 65536, 8192));
	at = 0;
	if (splice(source, &at, p[1], NULL, 8192, 0) != 8192)
		fact_die("splice");
	say_limit("size-limit-splice", splice(p[0], NULL, sink, &to, 8192, 0));
	setrlimit(RLIMIT_FSIZE, &old);
	sigaction(SIGXFSZ, &before, NULL);
	close(p[0]);
	close(p[1]);
	close(source);
	close(sink);
}

static void run_on(void)
{
	most_by_copy();
	ends();
	size_limit();
}

int main(int argc, char **argv)
{
	static struct fact_set set = FACT_SET(facts, run, run_on);

	set.limit_s = 240; /* 2 GiB of holes on an emulated processor */
	return fact_main(argc, argv, &set);
}
