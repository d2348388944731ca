/* SPDX-License-Identifier: MIT */
/* Facts + needs + kernel → the ordered routes, with a reason for each refusal. Pure: no system call, no side effect. */
#ifndef LEAT_PLAN_H
#define LEAT_PLAN_H

#include "types.h"

/* A version of the kernel, to be compared. */
#define KERNEL(major, minor) ((uint32_t)(major) << 16 | (minor))

struct plan_query {
	const struct leat_facts *source, *sink;
	enum leat_policy policy;
	uint32_t routes_off;		/* the caller's and LEAT_ROUTES together */
	uint32_t features;
	uint32_t kernel;		/* as KERNEL() */
	const char *content, *change;	/* the first wrapper that needs it, or NULL */
	bool kernel_tee;		/* content is only needed by tees, and tee(2) can do it */
	bool framed;
	bool stable;			/* asked for stable bytes, and the source is not */
	bool sink_own_offset;
	enum leat_reason source_reason, sink_reason;	/* of callbacks */
};

/* 0; LEAT_EREFUSED under require; LEAT_EDATAGRAM. *plan is filled in either way, for the report. */
int plan_make(const struct plan_query *query, struct plan *plan);

#endif
