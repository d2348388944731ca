/* SPDX-License-Identifier: MIT */
/* One transfer: stepped by a poll loop that also comes too early, or by leat_copy. Nothing sleeps: the clock is ours. */
#include "property.h"

#include <errno.h>

#define SPINS 5000	/* steps in a row that say wait for what is ready, and move nothing */

uint64_t world_clock(void *arg)
{
	struct world *w = arg;

	w->now_ns += dice_below(&w->dice, 2000);
	if (w->draft->clock_jumps && dice_one_in(&w->dice, 50))
		w->now_ns += dice_below(&w->dice, LEAT_SECOND / 20);
	if (w->stop_after != NEVER && w->stop_after-- == 0)
		w->stop = 1;
	return w->now_ns;
}

/* Whether the helper has read for a transfer: before Linux 6.12 a hole that nobody has read is cold, and stays so. */
static bool helper_has_read(struct world *w)
{
	bool has = false;

	while (w->draft->helper && leat_helper_next(&w->helper))
		has = true;
	return has;
}

void world_settle(struct world *w, struct pollfd *fds, unsigned count, uint64_t wake_at_ns)
{
	bool for_somebody = false;

	for (unsigned i = 0; i < count; i++)
		for_somebody = for_somebody || (fds[i].fd >= 0 && fds[i].events);
	for (unsigned idle = 0; idle < 600;) {
		uint64_t pumped = peers_pump(w);

		if (poll(fds, count, 0) > 0 || helper_has_read(w))
			return;
		idle = pumped ? 0 : idle + 1;
		if (idle < 10)
			continue;
		if (idle < 30 && for_somebody && peers_busy(w)) {
			poll(fds, count, 1);
			continue;
		}
		if (wake_at_ns != NEVER) {
			w->now_ns = w->now_ns > wake_at_ns ? w->now_ns : wake_at_ns;
			return;
		}
		if (world_add_part(w))
			return;
		poll(fds, count, 5);
	}
	wrong("it waits for what never comes (after %llu bytes)", (ull)w->accepted);
}

static bool known(const struct world *w, int fd)
{
	if (fd < 0 || fd == ready_fd || fd == w->sink_fd)
		return true;
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && w->place[i].fd == fd)
			return true;
	for (unsigned i = 0; i < w->tees; i++)
		if (w->tee[i]->second_fd == fd)
			return true;
	return false;
}

static void wait_for(struct world *w, const struct leat_transfer *t)
{
	struct leat_wait wait;

	leat_wants(t, &wait);
	for (unsigned i = 0; i < 3; i++)
		REQUIRE(known(w, wait.fds[i].fd), "leat_wants names descriptor %d, which is not the caller's", wait.fds[i].fd);
	world_settle(w, wait.fds, 3, wait.wake_at_ns);
}

/* Everything that has moved, by all who count. */
static uint64_t moved_so_far(const struct world *w, const struct leat_transfer *t)
{
	struct leat_report report;

	leat_so_far(t, &report);
	REQUIRE(!report.ended_by || report.error, "leat_so_far tells of an end while it runs");
	return w->moves + report.bytes;
}

static int drive_steps(struct world *w, uint64_t most)
{
	struct leat_transfer t;
	int r = leat_begin(&t, &w->sink[w->draft->sinks - 1], &w->root->source, &w->options), end;
	uint64_t steps = 0, moves = 0, still = 0;

	if (r < 0)
		return r;
	for (r = LEAT_AGAIN; r > 0 && steps < most; steps++) {
		r = leat_step(&t);
		REQUIRE(r <= LEAT_AGAIN, "leat_step returned %d", r);
		if (r <= 0)
			break;
		still = moved_so_far(w, &t) == moves ? still + 1 : 0;
		moves = moved_so_far(w, &t);
		REQUIRE(still < SPINS, "it spins: %d steps moved nothing", SPINS);
		if (dice_one_in(&w->dice, 16) && world_add_part(w))
			continue;	/* who adds has to step */
		if (r == LEAT_WAIT && !dice_one_in(&w->dice, 5))
			wait_for(w, &t);
		else if (dice_one_in(&w->dice, 3))
			peers_pump(w);
	}
	REQUIRE(r > 0 || leat_step(&t) == r, "leat_step said %d, and then something else", r);
	w->cancelled = r > 0;
	end = leat_end(&t, &w->report);
	/* Shown what a changer has taken, a content wrapper may fail even then. */
	REQUIRE(r > 0 ? end < 0 : end == r, "leat_end returned %d after %d", end, r);
	REQUIRE(leat_end(&t, NULL) == -EINVAL, "leat_end worked twice");
	return end;
}

static bool queues_fed(struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].node.queue && !w->place[i].node.closed && w->place[i].added == w->place[i].over)
			return false;
	return true;
}

/* leat_copy on an empty open queue is stuck: parts come first, or from the release of the part before, or all at once. */
static int drive_copy(struct world *w, uint64_t most)
{
	int64_t n;

	while (!queues_fed(w) || (w->draft->seed & 1 && world_add_part(w)))
		world_add_part(w);
	w->stop_after = most;
	w->copying = true;
	n = leat_copy(&w->sink[w->draft->sinks - 1], &w->root->source, &w->options, &w->report);
	w->cancelled = w->stop;
	w->stop_after = NEVER;
	w->stop = 0;
	w->copying = false;
	REQUIRE(n < 0 || (uint64_t)n == w->report.bytes, "leat_copy returned %lld, its report %llu", (long long)n,
		(ull)w->report.bytes);
	REQUIRE(n >= 0 || n == w->report.error, "leat_copy returned %lld, its report %d", (long long)n, w->report.error);
	return n < 0 ? (int)n : 0;
}

void drive(struct world *w, const struct phase_draft *phase)
{
	memset(&w->report, 0, sizeof w->report);
	w->result = phase->way == PHASE_STEP ? drive_steps(w, phase->amount) : drive_copy(w, phase->amount);
	w->bytes += w->report.bytes;
}
