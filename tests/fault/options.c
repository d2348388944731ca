/* SPDX-License-Identifier: MIT */
/* Options that are none, of any size, and what stands in the report when they are refused; and a limit of the process. */
#include "lab.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct leat_report report;

/* What no version of the library knows is refused, and not taken for something else: a struct that was never zeroed. */
static void options_that_are_none(void)
{
	const struct leat_options rows[] = {
		{ .policy = (enum leat_policy)3 }, { .policy = (enum leat_policy)-1 }, { .stable = (enum leat_stable)3 },
		{ .stable = (enum leat_stable)-7 }, { .reserved[0] = 1 }, { .reserved[2] = 1 },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_transfer transfer;
		struct leat_source source;
		struct leat_sink sink;

		leat_from_memory(&source, "abc", 3);
		leat_to_nothing(&sink);
		CHECK_EQ(leat_copy(&sink, &source, &rows[i], &report), -EINVAL);
		CHECK_EQ(report.error, -EINVAL);
		CHECK_EQ(report.side, LEAT_SIDE_CALLER);
		CHECK_EQ(leat_plan(&sink, &source, &rows[i], &report), -EINVAL);
		CHECK_EQ(leat_begin(&transfer, &sink, &source, &rows[i]), -EINVAL);
		CHECK_EQ(leat_end(&transfer, NULL), -EINVAL);
		CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 3);	/* nothing was begun */
		leat_close(&source);
		leat_close_sink(&sink);
	}
}

static void later(void) { }

static int64_t nothing_to_read(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	(void)arg, (void)buffer, (void)bytes, (void)wait;
	return 0;
}

static int64_t all_taken(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait)
{
	(void)arg, (void)buffer, (void)more, (void)wait;
	return (int64_t)bytes;
}

/* Nor ops of a later header, whose meaning this version does not know. */
static void ops_of_a_later_version(void)
{
	static const struct leat_wrapper_ops wraps = { .name = "later", .reserved[3] = later };
	static const struct leat_source_ops reads = { .name = "later", .read = nothing_to_read, .reserved[1] = later };
	static const struct leat_sink_ops writes = { .name = "later", .write = all_taken, .reserved[0] = later };
	struct leat_wrapper wrapper;
	struct leat_source source;
	struct leat_sink sink;

	leat_to_nothing(&sink);
	leat_from_memory(&source, "abc", 3);
	leat_wrap(&source, leat_wrapper_init(&wrapper, &wraps));
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), -EINVAL);
	leat_from_callback(&source, &reads, NULL);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), -EINVAL);
	leat_from_memory(&source, "abc", 3);
	leat_to_callback(&sink, &writes, NULL);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), -EINVAL);
}

/* Sizes of anything from a byte to everything are taken as far as they go. */
static void options_of_any_size(void)
{
	static const uint64_t sizes[] = { 1, 2, 4095, UINT32_MAX, INT64_MAX, UINT64_MAX };

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct leat_options options = { .step_bytes = sizes[i], .step_ns = sizes[i], .pipe_bytes = sizes[i],
						.routes_off = ~0U };
		struct lab_source from;
		struct lab_sink to;

		options.buffer_bytes = sizes[i] < 5000 ? sizes[i] : 0;	/* a larger one would be had, and is a matter of memory */
		for (int way = 0; way < 3; way++) {
			lab_source_open(&from, way ? LAB_TCP : LAB_FILE, 5000);
			lab_sink_open(&to, LAB_UNIX, 5001);
			options.routes_off = way == 1 ? ~0U : 0;
			options.policy = way == 2 ? LEAT_REQUIRE : LEAT_AUTO;
			CHECK_EQ(leat_copy(&to.sink, &from.source, &options, NULL), 5000);
			lab_sink_finish(&to);
			lab_arrived(&to, 5000);
			lab_source_close(&from);
			lab_sink_close(&to);
		}
	}
}

/* Copy cannot be switched off, nor memory: that is what policy require is for. */
static void copy_is_not_switched_off(void)
{
	struct leat_options options = { .routes_off = ~0U };
	struct leat_source source;
	struct lab_sink to;
	int file = lab_file(5000);

	for (int i = 0; i < 2; i++) {
		options.policy = i ? LEAT_REQUIRE : LEAT_AUTO;
		lab_sink_open(&to, LAB_TCP, 5001);
		leat_from_file(&source, file, 0);
		CHECK_EQ(leat_copy(&to.sink, &source, &options, &report), i ? LEAT_EREFUSED : 5000);
		CHECK_EQ(report.refused[LEAT_ROUTE_SENDFILE], LEAT_DISABLED_BY_USER);
		CHECK_EQ(report.refused[LEAT_ROUTE_COPY], i ? LEAT_DISABLED_BY_USER : LEAT_OK);
		lab_sink_finish(&to);
		lab_arrived(&to, i ? 0 : 5000);
		lab_sink_close(&to);
		leat_close(&source);
	}
	close(file);
}

