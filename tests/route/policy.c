/* SPDX-License-Identifier: MIT */
/* Policies, routes switched off one after the other, LEAT_ROUTES, and what leat_begin refuses (invariants 6, 13, 14). */
#include <fcntl.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "check.h"
#include "ends.h"

#define SIZE 300000

/* Letters as in expect.c: the routes that can carry the pair, the best first, copy not named. */
static const struct pair {
	enum from from;
	enum to to;
	const char *routes;
} pairs[] = {
	{ FROM_FD, TO_FD, "RFP" },   { FROM_FILE, TO_FILE, "RP" }, { FROM_FILE, TO_TCP, "FP" },	 { FROM_RANGE, TO_UNIX, "FP" },
	{ FROM_FD, TO_PTY, "FP" },   { FROM_FILE, TO_PIPE, "S" },  { FROM_PIPE, TO_TCP, "S" },	 { FROM_PIPE, TO_FILE, "S" },
	{ FROM_TCP, TO_FILE, "P" },  { FROM_TCP, TO_PIPE, "S" },   { FROM_TCP, TO_TCP, "P" },	 { FROM_UNIX, TO_PTY, "P" },
	{ FROM_MEMORY, TO_TCP, "" }, { FROM_FILE, TO_APPEND, "" }, { FROM_PROC, TO_TCP, "" }, { FROM_FILE, TO_CALLBACK, "" },
	{ FROM_CALLBACK, TO_UNIX, "" }, { FROM_FILE, TO_MEMORY, "" }, { FROM_ZERO, TO_PIPE, "" },
};
#define PAIRS (sizeof pairs / sizeof pairs[0])

static enum leat_route route_of(char letter)
{
	switch (letter) {
	case 'R': return LEAT_ROUTE_COPY_FILE_RANGE;
	case 'F': return LEAT_ROUTE_SENDFILE;
	case 'S': return LEAT_ROUTE_SPLICE;
	case 'P': return LEAT_ROUTE_SPLICE_PIPE;
	default: return LEAT_ROUTE_COPY;
	}
}

/* The kernel's version, as the library asks for it. */
static uint32_t kernel;
uint32_t __real_sys_kernel(void);
uint32_t __wrap_sys_kernel(void);

uint32_t __wrap_sys_kernel(void)
{
	return kernel ? kernel : __real_sys_kernel();
}

static struct from_end from;
static struct to_end to;
static struct leat_report plan, report;

/* Plans and copies. The result; of the bytes nothing is missing when it is good. */
static int64_t copy(const struct pair *pair, bool blocking, const struct leat_options *options, int *ret_plan)
{
	static char note[100];
	int64_t n;

	snprintf(note, sizeof note, "%s to %s, policy %d, without %x", from_names[pair->from], to_names[pair->to],
		 options ? (int)options->policy : 0, options ? options->routes_off : 0);
	test_note(note);
	ends_alarm(20, note);
	from_make(&from, pair->from, SIZE, blocking);
	to_make(&to, pair->to, SIZE, blocking);
	*ret_plan = leat_plan(&to.sink, &from.source, options, &plan);
	n = leat_copy(&to.sink, &from.source, options, &report);
	to_finish(&to, report.bytes);
	CHECK_EQ(to.got_size, report.bytes);
	CHECK_BYTES(to.got, from.bytes, report.bytes);
	from_close(&from);
	to_close(&to);
	return n;
}

/* The next of the list, when those before it are switched off; copy when all are. */
static void switched_off_one_by_one(void)
{
	for (unsigned i = 0; i < PAIRS; i++)
		for (unsigned off = 0; off <= strlen(pairs[i].routes); off++) {
			struct leat_options options = { .routes_off = 1u << LEAT_ROUTE_CLONE };
			enum leat_route route = route_of(pairs[i].routes[off]);
			int r;

			for (unsigned j = 0; j < off; j++)
				options.routes_off |= 1u << route_of(pairs[i].routes[j]);
			CHECK_EQ(copy(&pairs[i], i % 2, &options, &r), SIZE);
			CHECK_EQ(r, 0);
			if (pairs[i].from == FROM_MEMORY)
				route = LEAT_ROUTE_MEMORY;
			CHECK_EQ(plan.route, route);
			CHECK_GE(report.route_bytes[route], 1u);
			for (unsigned j = 0; j < off; j++) {
				CHECK_EQ(report.refused[route_of(pairs[i].routes[j])], LEAT_DISABLED_BY_USER);
				CHECK_EQ(report.route_calls[route_of(pairs[i].routes[j])], 0u);
			}
		}
}

