/* SPDX-License-Identifier: MIT */
/*
 * Right functions at the wrong time: wrappers on two chains, anything while busy, all-zero ends, transfers that are zeroed,
 * ended or begun twice.
 */
#include "lab.h"
#include "step.h"

#define BYTES ((size_t)300007)

static struct leat_report report;

/* ---- one thing in two places ------------------------------------------------------------------------------------------- */

static void one_wrapper_on_two_chains(void)
{
	struct leat_source first, second;
	struct leat_sink sink;
	struct leat_count count;

	leat_from_memory(&first, "abc", 3);
	leat_from_memory(&second, "def", 3);
	leat_to_nothing(&sink);
	leat_wrap(&first, leat_count_init(&count));
	leat_wrap(&second, &count.wrapper);
	CHECK_EQ(leat_copy(&sink, &second, NULL, &report), LEAT_EWRAPPED);
	CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
	leat_wrap_sink(&sink, &count.wrapper);
	CHECK_EQ(leat_copy(&sink, &first, NULL, &report), LEAT_EWRAPPED);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	leat_close_sink(&sink);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &first, NULL, NULL), 3);	/* where it was first, it works */
	CHECK_EQ(count.bytes, 3);
	leat_close(&second);
	CHECK_EQ(count.wrapper.state != 0, 1);			/* and closing the other took nothing away */
	leat_close(&first);
	leat_from_memory(&first, "abc", 3);
	leat_wrap(&first, &count.wrapper);			/* closed, it is free again */
	CHECK_EQ(leat_copy(&sink, &first, NULL, NULL), 3);
	CHECK_EQ(count.bytes, 6);
	leat_close(&first);
}

static void one_wrapper_twice_on_a_chain(void)
{
	struct leat_source source;
	struct leat_sink sink;
	struct leat_count count;

	leat_from_memory(&source, "abc", 3);
	leat_to_nothing(&sink);
	leat_wrap(&source, leat_count_init(&count));
	leat_wrap(&source, &count.wrapper);
	leat_wrap(&source, NULL);				/* the first misuse is what comes out */
	CHECK_EQ(leat_plan(&sink, &source, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(count.bytes, 0);
	leat_close(&source);
	leat_close_sink(&sink);
}

static void one_part_in_two_queues(void)
{
	struct leat_queue first, second;
	struct leat_source part, top, other, view;
	struct leat_sink sink;

	leat_queue_init(&first);
	leat_queue_init(&second);
	leat_from_memory(&part, "abc", 3);
	leat_from_queue(&top, &first);
	leat_from_queue(&other, &first);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &other, NULL, NULL), LEAT_EWRAPPED);	/* a queue has one source */
	CHECK_EQ(leat_queue_add(&first, &top), -EINVAL);		/* nor is it in itself */
	CHECK_EQ(leat_queue_add(&first, &part), 0);
	CHECK_EQ(leat_queue_add(&first, &part), LEAT_EWRAPPED);
	CHECK_EQ(leat_queue_add(&second, &part), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&sink, &part, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_plan(&sink, &part, NULL, NULL), LEAT_EWRAPPED);
	leat_from_source(&view, &part);
	CHECK_EQ(leat_copy(&sink, &view, NULL, NULL), LEAT_EWRAPPED);
	leat_queue_end(&first);
	leat_close(&other);
	CHECK_EQ(leat_queue_add(&first, &other), -EPIPE);
	CHECK_EQ(leat_copy(&sink, &top, NULL, NULL), 3);
	leat_close(&top);
	leat_close(&part);
	leat_close(&view);
}

