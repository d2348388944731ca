/* SPDX-License-Identifier: MIT */
/*
 * No pipe to be had (hazard 46): by injected errors, by the limit of descriptors, by the cap of a helper's pool, and by the
 * real budget of an ordinary user. The transfer copies, says pipe-budget, and brings the right bytes.
 */
#include "descriptors.h"
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define BYTES ((size_t)300007)
#define NO_SENDFILE ROUTE_BIT(LEAT_ROUTE_SENDFILE)
#define ORDINARY_USER 54321

/* File to tcp through a pipe that cannot be: by copy, for this reason. */
static void check_copies(const struct leat_options *given)
{
	struct leat_options options = given ? *given : (struct leat_options){ 0 };
	struct leat_report report;
	struct lab_source from;
	struct lab_sink to;
	char line[200];

	options.routes_off = NO_SENDFILE;
	lab_source_open(&from, LAB_FILE, BYTES);
	lab_sink_open(&to, LAB_TCP, BYTES + 1);
	CHECK_EQ(leat_copy(&to.sink, &from.source, &options, &report), (int64_t)BYTES);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_PIPE_BUDGET);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_COPY], BYTES);
	CHECK_EQ(report.error, 0);
	leat_explain(&report, line, sizeof line);
	CHECK_SAY(strstr(line, "sendfile: disabled-by-user") != NULL, "%s", line);
	lab_sink_finish(&to);
	lab_arrived(&to, BYTES);
	lab_source_close(&from);
	lab_sink_close(&to);
}

static void no_pipe_is_a_copy(void)
{
	static const int errors[] = { EMFILE, ENFILE, ENOMEM, EPERM };

	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		unsigned descriptors = count_descriptors();

		test_note(strerror(errors[i]));
		seam_reset();
		seam_set(SEAM_PIPE, 0, -errors[i]);
		seam.times = UINT32_MAX;
		check_copies(NULL);
		CHECK_EQ(seam.fired, 1);	/* asked once, not for every piece */
		CHECK_EQ(count_descriptors(), descriptors);
	}
}

/* What the kernel gives an ordinary user over his budget: two pages, and EPERM for more. */
static void a_tiny_pipe_is_a_copy(void)
{
	unsigned descriptors = count_descriptors();

	seam_reset();
	seam_set(SEAM_PIPE_SIZE, 0, 8192);
	seam.times = UINT32_MAX;
	check_copies(NULL);
	CHECK(seam.fired > 0);
	CHECK_EQ(seam.calls[SEAM_FILL], 0);
	CHECK_EQ(count_descriptors(), descriptors);
}

/* Not a mebibyte, but a useful pipe: splice goes on. */
static void a_smaller_pipe_is_used(void)
{
	struct leat_options options = { .routes_off = NO_SENDFILE, .policy = LEAT_REQUIRE };
	struct lab_source from;
	struct lab_sink to;

	seam_reset();
	seam_set(SEAM_PIPE_SIZE, 0, 65536);
	seam.times = UINT32_MAX;
	lab_source_open(&from, LAB_FILE, BYTES);
	lab_sink_open(&to, LAB_TCP, BYTES + 1);
	CHECK_EQ(leat_copy(&to.sink, &from.source, &options, NULL), (int64_t)BYTES);
	CHECK_GE(seam.calls[SEAM_FILL], BYTES / 65536);
	lab_sink_finish(&to);
	lab_arrived(&to, BYTES);
	lab_source_close(&from);
	lab_sink_close(&to);
}

static void a_pool_of_one_is_shared_by_one(void)
{
	struct leat_options options = { .routes_off = NO_SENDFILE };
	struct leat_helper helper;
	struct leat_transfer first;
	struct leat_report report;
	struct lab_source from;
	struct lab_sink to;

	seam_reset();
	CHECK_EQ(leat_helper_init(&helper, 1), 0);
	options.helper = &helper;
	lab_nonblocking = lab_held = true;
	lab_source_open(&from, LAB_FILE, 40 << 20);	/* more than any socket takes */
	lab_sink_open(&to, LAB_TCP, (40 << 20) + 1);
	lab_nonblocking = lab_held = false;
	CHECK_EQ(leat_begin(&first, &to.sink, &from.source, &options), 0);
	while (leat_step(&first) != LEAT_WAIT)
		;
	check_copies(&options);
	lab_sink_go(&to);
	CHECK_EQ(lab_step_all(&first), LEAT_DONE);
	CHECK_EQ(leat_end(&first, &report), 0);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], 40 << 20);
	lab_sink_finish(&to);
	lab_arrived(&to, 40 << 20);
	lab_source_close(&from);
	lab_sink_close(&to);
	CHECK_EQ(seam.calls[SEAM_PIPE], 1);
	leat_helper_end(&helper);
}

/* In a child: its limits end with it. The child's checks end the child. */
static void in_child(void (*body)(void))
{
	pid_t child;
	int status;

	fflush(stdout);
	child = CHECK_CALL(fork());
	if (!child) {
		body();
		fflush(stdout);
		_exit(0);
	}
	CHECK_CALL(waitpid(child, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED)
		test_skip("see above");
	CHECK_EQ(status, 0);
}

static void without_descriptors(void)
{
	struct leat_report report;
	struct leat_options options = { .routes_off = NO_SENDFILE };
	struct lab_source from;
	struct lab_sink to;
	struct rlimit limit;

	lab_source_open(&from, LAB_FILE, BYTES);
	lab_sink_open(&to, LAB_TCP, BYTES + 1);
	limit.rlim_cur = limit.rlim_max = (rlim_t)CHECK_CALL(dup(0));
	close((int)limit.rlim_cur);
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_EQ(dup(0), -1);
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(leat_copy(&to.sink, &from.source, &options, &report), (int64_t)BYTES);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_PIPE_BUDGET);
	lab_sink_finish(&to);
	lab_arrived(&to, BYTES);
}

static void the_limit_of_descriptors_is_a_copy(void)
{
	seam_reset();
	in_child(without_descriptors);
}

static void as_an_ordinary_user(void)
{
	struct rlimit limit = { 16384, 16384 };
	unsigned pipes = 0;
	int fds[2];

	lab_dir();
	CHECK_CALL(chmod(lab_dir(), 0777));
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || setgid(ORDINARY_USER) < 0 || setuid(ORDINARY_USER) < 0)
		test_skip("cannot become an ordinary user with many descriptors: %s", strerror(errno));
	do {
		if (pipe2(fds, O_CLOEXEC) < 0)
			test_skip("%s after %u pipes", strerror(errno), pipes);
	} while (fcntl(fds[1], F_GETPIPE_SZ) >= 65536 && ++pipes < 8000);
	if (pipes >= 8000)
		test_skip("no budget for pipes here (pipe-user-pages-soft is 0?)");
	printf("the kernel gave %u pipes, then one of %d bytes\n", pipes, fcntl(fds[1], F_GETPIPE_SZ));
	check_copies(NULL);
}

static void the_budget_of_an_ordinary_user_is_a_copy(void)
{
	if (geteuid() != 0)
		test_skip("becomes an ordinary user, which needs root");
	seam_reset();
	in_child(as_an_ordinary_user);
}

static const struct test tests[] = {
	TEST(no_pipe_is_a_copy),
	TEST(a_tiny_pipe_is_a_copy),
	TEST(a_smaller_pipe_is_used),
	TEST(a_pool_of_one_is_shared_by_one),
	TEST(the_limit_of_descriptors_is_a_copy),
	TEST(the_budget_of_an_ordinary_user_is_a_copy),
};
TEST_MAIN(tests)