static void policy_copy(void)
{
	struct leat_options options = { .policy = LEAT_COPY };
	int r;

	for (unsigned i = 0; i < PAIRS; i++) {
		CHECK_EQ(copy(&pairs[i], i % 2, &options, &r), SIZE);
		CHECK_EQ(report.route_bytes[pairs[i].from == FROM_MEMORY ? LEAT_ROUTE_MEMORY : LEAT_ROUTE_COPY], SIZE);
		CHECK_EQ(report.by_reference, 0);
		for (const char *letter = pairs[i].routes; *letter; letter++)
			CHECK_EQ(report.refused[route_of(*letter)], LEAT_DISABLED_BY_USER);
	}
}

/* Refused before the first byte, with the reason; or carried by nothing but kernel routes. */
static void policy_require(void)
{
	struct leat_options options = { .policy = LEAT_REQUIRE };
	int r;

	for (unsigned i = 0; i < PAIRS; i++) {
		bool can = *pairs[i].routes || pairs[i].from == FROM_MEMORY;
		int64_t n = copy(&pairs[i], i % 2, &options, &r);

		CHECK_EQ(n, can ? SIZE : LEAT_EREFUSED);
		CHECK_EQ(r, can ? 0 : LEAT_EREFUSED);
		CHECK_EQ(report.bytes, can ? SIZE : 0u);
		CHECK_EQ(report.route_bytes[LEAT_ROUTE_COPY], 0u);
		CHECK_EQ(report.route_calls[LEAT_ROUTE_COPY], 0u);
		if (!can)
			CHECK_NE(report.refused[LEAT_ROUTE_SENDFILE], LEAT_OK);
	}
}

/* A hash under require: refused by its name. */
static void require_and_a_hash(void)
{
	struct leat_options options = { .policy = LEAT_REQUIRE };
	struct leat_xxh3 hash;

	ends_alarm(20, __func__);
	from_make(&from, FROM_FILE, SIZE, true);
	to_make(&to, TO_TCP, SIZE, true);
	leat_wrap(&from.source, leat_xxh3_init(&hash));
	CHECK_EQ(leat_copy(&to.sink, &from.source, &options, &report), LEAT_EREFUSED);
	CHECK_EQ(report.bytes, 0u);
	CHECK_EQ(report.refused[LEAT_ROUTE_SENDFILE], LEAT_NEEDS_CONTENT);
	CHECK_STR(report.refused_by[LEAT_ROUTE_SENDFILE], "xxh3");
	from_close(&from);
	to_close(&to);
}

/* Hazard 26: copy_file_range is not trusted before Linux 5.3, and nothing else is the worse for it. */
static void old_kernels(void)
{
	static const struct {
		uint32_t kernel;
		bool old;
	} rows[] = { { 4 << 16 | 19, true }, { 5 << 16 | 2, true }, { 5 << 16 | 3, false }, { 6 << 16 | 0, false } };
	static const struct pair pair = { FROM_FILE, TO_FILE, "" };
	struct leat_options options = { .routes_off = 1u << LEAT_ROUTE_CLONE };
	struct utsname name;
	unsigned major, minor;
	int r;

	CHECK_CALL(uname(&name));
	CHECK_EQ(sscanf(name.release, "%u.%u", &major, &minor), 2);
	CHECK_EQ(__real_sys_kernel(), major << 16 | minor);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		kernel = rows[i].kernel;
		CHECK_EQ(copy(&pair, false, &options, &r), SIZE);
		kernel = 0;
		CHECK_EQ(plan.refused[LEAT_ROUTE_COPY_FILE_RANGE], rows[i].old ? LEAT_KERNEL_TOO_OLD : LEAT_OK);
		CHECK_EQ(report.refused[LEAT_ROUTE_COPY_FILE_RANGE], rows[i].old ? LEAT_KERNEL_TOO_OLD : LEAT_OK);
		CHECK_EQ(report.route_calls[LEAT_ROUTE_COPY_FILE_RANGE] == 0, rows[i].old);
		CHECK_EQ(report.route, rows[i].old ? LEAT_ROUTE_SPLICE_PIPE : LEAT_ROUTE_COPY_FILE_RANGE);
	}
}

/* ---- The environment ---- */

