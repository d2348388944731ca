/* SPDX-License-Identifier: MIT */
/* Driving one wrapper by its ops, as the flow does, with a clock of our own. */
#ifndef WRAP_DRIVE_H
#define WRAP_DRIVE_H

#include "check.h"
#include "leat.h"

#include <stdbool.h>

#define MS (LEAT_SECOND / 1000)

static inline struct leat_budget budget_at(uint64_t bytes, uint64_t now_ns)
{
	return (struct leat_budget){
		.bytes = bytes, .at_least = 1, .now_ns = now_ns, .active_ns = now_ns, .wake_at_ns = LEAT_NEVER,
		.wait = { .fd = -1 },
	};
}

static inline int ask(struct leat_wrapper *w, struct leat_budget *budget)
{
	return w->ops->allow ? w->ops->allow(w, budget) : 0;
}

static inline struct leat_event event_at(enum leat_event_kind kind, uint64_t now_ns)
{
	return (struct leat_event){ .kind = kind, .now_ns = now_ns, .total_bytes = LEAT_UNKNOWN };
}

static inline void tell(struct leat_wrapper *w, enum leat_event_kind kind, uint64_t now_ns)
{
	struct leat_event event = event_at(kind, now_ns);

	event.bytes = w->passed_bytes;
	if (w->ops->event)
		w->ops->event(w, &event);
}

/* As the flow charges: see, moved, passed_bytes, then the event. What see said. */
static inline int move(struct leat_wrapper *w, const void *data, uint64_t bytes, uint64_t now_ns)
{
	struct leat_event event = event_at(LEAT_EVENT_MOVED, now_ns);
	int r = w->ops->see ? w->ops->see(w, data, bytes) : 0;

	if (w->ops->moved)
		w->ops->moved(w, bytes, LEAT_ROUTE_COPY);
	w->passed_bytes += bytes;
	event.bytes = bytes;
	if (w->ops->event)
		w->ops->event(w, &event);
	return r;
}

/* The END event of a transfer that came to error. */
static inline void end(struct leat_wrapper *w, int error, uint64_t now_ns)
{
	struct leat_report report = { .error = error };
	struct leat_event event = event_at(LEAT_EVENT_END, now_ns);

	event.report = &report;
	if (w->ops->event)
		w->ops->event(w, &event);
}

/* A generator of our own, so that a seed gives the same run everywhere (splitmix64). */
static inline uint64_t random_below(uint64_t *seed, uint64_t below)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return below ? (z ^ (z >> 31)) % below : 0;
}

#endif
