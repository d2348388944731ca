/* SPDX-License-Identifier: MIT */
/* Queues in queues, views on parts and parts that are views, and one transfer that serves a connection's life. */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "machine.h"
#include "parts.h"
#include "tap.h"
#include "step.h"

#define SIZE 60000

static const unsigned char *content;
static struct part parts[8];
static struct to_end to;

static void begin_test(const char *name)
{
	ends_alarm(20, name);
	content = ends_content(20 * SIZE);
	parts_released = 0;
	memset(parts, 0, sizeof parts);
	to_make(&to, TO_TCP, 20 * SIZE, false);
}

/* A response: header from memory, body from a file. As a part its report is of both. */
struct response {
	struct part whole, header, body;
	struct leat_queue queue;
	struct leat_log log;
	unsigned begins, ends;
	uint64_t moved;
};

static void response_log(void *arg, const struct leat_event *event)
{
	struct response *response = arg;

	response->begins += event->kind == LEAT_EVENT_BEGIN;
	response->ends += event->kind == LEAT_EVENT_END;
	if (event->kind == LEAT_EVENT_MOVED)
		response->moved += event->bytes;
}

static void response_make(struct response *response, const unsigned char *bytes, uint64_t header, uint64_t body)
{
	memset(response, 0, sizeof *response);
	leat_queue_init(&response->queue);
	part_memory(&response->header, bytes, header);
	part_file(&response->body, bytes + header, body);
	leat_queue_add(&response->queue, &response->header.source);
	leat_queue_add(&response->queue, &response->body.source);
	leat_queue_end(&response->queue);
	leat_from_queue(&response->whole.source, &response->queue);
	part_ready(&response->whole, -1);
	leat_wrap(&response->whole.source, leat_log_init(&response->log, response_log, response));
}

static void response_check(const struct response *response, uint64_t header, uint64_t body)
{
	const struct part *whole = &response->whole;

	CHECK_EQ(response->header.report.bytes, header);
	CHECK_EQ(response->body.report.bytes, body);
	CHECK_EQ(response->header.released, 1u);
	CHECK_EQ(response->body.released, 1u);
	CHECK_EQ(whole->released, 1u);
	CHECK(response->header.order < response->body.order && response->body.order < whole->order);
	CHECK_EQ(whole->count.bytes, header + body);
	CHECK_EQ(response->moved, header + body);
	CHECK_EQ(response->begins, 1u);
	CHECK_EQ(response->ends, 1u);
	CHECK_EQ(whole->report.error, 0);
	CHECK_EQ(whole->report.bytes, header + body);
	CHECK_EQ(whole->report.route_bytes[LEAT_ROUTE_MEMORY], header);
	CHECK_EQ(whole->report.route_bytes[LEAT_ROUTE_SENDFILE], body);
	CHECK(whole->report.end_ns >= whole->report.begin_ns && whole->report.begin_ns);
}

static void a_queue_in_a_queue(void)
{
	static struct response responses[3];
	struct leat_source source;
	struct leat_report report;
	struct leat_queue queue;
	struct leat_count all;

	begin_test(__func__);
	leat_queue_init(&queue);
	for (unsigned i = 0; i < 3; i++) {
		response_make(&responses[i], content + i * SIZE, 200, SIZE - 200);
		CHECK_EQ(leat_queue_add(&queue, &responses[i].whole.source), 0);
	}
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	leat_wrap(&source, leat_count_init(&all));
	parts_step(&to.sink, &source, &report);
	CHECK_EQ(all.bytes, 3u * SIZE);
	CHECK_EQ(report.bytes, 3u * SIZE);
	for (unsigned i = 0; i < 3; i++) {
		test_note(i == 0 ? "first response" : i == 1 ? "second response" : "third response");
		response_check(&responses[i], 200, SIZE - 200);
	}
	test_note("");
	leat_close(&source);
	for (unsigned i = 0; i < 3; i++)
		leat_close(&responses[i].whole.source);
	CHECK_EQ(parts_released, 9u);
	parts_arrived(&to, content, 3 * SIZE);
}

static struct response nested[3];
static struct leat_source nest;
static struct leat_queue nest_queue;

