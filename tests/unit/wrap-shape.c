/* SPDX-License-Identifier: MIT */
/* limit, exact limit, section and deadline, driven by their ops. */
#include "wrap-drive.h"
#include "wrap/wrap.h"

static void limit_lowers_and_ends(void)
{
	struct leat_limit limit;
	struct leat_wrapper *w = leat_limit_init(&limit, 100);
	struct leat_budget budget = budget_at(1000, 1);

	CHECK(w == &limit.wrapper && w->ops == &limit_ops);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 100);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	move(w, NULL, 60, 1);
	budget = budget_at(30, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 30);
	budget = budget_at(LEAT_UNKNOWN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 40);
	w->ops->skipped(w, 39);
	budget = budget_at(LEAT_UNKNOWN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 1);
	move(w, NULL, 1, 1);
	CHECK_EQ(ask(w, &budget), LEAT_END);
	CHECK_EQ(w->ops->finish(w, &budget), 0);
}

static void limit_keeps_what_is_left_over_transfers(void)
{
	struct leat_limit limit;
	struct leat_wrapper *w = leat_limit_init(&limit, 100);
	struct leat_budget budget = budget_at(1000, 2);

	tell(w, LEAT_EVENT_BEGIN, 1);
	move(w, NULL, 30, 1);
	end(w, -ECANCELED, 1);
	tell(w, LEAT_EVENT_BEGIN, 2);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 70);
}

static void limit_of_nothing_ends_at_once(void)
{
	struct leat_limit limit;
	struct leat_budget budget = budget_at(1, 1);

	CHECK_EQ(ask(leat_limit_init(&limit, 0), &budget), LEAT_END);
	budget = budget_at(0, 1);
	CHECK_EQ(ask(leat_limit_init(&limit, 0), &budget), LEAT_END);
	budget = budget_at(0, 1);
	CHECK_EQ(ask(leat_limit_init(&limit, 5), &budget), 0);
}

static void exact_limit_fails_short(void)
{
	struct leat_limit limit;
	struct leat_wrapper *w = leat_limit_init_exact(&limit, 10);
	struct leat_budget budget = budget_at(0, 1);

	move(w, NULL, 9, 1);
	CHECK_EQ(w->ops->finish(w, &budget), LEAT_ESHORT);
	move(w, NULL, 1, 1);
	CHECK_EQ(w->ops->finish(w, &budget), 0);
	w = leat_limit_init_exact(&limit, 0);
	CHECK_EQ(w->ops->finish(w, &budget), 0);
}

static void limit_beyond_32_bits(void)
{
	struct leat_limit limit;
	struct leat_wrapper *w = leat_limit_init(&limit, UINT64_C(5) << 40);
	struct leat_budget budget = budget_at(UINT64_MAX, 1);

	move(w, NULL, UINT64_C(4) << 40, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, UINT64_C(1) << 40);
	move(w, NULL, UINT64_MAX, 1);	/* more than was allowed must not wrap round to a huge limit */
	CHECK_EQ(limit.left, 0);
}

static void section_skips_then_limits(void)
{
	struct leat_limit section;
	struct leat_wrapper *w = leat_section_init(&section, 1000, 50);
	struct leat_budget budget = budget_at(400, 1);

	CHECK(w->ops == &section_ops);
	section_skipped(&section, 999);
	CHECK_EQ(section.skip, 1);
	CHECK_EQ(section.left, 50);
	section_skipped(&section, 1);
	CHECK_EQ(section.skip, 0);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 50);
	w->ops->skipped(w, 20);		/* dropped by another section below */
	move(w, NULL, 30, 1);
	CHECK_EQ(ask(w, &budget), LEAT_END);
	CHECK(!w->ops->finish || w->ops->finish(w, &budget) == 0);
	section_skipped(&section, 7);
	CHECK_EQ(section.skip, 0);
}

