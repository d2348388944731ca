/* SPDX-License-Identifier: MIT */
/* How parts of a queue end otherwise: failure, cancel, a limit, close; and what an empty or a nested queue does. */
#include <fcntl.h>

#include "parts.h"
#include "tap.h"
#include "step.h"

#define SIZE 300000

static const unsigned char *content;
static struct part parts[8];
static struct leat_queue queue;
static struct leat_source source;

static void begin_test(const char *name)
{
	ends_alarm(20, name);
	content = ends_content(10 * SIZE);
	parts_released = 0;
	memset(parts, 0, sizeof parts);
	leat_queue_init(&queue);
}

static void make_parts(unsigned count, uint64_t size)
{
	for (unsigned i = 0; i < count; i++) {
		part_file(&parts[i], content + i * size, size);
		CHECK_EQ(leat_queue_add(&queue, &parts[i].source), 0);
	}
	leat_from_queue(&source, &queue);
}

static void a_failure_ends_its_part_only(void)
{
	struct leat_report report;

	begin_test(__func__);
	make_parts(4, SIZE);
	leat_queue_end(&queue);
	tap_open(SIZE + 12345, -EPIPE);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), -EPIPE);
	CHECK_EQ(report.bytes, SIZE + 12345u);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_COPY);
	CHECK_EQ(parts[1].released, 1u);
	CHECK_EQ(parts[1].order, 2u);
	CHECK_EQ(parts[1].report.error, -EPIPE);
	CHECK_EQ(parts[1].report.bytes, 12345u);
	CHECK_EQ(parts[1].report.side, LEAT_SIDE_SINK);
	CHECK_EQ(parts[1].report.ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_EQ(parts[1].count.bytes, 12345u);
	CHECK_EQ(parts[2].released + parts[3].released, 0u);
	leat_close(&source);
	for (unsigned i = 2; i < 4; i++) {
		CHECK_EQ(parts[i].released, 1u);
		CHECK_EQ(parts[i].order, i + 1);
		CHECK_EQ(parts[i].report.error, -ECANCELED);
		CHECK_EQ(parts[i].report.bytes, 0u);
	}
	leat_close_sink(&tap.sink);
}

static void a_dead_peer_ends_its_part_only(void)
{
	struct leat_report report;
	struct leat_sink sink;
	char buffer[4096];
	int pair[2];
	int64_t r;

	begin_test(__func__);
	make_parts(5, SIZE);
	leat_queue_end(&queue);
	ends_pair(true, pair);
	ends_nonblock(pair[0], true);
	leat_to_fd(&sink, pair[0]);
	CHECK_EQ(write(pair[1], "x", 1), 1);
	CHECK_EQ(read(pair[0], buffer, 1), 1);
	close(pair[1]);		/* with its receive buffer empty: writes get a reset */
	r = leat_copy(&sink, &source, NULL, &report);
	CHECK(r == -EPIPE || r == -ECONNRESET);
	CHECK_EQ(report.error, r);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	leat_close(&source);
	CHECK_EQ(parts_released, 5u);
	for (unsigned i = 0, failed = 0; i < 5; i++) {
		CHECK_EQ(parts[i].released, 1u);
		CHECK_EQ(parts[i].order, i + 1);
		CHECK_EQ(parts[i].report.error, failed ? -ECANCELED : parts[i].report.bytes == SIZE ? 0 : r);
		failed += parts[i].report.error != 0;
	}
	close(pair[0]);
}

static void a_part_that_cannot_begin_says_so_itself(void)
{
	struct leat_report report;

	begin_test(__func__);
	make_parts(3, SIZE);
	leat_queue_end(&queue);
	close(parts[1].fd);
	tap_open(10 * SIZE, -EPIPE);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), -EBADF);
	CHECK_EQ(report.bytes, SIZE);
	CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_COPY);
	parts[1].fd = -1;
	leat_close(&source);
	CHECK_EQ(parts[1].released, 1u);
	CHECK_EQ(parts[1].report.error, -EBADF);
	CHECK_EQ(parts[1].report.bytes, 0u);
	CHECK_EQ(parts[2].released, 1u);
}

