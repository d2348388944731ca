/* SPDX-License-Identifier: MIT */
/*
 * Calls as the kernel sees them: this program runs itself under strace, does one transfer between two marks, and compares
 * the log with the report. Only the thread that transfers is traced; the peers are others.
 */
#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "check.h"
#include "counts.h"

struct count_of {
	char name[32];
	uint64_t calls, bytes, most;	/* most: bytes of one call */
};

struct log {
	struct count_of of[64];
	unsigned names, set_flags;
	uint64_t total;
	char list[4000];		/* all calls in order, while they fit */
};

static uint64_t number_after(const char *line, const char *what)
{
	const char *at = strstr(line, what);

	return at && at[strlen(what)] != '-' ? strtoull(at + strlen(what), NULL, 10) : 0;
}

static void take_line(struct log *log, const char *line)
{
	size_t length = strcspn(line, "(");
	const char *result = strrchr(line, '=');
	uint64_t bytes = result ? number_after(result, "= ") : 0;
	struct count_of *of = log->of;

	if (!line[length])
		return;
	while (of < log->of + log->names && (strlen(of->name) != length || memcmp(of->name, line, length) != 0))
		of++;
	if (of == log->of + log->names) {
		CHECK(log->names < 64 && length < sizeof of->name);
		memcpy(of->name, line, length);
		log->names++;
	}
	of->calls++;
	of->bytes += bytes;
	of->most = bytes > of->most ? bytes : of->most;
	log->total++;
	log->set_flags += strstr(line, "F_SETFL") != NULL;
	if (strlen(log->list) + strlen(line) + 10 <= sizeof log->list)
		sprintf(log->list + strlen(log->list), "        %s\n", line);
}

static const struct count_of *of(const struct log *log, const char *name)
{
	static const struct count_of none;

	for (unsigned i = 0; i < log->names; i++)
		if (!strcmp(log->of[i].name, name))
			return &log->of[i];
	return &none;
}

static uint64_t calls(const struct log *log, const char *a, const char *b)
{
	return of(log, a)->calls + (b ? of(log, b)->calls : 0);
}

static void read_log(const char *path, struct log *log)
{
	static char line[2000];
	FILE *file = fopen(path, "r");
	bool inside = false, ended = false;

	memset(log, 0, sizeof *log);
	CHECK(file != NULL);
	while (fgets(line, sizeof line, file)) {
		line[strcspn(line, "\n")] = 0;
		if (strstr(line, COUNTS_BEGIN_TEXT))
			inside = true;
		else if (strstr(line, COUNTS_END_TEXT)) {
			ended = true;
			inside = false;
		} else if (inside) {
			take_line(log, line);
		}
	}
	fclose(file);
	CHECK_SAY(ended, "the log has no end mark");
}

/* Runs a scenario under strace. The report comes through a file of its own. */
static void trace(const char *scenario, struct log *log, struct leat_report *report)
{
	char self[300], path[300], out[300];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	int fd, status;
	pid_t pid;

	CHECK(n > 0);
	self[n] = 0;
	ends_alarm(100, scenario);
	test_note(scenario);
	snprintf(path, sizeof path, "%s/log", ends_dir());
	snprintf(out, sizeof out, "%s/report", ends_dir());
	fflush(stdout);
	pid = CHECK_CALL(fork());
	if (!pid) {
		setenv("ASAN_OPTIONS", "detect_leaks=0:exitcode=99", 1);	/* it cannot look for leaks while it is traced */
		execlp("strace", "strace", "-qq", "-s0", "-o", path, self, "--move", scenario, out, NULL);
		_exit(127);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		test_skip("strace is not installed");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && access(out, F_OK) < 0)
		test_skip("strace may not trace here");
	CHECK_EQ(status, 0);
	fd = CHECK_CALL(open(out, O_RDONLY | O_CLOEXEC));
	CHECK_EQ(read(fd, report, sizeof *report), (ssize_t)sizeof *report);
	close(fd);
	unlink(out);
	read_log(path, log);
	CHECK_SAY(log->set_flags == 0, "F_SETFL was called:\n%s", log->list);
	CHECK_EQ(calls(log, "rt_sigaction", "vmsplice"), 0u);
}

