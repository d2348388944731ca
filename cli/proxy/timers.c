/* SPDX-License-Identifier: MIT */
#include "timers.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static void put(struct timers *timers, struct timer *timer, unsigned place)
{
	timers->heap[place] = timer;
	timer->place = place;
}

static void up(struct timers *timers, struct timer *timer, unsigned place)
{
	for (; place > 1 && timers->heap[place / 2]->at_ns > timer->at_ns; place /= 2)
		put(timers, timers->heap[place / 2], place);
	put(timers, timer, place);
}

static void down(struct timers *timers, struct timer *timer, unsigned place)
{
	for (;;) {
		unsigned below = 2 * place;

		if (below < timers->count && timers->heap[below + 1]->at_ns < timers->heap[below]->at_ns)
			below++;
		if (below > timers->count || timers->heap[below]->at_ns >= timer->at_ns)
			break;
		put(timers, timers->heap[below], place);
		place = below;
	}
	put(timers, timer, place);
}

int timers_set(struct timers *timers, struct timer *timer, uint64_t at_ns)
{
	uint64_t was_ns = timer->at_ns;

	if (!timer->place && timers->count + 1 >= timers->room) {
		unsigned room = timers->room ? 2 * timers->room : 64;
		struct timer **heap = reallocarray(timers->heap, room, sizeof *heap);

		if (!heap)
			return -ENOMEM;
		timers->heap = heap;
		timers->room = room;
	}
	timer->at_ns = at_ns;
	if (!timer->place)
		up(timers, timer, ++timers->count);
	else if (at_ns < was_ns)
		up(timers, timer, timer->place);
	else
		down(timers, timer, timer->place);
	return 0;
}

void timers_unset(struct timers *timers, struct timer *timer)
{
	unsigned place = timer->place;
	struct timer *last;

	if (!place)
		return;
	timer->place = 0;
	last = timers->heap[timers->count--];
	if (last == timer)
		return;
	if (place > 1 && timers->heap[place / 2]->at_ns > last->at_ns)
		up(timers, last, place);
	else
		down(timers, last, place);
}

struct timer *timers_due(struct timers *timers, uint64_t now_ns)
{
	struct timer *first = timers->count ? timers->heap[1] : NULL;

	if (!first || first->at_ns > now_ns)
		return NULL;
	timers_unset(timers, first);
	return first;
}

int timers_ms(const struct timers *timers, uint64_t now_ns)
{
	uint64_t ms;

	if (!timers->count)
		return -1;
	if (timers->heap[1]->at_ns <= now_ns)
		return 0;
	ms = (timers->heap[1]->at_ns - now_ns + 999999) / 1000000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
