/* SPDX-License-Identifier: MIT */
/*
 * Callbacks that break their contract, one by one: the transfer ends with an error, names the culprit, and what the sink has
 * accepted until then is right and counted. Errors that callbacks return are handed through as they are.
 */
#include "lab.h"

#include <limits.h>

#define BYTES 100000
#define AFTER 40000	/* bytes that go well first */

static unsigned char pattern[BYTES];
static struct leat_report report;

/* What a callback does once AFTER bytes have gone well. */
static struct {
	int64_t value;		/* returned */
	size_t first, second;	/* consumed and produced, or lengths of a frame */
	unsigned calls;
	uint64_t well;		/* bytes that a changer passed on */
} bad;

static void start(void)
{
	lab_fill(pattern, 0, sizeof pattern);
	memset(&bad, 0, sizeof bad);
}

static void check_failed(int64_t n, int error, enum leat_side side, const char *culprit, uint64_t bytes)
{
	CHECK_EQ(n, error);
	CHECK_EQ(report.error, error);
	CHECK_EQ(report.side, side);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_STR(report.culprit ? report.culprit : "nobody", culprit);
	CHECK_EQ(report.bytes, bytes);
}

/* ---- ends made of callbacks ------------------------------------------------------------------------------------------- */

static uint64_t given, taken;

static int64_t bad_read(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	size_t n = AFTER - given < bytes ? AFTER - given : bytes;

	(void)arg;
	wait->fd = bad.second ? (int)bad.second : -1;
	wait->events = POLLIN;
	if (given == AFTER) {
		bad.calls++;
		return bad.value == INT64_MAX ? (int64_t)bytes + 1 : bad.value;
	}
	lab_fill(buffer, given, n);
	given += n;
	return (int64_t)n;
}

static int64_t bad_write(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait)
{
	size_t n = AFTER - taken < bytes ? AFTER - taken : bytes;

	(void)arg;
	(void)more;
	wait->fd = bad.second ? (int)bad.second : -1;
	wait->events = POLLOUT;
	if (taken == AFTER) {
		bad.calls++;
		return bad.value == INT64_MAX ? (int64_t)bytes + 1 : bad.value;
	}
	CHECK(lab_differs(buffer, taken, n) < 0);
	taken += n;
	return (int64_t)n;
}

static const struct leat_source_ops bad_source = { .name = "bad source", .read = bad_read };
static const struct leat_sink_ops bad_sink = { .name = "bad sink", .write = bad_write };

static int64_t from_bad_source(void)
{
	unsigned char got[BYTES];
	struct leat_source source;
	struct leat_sink sink;
	int64_t n;

	given = 0;
	leat_from_callback(&source, &bad_source, NULL);
	leat_to_memory(&sink, got, sizeof got);
	n = leat_copy(&sink, &source, NULL, &report);
	CHECK(lab_differs(got, 0, report.bytes) < 0);
	leat_close(&source);
	leat_close_sink(&sink);
	return n;
}

static int64_t to_bad_sink(void)
{
	struct leat_source source;
	struct leat_sink sink;
	unsigned char rest[BYTES];
	int64_t n;

	taken = 0;
	leat_from_memory(&source, pattern, sizeof pattern);
	leat_to_callback(&sink, &bad_sink, NULL);
	n = leat_copy(&sink, &source, NULL, &report);
	CHECK_EQ(leat_read(&source, rest, sizeof rest, NULL), (int64_t)(BYTES - report.bytes));
	CHECK(lab_differs(rest, report.bytes, BYTES - report.bytes) < 0);
	leat_close(&source);
	leat_close_sink(&sink);
	return n;
}

/* INT64_MAX stands for one more than was asked for. */
static const int64_t broken[] = {
	INT64_MAX, INT64_MAX - 1, INT64_MIN, (int64_t)INT_MIN - 1, -(INT64_C(1) << 32), 1 - (INT64_C(1) << 32),
};

static void ends_that_return_nonsense(void)
{
	for (unsigned i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		start();
		bad.value = broken[i];
		check_failed(from_bad_source(), LEAT_ECONTRACT, LEAT_SIDE_SOURCE, "bad source", AFTER);
		check_failed(to_bad_sink(), LEAT_ECONTRACT, LEAT_SIDE_SINK, "bad sink", AFTER);
		CHECK_EQ(bad.calls, 2);
	}
}