static void print_log(const char *what, const struct log *log)
{
	printf("%s:", what);
	for (unsigned i = 0; i < log->names; i++)
		printf(" %s %llu", log->of[i].name, (unsigned long long)log->of[i].calls);
	putchar('\n');
}

#define LOW_WATER_BYTES 11	/* "4294967295\n", the system's TCP_NOTSENT_LOWAT: the only file that is opened, and read once */

/* Payload in user space: any read or write of more than the one byte of a residency probe. */
static void no_payload(const struct log *log)
{
	bool low_water = calls(log, "openat", NULL) == 1 && calls(log, "read", NULL) == 1;

	static const char *const names[] = { "read", "write", "pread64", "pwrite64", "readv", "writev", "preadv2", "pwritev2",
					     "recvfrom", "recvmsg", "sendto", "sendmsg", "preadv", "pwritev" };

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		CHECK_SAY(of(log, names[i])->most <= (low_water && i == 0 ? LOW_WATER_BYTES : 1), "%s carried %llu bytes", names[i],
			  (unsigned long long)of(log, names[i])->bytes);
}

/* ---- The report tells what the kernel saw ---- */

static void as_the_report_says(void)
{
	struct leat_report r;
	struct log log;

	trace("file-tcp", &log, &r);
	CHECK_EQ(calls(&log, "sendfile", NULL), r.route_calls[LEAT_ROUTE_SENDFILE]);
	CHECK_EQ(of(&log, "sendfile")->bytes, r.bytes);
	no_payload(&log);
	trace("file-tcp-hash", &log, &r);
	CHECK_EQ(calls(&log, "pread64", "sendto"), r.route_calls[LEAT_ROUTE_COPY]);
	CHECK_EQ(of(&log, "sendto")->bytes, r.bytes);
	CHECK_EQ(calls(&log, "sendfile", "splice"), 0u);
	trace("file-tcp-frame", &log, &r);
	CHECK_EQ(calls(&log, "sendfile", NULL), r.route_calls[LEAT_ROUTE_SENDFILE]);
	CHECK_EQ(calls(&log, "sendto", NULL), r.route_calls[LEAT_ROUTE_MEMORY]);
	CHECK_EQ(of(&log, "sendto")->bytes, r.bytes - r.source_bytes);
	CHECK_LE(of(&log, "sendto")->most, 40u);
	trace("memory-tcp", &log, &r);
	CHECK_EQ(calls(&log, "sendto", NULL), r.route_calls[LEAT_ROUTE_MEMORY]);
	trace("file-pipe", &log, &r);
	CHECK_EQ(calls(&log, "splice", NULL), r.route_calls[LEAT_ROUTE_SPLICE]);
	no_payload(&log);
	trace("pipe-tcp", &log, &r);
	CHECK_EQ(calls(&log, "splice", NULL), r.route_calls[LEAT_ROUTE_SPLICE]);
	no_payload(&log);
	trace("tcp-tcp", &log, &r);
	CHECK_EQ(calls(&log, "splice", NULL), r.route_calls[LEAT_ROUTE_SPLICE_PIPE]);
	/* One more looks whether splice's 0 is the end, or urgent data. */
	CHECK_EQ(calls(&log, "recvfrom", "sendto"), r.route_calls[LEAT_ROUTE_COPY] + 1);
	CHECK(r.route_bytes[LEAT_ROUTE_SPLICE_PIPE] > r.route_bytes[LEAT_ROUTE_COPY]);
	trace("file-file", &log, &r);
	CHECK_EQ(calls(&log, "copy_file_range", NULL), r.route_calls[LEAT_ROUTE_COPY_FILE_RANGE]);
	CHECK_EQ(calls(&log, "ioctl", NULL), r.route_calls[LEAT_ROUTE_CLONE]);
	no_payload(&log);
	trace("file-null", &log, &r);
	CHECK_EQ(calls(&log, "sendfile", NULL), r.route_calls[LEAT_ROUTE_SENDFILE]);
}