static void deadline_idle(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 100 * MS, 0);
	struct leat_budget budget;

	tell(w, LEAT_EVENT_BEGIN, 1000);
	budget = budget_at(7, 1000);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 7);
	CHECK_EQ(budget.wake_at_ns, 1000 + 100 * MS);
	budget = budget_at(7, 1000 + 100 * MS - 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, 1000 + 100 * MS);
	move(w, NULL, 1, 5000);
	budget = budget_at(7, 4999 + 100 * MS);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, 5000 + 100 * MS);
	CHECK_EQ(ask(w, &budget), 0);	/* asking is no progress */
	budget = budget_at(7, 5000 + 100 * MS);
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
}

/* The next question may come long after a move: idle counts from the move. */
static void deadline_idle_counts_from_the_move(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 100 * MS, 0);
	struct leat_budget budget = budget_at(1, 10 * MS + 100 * MS);

	tell(w, LEAT_EVENT_BEGIN, 0);
	move(w, NULL, 1, 10 * MS);
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
}

static void deadline_total(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 0, 2 * LEAT_SECOND);
	struct leat_budget budget;

	tell(w, LEAT_EVENT_BEGIN, 0);	/* a clock of a test may begin at 0 */
	for (uint64_t now = 0; now < 2 * LEAT_SECOND; now += 50 * MS) {
		budget = budget_at(1, now);
		CHECK_EQ(ask(w, &budget), 0);
		CHECK_EQ(budget.wake_at_ns, 2 * LEAT_SECOND);
		move(w, NULL, 1, now);
	}
	budget = budget_at(1, 2 * LEAT_SECOND);
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
	end(w, -ETIMEDOUT, 2 * LEAT_SECOND);
	tell(w, LEAT_EVENT_BEGIN, 9 * LEAT_SECOND);	/* the next transfer begins anew */
	budget = budget_at(1, 10 * LEAT_SECOND);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, 11 * LEAT_SECOND);
}

static void deadline_none_and_never(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 0, 0);
	struct leat_budget budget = budget_at(1, LEAT_SECOND << 20);

	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	w = leat_deadline_init(&deadline, UINT64_MAX, UINT64_MAX);
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	w = leat_deadline_init(&deadline, 50 * MS, 20 * MS);	/* the nearer one wakes, an earlier wish stays */
	tell(w, LEAT_EVENT_BEGIN, 0);
	budget = budget_at(1, 10 * MS);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, 20 * MS);
	budget = budget_at(1, 10 * MS);
	budget.wake_at_ns = 11 * MS;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, 11 * MS);
}

/* An empty queue starves from 10 ms to 10 s: active time stands still, then goes on. */
static void deadline_stands_still_while_starved(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 100 * MS, 500 * MS);
	uint64_t starved = 10 * LEAT_SECOND - 10 * MS;
	struct leat_budget budget;

	tell(w, LEAT_EVENT_BEGIN, 0);
	move(w, NULL, 1, 10 * MS);
	for (uint64_t now = 10 * MS; now <= 10 * LEAT_SECOND; now += 30 * MS) {
		budget = budget_at(0, now);
		budget.active_ns = 10 * MS;
		CHECK_EQ(ask(w, &budget), 0);
	}
	budget = budget_at(1, starved + 109 * MS);
	budget.active_ns = 109 * MS;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, starved + 110 * MS);
	budget = budget_at(1, starved + 110 * MS);
	budget.active_ns = 110 * MS;
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
}

/* Moves after a starvation come in the plain clock, which is far ahead of the active one. */
static void deadline_moves_after_starving(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 100 * MS, 0);
	uint64_t starved = 3600 * LEAT_SECOND;
	struct leat_budget budget;

	tell(w, LEAT_EVENT_BEGIN, 0);
	for (uint64_t active = 0; active < 2 * LEAT_SECOND; active += 90 * MS) {
		budget = budget_at(1, starved + active);
		budget.active_ns = active;
		CHECK_EQ(ask(w, &budget), 0);
		move(w, NULL, 1, starved + active);
		budget = budget_at(1, starved + active);
		budget.active_ns = active;
		CHECK_EQ(ask(w, &budget), 0);
		CHECK_EQ(budget.wake_at_ns, starved + active + 100 * MS);
	}
	budget = budget_at(1, starved + 3 * LEAT_SECOND);
	budget.active_ns = 3 * LEAT_SECOND;
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
}

