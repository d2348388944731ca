/* SPDX-License-Identifier: MIT */
/*
 * append.c: sinks opened for appending.
 *
 * Hazard 34. Decides that O_APPEND is read from the flags before anything moves (reason out-append), that the copy
 * route serves such sinks with plain writes, and that an explicit offset on them is refused (invariant 9).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

static const struct fact facts[] = {
	{ "append-sendfile", "EINVAL|4096", "34: plain writes instead; also declined in the table for flags set later" },
	{ "append-splice", "EINVAL|4096", "34: the same" },
	{ "append-splice-offset", "EINVAL", "34: with an explicit offset" },
	{ "append-copy_file_range", "EBADF|4096", "34: EBADF here is append, not a closed descriptor" },
	{ "append-clone", "EBADF|EOPNOTSUPP|EINVAL", "34: FICLONERANGE" },
	{ "append-write", "4096", "34: the copy route" },
	{ "append-pwrite-at-0", "at the end", "9: pwrite ignores the offset, so leat_to_file refuses O_APPEND" },
	{ "append-pwritev2-noappend", NULL, "9: RWF_NOAPPEND (Linux 6.9) would honour it" },
	{ "append-flag-set-later", "EINVAL|4096", "34: sendfile after F_SETFL by another owner: the table must decline" },
};

static void run(void)
{
	int source = fact_file("source", 'A', 4096), sink, later, p[2];
	struct file_clone_range clone = { .src_fd = source, .src_length = 4096 };
	char xyz[] = "xyz";
	struct iovec one = { .iov_base = xyz, .iov_len = 3 };
	int64_t from = 0, to = 0;
	struct stat st;
	off_t at = 0, zero = 0;
	ssize_t n;

	close(fact_file("sink", 'B', 100));
	sink = open("sink", O_RDWR | O_APPEND | O_CLOEXEC);
	later = open("sink", O_WRONLY | O_CLOEXEC);
	if (sink < 0 || later < 0)
		fact_die("open for appending");
	fact_pipe(p);
	fact_say("append-sendfile", "%s", fact_result(sendfile(sink, source, &at, 4096)));
	at = 0;
	if (splice(source, &at, p[1], NULL, 4096, 0) != 4096)
		fact_die("splice");
	fact_say("append-splice-offset", "%s", fact_result(splice(p[0], NULL, sink, &zero, 4096, SPLICE_F_NONBLOCK)));
	fact_say("append-splice", "%s", fact_result(splice(p[0], NULL, sink, NULL, 4096, SPLICE_F_NONBLOCK)));
	fact_say("append-copy_file_range", "%s",
		 fact_result(syscall(SYS_copy_file_range, source, &from, sink, &to, 4096, 0)));
	n = ioctl(sink, FICLONERANGE, &clone);
	fact_say("append-clone", "%s", fact_result(n));
	if (ftruncate(later, 100) < 0)
		fact_die("ftruncate");
	fact_say("append-write", "%s", fact_result(write(sink, (char[4096]){ 0 }, 4096)));
	n = pwrite(sink, "xyz", 3, 0);
	if (fstat(sink, &st) < 0)
		fact_die("fstat");
	fact_say("append-pwrite-at-0", "%s", n == 3 && st.st_size == 4199 ? "at the end" : "at the offset");
	n = pwritev2(sink, &one, 1, 0, RWF_NOAPPEND);
	if (fstat(sink, &st) < 0)
		fact_die("fstat");
	fact_say("append-pwritev2-noappend", "%s",
		 n < 0 ? fact_result(n) : st.st_size == 4199 ? "at the offset" : "at the end");
	if (fcntl(later, F_SETFL, O_APPEND) < 0)
		fact_die("F_SETFL");
	at = 0;
	fact_say("append-flag-set-later", "%s", fact_result(sendfile(later, source, &at, 4096)));
	close(p[0]);
	close(p[1]);
	close(source);
	close(sink);
	close(later);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