/* ---- The pairs of the matrix that have a descriptor on either end ---- */

/* Every call and byte of the report is the kernel's, and the other way round. */
static void report_is_true(const struct log *log, const struct leat_report *r)
{
	static const char *const writes[] = { "sendto", "write", "pwrite64" };
	uint64_t written = 0;

	CHECK_EQ(calls(log, "sendfile", NULL), r->route_calls[LEAT_ROUTE_SENDFILE]);
	CHECK_EQ(of(log, "sendfile")->bytes, r->route_bytes[LEAT_ROUTE_SENDFILE]);
	CHECK_EQ(calls(log, "copy_file_range", NULL), r->route_calls[LEAT_ROUTE_COPY_FILE_RANGE]);
	CHECK_EQ(of(log, "copy_file_range")->bytes, r->route_bytes[LEAT_ROUTE_COPY_FILE_RANGE]);
	CHECK_EQ(calls(log, "splice", NULL), r->route_calls[LEAT_ROUTE_SPLICE] + r->route_calls[LEAT_ROUTE_SPLICE_PIPE]);
	CHECK_EQ(of(log, "splice")->bytes, r->route_bytes[LEAT_ROUTE_SPLICE] + 2 * r->route_bytes[LEAT_ROUTE_SPLICE_PIPE]);
	for (unsigned i = 0; i < sizeof writes / sizeof writes[0]; i++)
		written += of(log, writes[i])->bytes;
	CHECK_EQ(written, r->route_bytes[LEAT_ROUTE_MEMORY] + r->route_bytes[LEAT_ROUTE_COPY]);
	if (!written)
		no_payload(log);
}

static void each_pair_bare_and_wrapped(void)
{
	static const enum from froms[] = { FROM_FILE, FROM_RANGE, FROM_MEMORY, FROM_PIPE, FROM_TCP, FROM_UNIX, FROM_QUEUE };
	static const enum to tos[] = { TO_FD, TO_FILE, TO_PIPE, TO_TCP, TO_UNIX };
	static const char *const routes[] = { "sendfile", "copy_file_range", "pwrite64", "pread64", "sendto" };

	for (unsigned i = 0; i < sizeof froms / sizeof froms[0] * sizeof tos / sizeof tos[0]; i++) {
		enum from from = froms[i / (sizeof tos / sizeof tos[0])];
		enum to to = tos[i % (sizeof tos / sizeof tos[0])];
		bool streams = from == FROM_TCP || from == FROM_UNIX;	/* how much is there at once decides */
		struct leat_report r[2];
		struct log log[2];

		for (int wrapped = 0; wrapped < 2; wrapped++) {
			char name[80];

			snprintf(name, sizeof name, "pair-%d-%d%s %s to %s", (int)from, (int)to, wrapped ? "-wrapped" : "",
				 from_names[from], to_names[to]);
			trace(name, &log[wrapped], &r[wrapped]);
			report_is_true(&log[wrapped], &r[wrapped]);
		}
		CHECK_GE(r[0].bytes, 8u << 20);
		CHECK_EQ(r[0].bytes, r[1].bytes);
		CHECK_EQ(r[1].wrappers, 6);
		printf("%s to %s: %s, %llu calls; wrapped %llu\n", from_names[from], to_names[to], leat_route_name(r[0].route),
		       (unsigned long long)log[0].total, (unsigned long long)log[1].total);
		for (unsigned k = 0; !streams && k < sizeof routes / sizeof routes[0]; k++)
			CHECK_EQ(of(&log[0], routes[k])->bytes, of(&log[1], routes[k])->bytes);
	}
}

/* ---- Between two sockets, by the default policy ---- */