static void nest_three(void)
{
	leat_queue_init(&nest_queue);
	for (unsigned i = 0; i < 3; i++) {
		response_make(&nested[i], content + i * SIZE, 200, SIZE - 200);
		CHECK_EQ(leat_queue_add(&nest_queue, &nested[i].whole.source), 0);
	}
	leat_queue_end(&nest_queue);
	leat_from_queue(&nest, &nest_queue);
}

static void nest_close(void)
{
	leat_close(&nest);
	for (unsigned i = 0; i < 3; i++)
		leat_close(&nested[i].whole.source);
	CHECK_EQ(parts_released, 9u);
	CHECK_BYTES(tap.got, content, tap.at);
	leat_close_sink(&tap.sink);
	to_close(&to);
}

static void a_failure_is_that_of_the_parts_around(void)
{
	struct leat_report report;

	begin_test(__func__);
	nest_three();
	tap_open(SIZE + 5000, -EIO);
	CHECK_EQ(leat_copy(&tap.sink, &nest, NULL, &report), -EIO);
	CHECK_EQ(parts_released, 6u);
	CHECK_EQ(nested[0].whole.report.error, 0);
	CHECK_EQ(nested[0].whole.report.bytes, SIZE);
	CHECK_EQ(nested[1].header.report.error, 0);
	CHECK_EQ(nested[1].body.report.error, -EIO);
	CHECK_EQ(nested[1].body.report.bytes, 4800u);
	CHECK_EQ(nested[1].whole.report.error, -EIO);
	CHECK_EQ(nested[1].whole.report.bytes, 5000u);
	CHECK_EQ(nested[1].whole.report.side, LEAT_SIDE_SINK);
	CHECK_EQ(nested[1].whole.report.ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_EQ(nested[1].ends, 1u);
	CHECK(nested[1].body.order == 5 && nested[1].whole.order == 6);
	leat_close(&nest);
	CHECK_EQ(nested[2].whole.report.error, -ECANCELED);
	CHECK_EQ(nested[2].whole.report.bytes, 0u);
	nest_close();
}

static void a_cancel_leaves_the_parts_around(void)
{
	struct leat_transfer t;
	struct leat_report report;

	begin_test(__func__);
	nest_three();
	tap_open(SIZE + 5000, -EAGAIN);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(leat_begin(&t, &tap.sink, &nest, NULL), 0);
		CHECK_EQ(ends_drive(&t, NULL), LEAT_ESTUCK);
		CHECK_EQ(leat_end(&t, &report), -ECANCELED);
		CHECK_EQ(parts_released, 4u);	/* 3 of the first response, 1 of the second */
		tap.most += 5000;
	}
	tap.most = 3 * SIZE;
	CHECK_EQ(leat_copy(&tap.sink, &nest, NULL, &report), 2 * SIZE - 10000);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(nested[i].whole.report.bytes, SIZE);
		CHECK_EQ(nested[i].whole.count.bytes, SIZE);
		CHECK_EQ(nested[i].whole.report.error, 0);
		CHECK_EQ(nested[i].body.report.bytes, SIZE - 200u);
		CHECK_EQ(nested[i].whole.order, 3 * i + 3);
	}
	nest_close();
}

static void a_cancel_and_close_tells_the_parts_around(void)
{
	struct leat_transfer t;

	begin_test(__func__);
	nest_three();
	tap_open(SIZE + 5000, -EAGAIN);
	CHECK_EQ(leat_begin(&t, &tap.sink, &nest, NULL), 0);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_ESTUCK);
	CHECK_EQ(leat_end(&t, NULL), -ECANCELED);
	leat_close(&nest);
	CHECK_EQ(nested[1].whole.report.bytes, 5000u);
	CHECK_EQ(nested[1].whole.report.error, -ECANCELED);
	leat_close(&nested[1].whole.source);
	CHECK_EQ(nested[1].body.report.bytes, 4800u);
	CHECK_EQ(nested[1].body.report.error, -ECANCELED);
	nest_close();
}

