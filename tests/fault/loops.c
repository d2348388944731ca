/* SPDX-License-Identifier: MIT */
/*
 * What an event loop is promised: a step is bounded in bytes and in time (hazard 38), two streams change between copy and
 * splice as their reads fill up or not (hazard 69), each step that finds nothing is harmless, and a short count is not taken for
 * a full sink (hazard 21).
 */
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <poll.h>
#include <sys/epoll.h>

#define MS (LEAT_SECOND / 1000)

static struct leat_report report;

static const struct {
	const char *name;
	enum lab_kind from, to;
	enum leat_policy policy;
	uint32_t off;
} ways[] = {
	{ "copy_file_range", LAB_FILE, LAB_FILE, LEAT_AUTO, ROUTE_BIT(LEAT_ROUTE_CLONE) },
	{ "sendfile", LAB_FILE, LAB_TCP, LEAT_AUTO, 0 },
	{ "splice_pipe", LAB_FILE, LAB_UNIX, LEAT_AUTO, ROUTE_BIT(LEAT_ROUTE_SENDFILE) },
	{ "splice", LAB_PIPE, LAB_FILE, LEAT_AUTO, 0 },
	{ "streams", LAB_TCP, LAB_UNIX, LEAT_AUTO, 0 },
	{ "copy", LAB_FILE, LAB_UNIX, LEAT_COPY, 0 },
	/* where it is about short counts alone */
	{ "pipe to tcp", LAB_PIPE, LAB_TCP, LEAT_AUTO, 0 },
	{ "pipe to unix", LAB_PIPE, LAB_UNIX, LEAT_AUTO, 0 },
};
#define WAYS 6
#define BYTES ((size_t)2000003)

struct run {
	struct lab_source from;
	struct lab_sink to;
	struct leat_transfer transfer;
};

static void run_begin(struct run *run, unsigned way, struct leat_options *options)
{
	test_note(ways[way].name);
	seam_reset();
	lab_nonblocking = true;
	lab_source_open(&run->from, ways[way].from, BYTES);
	lab_sink_open(&run->to, ways[way].to, BYTES + 1);
	lab_nonblocking = false;
	options->policy = ways[way].policy;
	options->routes_off = ways[way].off;
	CHECK_EQ(leat_begin(&run->transfer, &run->to.sink, &run->from.source, options), 0);
}

static void run_end(struct run *run)
{
	CHECK_EQ(leat_end(&run->transfer, &report), 0);
	CHECK_EQ(report.bytes, BYTES);
	lab_sink_finish(&run->to);
	lab_arrived(&run->to, BYTES);
	lab_source_close(&run->from);
	lab_sink_close(&run->to);
}

static void wait_for(const struct run *run)
{
	struct leat_wait wait;

	leat_wants(&run->transfer, &wait);
	CHECK(poll(wait.fds, 3, wait.wake_at_ns == LEAT_NEVER ? 5000 : 1) > 0 || wait.wake_at_ns != LEAT_NEVER);
}

static void h38_a_step_moves_no_more_than_it_may(void)
{
	static const uint64_t mosts[] = { 1000, 65536, 500000 };

	for (unsigned i = 0; i < WAYS * 3; i++) {
		struct leat_options options = { .step_bytes = mosts[i % 3] };
		uint64_t before = 0;
		unsigned full = 0;
		struct run run;
		int r;

		run_begin(&run, i / 3, &options);
		while ((r = leat_step(&run.transfer)) > 0) {
			leat_so_far(&run.transfer, &report);
			CHECK_LE(report.bytes - before, mosts[i % 3]);
			full += report.bytes - before == mosts[i % 3];
			before = report.bytes;
			if (r == LEAT_WAIT)
				wait_for(&run);
		}
		CHECK_EQ(r, LEAT_DONE);
		CHECK(full > 0 || mosts[i % 3] > 1000);
		run_end(&run);
	}
}

/* Each look at the clock is 1 ms later. */
static uint64_t clock_ns;