static double spliced_share(enum from from, enum to to, bool step, unsigned stack)
{
	bool hash = stack == COUNTS_STACKS - 1;
	struct leat_report r;
	struct log log;
	char name[80];
	double share;

	snprintf(name, sizeof name, "sockets-%d-%d-%d-%u %s to %s, %s, %s", (int)from, (int)to, step, stack, from_names[from],
		 to_names[to], step ? "stepped" : "by leat_copy", counts_stacks[stack]);
	trace(name, &log, &r);
	report_is_true(&log, &r);
	CHECK_EQ(r.source_bytes, (uint64_t)COUNTS_SOCKETS_BYTES);
	CHECK(stack ? r.wrappers > 0 : !r.wrappers);
	CHECK_EQ(r.content_wrappers, hash);
	share = (double)of(&log, "splice")->bytes / 2 / COUNTS_SOCKETS_BYTES;
	printf("%s: %.5f of it was spliced, in %llu calls\n", strchr(name, ' ') + 1, share,
	       (unsigned long long)calls(&log, "splice", NULL));
	if (hash) {
		CHECK_EQ(calls(&log, "splice", NULL), 0u);
		CHECK_EQ(r.route_bytes[LEAT_ROUTE_COPY], r.bytes);
	}
	return share;
}

/* The best of three tries: a feeder that the machine holds up gives few bytes at a time, and those are copied. */
static double best_share(enum from from, enum to to, bool step, unsigned stack)
{
	double best = 0, share;

	for (int try = 0; try < 3 && best < 0.99; try++) {
		share = spliced_share(from, to, step, stack);
		best = share > best ? share : best;
	}
	return best;
}

static void sockets_spliced_as_bare(void)
{
	static const struct { enum from from; enum to to; } pairs[] = { { FROM_TCP, TO_TCP }, { FROM_UNIX, TO_UNIX } };

	for (unsigned i = 0; i < 2 * sizeof pairs / sizeof pairs[0]; i++) {
		enum from from = pairs[i / 2].from;
		enum to to = pairs[i / 2].to;
		double bare = best_share(from, to, i % 2, 0), wrapped;

		CHECK_SAY(bare >= 0.98, "without wrappers %.5f of it was spliced", bare);
		for (unsigned stack = 1; stack < COUNTS_STACKS - 1; stack++) {
			wrapped = best_share(from, to, i % 2, stack);
			CHECK_SAY(wrapped >= bare - 0.01 && wrapped <= bare + 0.01, "%.5f of it was spliced, and %.5f without wrappers",
				  wrapped, bare);
		}
		spliced_share(from, to, i % 2, COUNTS_STACKS - 1);
	}
}

/* ---- How many for a GiB ---- */

/* Whatever the counts: what the kernel saw is what the report says, and no payload was read or written. */
static uint64_t for_a_gib(const char *scenario, const char *call)
{
	struct leat_report r;
	struct log log;

	trace(scenario, &log, &r);
	CHECK_EQ(calls(&log, call, NULL), r.route_calls[r.route]);
	print_log(scenario, &log);
	no_payload(&log);
	return calls(&log, call, NULL);
}

/* The least of three tries: a peer that the machine keeps from reading leaves room for small calls only. */
static void pair_per_gib(const char *scenario, const char *call, uint64_t most, bool close_by)
{
	uint64_t a = UINT64_MAX, b = UINT64_MAX, n;
	char wrapped[60];

	snprintf(wrapped, sizeof wrapped, "%s-wrapped", scenario);
	for (int try = 0; try < 3 && (a > most || b > most); try++) {
		n = for_a_gib(scenario, call);
		a = n < a ? n : a;
		n = for_a_gib(wrapped, call);
		b = n < b ? n : b;
	}
	CHECK_SAY(a <= most && b <= most, "%llu and %llu calls for a GiB, not at most %llu", (unsigned long long)a,
		  (unsigned long long)b, (unsigned long long)most);
	if (close_by)	/* but for a call that took the machine so long that the next were made smaller */
		CHECK_SAY(a <= b + 5 && b <= a + 5, "%llu calls raw, %llu wrapped", (unsigned long long)a, (unsigned long long)b);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWED_DOWN 1
#else
#define SLOWED_DOWN 0
#endif

static void need_gib(uint64_t memory, uint64_t disk)
{
	struct sysinfo info;
	struct statvfs fs;

	if (SLOWED_DOWN)
		test_skip("how many calls a peer makes necessary follows from the speed, and a sanitizer takes that away");
	CHECK_CALL(sysinfo(&info));
	CHECK_CALL(statvfs(ends_dir(), &fs));
	if ((uint64_t)info.totalram * info.mem_unit < memory << 30)
		test_skip("needs %llu GiB of memory", (unsigned long long)memory);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < disk << 30)
		test_skip("needs %llu GiB of disk", (unsigned long long)disk);
}