/* A plan changes neither end: what is made of the descriptor after it is what the begin finds. */
static void a_plan_keeps_nothing(void)
{
	for (int i = 0; i < 4; i++) {
		bool other = i & 1, viewed = i & 2;
		struct leat_source source, before;
		struct leat_sink sink, out, sink_before;
		struct leat_transfer transfer;
		int from[2], to[2];

		lab_pair(LAB_UNIX, from);
		lab_pair(LAB_PIPE, to);
		leat_from_fd(&source, from[0]);
		leat_to_fd(&sink, to[1]);
		if (viewed)
			leat_to_sink(&out, &sink);
		before = source;
		sink_before = sink;
		CHECK_EQ(leat_plan(viewed ? &out : &sink, &source, NULL, &report), 0);
		CHECK_EQ(report.route, LEAT_ROUTE_SPLICE);
		CHECK_BYTES(&source, &before, sizeof source);
		CHECK_BYTES(&sink, &sink_before, sizeof sink);
		if (!other)
			CHECK_CALL(fcntl(from[0], F_SETFL, O_NONBLOCK));
		CHECK_CALL(fcntl(to[1], F_SETFL, O_NONBLOCK));
		CHECK_EQ(leat_begin(&transfer, viewed ? &out : &sink, &source, NULL), other ? LEAT_EBLOCKING : 0);
		CHECK_EQ(leat_end(&transfer, &report), other ? -EINVAL : -ECANCELED);
		CHECK_EQ(report.side, other ? LEAT_SIDE_SOURCE : LEAT_SIDE_CALLER);
		leat_close(&source);
		if (viewed)
			leat_close_sink(&out);
		leat_close_sink(&sink);
		for (int end = 0; end < 2; end++) {
			close(from[end]);
			close(to[end]);
		}
	}
}

/* SIGXFSZ is the host's: at its default it ends the process here as it would in write(2). */
static void the_file_size_signal_is_left_alone(void)
{
	static const unsigned char too_long[200000];
	pid_t child;
	int status;

	fflush(stdout);
	child = CHECK_CALL(fork());
	if (!child) {
		struct leat_sink sink;
		struct leat_source source;

		CHECK_CALL(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100000, RLIM_INFINITY }));
		leat_from_memory(&source, too_long, sizeof too_long);
		leat_to_fd(&sink, lab_empty_file());
		leat_copy(&sink, &source, NULL, NULL);
		_exit(0);
	}
	CHECK_CALL(waitpid(child, &status, 0));
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGXFSZ);
}

/* ---- numbers of things ----------------------------------------------------------------------------------------------------- */

#define MANY 70000

static struct leat_count counts[MANY];
static int64_t moved;

static void *copy_through_many(void *arg)
{
	struct leat_source source;
	struct leat_sink sink;
	struct leat_frame frames[2];

	leat_from_memory(&source, arg, 100);
	leat_to_nothing(&sink);
	for (int i = 0; i < MANY; i++) {
		if (i % (MANY / 2) == 0)
			leat_wrap(&source, leat_chunked_init(&frames[i > 0], 10));
		leat_wrap(&source, leat_count_init(&counts[i]));
	}
	moved = leat_copy(&sink, &source, NULL, &report);
	leat_close(&source);
	return NULL;
}

/* On a stack of a coroutine's size. */
static void more_wrappers_than_a_stack_has_room_for(void)
{
	static char bytes[100];
	pthread_attr_t attr;
	pthread_t thread;

	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstacksize(&attr, 256 << 10), 0);
	CHECK_EQ(pthread_create(&thread, &attr, copy_through_many, bytes), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	CHECK_EQ(report.wrappers, UINT16_MAX);
	CHECK_EQ(counts[0].bytes, 155);	/* ten of 10, in "a", line ends twice each, and the last chunk */
	CHECK_EQ(counts[MANY - 1].bytes, moved);
}

static int pass_on(struct leat_wrapper *wrapper, struct leat_change *change)
{
	(void)wrapper;
	change->consumed = change->produced = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;
	if (change->consumed)
		memcpy(change->out, change->in, change->consumed);
	return change->last && change->consumed == change->in_bytes ? LEAT_END : 0;
}

static void more_changers_than_are_counted(void)
{
	static const struct leat_wrapper_ops changer = { .name = "same", .need = LEAT_NEED_CHANGE, .change = pass_on };

	for (int n = 255; n <= 257; n++) {
		struct leat_wrapper wrappers[257];
		struct leat_source source;
		struct leat_sink sink;
		unsigned char got[3];

		leat_from_memory(&source, "abc", 3);
		leat_to_memory(&sink, got, 3);
		for (int i = 0; i < n; i++)
			leat_wrap(&source, leat_wrapper_init(&wrappers[i], &changer));
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), n > 255 ? -E2BIG : 3);
		if (n <= 255)
			CHECK_BYTES(got, "abc", 3);
		leat_close(&source);
		leat_close_sink(&sink);
	}
}

/* Each in the next: a queue that is in nothing need not be looked for in all the others. */
static void queues_as_deep_as_memory(void)
{
	struct leat_queue *queues = calloc(MANY, sizeof *queues);
	struct leat_source *sources = calloc(MANY + 1, sizeof *sources);
	struct leat_sink sink;

	CHECK(queues && sources);
	leat_from_memory(&sources[0], "abc", 3);
	for (int i = 0; i < MANY; i++) {
		leat_queue_init(&queues[i]);
		CHECK_EQ(leat_queue_add(&queues[i], &sources[i]), 0);
		leat_queue_end(&queues[i]);
		leat_from_queue(&sources[i + 1], &queues[i]);
	}
	leat_to_nothing(&sink);
	CHECK_EQ(leat_plan(&sink, &sources[MANY], NULL, NULL), 0);
	for (int i = MANY; i >= 0; i--)
		leat_close(&sources[i]);
	free(queues);
	free(sources);
}

static const struct test tests[] = {
	TEST(options_that_are_none),
	TEST(ops_of_a_later_version),
	TEST(options_of_any_size),
	TEST(copy_is_not_switched_off),
	TEST(a_plan_keeps_nothing),
	TEST(the_file_size_signal_is_left_alone),
	TEST(more_wrappers_than_a_stack_has_room_for),
	TEST(more_changers_than_are_counted),
	TEST(queues_as_deep_as_memory),
};
TEST_MAIN(tests)
