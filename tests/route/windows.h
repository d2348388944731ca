/* SPDX-License-Identifier: MIT */
/*
 * Judges a rate limit: lanes run at the same time, a process each, and note what they moved and when. In any window of a second
 * after the first burst that stays within 5 % of the rate. More is never excused. Less is, by what a bucket that holds 40 ms
 * lost while the machine kept a thread for longer (machine.h); and tried up to three times.
 */
#ifndef LEAT_TESTS_ROUTE_WINDOWS_H
#define LEAT_TESTS_ROUTE_WINDOWS_H

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "ends.h"
#include "machine.h"

#define WINDOWS_SIZE (64 << 20)		/* more than comes in all */
#define WINDOWS_RATE 16000000
#define WINDOWS_BURST 500000
#define WINDOWS_RUN_NS (7 * LEAT_SECOND / 2)
#define WINDOWS_MOVES 20000
#define WINDOWS_LANES 12
#define WINDOWS_PARTS 3
/* A timer 35 ms late costs no rate (wrap/shape.c); 5 of them are the library's own. */
#define WINDOWS_NO_LOSS_NS (30 * (LEAT_SECOND / 1000))

/* What a lane did, in memory that processes share. */
struct moves {
	const char *name;
	unsigned count;
	uint64_t begin_ns, route_bytes, bytes, took_ns;
	int64_t r;		/* of the transfer: -ETIMEDOUT, by a deadline of WINDOWS_RUN_NS */
	struct { const char *name; uint64_t bytes; } part[WINDOWS_PARTS];	/* of a lane of several transfers */
	/* Each moved after asked_ns, when the rate was asked, and before at_ns. late_ns: the machine was late by so much by then. */
	struct { uint64_t asked_ns, at_ns, bytes, late_ns; } move[WINDOWS_MOVES];
};

/* Of a log around the rate, by any thread. */
static inline void windows_note(struct moves *moves, const struct leat_event *event)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	if (event->kind != LEAT_EVENT_MOVED)
		return;
	pthread_mutex_lock(&lock);
	moves->bytes += event->bytes;
	if (moves->count < WINDOWS_MOVES) {
		moves->move[moves->count].asked_ns = event->now_ns;
		moves->move[moves->count].at_ns = leat_now_ns();
		moves->move[moves->count].late_ns = machine_late_ns();
		moves->move[moves->count++].bytes = event->bytes;
	}
	pthread_mutex_unlock(&lock);
}

/* The part of the rate that a bucket lost before move i, and after the one before it, while the machine was late. */
static double windows_lost(const struct moves *moves, unsigned i)
{
	uint64_t gap_ns, late_ns;

	if (!i || i >= moves->count)
		return 0;
	gap_ns = machine_less(moves->move[i].at_ns, moves->move[i - 1].at_ns);
	late_ns = machine_less(moves->move[i].late_ns, moves->move[i - 1].late_ns);
	return (double)machine_less(late_ns < gap_ns ? late_ns : gap_ns, WINDOWS_NO_LOSS_NS) / (double)LEAT_SECOND;
}

/* What surely moved within a second from move i on, with it; as a part of the rate. */
static double windows_most_from(const struct moves *moves, unsigned i)
{
	uint64_t from_ns = moves->move[i].asked_ns, bytes = 0;

	for (unsigned k = i; k < moves->count && moves->move[k].at_ns < from_ns + LEAT_SECOND; k++)
		bytes += moves->move[k].asked_ns >= from_ns ? moves->move[k].bytes : 0;
	return (double)bytes / WINDOWS_RATE;
}

/* What had moved within a second after move i, without it, and what the machine lost, also in the gap at the end. */
static double windows_least_after(const struct moves *moves, unsigned i)
{
	uint64_t until_ns = moves->move[i].at_ns + LEAT_SECOND, bytes = 0;
	double missing = 0;
	unsigned k;

	for (k = i + 1; k < moves->count && moves->move[k].at_ns < until_ns; k++) {
		bytes += moves->move[k].bytes;
		missing += windows_lost(moves, k);
	}
	return (double)bytes / WINDOWS_RATE + missing + windows_lost(moves, k);
}