/* Nothing taken and no error is no answer; nothing given is the end. */
static void zero_from_a_sink_is_nonsense(void)
{
	start();
	check_failed(to_bad_sink(), LEAT_ECONTRACT, LEAT_SIDE_SINK, "bad sink", AFTER);
	CHECK_EQ(from_bad_source(), AFTER);
}

static void errors_of_ends_are_handed_through(void)
{
	static const int errors[] = { -EIO, -EPROTO, LEAT_ESHORT, -9999, INT_MIN, -ECONNRESET };

	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		start();
		bad.value = errors[i];
		check_failed(from_bad_source(), errors[i], LEAT_SIDE_SOURCE, "nobody", AFTER);
		check_failed(to_bad_sink(), errors[i], LEAT_SIDE_SINK, "nobody", AFTER);
	}
}

/* leat_copy must neither sleep for ever on nothing nor spin on a descriptor that is none. */
static void waiting_for_nothing_is_stuck(void)
{
	start();
	bad.value = -EAGAIN;
	CHECK_EQ(from_bad_source(), LEAT_ESTUCK);
	CHECK_EQ(report.bytes, AFTER);
	CHECK_EQ(to_bad_sink(), LEAT_ESTUCK);
	CHECK_EQ(report.bytes, AFTER);
	CHECK_EQ(bad.calls, 2);
	bad.second = 1 << 30;		/* no such descriptor */
	CHECK_EQ(from_bad_source(), -EBADF);
	CHECK_EQ(report.bytes, AFTER);
	CHECK_EQ(to_bad_sink(), -EBADF);
	CHECK_LE(bad.calls, 6);
}

/* ---- wrappers ----------------------------------------------------------------------------------------------------------- */

static int bad_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	if (wrapper->passed_bytes < AFTER) {
		budget->bytes = budget->bytes < AFTER - wrapper->passed_bytes ? budget->bytes : AFTER - wrapper->passed_bytes;
		return 0;
	}
	bad.calls++;
	if (bad.first)
		budget->bytes = bad.first;	/* raised */
	return (int)bad.value;
}

static int bad_see(struct leat_wrapper *wrapper, const void *bytes, size_t length)
{
	CHECK(lab_differs(bytes, wrapper->passed_bytes, length) < 0);
	return wrapper->passed_bytes + length >= AFTER ? (int)bad.value : 0;
}

static int bad_change(struct leat_wrapper *wrapper, struct leat_change *change)
{
	size_t n = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;

	(void)wrapper;
	if (bad.well >= AFTER / 2 || change->last) {
		bad.calls++;
		change->consumed = bad.first == SIZE_MAX ? change->in_bytes + 1 : bad.first;
		change->produced = bad.second == SIZE_MAX ? change->out_bytes + 1 : bad.second;
		return (int)bad.value;
	}
	n = n < 10000 ? n : 10000;
	memcpy(change->out, change->in, n);
	change->consumed = change->produced = n;
	bad.well += n;
	return 0;
}

static int bad_finish(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	(void)wrapper;
	(void)budget;
	return (int)bad.value;
}

static const struct leat_wrapper_ops allow_ops = { .name = "bad allow", .allow = bad_allow };
static const struct leat_wrapper_ops see_ops = { .name = "bad see", .need = LEAT_NEED_CONTENT, .see = bad_see };
static const struct leat_wrapper_ops change_ops = { .name = "bad change", .need = LEAT_NEED_CHANGE, .change = bad_change };
static const struct leat_wrapper_ops finish_ops = { .name = "bad finish", .finish = bad_finish };

static int64_t through(struct leat_wrapper *wrapper, bool at_the_sink)
{
	unsigned char got[2 * BYTES];
	struct leat_source source;
	struct leat_sink sink;
	struct leat_count count;
	int64_t n;

	leat_from_memory(&source, pattern, sizeof pattern);
	leat_to_memory(&sink, got, sizeof got);
	leat_wrap(&source, leat_count_init(&count));
	if (at_the_sink)
		leat_wrap_sink(&sink, wrapper);
	else
		leat_wrap(&source, wrapper);
	n = leat_copy(&sink, &source, NULL, &report);
	if (wrapper->ops != &change_ops) {
		CHECK_EQ(count.bytes, report.source_bytes);
		CHECK(report.source_bytes != report.bytes || lab_differs(got, 0, report.bytes) < 0);
	}
	leat_close(&source);
	leat_close_sink(&sink);
	return n;
}