static void a_short_part_is_an_error_of_its_own(void)
{
	struct leat_report report;

	begin_test(__func__);
	make_parts(1, SIZE);
	part_memory(&parts[2], content, 10);
	leat_from_range(&parts[1].source, ends_file_with(content + SIZE, 1000, O_RDONLY), 0, 1001);
	part_ready(&parts[1], parts[1].source.fd);
	leat_queue_add(&queue, &parts[1].source);
	leat_queue_add(&queue, &parts[2].source);
	leat_queue_end(&queue);
	tap_open(10 * SIZE, -EPIPE);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), LEAT_ESHORT);
	CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
	CHECK_EQ(report.bytes, SIZE + 1000u);
	leat_close(&source);
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_COPY);
	CHECK_EQ(parts[1].report.error, LEAT_ESHORT);
	CHECK_EQ(parts[1].report.bytes, 1000u);
	CHECK_EQ(parts[1].report.noted, LEAT_SOURCE_SHORT);
	CHECK_EQ(parts[2].released, 1u);
}

/* Steps until the tap is full and waits. */
static void step_until_full(struct leat_transfer *t)
{
	int r;

	CHECK_EQ(leat_begin(t, &tap.sink, &source, NULL), 0);
	r = step_on(t);
	CHECK_EQ(r, LEAT_WAIT);
	CHECK_EQ(tap.at, tap.most);
}

static void a_cancelled_part_goes_on_later(void)
{
	struct leat_transfer t;
	struct leat_report report;

	begin_test(__func__);
	make_parts(3, SIZE);
	leat_queue_end(&queue);
	tap_open(SIZE + 777, -EAGAIN);
	step_until_full(&t);
	CHECK_EQ(leat_end(&t, &report), -ECANCELED);
	CHECK_EQ(report.bytes, SIZE + 777u);
	CHECK_EQ(parts_released, 1u);
	tap.most = 2 * SIZE - 1;
	step_until_full(&t);
	CHECK_EQ(leat_end(&t, &report), -ECANCELED);
	CHECK_EQ(report.bytes, SIZE - 778u);
	CHECK_EQ(parts_released, 1u);
	tap.most = 10 * SIZE;
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), SIZE + 1);
	for (unsigned i = 0; i < 3; i++)
		part_check(&parts[i], i + 1, SIZE, LEAT_ROUTE_COPY);
	leat_close(&source);
	CHECK_EQ(parts_released, 3u);
	CHECK_BYTES(tap.got, content, 3 * SIZE);
	leat_close_sink(&tap.sink);
}

/* The whole of a part's own report, as when it had ended. */
static void check_cancelled(const struct part *part, enum leat_route route, enum leat_kind sink)
{
	CHECK_EQ(part->released, 1u);
	CHECK_EQ(part->report.error, -ECANCELED);
	CHECK_EQ(part->report.ended_by, LEAT_ENDED_BY_CANCEL);
	CHECK_EQ(part->report.side, LEAT_SIDE_CALLER);
	CHECK(!part->report.culprit);
	CHECK_EQ(part->report.route, route);
	CHECK_EQ(part->report.source_kind, LEAT_KIND_FILE);
	CHECK_EQ(part->report.sink_kind, sink);
	CHECK_GE(part->report.end_ns, part->report.begin_ns);
	CHECK_GE(part->report.begin_ns, 1u);
}