/* Runs this program once more with LEAT_ROUTES, for one copy; its status is the route that carried. */
static int by_environment(const char *routes, unsigned pair)
{
	char number[20], self[300];	/* under valgrind the link itself leads to valgrind */
	ssize_t n = CHECK_CALL(readlink("/proc/self/exe", self, sizeof self - 1));
	int status;
	pid_t pid;

	self[n] = 0;
	snprintf(number, sizeof number, "%u", pair);
	fflush(stdout);
	pid = CHECK_CALL(fork());
	if (!pid) {
		setenv("LEAT_ROUTES", routes, 1);
		execl(self, "policy", "--one", number, NULL);
		_exit(100);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_environment_removes_routes(void)
{
	CHECK_EQ(by_environment("clone,copy_file_range,sendfile,splice,splice_pipe", 2), LEAT_ROUTE_SENDFILE);
	CHECK_EQ(by_environment("splice_pipe", 2), LEAT_ROUTE_SPLICE_PIPE);
	CHECK_EQ(by_environment("splice_pipe,copy", 2), LEAT_ROUTE_SPLICE_PIPE);
	CHECK_EQ(by_environment("copy", 2), LEAT_ROUTE_COPY);
	CHECK_EQ(by_environment("", 2), LEAT_ROUTE_COPY);
	CHECK_EQ(by_environment("nonsense", 2), LEAT_ROUTE_COPY);
	CHECK_EQ(by_environment("sendfile splice", 2), LEAT_ROUTE_SENDFILE);
	CHECK_EQ(by_environment("sendfile", 5), LEAT_ROUTE_COPY);
	CHECK_EQ(by_environment("copy", 12), LEAT_ROUTE_MEMORY);	/* what has no other way stays */
}

/* ---- What leat_begin refuses ---- */

static void blocking_streams_are_not_stepped(void)
{
	static const struct {
		enum from from;
		enum to to;
		enum leat_side side;
	} rows[] = {
		{ FROM_PIPE, TO_MEMORY, LEAT_SIDE_SOURCE }, { FROM_FIFO, TO_FILE, LEAT_SIDE_SOURCE },
		{ FROM_TCP, TO_FILE, LEAT_SIDE_SOURCE },    { FROM_UNIX, TO_NOTHING, LEAT_SIDE_SOURCE },
		{ FROM_FILE, TO_PIPE, LEAT_SIDE_SINK },	    { FROM_MEMORY, TO_TCP, LEAT_SIDE_SINK },
		{ FROM_FILE, TO_UNIX, LEAT_SIDE_SINK },	    { FROM_FILE, TO_VIEW, LEAT_SIDE_SINK },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_report refused, ended = { .bytes = 77 };
		char line[200];
		struct leat_transfer t;

		test_note(from_names[rows[i].from]);
		ends_alarm(20, __func__);
		from_make(&from, rows[i].from, SIZE, true);
		to_make(&to, rows[i].to, SIZE, true);
		CHECK_EQ(leat_begin(&t, &to.sink, &from.source, NULL), LEAT_EBLOCKING);
		CHECK_EQ(leat_step(&t), -EINVAL);
		CHECK_EQ(leat_end(&t, NULL), -EINVAL);
		leat_so_far(&t, &refused);
		CHECK_EQ(refused.error, LEAT_EBLOCKING);
		CHECK_EQ(refused.side, rows[i].side);
		CHECK_EQ(refused.route, LEAT_ROUTE_NONE);
		for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)
			CHECK_NE(refused.refused[route], LEAT_OK);
		CHECK_EQ(refused.refused[LEAT_ROUTE_COPY], LEAT_BLOCKING_FD);
		leat_explain(&refused, line, sizeof line);
		CHECK_SAY(rows[i].side != LEAT_SIDE_SINK || strstr(line, "; no kernel route: blocking-fd;"), "%s", line);
		CHECK_EQ(leat_end(&t, &ended), -EINVAL);	/* nothing to end, but the reason why */
		CHECK_BYTES(&ended, &refused, sizeof ended);
		CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, NULL), SIZE);	/* nothing was lost, nothing is busy */
		from_close(&from);
		to_close(&to);
	}
}

static const struct test tests[] = {
	TEST(switched_off_one_by_one), TEST(policy_copy), TEST(policy_require), TEST(require_and_a_hash), TEST(old_kernels),
	TEST(the_environment_removes_routes), TEST(blocking_streams_are_not_stepped),
};

int main(int argc, char **argv)
{
	int r;

	ends_content(SIZE);
	if (argc != 3 || strcmp(argv[1], "--one") != 0)
		return check_main(tests, sizeof tests / sizeof tests[0], argc, argv);
	if (copy(&pairs[(unsigned)atoi(argv[2]) % PAIRS], true, NULL, &r) != SIZE)
		return 99;
	return report.route;
}