static void allow_that_returns_nonsense(void)
{
	static const int answers[] = { 2 /* LEAT_AGAIN */, 4, 1000, INT_MAX };
	struct leat_wrapper wrapper;

	for (unsigned i = 0; i < 2 * sizeof answers / sizeof answers[0]; i++) {
		start();
		bad.value = answers[i / 2];
		check_failed(through(leat_wrapper_init(&wrapper, &allow_ops), i % 2), LEAT_ECONTRACT, LEAT_SIDE_WRAPPER,
			     "bad allow", AFTER);
	}
}

static void finish_that_returns_nonsense(void)
{
	static const int answers[] = { 2 /* LEAT_AGAIN */, LEAT_END, 1000, INT_MAX };
	struct leat_wrapper wrapper;

	for (unsigned i = 0; i < 2 * sizeof answers / sizeof answers[0]; i++) {
		start();
		bad.value = answers[i / 2];
		check_failed(through(leat_wrapper_init(&wrapper, &finish_ops), i % 2), LEAT_ECONTRACT, LEAT_SIDE_WRAPPER,
			     "bad finish", BYTES);
	}
}

static void a_raised_budget_raises_nothing(void)
{
	static const size_t budgets[] = { SIZE_MAX, (size_t)-5, BYTES * 10 };
	struct leat_wrapper wrapper;

	for (unsigned i = 0; i < 2 * sizeof budgets / sizeof budgets[0]; i++) {
		start();
		bad.first = budgets[i / 2];
		CHECK_EQ(through(leat_wrapper_init(&wrapper, &allow_ops), i % 2), BYTES);
		CHECK(bad.calls > 0);
	}
}

static void wrappers_that_fail(void)
{
	static const struct leat_wrapper_ops *const ops[] = { &allow_ops, &see_ops, &finish_ops };
	struct leat_wrapper wrapper;

	for (unsigned i = 0; i < 6; i++) {
		uint64_t bytes = ops[i / 2] == &finish_ops || ops[i / 2] == &see_ops ? BYTES : AFTER;

		start();
		bad.value = -ENOTRECOVERABLE;
		check_failed(through(leat_wrapper_init(&wrapper, ops[i / 2]), i % 2), -ENOTRECOVERABLE, LEAT_SIDE_WRAPPER,
			     ops[i / 2]->name, bytes);
	}
}

/* Waiting for nothing and no time, in leat_copy. */
static void allow_that_waits_for_nothing(void)
{
	struct leat_wrapper wrapper;

	start();
	bad.value = LEAT_WAIT;
	CHECK_EQ(through(leat_wrapper_init(&wrapper, &allow_ops), false), LEAT_ESTUCK);
	CHECK_EQ(report.bytes, AFTER);
	start();
	bad.value = LEAT_WAIT;
	CHECK_EQ(through(leat_wrapper_init(&wrapper, &finish_ops), false), LEAT_ESTUCK);
	CHECK_EQ(report.bytes, BYTES);
}

static void changers_that_break_their_word(void)
{
	static const struct {
		size_t consumed, produced;
		int value;
	} rows[] = {
		{ SIZE_MAX, 1, 0 },		/* more than there was */
		{ 1, SIZE_MAX, 0 },		/* more than there was room for */
		{ SIZE_MAX, SIZE_MAX, 0 },
		{ 0, 0, 0 },			/* nothing at all: it would be asked for ever */
		{ 5, 5, LEAT_END },		/* the end, although more follows */
		{ 1, 1, 17 },			/* no such answer */
	};
	struct leat_wrapper wrapper;

	for (unsigned i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		int64_t n;

		start();
		bad.first = rows[i / 2].consumed;
		bad.second = rows[i / 2].produced;
		bad.value = rows[i / 2].value;
		n = through(leat_wrapper_init(&wrapper, &change_ops), i % 2);
		CHECK_EQ(bad.calls, 1);
		check_failed(n, LEAT_ECONTRACT, LEAT_SIDE_WRAPPER, "bad change", AFTER / 2);
	}
	start();
	bad.value = -EBADMSG;
	check_failed(through(leat_wrapper_init(&wrapper, &change_ops), false), -EBADMSG, LEAT_SIDE_WRAPPER, "bad change",
		     AFTER / 2);
}