static void a_cancelled_part_that_is_closed_tells_its_bytes(void)
{
	struct leat_transfer t;
	struct leat_report report;

	begin_test(__func__);
	make_parts(3, SIZE);
	tap_open(SIZE + 777, -EAGAIN);
	step_until_full(&t);
	CHECK_EQ(leat_end(&t, &report), -ECANCELED);
	leat_close(&source);
	CHECK_EQ(parts_released, 3u);
	CHECK_EQ(parts[1].order, 2u);
	CHECK_EQ(parts[1].report.bytes, 777u);
	check_cancelled(&parts[1], LEAT_ROUTE_COPY, LEAT_KIND_CALLBACK);
	CHECK_EQ(parts[1].report.begin_ns >= report.begin_ns && parts[1].report.end_ns == report.end_ns, 1);
	CHECK_EQ(parts[1].report.wrappers, 1u);
	CHECK_EQ(parts[2].report.bytes, 0u);
	CHECK_EQ(parts[2].report.error, -ECANCELED);
	CHECK_EQ(parts[2].report.side, LEAT_SIDE_CALLER);
	leat_close_sink(&tap.sink);
}

/* Cancelled twice, by another route each time, and closed: its report is of both runs. */
static void a_part_cancelled_twice_tells_of_both(void)
{
	struct leat_options options = { .step_bytes = 20000 };
	struct leat_transfer t;
	struct leat_report first, second;
	struct leat_sink sink;
	int fds[2];

	begin_test(__func__);
	make_parts(2, SIZE);
	tap_open(777, -EAGAIN);
	step_until_full(&t);
	CHECK_EQ(leat_end(&t, &first), -ECANCELED);
	ends_pair(true, fds);
	ends_nonblock(fds[0], true);
	leat_to_fd(&sink, fds[0]);
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK(leat_step(&t) > 0);
	CHECK_EQ(leat_end(&t, &second), -ECANCELED);
	CHECK_GE(second.bytes, 1000u);
	CHECK_EQ(second.side, LEAT_SIDE_CALLER);
	CHECK_EQ(parts_released, 0u);
	leat_close(&source);
	CHECK_EQ(parts_released, 2u);
	check_cancelled(&parts[0], LEAT_ROUTE_SENDFILE, LEAT_KIND_TCP);
	CHECK_EQ(parts[0].report.bytes, 777 + second.bytes);
	CHECK_EQ(parts[0].report.route_bytes[LEAT_ROUTE_COPY], 777u);
	CHECK_EQ(parts[0].report.route_bytes[LEAT_ROUTE_SENDFILE], second.bytes);
	CHECK_EQ(parts[0].report.begin_ns, first.begin_ns);
	CHECK_EQ(parts[0].report.end_ns, second.end_ns);
	leat_close_sink(&tap.sink);
	leat_close_sink(&sink);
	close(fds[0]);
	close(fds[1]);
}

/* A limit on the sink ends the transfer well inside a part; the part goes on in the next one. */
static void a_part_cut_by_a_limit_goes_on_later(void)
{
	struct leat_report report;
	struct leat_limit limit;

	begin_test(__func__);
	make_parts(3, SIZE);
	leat_queue_end(&queue);
	tap_open(10 * SIZE, -EPIPE);
	leat_wrap_sink(&tap.sink, leat_limit_init(&limit, SIZE + 555));
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), SIZE + 555);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_WRAPPER);
	CHECK_EQ(parts_released, 1u);
	leat_close_sink(&tap.sink);
	tap.then = 0;
	leat_to_callback(&tap.sink, &tap_ops, NULL);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), 2 * SIZE - 555);
	leat_close(&source);
	for (unsigned i = 0; i < 3; i++)
		part_check(&parts[i], i + 1, SIZE, LEAT_ROUTE_COPY);
	CHECK_BYTES(tap.got, content, 3 * SIZE);
	leat_close_sink(&tap.sink);
}

