/* SPDX-License-Identifier: MIT */
/* count, log, trace and progress, driven by their ops. */
#include "wrap-drive.h"
#include "wrap/wrap.h"

static struct leat_event events[64];
static size_t event_count;
static const void *seen_arg, *seen_id;

static void keep_event(void *arg, const struct leat_event *event)
{
	CHECK(event_count < 64);
	events[event_count++] = *event;
	seen_arg = arg;
}

static void keep_traced(void *arg, const void *id, const struct leat_event *event)
{
	keep_event(arg, event);
	seen_id = id;
}

static struct leat_progress_state states[64];
static size_t state_count;

static void keep_state(void *arg, const struct leat_progress_state *state)
{
	CHECK(state_count < 64);
	states[state_count++] = *state;
	seen_arg = arg;
}

static void count_counts(void)
{
	struct leat_count count;
	struct leat_wrapper *w;

	memset(&count, 0xff, sizeof count);
	w = leat_count_init(&count);
	CHECK(w == &count.wrapper && w->ops == &count_ops);
	CHECK_EQ(count.bytes, 0);
	move(w, NULL, UINT64_C(5) << 40, 1);
	move(w, NULL, 1, 1);
	CHECK(!w->ops->skipped);	/* dropped bytes were not sent */
	CHECK_EQ(count.bytes, (UINT64_C(5) << 40) + 1);
	CHECK_EQ(count.moves, 2);
	end(w, -ECANCELED, 1);
	tell(w, LEAT_EVENT_BEGIN, 2);
	CHECK_EQ(count.moves, 2);
}

static void log_gets_every_event_as_it_is(void)
{
	struct leat_log log;
	int arg;
	struct leat_wrapper *w = leat_log_init(&log, keep_event, &arg);

	event_count = 0;
	for (enum leat_event_kind kind = LEAT_EVENT_BEGIN; kind <= LEAT_EVENT_END; kind++) {
		struct leat_event event = event_at(kind, 77);

		event.bytes = kind;
		event.reason = LEAT_CROSS_FS;
		event.route = LEAT_ROUTE_SENDFILE;
		w->ops->event(w, &event);
		CHECK_EQ(event_count, kind + 1u);
		CHECK_BYTES(&events[kind], &event, sizeof event);
	}
	CHECK(seen_arg == &arg);
}

static void trace_start_progress_end(void)
{
	struct leat_trace trace;
	int arg;
	static const char id[] = "00-4bf92f3577b34da6a3ce929d0e0e4736";
	struct leat_wrapper *w = leat_trace_init(&trace, id, 100 * MS, keep_traced, &arg);
	struct leat_budget budget = budget_at(5, 0);

	event_count = 0;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	tell(w, LEAT_EVENT_BEGIN, 0);
	CHECK_EQ(event_count, 1);
	CHECK_EQ(events[0].kind, LEAT_EVENT_BEGIN);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 5);
	CHECK_EQ(budget.wake_at_ns, 100 * MS);
	for (uint64_t now = 10 * MS; now < 100 * MS; now += 10 * MS)
		move(w, NULL, 10, now);
	tell(w, LEAT_EVENT_ROUTE, 50 * MS);
	tell(w, LEAT_EVENT_WAIT, 99 * MS);
	CHECK_EQ(event_count, 1);
	move(w, NULL, 10, 103 * MS);	/* time for it: told with all bytes so far, and then not for 100 ms */
	CHECK_EQ(event_count, 2);
	CHECK_EQ(events[1].kind, LEAT_EVENT_TICK);
	CHECK_EQ(events[1].bytes, 100);
	tell(w, LEAT_EVENT_TICK, 103 * MS);
	tell(w, LEAT_EVENT_TICK, 202 * MS);
	CHECK_EQ(event_count, 2);
	tell(w, LEAT_EVENT_TICK, 203 * MS);
	CHECK_EQ(event_count, 3);
	CHECK_EQ(events[2].bytes, 100);
	end(w, -EPIPE, 204 * MS);
	CHECK_EQ(event_count, 4);
	CHECK_EQ(events[3].kind, LEAT_EVENT_END);
	CHECK(seen_arg == &arg && seen_id == id);
	budget = budget_at(5, 300 * MS);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	tell(w, LEAT_EVENT_TICK, LEAT_SECOND);
	CHECK_EQ(event_count, 4);
}

static void trace_without_progress(void)
{
	struct leat_trace trace;
	struct leat_wrapper *w = leat_trace_init(&trace, NULL, 0, keep_traced, NULL);
	struct leat_budget budget = budget_at(5, 5);

	event_count = 0;
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	move(w, NULL, 1, LEAT_SECOND * 1000);
	tell(w, LEAT_EVENT_TICK, LEAT_SECOND * 2000);
	end(w, 0, LEAT_SECOND * 3000);
	CHECK_EQ(event_count, 2);
}