static uint64_t ticking(void *arg)
{
	(void)arg;
	return clock_ns += MS;
}

static void h38_a_step_takes_no_longer_than_it_may(void)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct leat_options options = { .step_ns = 10 * MS, .clock_ns = ticking };
		unsigned longest = 0;
		struct run run;
		int r = LEAT_AGAIN;

		run_begin(&run, i, &options);
		seam.most = 3001;	/* so that there are many turns */
		while (r > 0) {
			uint64_t before = clock_ns;

			r = leat_step(&run.transfer);
			CHECK_LE((clock_ns - before) / MS, 20);
			longest = (clock_ns - before) / MS > longest ? (unsigned)((clock_ns - before) / MS) : longest;
			if (r == LEAT_WAIT)
				wait_for(&run);
		}
		CHECK_EQ(r, LEAT_DONE);
		CHECK_GE(longest, 8);	/* and a step is made use of */
		run_end(&run);
	}
}

/* Calling early, and again and again, changes nothing. */
static void a_step_too_many_is_harmless(void)
{
	for (unsigned i = 0; i < WAYS; i++) {
		struct leat_options options = { .step_bytes = 40000 };
		struct run run;
		int r = LEAT_AGAIN;

		run_begin(&run, i, &options);
		while (r > 0) {
			for (int n = 0; n < 5 && r > 0; n++)
				r = leat_step(&run.transfer);
			if (r == LEAT_WAIT)
				wait_for(&run);
		}
		CHECK_EQ(r, LEAT_DONE);
		run_end(&run);
	}
}

static int64_t read_slowly(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	unsigned *left = arg;

	(void)wait;
	if (!*left)
		return 0;
	clock_ns += --*left ? 60 * MS : 90 * MS;
	CHECK(bytes >= 1000);
	lab_fill(buffer, 0, 1000);
	return 1000;
}

static uint64_t standing(void *arg)
{
	(void)arg;
	return clock_ns;
}

/* A read is a call too, also when the writes after it take no time at all. */
static void the_longest_call_may_be_a_read(void)
{
	static const struct leat_source_ops slow_ops = { .name = "slow", .read = read_slowly };

	for (int part = 0; part < 2; part++) {
		struct leat_options options = { .clock_ns = standing };
		struct leat_source slow, whole;
		struct leat_queue queue;
		struct leat_sink sink;
		unsigned left = 3;

		leat_from_callback(&slow, &slow_ops, &left);
		leat_to_nothing(&sink);
		leat_queue_init(&queue);
		if (part)
			CHECK_EQ(leat_queue_add(&queue, &slow), 0);
		leat_queue_end(&queue);
		leat_from_queue(&whole, &queue);
		CHECK_EQ(leat_copy(&sink, part ? &whole : &slow, &options, &report), 3000);
		CHECK_EQ(report.longest_call_ns, 90 * MS);
		leat_close(&whole);
		leat_close(&slow);
		leat_close_sink(&sink);
	}
}

/* ---- 69 ---------------------------------------------------------------------------------------------------------------------- */

static struct {
	enum leat_route route;
	enum leat_reason reason;
} changes[100];
static unsigned change_count;

static void on_event(void *arg, const struct leat_event *event)
{
	(void)arg;
	if (event->kind != LEAT_EVENT_ROUTE || change_count == 100)
		return;
	changes[change_count].route = event->route;
	changes[change_count++].reason = event->reason;
}

static uint64_t sent, got;

/* Sends bytes in pieces; each has arrived before the next goes. */
static void send_in_pieces(struct leat_transfer *transfer, int in, int out, size_t bytes, size_t piece)
{
	static unsigned char data[65536], seen[65536];

	for (uint64_t until = sent + bytes; sent < until;) {
		lab_fill(data, sent, piece);
		CHECK_EQ(send(in, data, piece, 0), (ssize_t)piece);
		sent += piece;
		while (got < sent) {
			struct pollfd fds[] = { { .fd = out, .events = POLLIN } };
			ssize_t n;

			CHECK(leat_step(transfer) > 0);
			if (poll(fds, 1, 1) != 1)
				continue;
			n = CHECK_CALL(read(out, seen, sizeof seen));
			CHECK(lab_differs(seen, got, (size_t)n) < 0);
			got += (uint64_t)n;
		}
	}
}