/* A part of a queue begins when the transfer has starved for an hour: its begin comes in the plain clock too. */
static void deadline_of_a_part_after_starving(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 100 * MS, 150 * MS);
	uint64_t starved = 3600 * LEAT_SECOND;
	struct leat_budget budget;

	tell(w, LEAT_EVENT_BEGIN, starved + 10 * MS);
	for (uint64_t active = 10 * MS; active < 160 * MS; active += 50 * MS) {
		budget = budget_at(1, starved + active);
		budget.active_ns = active;
		CHECK_EQ(ask(w, &budget), 0);
		move(w, NULL, 1, starved + active);
	}
	budget = budget_at(1, starved + 159 * MS);
	budget.active_ns = 159 * MS;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, starved + 160 * MS);
	budget = budget_at(1, starved + 160 * MS);
	budget.active_ns = 160 * MS;
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
	end(w, -ETIMEDOUT, starved + 160 * MS);
	tell(w, LEAT_EVENT_BEGIN, starved + 200 * MS);	/* nothing moves at all */
	budget = budget_at(1, starved + 200 * MS);
	budget.active_ns = 200 * MS;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, starved + 300 * MS);
	budget = budget_at(1, starved + 300 * MS);
	budget.active_ns = 300 * MS;
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
}

static void deadline_shared_activity(void)
{
	struct leat_activity activity = { 0 };
	struct leat_deadline deadlines[2];
	struct leat_wrapper *one = leat_deadline_init_shared(&deadlines[0], 100 * MS, 0, &activity);
	struct leat_wrapper *other = leat_deadline_init_shared(&deadlines[1], 100 * MS, 0, &activity);
	struct leat_budget budget;

	tell(one, LEAT_EVENT_BEGIN, LEAT_SECOND);
	tell(other, LEAT_EVENT_BEGIN, LEAT_SECOND);
	for (int i = 1; i < 50; i++) {	/* only one of them moves: the other one is not idle */
		move(one, NULL, 1, LEAT_SECOND + i * 60 * MS);
		budget = budget_at(1, LEAT_SECOND + i * 60 * MS + 50 * MS);
		CHECK_EQ(ask(other, &budget), 0);
		CHECK_EQ(budget.wake_at_ns, LEAT_SECOND + i * 60 * MS + 100 * MS);
	}
	budget = budget_at(1, LEAT_SECOND + 49 * 60 * MS + 100 * MS);
	CHECK_EQ(ask(one, &budget), -ETIMEDOUT);
	CHECK_EQ(ask(other, &budget), -ETIMEDOUT);
}

/* One direction comes from a queue that starved for an hour: its active time is no measure for the other's moves. */
static void deadline_shared_and_starved(void)
{
	struct leat_activity activity = { 0 };
	struct leat_deadline deadlines[2];
	struct leat_wrapper *queue = leat_deadline_init_shared(&deadlines[0], 100 * MS, 0, &activity);
	struct leat_wrapper *other = leat_deadline_init_shared(&deadlines[1], 100 * MS, 0, &activity);
	uint64_t now = 3600 * LEAT_SECOND;
	struct leat_budget budget = budget_at(1, now);

	tell(queue, LEAT_EVENT_BEGIN, 0);
	tell(other, LEAT_EVENT_BEGIN, 0);
	budget.active_ns = 0;
	CHECK_EQ(ask(queue, &budget), 0);
	move(other, NULL, 1, now + 50 * MS);
	budget = budget_at(1, now + 149 * MS);
	budget.active_ns = 149 * MS;
	CHECK_EQ(ask(queue, &budget), 0);
	budget = budget_at(1, now + 150 * MS);
	budget.active_ns = 150 * MS;
	CHECK_EQ(ask(queue, &budget), -ETIMEDOUT);
}

