/* SPDX-License-Identifier: MIT */
/* Points in time, the earliest first: a heap of what is embedded in its owners. */
#ifndef CLI_PROXY_TIMERS_H
#define CLI_PROXY_TIMERS_H

#include <stdint.h>

struct timer {
	uint64_t at_ns;
	unsigned place;		/* 1 and up; 0: not set */
};

struct timers {
	struct timer **heap;	/* [1] is the earliest */
	unsigned count, room;
};

/* Sets it, or moves it. 0 or -ENOMEM. */
int timers_set(struct timers *timers, struct timer *timer, uint64_t at_ns);
void timers_unset(struct timers *timers, struct timer *timer);
/* The earliest that is due, taken out; NULL. */
struct timer *timers_due(struct timers *timers, uint64_t now_ns);
/* Milliseconds until the earliest, rounded up, for epoll_wait; -1: none is set. */
int timers_ms(const struct timers *timers, uint64_t now_ns);
void timers_free(struct timers *timers);

#endif