static void begin_with_total(struct leat_wrapper *w, uint64_t now_ns, uint64_t total)
{
	struct leat_event event = event_at(LEAT_EVENT_BEGIN, now_ns);

	event.total_bytes = total;
	w->ops->event(w, &event);
	state_count = 0;
}

/* 1 MB/s of 20 MB, ticks every 500 ms as the flow gives them. */
static void progress_of_a_steady_transfer(void)
{
	struct leat_progress progress;
	int arg;
	struct leat_wrapper *w = leat_progress_init(&progress, 500 * MS, keep_state, &arg);
	uint64_t now = 7 * LEAT_SECOND;

	begin_with_total(w, now, 20000000);
	for (int i = 1; i <= 200; i++) {
		struct leat_budget budget = budget_at(LEAT_UNKNOWN, now);

		CHECK_EQ(ask(w, &budget), 0);
		CHECK_EQ(budget.bytes, LEAT_UNKNOWN);
		CHECK_EQ(budget.wake_at_ns, 7 * LEAT_SECOND + (1 + state_count) * 500 * MS);
		now += 100 * MS;
		move(w, NULL, 100000, now);
	}
	CHECK_EQ(state_count, 40);
	for (size_t i = 0; i < 40; i++) {
		CHECK_EQ(states[i].bytes, (i + 1) * 500000);
		CHECK_EQ(states[i].total_bytes, 20000000);
		CHECK_EQ(states[i].bytes_per_s, 1000000);
		CHECK_EQ(states[i].eta_ns, 20 * LEAT_SECOND - (i + 1) * 500 * MS);
		CHECK_EQ(states[i].elapsed_ns, (i + 1) * 500 * MS);
		CHECK_EQ(states[i].stalled_ns, 0);
		CHECK_EQ(states[i].ended, 0);
	}
	end(w, 0, now);
	CHECK_EQ(state_count, 41);
	CHECK_EQ(states[40].ended, 1);
	CHECK_EQ(states[40].bytes, 20000000);
	CHECK_EQ(states[40].bytes_per_s, 1000000);
	CHECK_EQ(states[40].eta_ns, 0);
	CHECK(seen_arg == &arg);
}

/* Hazard 50: told also while nothing moves; the rate comes down, stalled_ns counts up. */
static void progress_while_stalled(void)
{
	struct leat_progress progress;
	struct leat_wrapper *w = leat_progress_init(&progress, LEAT_SECOND, keep_state, NULL);
	uint64_t before = UINT64_MAX;

	begin_with_total(w, 0, 1 << 30);
	move(w, NULL, 1 << 20, LEAT_SECOND);
	CHECK_EQ(states[0].bytes_per_s, 1 << 20);
	for (uint64_t i = 2; i < 60; i++) {
		tell(w, LEAT_EVENT_TICK, i * LEAT_SECOND);
		CHECK_EQ(state_count, i);
		CHECK_EQ(states[i - 1].bytes, 1 << 20);
		CHECK_EQ(states[i - 1].stalled_ns, (i - 1) * LEAT_SECOND);
		CHECK(states[i - 1].bytes_per_s < before || !before);
		before = states[i - 1].bytes_per_s;
	}
	CHECK_EQ(before, 0);
	CHECK_EQ(states[58].eta_ns, LEAT_UNKNOWN);
	CHECK(states[2].eta_ns > states[1].eta_ns && states[2].eta_ns != LEAT_UNKNOWN);
	move(w, NULL, 1, 59 * LEAT_SECOND + 1);
	tell(w, LEAT_EVENT_TICK, 60 * LEAT_SECOND);
	CHECK_EQ(states[59].stalled_ns, LEAT_SECOND - 1);
}

static void progress_shows_a_change_of_speed(void)
{
	struct leat_progress progress;
	struct leat_wrapper *w = leat_progress_init(&progress, 200 * MS, keep_state, NULL);

	begin_with_total(w, 0, LEAT_UNKNOWN);
	for (int i = 1; i <= 20; i++)
		move(w, NULL, 200000, i * 200 * MS);
	for (int i = 21; i <= 45; i++)
		move(w, NULL, 400000, i * 200 * MS);	/* twice as fast for 5 s */
	CHECK_EQ(states[19].bytes_per_s, 1000000);
	CHECK(states[20].bytes_per_s < 1200000);
	CHECK(states[44].bytes_per_s > 1850000 && states[44].bytes_per_s < 2000000);
	CHECK_EQ(states[44].eta_ns, LEAT_UNKNOWN);
	CHECK_EQ(states[44].total_bytes, LEAT_UNKNOWN);
}