/* The outermost queue of several that hold each other stays open: the innermost end does not end it. */
static void deep_and_open(void)
{
	struct leat_queue queues[5];
	struct leat_source sources[5], more;
	struct leat_transfer t;
	struct leat_report report;

	begin_test(__func__);
	part_file(&parts[0], content, SIZE);
	for (unsigned i = 0; i < 5; i++) {
		leat_queue_init(&queues[i]);
		CHECK_EQ(leat_queue_add(&queues[i], i ? &sources[i - 1] : &parts[0].source), 0);
		if (i < 4)
			leat_queue_end(&queues[i]);
		leat_from_queue(&sources[i], &queues[i]);
	}
	CHECK_EQ(leat_begin(&t, &to.sink, &sources[4], NULL), 0);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_ESTUCK);	/* our own word for: it waits for us */
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_SENDFILE);
	leat_from_memory(&more, content + SIZE, SIZE);
	CHECK_EQ(leat_queue_add(&queues[4], &more), 0);
	leat_queue_end(&queues[4]);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, 2u * SIZE);
	for (unsigned i = 5; i--;)
		leat_close(&sources[i]);
	parts_arrived(&to, content, 2 * SIZE);
}

/* An open inner queue that is empty holds up the outer one; what it gets later still comes first. */
static void an_open_inner_queue_is_waited_for(void)
{
	struct leat_queue inner, outer;
	struct leat_source inner_source, outer_source, more;
	struct leat_transfer t;
	struct leat_report report;

	begin_test(__func__);
	leat_queue_init(&inner);
	leat_queue_init(&outer);
	part_memory(&parts[0], content, SIZE);
	part_memory(&parts[1], content + 2 * SIZE, SIZE);
	leat_from_queue(&inner_source, &inner);
	leat_from_queue(&outer_source, &outer);
	leat_queue_add(&inner, &parts[0].source);
	leat_queue_add(&outer, &inner_source);
	leat_queue_add(&outer, &parts[1].source);
	leat_queue_end(&outer);
	CHECK_EQ(leat_begin(&t, &to.sink, &outer_source, NULL), 0);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_ESTUCK);
	leat_so_far((const struct leat_transfer *)&t, &report);
	CHECK_EQ(report.bytes, SIZE);
	leat_from_memory(&more, content + SIZE, SIZE);
	CHECK_EQ(leat_queue_add(&inner, &more), 0);
	leat_queue_end(&inner);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, 3u * SIZE);
	leat_close(&outer_source);
	leat_close(&inner_source);
	parts_arrived(&to, content, 3 * SIZE);
}

/* One request stream, cut into pieces by views that are parts: each limited, each with its own count. */
static void parts_that_are_views_of_one_source(void)
{
	struct leat_source below;
	struct leat_source source;
	struct leat_queue queue;
	struct leat_limit limits[2];
	struct leat_report report;
	int fd = ends_file_with(content = ends_content(20 * SIZE), 3 * SIZE, O_RDONLY);

	begin_test(__func__);
	leat_from_range(&below, fd, 0, 3 * SIZE);
	leat_queue_init(&queue);
	leat_from_source(&parts[0].source, &below);
	part_ready(&parts[0], -1);
	leat_wrap(&parts[0].source, leat_limit_init(&limits[0], SIZE));
	leat_queue_add(&queue, &parts[0].source);
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	parts_step(&to.sink, &source, &report);
	part_check(&parts[0], 1, SIZE, LEAT_ROUTE_SENDFILE);
	leat_close(&source);
	leat_close(&parts[0].source);

	leat_from_source(&parts[1].source, &below);	/* shares the position */
	part_ready(&parts[1], -1);
	parts_step(&to.sink, &parts[1].source, &report);
	CHECK_EQ(parts[1].count.bytes, 2u * SIZE);
	leat_close(&parts[1].source);
	leat_close(&below);
	close(fd);
	parts_arrived(&to, content, 3 * SIZE);
}

/* A view on a whole queue: its limit cuts across the parts. */
static void a_view_on_a_queue_cuts_across_parts(void)
{
	struct leat_source source, view;
	struct leat_queue queue;
	struct leat_limit limit;
	struct leat_count count;
	struct leat_report report;

	begin_test(__func__);
	leat_queue_init(&queue);
	for (unsigned i = 0; i < 4; i++) {
		part_file(&parts[i], content + i * SIZE, SIZE);
		leat_queue_add(&queue, &parts[i].source);
	}
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	for (unsigned i = 0; i < 4; i++) {
		leat_from_source(&view, &source);
		leat_wrap(&view, leat_count_init(&count));
		leat_wrap(&view, leat_limit_init(&limit, i < 3 ? SIZE / 2 + SIZE / 3 : UINT64_MAX));
		parts_step(&to.sink, &view, &report);
		CHECK_EQ(count.bytes, report.bytes);
		CHECK_EQ(report.bytes, i < 3 ? SIZE / 2 + SIZE / 3 : 4 * SIZE - 3 * (SIZE / 2 + SIZE / 3));
		leat_close(&view);
	}
	for (unsigned i = 0; i < 4; i++)
		part_check(&parts[i], i + 1, SIZE, LEAT_ROUTE_SENDFILE);
	leat_close(&source);
	parts_arrived(&to, content, 4 * SIZE);
}