/* The least and the most in a window of a second that begins after the burst has gone out, as parts of the rate. */
static void windows_of(const struct moves *moves, double *ret_least, double *ret_most)
{
	uint64_t end = moves->begin_ns + WINDOWS_RUN_NS, bytes = 0;
	unsigned first = 0;

	*ret_least = 99;
	*ret_most = 0;
	while (first < moves->count && (bytes += moves->move[first].bytes) < WINDOWS_BURST)
		first++;
	for (unsigned i = first; i < moves->count && moves->move[i].at_ns + LEAT_SECOND <= end; i++) {
		double least = windows_least_after(moves, i), most = i > first ? windows_most_from(moves, i) : 0;

		*ret_least = least < *ret_least ? least : *ret_least;
		*ret_most = most > *ret_most ? most : *ret_most;
	}
}

static bool windows_check(const struct moves *moves, bool last)
{
	double least, most, all_lost = 0;

	test_note(moves->name);
	windows_of(moves, &least, &most);
	for (unsigned i = 0; i < moves->count; i++)
		all_lost += windows_lost(moves, i);
	printf("%-32s %6.2f MB in %4d ms, windows %.3f to %.3f of the rate, %u moves, %.0f ms lost to the machine\n", moves->name,
	       (double)moves->bytes / 1e6, (int)(moves->took_ns / (LEAT_SECOND / 1000)), least, most, moves->count, all_lost * 1000);
	for (unsigned i = 0; i < WINDOWS_PARTS && moves->part[i].name; i++)
		printf("    %-28s %6.2f MB\n", moves->part[i].name, (double)moves->part[i].bytes / 1e6);
	CHECK_EQ(moves->r, -ETIMEDOUT);
	CHECK_SAY(moves->count < WINDOWS_MOVES, "more moves than there is room for");
	CHECK_SAY(moves->route_bytes * 10 > moves->bytes * 9, "only %llu bytes by the route",
		  (unsigned long long)moves->route_bytes);
	CHECK_SAY(most <= 1.05, "%.3f of the rate in some second", most);
	CHECK_SAY(!last || least >= 0.95, "only %.3f of the rate in some second", least);
	return least < 0.95;
}

/* Runs the lanes that were slow so far, all of them at first, at the same time. How many still are. */
static unsigned windows_attempt(struct moves *moves, unsigned lanes, bool *slow, bool last, void (*run)(unsigned, struct moves *))
{
	pid_t pids[WINDOWS_LANES];
	unsigned count = 0;
	int status;

	for (unsigned i = 0; i < lanes; i++) {
		if (!slow[i])
			continue;
		memset(&moves[i], 0, sizeof moves[i]);
		fflush(stdout);
		pids[i] = CHECK_CALL(fork());
		if (pids[i])
			continue;
		run(i, &moves[i]);
		_exit(0);
	}
	for (unsigned i = 0; i < lanes; i++) {
		if (!slow[i])
			continue;
		CHECK_CALL(waitpid(pids[i], &status, 0));
		CHECK_EQ(status, 0);
	}
	for (unsigned i = 0; i < lanes; i++) {
		if (slow[i])
			slow[i] = windows_check(&moves[i], last);
		count += slow[i];
	}
	return count;
}

/* run does one lane, by number, from a file or whatever is there already. */
static inline void windows_judge(unsigned lanes, void (*run)(unsigned lane, struct moves *moves))
{
	struct moves *moves;
	bool slow[WINDOWS_LANES];

	CHECK(lanes <= WINDOWS_LANES);
	moves = mmap(NULL, sizeof *moves * lanes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(moves != MAP_FAILED);
	memset(slow, true, sizeof slow);
	for (unsigned n = 1; n <= 3; n++)
		if (!windows_attempt(moves, lanes, slow, n == 3, run))
			break;
	munmap(moves, sizeof *moves * lanes);
}

#endif