/* A device takes at once whatever it is given: the same calls to the last one. */
static void a_gib_to_a_device(void)
{
	need_gib(3, 1);
	pair_per_gib("gib-null", "sendfile", 300, true);
}

/* How much one call is asked for follows from how long the last ones took. */
static void a_gib_to_a_file(void)
{
	need_gib(4, 4);
	pair_per_gib("gib-file", "copy_file_range", 300, false);
}

/* A socket takes what its peer has left room for. */
static void a_gib_to_a_socket(void)
{
	need_gib(3, 1);
	pair_per_gib("gib-tcp", "sendfile", 300, false);
	pair_per_gib("gib-tcp-blocking", "sendfile", 1100, false);
}

/* ---- Who waits for a blocking socket ---- */

/* The kernel, where nobody is owed word; else poll. */
static void calls_that_wait(void)
{
	struct leat_report r;
	struct log log;

	trace("calls-that-wait", &log, &r);
	print_log("calls-that-wait", &log);
	CHECK_EQ(r.bytes, 32u << 20);
	CHECK_EQ(calls(&log, "poll", "ppoll"), 0u);
	CHECK_LE(calls(&log, "sendfile", NULL), 16u);	/* not by 1 MiB each to a peer that lags */
	CHECK_LE(calls(&log, "getsockopt", NULL), 8u + calls(&log, "sendfile", NULL));	/* its facts, once; its room */
	CHECK_EQ(r.sink_waits, 0u);
	no_payload(&log);
	trace("calls-that-wait-told", &log, &r);
	print_log("calls-that-wait-told", &log);
	CHECK_EQ(r.bytes, 32u << 20);
	CHECK(r.sink_waits > 0 && calls(&log, "poll", "ppoll") > r.sink_waits);
}

/* ---- Looking whether a file is in memory ---- */

/*
 * Once for a step, and for each MiB; not again for each few bytes that went. A call that the machine held up for long makes the
 * looks behind it closer, so the best of three tries counts.
 */
static void probes_of_short_calls(void)
{
	struct leat_report r;
	struct log log;
	uint64_t most;

	for (int tries = 0; tries < 3; tries++) {
		trace("short-calls", &log, &r);
		print_log("short-calls", &log);
		CHECK_EQ(r.bytes, 32u << 20);
		no_payload(&log);
		CHECK_SAY(calls(&log, "sendfile", NULL) > 150, "the calls were not short");
		most = calls(&log, "rt_sigprocmask", NULL) / 2 + UINT64_C(3) * 32;	/* a step masks SIGPIPE, and back */
		if (calls(&log, "preadv2", NULL) <= most)
			break;
	}
	CHECK_LE(calls(&log, "preadv2", NULL), most);
}

/* ---- A small body ---- */

static void small(const char *scenario, uint64_t most)
{
	struct leat_report r;
	struct log log;

	trace(scenario, &log, &r);
	printf("%s: %llu calls\n%s", scenario, (unsigned long long)log.total, log.list);
	CHECK_EQ(r.bytes, 4096u);
	CHECK_EQ(r.wrappers, 6);
	CHECK_LE(log.total, most);
}

static void four_kib_with_six_wrappers(void)
{
	small("small-immutable", 4);
	small("small-watched", 6);
}

static const struct test tests[] = {
	TEST(as_the_report_says), TEST(each_pair_bare_and_wrapped), TEST(sockets_spliced_as_bare),
	TEST(a_gib_to_a_device), TEST(a_gib_to_a_file), TEST(a_gib_to_a_socket),
	TEST(calls_that_wait), TEST(probes_of_short_calls), TEST(four_kib_with_six_wrappers),
};

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--move"))
		return counts_move(argv[2], argv[3]);
	return check_main(tests, sizeof tests / sizeof tests[0], argc, argv);
}