/* ---- A connection ---- */

/* Milliseconds until so many bytes have arrived, without those that the machine was late; -1: not in time. */
static int arrives_in_ms(uint64_t bytes)
{
	uint64_t late_ns = machine_late_ns(), begin = leat_now_ns(), took_ns;

	while (__atomic_load_n(&to.got_size, __ATOMIC_ACQUIRE) < bytes) {
		if (leat_now_ns() - begin > LEAT_SECOND)
			return -1;
		usleep(200);
	}
	took_ns = leat_now_ns() - begin;
	return (int)(machine_less(took_ns, machine_less(machine_late_ns(), late_ns)) / 1000000);
}

/* Ten responses by one transfer, each when it is asked for; nothing of one waits for the next (no cork is left). */
static void one_transfer_serves_a_connection(void)
{
	struct response *responses = calloc(10, sizeof *responses);
	struct leat_source source;
	struct leat_queue queue;
	struct leat_transfer t;
	struct leat_report report;
	uint64_t at = 0;

	begin_test(__func__);
	leat_queue_init(&queue);
	leat_from_queue(&source, &queue);
	CHECK_EQ(leat_begin(&t, &to.sink, &source, NULL), 0);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t body = i % 3 == 0 ? 5 : i % 3 == 1 ? SIZE : 2 * SIZE;
		int ms;

		response_make(&responses[i], content + at, 150, body);
		CHECK_EQ(leat_queue_add(&queue, &responses[i].whole.source), 0);
		CHECK_EQ(ends_drive(&t, NULL), LEAT_ESTUCK);
		at += 150 + body;
		ms = arrives_in_ms(at);
		CHECK_SAY(ms >= 0 && ms < 35, "response %u took %d ms to arrive", i, ms);
		response_check(&responses[i], 150, body);
	}
	leat_queue_end(&queue);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, at);
	leat_close(&source);
	for (unsigned i = 0; i < 10; i++)
		leat_close(&responses[i].whole.source);
	free(responses);
	parts_arrived(&to, content, at);
}

/* A peer that leaves while the queue is empty is noticed: leat_wants asks for errors, and the step polls once. */
static void a_peer_that_leaves_an_idle_connection(void)
{
	struct leat_source source;
	struct leat_queue queue;
	struct leat_transfer t;
	struct leat_wait wait;
	struct leat_sink sink;
	struct linger reset = { .l_onoff = 1 };
	int pair[2];

	ends_alarm(20, __func__);
	ends_pair(true, pair);
	ends_nonblock(pair[0], true);
	leat_to_fd(&sink, pair[0]);
	leat_queue_init(&queue);
	leat_from_queue(&source, &queue);
	CHECK_EQ(leat_begin(&t, &sink, &source, NULL), 0);
	CHECK_EQ(step_on(&t), LEAT_WAIT);
	leat_wants(&t, &wait);
	CHECK_EQ(wait.fds[1].fd, pair[0]);
	setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(pair[1]);
	CHECK_EQ(poll(wait.fds, 3, 1000), 1);
	CHECK_EQ(leat_step(&t), -ECONNRESET);
	CHECK_EQ(leat_end(&t, NULL), -ECONNRESET);
	leat_close(&source);
	close(pair[0]);
}

static const struct test tests[] = {
	TEST(a_queue_in_a_queue), TEST(a_failure_is_that_of_the_parts_around), TEST(a_cancel_leaves_the_parts_around),
	TEST(a_cancel_and_close_tells_the_parts_around), TEST(deep_and_open), TEST(an_open_inner_queue_is_waited_for),
	TEST(parts_that_are_views_of_one_source), TEST(a_view_on_a_queue_cuts_across_parts),
	TEST(one_transfer_serves_a_connection), TEST(a_peer_that_leaves_an_idle_connection),
};
TEST_MAIN(tests)