/* What a wrapper of the part promises is asked for when the part is over, not when somebody else cuts it. */
static void a_cut_part_is_not_finished(void)
{
	struct leat_report report;
	struct leat_limit limit, exact;
	struct leat_xxh3 hash, whole;
	struct leat_source memory;

	begin_test(__func__);
	make_parts(2, SIZE);
	leat_queue_end(&queue);
	leat_wrap(&parts[0].source, leat_limit_init_exact(&exact, SIZE));
	leat_wrap(&parts[0].source, leat_xxh3_init(&hash));
	tap_open(10 * SIZE, -EPIPE);
	for (unsigned i = 0; i < 3; i++) {
		leat_wrap_sink(&tap.sink, leat_limit_init(&limit, SIZE / 4));
		CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), SIZE / 4);
		CHECK_EQ(parts_released, 0u);
		leat_close_sink(&tap.sink);
		leat_to_callback(&tap.sink, &tap_ops, NULL);
	}
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), 2 * SIZE - 3 * (SIZE / 4));
	CHECK_EQ(parts[0].report.bytes, SIZE);
	CHECK_EQ(parts[0].report.error, 0);
	leat_from_memory(&memory, content, SIZE);
	leat_wrap(&memory, leat_xxh3_init(&whole));
	leat_close_sink(&tap.sink);
	leat_to_nothing(&tap.sink);
	CHECK_EQ(leat_copy(&tap.sink, &memory, NULL, NULL), SIZE);
	CHECK(leat_xxh3_result(&hash) == leat_xxh3_result(&whole));
	leat_close(&memory);
	leat_close(&source);
	leat_close_sink(&tap.sink);
}

/* A limit of the part's own ends the part, not the queue. */
static void a_limit_on_a_part_ends_the_part(void)
{
	struct leat_limit limits[3];
	struct leat_report report;

	begin_test(__func__);
	make_parts(3, SIZE);
	for (unsigned i = 0; i < 3; i++)
		leat_wrap(&parts[i].source, leat_limit_init(&limits[i], i * 1000));
	leat_queue_end(&queue);
	tap_open(10 * SIZE, -EPIPE);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), 3000);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_SOURCE);
	for (unsigned i = 0; i < 3; i++) {
		part_check(&parts[i], i + 1, i * 1000, LEAT_ROUTE_COPY);
		CHECK_EQ(parts[i].report.ended_by, LEAT_ENDED_BY_WRAPPER);
		CHECK_STR(parts[i].report.culprit, "limit");
	}
	CHECK_BYTES(tap.got, content + SIZE, 1000);
	CHECK_BYTES(tap.got + 1000, content + 2 * SIZE, 2000);
	leat_close(&source);
	leat_close_sink(&tap.sink);
}

/* ---- An open queue with nothing in it ---- */

static uint64_t test_ns;

static uint64_t test_clock(void *arg)
{
	return test_ns;
}

static void expect_wait_for_caller(struct leat_transfer *t)
{
	struct leat_wait wait;

	CHECK_EQ(step_on(t), LEAT_WAIT);
	leat_wants(t, &wait);
	CHECK_EQ(wait.fds[0].fd, -1);
	CHECK_EQ(wait.fds[1].events, 0);	/* at most: is the peer still there */
	CHECK_EQ(wait.fds[2].fd, -1);
	CHECK_EQ(wait.wake_at_ns, LEAT_NEVER);
	CHECK_EQ(leat_wait_ms(&wait, test_ns), -1);
}

static void an_empty_queue_waits_and_time_stands_still(void)
{
	struct leat_options options = { .clock_ns = test_clock };
	struct leat_deadline of_source, of_sink;
	struct leat_transfer t;
	struct leat_report report;

	begin_test(__func__);
	test_ns = 5 * LEAT_SECOND;
	leat_from_queue(&source, &queue);
	tap_open(10 * SIZE, -EPIPE);
	leat_wrap(&source, leat_deadline_init(&of_source, LEAT_SECOND, 2 * LEAT_SECOND));
	leat_wrap_sink(&tap.sink, leat_deadline_init(&of_sink, LEAT_SECOND, 2 * LEAT_SECOND));
	CHECK_EQ(leat_begin(&t, &tap.sink, &source, &options), 0);
	for (unsigned i = 0; i < 3; i++) {
		expect_wait_for_caller(&t);
		test_ns += 1000 * LEAT_SECOND;
		expect_wait_for_caller(&t);
		part_file(&parts[i], content + i * SIZE, SIZE);
		CHECK_EQ(leat_queue_add(&queue, &parts[i].source), 0);
	}
	expect_wait_for_caller(&t);
	leat_queue_end(&queue);
	CHECK_EQ(leat_step(&t), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, 3u * SIZE);
	CHECK_BYTES(tap.got, content, 3 * SIZE);
	leat_close(&source);
	leat_close_sink(&tap.sink);
}