/* leat_read tells neither begin nor end: the first question starts the clock, a charge without an event is progress. */
static void deadline_without_begin(void)
{
	struct leat_deadline deadline;
	struct leat_wrapper *w = leat_deadline_init(&deadline, 100 * MS, 300 * MS);
	struct leat_budget budget = budget_at(1, LEAT_SECOND);

	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_SECOND + 100 * MS);
	w->ops->moved(w, 5, LEAT_ROUTE_COPY);
	budget = budget_at(1, LEAT_SECOND + 99 * MS);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_SECOND + 199 * MS);
	w->ops->moved(w, 5, LEAT_ROUTE_COPY);
	budget = budget_at(1, LEAT_SECOND + 250 * MS);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.wake_at_ns, LEAT_SECOND + 300 * MS);
	budget = budget_at(1, LEAT_SECOND + 300 * MS);
	CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
}

/* The same after a transfer on the same deadline, and with an activity nobody has begun. */
static void deadline_reads_long_after_a_transfer(void)
{
	struct leat_activity activity = { 0 };
	struct leat_deadline deadline;
	struct leat_budget budget;

	for (int shared = 0; shared < 2; shared++) {
		struct leat_wrapper *w = shared ? leat_deadline_init_shared(&deadline, 100 * MS, 300 * MS, &activity) :
						  leat_deadline_init(&deadline, 100 * MS, 300 * MS);

		for (int i = 0; i < 2; i++) {
			if (i) {
				tell(w, LEAT_EVENT_BEGIN, 5 * LEAT_SECOND);
				move(w, NULL, 1, 5 * LEAT_SECOND);
				end(w, 0, 5 * LEAT_SECOND);
			}
			budget = budget_at(1, 9 * LEAT_SECOND);
			CHECK_EQ(ask(w, &budget), 0);
			CHECK_EQ(budget.wake_at_ns, 9 * LEAT_SECOND + 100 * MS);
			budget = budget_at(1, 9 * LEAT_SECOND + 100 * MS);
			CHECK_EQ(ask(w, &budget), -ETIMEDOUT);
		}
	}
}

static void null_and_misuse(void)
{
	struct leat_deadline deadline;
	struct leat_limit limit;

	CHECK(!leat_limit_init(NULL, 1) && !leat_limit_init_exact(NULL, 1) && !leat_section_init(NULL, 1, 1));
	CHECK(!leat_deadline_init(NULL, 1, 1) && !leat_deadline_init_shared(NULL, 1, 1, NULL));
	CHECK(leat_deadline_init_shared(&deadline, 1, 1, NULL) == &deadline.wrapper);
	CHECK(!deadline.wrapper.ops);	/* leat_wrap keeps -EINVAL */
	memset(&limit, 0xa5, sizeof limit);
	CHECK(leat_limit_init(&limit, 1)->ops && !limit.wrapper.inner && !limit.wrapper.passed_bytes && !limit.exact);
	CHECK_EQ(limit.skip, 0);
}

static const struct test tests[] = {
	TEST(limit_lowers_and_ends), TEST(limit_keeps_what_is_left_over_transfers), TEST(limit_of_nothing_ends_at_once),
	TEST(exact_limit_fails_short), TEST(limit_beyond_32_bits), TEST(section_skips_then_limits), TEST(deadline_idle),
	TEST(deadline_idle_counts_from_the_move), TEST(deadline_total), TEST(deadline_none_and_never),
	TEST(deadline_stands_still_while_starved), TEST(deadline_moves_after_starving), TEST(deadline_of_a_part_after_starving),
	TEST(deadline_shared_activity), TEST(deadline_shared_and_starved), TEST(deadline_without_begin),
	TEST(deadline_reads_long_after_a_transfer), TEST(null_and_misuse),
};
TEST_MAIN(tests)