/* A changer swallows what a wrapper above it has to see; that one's error is its own. */
static int swallow(struct leat_wrapper *wrapper, struct leat_change *change)
{
	(void)wrapper;
	change->consumed = change->in_bytes;
	return change->last ? LEAT_END : 0;
}

static void the_culprit_is_who_failed(void)
{
	static const struct leat_wrapper_ops swallow_ops = { .name = "swallow", .need = LEAT_NEED_CHANGE, .change = swallow };
	struct leat_wrapper see, changer;
	struct leat_source source;
	struct leat_sink sink;

	start();
	bad.value = -EILSEQ;
	leat_from_memory(&source, pattern, sizeof pattern);
	leat_wrap(&source, leat_wrapper_init(&see, &see_ops));
	leat_wrap(&source, leat_wrapper_init(&changer, &swallow_ops));
	leat_to_nothing(&sink);
	check_failed(leat_copy(&sink, &source, NULL, &report), -EILSEQ, LEAT_SIDE_WRAPPER, "bad see", 0);
	leat_close(&source);
	leat_close_sink(&sink);
}

/* ---- frames ------------------------------------------------------------------------------------------------------------- */

static size_t bad_before(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	(void)frame;
	(void)bytes;
	memset(out, '<', LEAT_FRAME_BYTES);
	return bad.first;
}

static size_t bad_after(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	(void)frame;
	(void)bytes;
	memset(out, '>', LEAT_FRAME_BYTES);
	return bad.second;
}

static size_t bad_end(struct leat_frame *frame, unsigned char out[LEAT_FRAME_BYTES])
{
	(void)frame;
	memset(out, '.', LEAT_FRAME_BYTES);
	return (size_t)bad.value;
}

static const struct leat_frame_ops bad_frame = { .name = "bad frame", .before = bad_before, .after = bad_after, .finish = bad_end };

static void frame_fails(bool at_the_sink, uint64_t bytes)
{
	struct leat_frame frame;

	check_failed(through(leat_frame_init(&frame, &bad_frame, 0), at_the_sink), LEAT_ECONTRACT, LEAT_SIDE_WRAPPER, "bad frame",
		     bytes);
}

static void frames_of_more_than_forty_bytes(void)
{
	static const size_t lengths[] = { LEAT_FRAME_BYTES + 1, 256, 296, SIZE_MAX };
	struct leat_frame frame;

	for (unsigned i = 0; i < 2 * sizeof lengths / sizeof lengths[0]; i++) {
		start();
		bad.first = lengths[i / 2];
		frame_fails(i % 2, 0);
		start();
		bad.second = lengths[i / 2];
		frame_fails(i % 2, 0);
		start();
		bad.value = (int64_t)lengths[i / 2];
		frame_fails(i % 2, BYTES);
		start();
		bad.first = bad.second = LEAT_FRAME_BYTES;	/* just so much is fine */
		bad.value = LEAT_FRAME_BYTES;
		CHECK_EQ(through(leat_frame_init(&frame, &bad_frame, 0), i % 2), BYTES + 3 * LEAT_FRAME_BYTES);
	}
}

static const struct test tests[] = {
	TEST(ends_that_return_nonsense),
	TEST(zero_from_a_sink_is_nonsense),
	TEST(errors_of_ends_are_handed_through),
	TEST(waiting_for_nothing_is_stuck),
	TEST(allow_that_returns_nonsense),
	TEST(finish_that_returns_nonsense),
	TEST(a_raised_budget_raises_nothing),
	TEST(wrappers_that_fail),
	TEST(allow_that_waits_for_nothing),
	TEST(changers_that_break_their_word),
	TEST(the_culprit_is_who_failed),
	TEST(frames_of_more_than_forty_bytes),
};
TEST_MAIN(tests)