/* A step that came late: one call, not one for each beat missed, and back on the beat. */
static void progress_keeps_the_beat(void)
{
	struct leat_progress progress;
	struct leat_wrapper *w = leat_progress_init(&progress, 100 * MS, keep_state, NULL);
	struct leat_budget budget = budget_at(1, 0);

	begin_with_total(w, 0, LEAT_UNKNOWN);
	tell(w, LEAT_EVENT_TICK, 735 * MS);
	CHECK_EQ(state_count, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, 800 * MS);
	tell(w, LEAT_EVENT_TICK, 799 * MS);
	CHECK_EQ(state_count, 1);
	tell(w, LEAT_EVENT_TICK, 800 * MS);
	CHECK_EQ(state_count, 2);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(progress.next_ns, 900 * MS);
}

/* What the flow says at the end is what came, not what was expected. */
static void end_short(struct leat_wrapper *w, uint64_t bytes)
{
	struct leat_report report = { .error = -EPIPE };
	struct leat_event event = event_at(LEAT_EVENT_END, 52 * LEAT_SECOND);

	event.report = &report;
	event.bytes = event.total_bytes = bytes;
	w->ops->event(w, &event);
}

static void progress_restarts_at_begin(void)
{
	struct leat_progress progress;
	struct leat_wrapper *w = leat_progress_init(&progress, LEAT_SECOND, keep_state, NULL);
	struct leat_budget budget = budget_at(1, 0);

	begin_with_total(w, 0, 100);
	move(w, NULL, 100, LEAT_SECOND);
	end(w, 0, LEAT_SECOND);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	begin_with_total(w, 50 * LEAT_SECOND, 200);
	move(w, NULL, 50, 51 * LEAT_SECOND);
	CHECK_EQ(states[0].bytes, 50);
	CHECK_EQ(states[0].total_bytes, 200);
	CHECK_EQ(states[0].elapsed_ns, LEAT_SECOND);
	end_short(w, 50);
	CHECK_EQ(states[1].ended, 1);
	CHECK_EQ(states[1].total_bytes, 200);
	CHECK_EQ(states[1].bytes_per_s, 25);
}

static void progress_extremes(void)
{
	struct leat_progress progress;
	struct leat_wrapper *w = leat_progress_init(&progress, 0, keep_state, NULL);

	begin_with_total(w, 5, 3);	/* an interval of 0: only the end */
	move(w, NULL, UINT64_C(1) << 62, 6);
	tell(w, LEAT_EVENT_TICK, LEAT_NEVER);
	CHECK_EQ(state_count, 0);
	end(w, 0, 6);
	CHECK_EQ(state_count, 1);
	CHECK_EQ(states[0].bytes_per_s, UINT64_MAX);
	w = leat_progress_init(&progress, 1, keep_state, NULL);
	begin_with_total(w, 5, 3);
	move(w, NULL, 5, 6);		/* more than expected */
	CHECK_EQ(states[0].eta_ns, 0);
	tell(w, LEAT_EVENT_TICK, LEAT_NEVER - 1);
	w->ops->moved(w, UINT64_MAX / 2, LEAT_ROUTE_COPY);
	tell(w, LEAT_EVENT_TICK, LEAT_NEVER - 1);
	end(w, 0, 5);			/* no time at all */
	CHECK_EQ(states[state_count - 1].ended, 1);
	end(w, 0, 9);			/* an end without a begin: the transfer never began */
	CHECK_EQ(states[state_count - 1].ended, 1);
	CHECK_EQ(states[state_count - 1].bytes, 0);
}

static void null_and_misuse(void)
{
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;

	CHECK(!leat_count_init(NULL) && !leat_log_init(NULL, keep_event, NULL));
	CHECK(!leat_trace_init(NULL, NULL, 1, keep_traced, NULL) && !leat_progress_init(NULL, 1, keep_state, NULL));
	CHECK(leat_log_init(&log, NULL, NULL) == &log.wrapper && !log.wrapper.ops);
	CHECK(leat_trace_init(&trace, NULL, 1, NULL, NULL) == &trace.wrapper && !trace.wrapper.ops);
	CHECK(leat_progress_init(&progress, 1, NULL, NULL) == &progress.wrapper && !progress.wrapper.ops);
}

static const struct test tests[] = {
	TEST(count_counts), TEST(log_gets_every_event_as_it_is), TEST(trace_start_progress_end), TEST(trace_without_progress),
	TEST(progress_of_a_steady_transfer), TEST(progress_while_stalled), TEST(progress_shows_a_change_of_speed),
	TEST(progress_keeps_the_beat), TEST(progress_restarts_at_begin), TEST(progress_extremes), TEST(null_and_misuse),
};
TEST_MAIN(tests)