static void h69_streams_change_between_copy_and_splice(void)
{
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	struct leat_log log;
	int in[2], out[2];

	seam_reset();
	sent = got = change_count = 0;
	lab_pair(LAB_UNIX, in);
	lab_pair(LAB_UNIX, out);
	CHECK_CALL(fcntl(in[0], F_SETFL, O_NONBLOCK));
	CHECK_CALL(fcntl(out[1], F_SETFL, O_NONBLOCK));
	leat_from_fd(&source, in[0]);
	leat_to_fd(&sink, out[1]);
	leat_wrap(&source, leat_log_init(&log, on_event, NULL));
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
	send_in_pieces(&transfer, in[1], out[0], 5000, 50);		/* chatty: copied, never spliced */
	CHECK_EQ(change_count, 0);
	CHECK_EQ(seam.calls[SEAM_FILL], 0);
	send_in_pieces(&transfer, in[1], out[0], 1 << 20, 65536);	/* full reads: spliced */
	CHECK_EQ(change_count, 1);
	CHECK_EQ(changes[0].route, LEAT_ROUTE_SPLICE_PIPE);
	send_in_pieces(&transfer, in[1], out[0], 1000, 50);		/* chatty again: copied, with the reason small */
	CHECK_EQ(change_count, 2);
	CHECK_EQ(changes[1].route, LEAT_ROUTE_COPY);
	CHECK_EQ(changes[1].reason, LEAT_SMALL);
	send_in_pieces(&transfer, in[1], out[0], 1 << 20, 65536);
	CHECK_EQ(change_count, 3);
	close(in[1]);
	CHECK_EQ(lab_step_all(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, &report), 0);
	CHECK_EQ(report.bytes, sent);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_COPY] + report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], sent);
	CHECK(report.route_bytes[LEAT_ROUTE_COPY] >= 5000);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], seam.moved[SEAM_DRAIN]);
	leat_close(&source);
	leat_close_sink(&sink);
	close(in[0]);
	close(out[0]);
	close(out[1]);
}

/* ---- Short counts, and who waits by edges ---- */

static int edges_of(const struct run *run)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	CHECK(epoll >= 0);
	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, run->to.fd, &event));
	if (run->from.kind != LAB_FILE)
		CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, run->from.fd, &event));
	return epoll;
}

/* Calls that take 4095 bytes, as one is cut by a signal, fill no sink: of which no edge would tell. */
static void h21_a_short_count_is_no_full_sink(void)
{
	static const unsigned chosen[] = { 1, 2, 5, 6, 7 };

	for (unsigned i = 0; i < sizeof chosen / sizeof *chosen; i++) {
		struct leat_options options = { .level_triggered = 1, .step_ns = LEAT_NEVER, .step_bytes = 100000 };
		struct epoll_event event;
		struct run run;
		int epoll, r;

		run_begin(&run, chosen[i], &options);
		seam.most = 4095;
		epoll = edges_of(&run);
		while ((r = leat_step(&run.transfer)) > 0)
			CHECK_SAY(r != LEAT_WAIT || epoll_wait(epoll, &event, 1, 5000) == 1, "waits for an edge that does not come");
		CHECK_EQ(r, LEAT_DONE);
		run_end(&run);
		close(epoll);
	}
}

static const struct test tests[] = {
	TEST(h38_a_step_moves_no_more_than_it_may),
	TEST(h38_a_step_takes_no_longer_than_it_may),
	TEST(a_step_too_many_is_harmless),
	TEST(the_longest_call_may_be_a_read),
	TEST(h69_streams_change_between_copy_and_splice),
	TEST(h21_a_short_count_is_no_full_sink),
};
TEST_MAIN(tests)