static void two_views_of_one_source(void)
{
	struct leat_source source, view, second;
	struct leat_sink sink, out, other;

	leat_from_memory(&source, "abc", 3);
	leat_to_nothing(&sink);
	leat_from_source(&view, &source);
	leat_from_source(&second, &source);
	leat_to_sink(&out, &sink);
	leat_to_sink(&other, &sink);
	CHECK_EQ(leat_copy(&out, &second, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&other, &view, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&out, &source, NULL, NULL), LEAT_EWRAPPED);	/* what is viewed is used by its view */
	CHECK_EQ(leat_copy(&sink, &view, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_plan(&out, &source, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_plan(&sink, &view, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_plan(&out, &view, NULL, NULL), 0);
	CHECK_EQ(leat_copy(&out, &view, NULL, NULL), 3);
	leat_close(&second);
	leat_close(&view);
	leat_close_sink(&other);
	leat_close_sink(&out);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 0);
	leat_close(&source);
}

/* Views that stand on each other, at whatever depth. */
static void a_ring_of_views(void)
{
	for (int n = 1; n <= 3; n++) {
		struct leat_source sources[3], source;
		struct leat_sink sinks[3], sink;

		leat_from_memory(&source, "abc", 3);
		leat_to_nothing(&sink);
		leat_from_memory(&sources[0], "abc", 3);
		leat_to_nothing(&sinks[0]);
		for (int i = 1; i < n; i++) {
			leat_from_source(&sources[i], &sources[i - 1]);
			leat_to_sink(&sinks[i], &sinks[i - 1]);
		}
		leat_from_source(&sources[0], &sources[n - 1]);
		leat_to_sink(&sinks[0], &sinks[n - 1]);
		CHECK_EQ(leat_copy(&sink, &sources[0], NULL, NULL), -EINVAL);
		CHECK_EQ(leat_copy(&sinks[0], &source, NULL, NULL), -EINVAL);
		CHECK_EQ(leat_copy(&sink, &sources[n - 1], NULL, NULL), -EINVAL);
		CHECK_EQ(leat_copy(&sinks[n - 1], &source, NULL, NULL), -EINVAL);
		for (int i = n; i-- > 0;) {
			leat_close(&sources[i]);
			leat_close_sink(&sinks[i]);
		}
	}
}

/* Queues in each other: found where the ring is closed, not by a walk that never ends. */
static void a_ring_of_queues(void)
{
	struct leat_queue queues[3];
	struct leat_source tops[3];
	struct leat_sink sink;
	int closing;

	for (int i = 0; i < 3; i++) {
		leat_queue_init(&queues[i]);
		leat_from_queue(&tops[i], &queues[i]);
	}
	CHECK_EQ(leat_queue_add(&queues[0], &tops[1]), 0);
	CHECK_EQ(leat_queue_add(&queues[1], &tops[2]), 0);
	closing = leat_queue_add(&queues[2], &tops[0]);
	leat_to_nothing(&sink);
	CHECK_EQ(closing, -EINVAL);
	for (int i = 0; i < 3; i++)
		leat_queue_end(&queues[i]);
	CHECK_EQ(leat_copy(&sink, &tops[0], NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		leat_close(&tops[i]);
}

/* A part of a closed queue knows nothing of it: the two may stand the other way round next time. */
static void queues_that_change_places(void)
{
	struct leat_queue queues[2];
	struct leat_source tops[2], parts[2];
	struct leat_sink sink;

	leat_to_nothing(&sink);
	for (int i = 0; i < 2; i++) {
		leat_queue_init(&queues[i]);
		leat_from_queue(&tops[i], &queues[i]);
		leat_from_fd(&parts[i], -1);
	}
	CHECK_EQ(leat_queue_add(&queues[0], &tops[1]), 0);
	CHECK_EQ(leat_queue_add(&queues[1], &parts[0]), 0);
	CHECK_EQ(leat_plan(&sink, &tops[0], NULL, NULL), -EBADF);
	leat_close(&tops[0]);
	leat_queue_init(&queues[0]);
	leat_from_queue(&tops[0], &queues[0]);
	leat_queue_add(&queues[0], &parts[1]);
	CHECK_EQ(leat_copy(&sink, &tops[1], NULL, NULL), -EBADF);
	CHECK_EQ(leat_queue_add(&queues[1], &tops[0]), 0);
	CHECK_EQ(leat_copy(&sink, &tops[1], NULL, NULL), -EBADF);
	leat_close(&tops[1]);
	leat_close(&tops[0]);
	leat_close(&parts[0]);
	leat_close(&parts[1]);
}

/* ---- while it runs ------------------------------------------------------------------------------------------------------ */

struct running {
	struct lab_source from;
	struct lab_sink to;
	struct leat_transfer transfer;
};

static void run_begin(struct running *run)
{
	lab_nonblocking = lab_held = true;
	lab_source_open(&run->from, LAB_TCP, BYTES);
	lab_sink_open(&run->to, LAB_TCP, BYTES + 1);	/* up to 6.1 a Unix socket takes all that is spliced */
	lab_sink_narrow(&run->to);
	lab_nonblocking = lab_held = false;
	CHECK_EQ(leat_begin(&run->transfer, &run->to.sink, &run->from.source, NULL), 0);
	CHECK(leat_step(&run->transfer) > 0);
}

static void run_end(struct running *run)
{
	lab_sink_go(&run->to);
	CHECK_EQ(lab_step_all(&run->transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&run->transfer, &report), 0);
	CHECK_EQ(report.bytes, BYTES);
	lab_sink_finish(&run->to);
	lab_arrived(&run->to, BYTES);
	lab_source_close(&run->from);
	lab_sink_close(&run->to);
}

static void nothing_is_changed_while_busy(void)
{
	struct running run;
	struct leat_source idle, view;
	struct leat_sink nothing, out;
	struct leat_transfer second;
	struct leat_queue queue;
	unsigned char byte;

	run_begin(&run);
	second = run.transfer;		/* whatever stands in a struct that begins */
	leat_queue_init(&queue);
	leat_from_memory(&idle, "x", 1);
	leat_to_nothing(&nothing);
	CHECK_EQ(leat_unread(&run.from.source, "x", 1), LEAT_EWRAPPED);
	CHECK_EQ(leat_queue_add(&queue, &run.from.source), LEAT_EWRAPPED);
	CHECK_EQ(leat_read(&run.from.source, &byte, 1, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&nothing, &run.from.source, NULL, &report), LEAT_EWRAPPED);
	CHECK_EQ(report.error, LEAT_EWRAPPED);
	CHECK_EQ(report.side, LEAT_SIDE_CALLER);
	CHECK_EQ(leat_copy(&run.to.sink, &idle, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&second, &run.to.sink, &idle, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&second, &nothing, &run.from.source, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_step(&second), -EINVAL);
	CHECK_EQ(leat_plan(&nothing, &run.from.source, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_plan(&run.to.sink, &idle, NULL, NULL), LEAT_EWRAPPED);
	leat_from_source(&view, &run.from.source);
	CHECK_EQ(leat_copy(&nothing, &view, NULL, NULL), LEAT_EWRAPPED);
	leat_to_sink(&out, &run.to.sink);
	CHECK_EQ(leat_copy(&out, &idle, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&run.transfer, &run.to.sink, &run.from.source, NULL), LEAT_EWRAPPED);	/* it runs on */
	CHECK_EQ(leat_begin(&run.transfer, &nothing, &run.from.source, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&run.transfer, &run.to.sink, &idle, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&run.transfer, NULL, &run.from.source, NULL), -EINVAL);
	CHECK_EQ(leat_begin(&run.transfer, &run.to.sink, NULL, NULL), -EINVAL);
	CHECK_EQ(leat_copy(&nothing, &idle, NULL, NULL), 1);	/* what only stood beside is as it was */
	run_end(&run);
}

/* What views stand on is busy, too, and its transfer is left alone. */
static void a_transfer_on_views_is_begun_once(void)
{
	struct leat_source source, view, idle;
	struct leat_sink sink, out, nothing;
	struct leat_transfer transfer;

	leat_from_memory(&source, "abc", 3);
	leat_from_source(&view, &source);
	leat_to_nothing(&sink);
	leat_to_sink(&out, &sink);
	leat_from_memory(&idle, "x", 1);
	leat_to_nothing(&nothing);
	CHECK_EQ(leat_begin(&transfer, &out, &view, NULL), 0);
	CHECK_EQ(leat_begin(&transfer, &nothing, &source, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&transfer, &sink, &idle, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_begin(&transfer, &sink, NULL, NULL), -EINVAL);
	CHECK_EQ(leat_step(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, &report), 0);
	CHECK_EQ(report.bytes, 3);
	CHECK_EQ(leat_copy(&out, &view, NULL, NULL), 0);	/* nobody is left busy */
	CHECK_EQ(leat_copy(&nothing, &idle, NULL, NULL), 1);
	leat_close(&view);
	leat_close(&source);
	leat_close_sink(&out);
	leat_close_sink(&sink);
}

static void wrapping_while_busy_is_kept_for_later(void)
{
	struct leat_count on_source, on_sink;
	struct leat_source source;
	struct leat_sink sink;
	struct running run;

	run_begin(&run);
	leat_wrap(&run.from.source, leat_count_init(&on_source));
	leat_wrap_sink(&run.to.sink, leat_count_init(&on_sink));
	leat_promise(&run.from.source, LEAT_IMMUTABLE);
	lab_sink_go(&run.to);
	CHECK_EQ(lab_step_all(&run.transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&run.transfer, &report), 0);
	CHECK_EQ(report.bytes, BYTES);
	CHECK_EQ(report.wrappers, 0);
	CHECK_EQ(on_source.bytes + on_sink.bytes, 0);
	leat_from_memory(&source, "x", 1);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &run.from.source, NULL, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_copy(&run.to.sink, &source, NULL, NULL), LEAT_EWRAPPED);
	leat_wrap(&source, &on_source.wrapper);			/* it was not taken */
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 1);
	CHECK_EQ(on_source.bytes, 1);
	leat_close(&source);
	lab_sink_finish(&run.to);
	lab_source_close(&run.from);
	lab_sink_close(&run.to);
}

/* One of the two ends is closed behind a transfer's back. Nobody gets its number: pipes of the library's get lower ones. */
static void close_one(enum lab_kind from_kind, enum lab_kind to_kind, bool the_sink, const struct leat_options *options)
{
	struct leat_transfer transfer;
	struct lab_source from;
	struct lab_sink to;
	int free_later[8], r, kept;

	for (int i = 0; i < 8; i++)
		free_later[i] = CHECK_CALL(dup(0));
	lab_nonblocking = lab_held = true;
	lab_source_open(&from, from_kind, BYTES);
	lab_sink_open(&to, to_kind, BYTES + 1);
	lab_nonblocking = lab_held = false;
	CHECK_EQ(leat_begin(&transfer, &to.sink, &from.source, options), 0);
	kept = CHECK_CALL(fcntl(the_sink ? to.fd : from.fd, F_DUPFD_CLOEXEC, 100));
	for (int i = 0; i < 8; i++)
		close(free_later[i]);
	close(the_sink ? to.fd : from.fd);
	for (int i = 0; (r = leat_step(&transfer)) >= LEAT_WAIT && i < 100; i++)
		usleep(1000);
	CHECK_EQ(leat_end(&transfer, &report), r);
	CHECK_CALL(dup2(kept, the_sink ? to.fd : from.fd));
	close(kept);
	CHECK_EQ(r, -EBADF);
	CHECK_EQ(report.side, the_sink ? LEAT_SIDE_SINK : LEAT_SIDE_SOURCE);
	CHECK(report.error_route != LEAT_ROUTE_NONE);
	lab_sink_go(&to);
	lab_sink_finish(&to);
	lab_source_close(&from);
	lab_sink_close(&to);
}

static void an_end_that_is_closed_while_it_runs_is_named(void)
{
	static const uint32_t off[] = { 0, 1u << LEAT_ROUTE_CLONE, ~0u };

	for (int i = 0; i < 3 * LAB_KINDS * LAB_KINDS * 2; i++) {
		struct leat_options options = { .routes_off = off[i / 2 / LAB_KINDS / LAB_KINDS] };
		enum lab_kind from = (enum lab_kind)(i / 2 % LAB_KINDS), to = (enum lab_kind)(i / 2 / LAB_KINDS % LAB_KINDS);
		char note[80];

		snprintf(note, sizeof note, "%s to %s, off %x, %s", lab_kind_name(from), lab_kind_name(to), options.routes_off,
			 i % 2 ? "sink" : "source");
		test_note(note);
		close_one(from, to, i % 2, &options);
	}
}

/* What it holds goes to the sink alone: whether the source is still there says nothing. */
static void both_ends_closed_while_it_holds_bytes(void)
{
	for (int i = 0; i < 2; i++) {
		struct leat_options options = { .routes_off = i ? ~0u : 0, .policy = i ? LEAT_COPY : LEAT_REQUIRE };
		struct running run;
		int r, kept[2];

		test_note(i ? "copy" : "splice_pipe");
		lab_nonblocking = lab_held = true;
		lab_source_open(&run.from, LAB_TCP, 16 * BYTES);
		lab_sink_open(&run.to, LAB_TCP, 16 * BYTES);
		lab_sink_narrow(&run.to);
		lab_nonblocking = lab_held = false;
		CHECK_EQ(leat_begin(&run.transfer, &run.to.sink, &run.from.source, &options), 0);
		for (int waits = 0; waits < 20; waits++) {	/* until the sink is full */
			r = step_on(&run.transfer);
			usleep(1000);
		}
		CHECK_EQ(r, LEAT_WAIT);
		kept[0] = CHECK_CALL(fcntl(run.from.fd, F_DUPFD_CLOEXEC, 100));
		kept[1] = CHECK_CALL(fcntl(run.to.fd, F_DUPFD_CLOEXEC, 100));
		close(run.from.fd);
		close(run.to.fd);
		CHECK_EQ(leat_step(&run.transfer), -EBADF);
		CHECK_EQ(leat_end(&run.transfer, &report), -EBADF);
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		CHECK_CALL(dup2(kept[0], run.from.fd));
		CHECK_CALL(dup2(kept[1], run.to.fd));
		close(kept[0]);
		close(kept[1]);
		lab_sink_go(&run.to);
		lab_sink_finish(&run.to);
		lab_source_close(&run.from);
		lab_sink_close(&run.to);
	}
}

static void transfers_that_do_not_run(void)
{
	struct leat_transfer transfer;
	struct leat_wait wait;
	struct leat_source source;
	struct leat_sink sink;

	memset(&transfer, 0, sizeof transfer);
	CHECK_EQ(leat_step(&transfer), -EINVAL);
	CHECK_EQ(leat_end(&transfer, &report), -EINVAL);
	leat_so_far(&transfer, &report);
	CHECK_EQ(report.bytes, 0);
	leat_from_memory(&source, "abc", 3);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
	CHECK_EQ(leat_step(&transfer), LEAT_DONE);
	CHECK_EQ(leat_step(&transfer), LEAT_DONE);		/* for good */
	CHECK_EQ(leat_end(&transfer, &report), 0);
	CHECK_EQ(leat_end(&transfer, &report), -EINVAL);
	CHECK_EQ(report.bytes, 3);				/* and the report is left as it was */
	CHECK_EQ(leat_step(&transfer), -EINVAL);
	leat_so_far(&transfer, &report);
	CHECK_EQ(report.bytes, 3);
	leat_wants(&transfer, &wait);
	CHECK(wait.fds[0].fd == -1 && wait.fds[1].fd == -1 && wait.fds[2].fd == -1 && wait.wake_at_ns == LEAT_NEVER);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);	/* the struct serves again */
	CHECK_EQ(leat_step(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, &report), 0);
	CHECK_EQ(report.bytes, 0);
	leat_close(&source);
}

/* ---- all-zero ends ------------------------------------------------------------------------------------------------------ */

static void all_zero_is_valid_and_empty(void)
{
	static struct leat_source no_source;
	static struct leat_sink no_sink;
	struct leat_source source;
	struct leat_sink sink;
	unsigned char byte;
	int input = CHECK_CALL(dup(0)), file = lab_file(100);

	CHECK_CALL(dup2(file, 0));			/* descriptor 0 is what an all-zero fd would mean */
	leat_to_memory(&sink, &byte, 1);
	CHECK_EQ(leat_plan(&sink, &no_source, NULL, NULL), 0);
	CHECK_EQ(leat_copy(&sink, &no_source, NULL, NULL), 0);
	CHECK_EQ(leat_read(&no_source, &byte, 1, NULL), 0);
	leat_from_memory(&source, "abc", 3);
	CHECK_EQ(leat_copy(&no_sink, &source, NULL, &report), -EBADF);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	leat_close(&source);
	leat_close_sink(&sink);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 0);	/* closed is all-zero */
	leat_close(&no_source);
	leat_close_sink(&no_sink);
	CHECK_EQ(fstat(0, &(struct stat){ 0 }), 0);
	leat_from_file(&source, 0, 0);			/* but 0 is a descriptor like any other */
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 100);
	CHECK_CALL(dup2(input, 0));
	close(input);
	close(file);
}

static const struct test tests[] = {
	TEST(one_wrapper_on_two_chains),
	TEST(one_wrapper_twice_on_a_chain),
	TEST(one_part_in_two_queues),
	TEST(two_views_of_one_source),
	TEST(a_ring_of_views), TEST(a_ring_of_queues),
	TEST(queues_that_change_places),
	TEST(nothing_is_changed_while_busy),
	TEST(a_transfer_on_views_is_begun_once),
	TEST(wrapping_while_busy_is_kept_for_later),
	TEST(an_end_that_is_closed_while_it_runs_is_named),
	TEST(both_ends_closed_while_it_holds_bytes),
	TEST(transfers_that_do_not_run),
	TEST(all_zero_is_valid_and_empty),
};
TEST_MAIN(tests)