static void a_deadline_still_holds_after_starving(void)
{
	struct leat_options options = { .clock_ns = test_clock };
	struct leat_deadline deadline;
	struct leat_transfer t;
	struct leat_wait wait;

	begin_test(__func__);
	test_ns = 5 * LEAT_SECOND;
	leat_from_queue(&source, &queue);
	tap_open(100, -EAGAIN);
	leat_wrap_sink(&tap.sink, leat_deadline_init(&deadline, LEAT_SECOND, 0));
	CHECK_EQ(leat_begin(&t, &tap.sink, &source, &options), 0);
	expect_wait_for_caller(&t);
	test_ns += 1000 * LEAT_SECOND;
	part_file(&parts[0], content, SIZE);
	CHECK_EQ(leat_queue_add(&queue, &parts[0].source), 0);
	CHECK_EQ(step_on(&t), LEAT_WAIT);	/* the tap is full */
	leat_wants(&t, &wait);
	CHECK_LE(wait.wake_at_ns, test_ns + LEAT_SECOND);
	test_ns += LEAT_SECOND / 2;
	CHECK_EQ(step_on(&t), LEAT_WAIT);
	test_ns += LEAT_SECOND / 2 + LEAT_SECOND / 100;
	CHECK_EQ(leat_step(&t), -ETIMEDOUT);
	CHECK_EQ(leat_end(&t, NULL), -ETIMEDOUT);
	leat_close(&source);
	CHECK_EQ(parts[0].report.error, -ETIMEDOUT);
	CHECK_EQ(parts[0].report.bytes, 100u);
	leat_close_sink(&tap.sink);
}

static void an_empty_queue_in_leat_copy_is_stuck(void)
{
	struct leat_report report;

	begin_test(__func__);
	make_parts(2, SIZE);
	tap_open(10 * SIZE, -EPIPE);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), LEAT_ESTUCK);
	CHECK_EQ(report.bytes, 2u * SIZE);
	CHECK_EQ(report.error, LEAT_ESTUCK);
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_COPY);
	part_check(&parts[1], 2, SIZE, LEAT_ROUTE_COPY);
	part_memory(&parts[2], content + 2 * SIZE, SIZE);	/* nothing is lost: more may be added, and all goes on */
	CHECK_EQ(leat_queue_add(&queue, &parts[2].source), 0);
	leat_queue_end(&queue);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), SIZE);
	CHECK_BYTES(tap.got, content, 3 * SIZE);
	leat_close(&source);
	leat_close_sink(&tap.sink);
}

static void an_ended_empty_queue_is_done(void)
{
	struct leat_report report;

	begin_test(__func__);
	make_parts(0, 0);
	leat_queue_end(&queue);
	tap_open(SIZE, -EPIPE);
	CHECK_EQ(leat_copy(&tap.sink, &source, NULL, &report), 0);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_SOURCE);
	leat_close(&source);
	leat_close_sink(&tap.sink);
}

static const struct test tests[] = {
	TEST(a_failure_ends_its_part_only), TEST(a_dead_peer_ends_its_part_only), TEST(a_part_that_cannot_begin_says_so_itself),
	TEST(a_short_part_is_an_error_of_its_own), TEST(a_cancelled_part_goes_on_later),
	TEST(a_cancelled_part_that_is_closed_tells_its_bytes), TEST(a_part_cancelled_twice_tells_of_both),
	TEST(a_part_cut_by_a_limit_goes_on_later),
	TEST(a_cut_part_is_not_finished), TEST(a_limit_on_a_part_ends_the_part), TEST(an_empty_queue_waits_and_time_stands_still),
	TEST(a_deadline_still_holds_after_starving), TEST(an_empty_queue_in_leat_copy_is_stuck),
	TEST(an_ended_empty_queue_is_done),
};
TEST_MAIN(tests)
