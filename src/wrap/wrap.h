/* SPDX-License-Identifier: MIT */
/* The identities of the wrappers we ship, and what they share. */
#ifndef LEAT_WRAP_WRAP_H
#define LEAT_WRAP_WRAP_H

#include "../types.h"

extern const struct leat_wrapper_ops limit_ops, section_ops, rate_ops, deadline_ops;
extern const struct leat_wrapper_ops count_ops, log_ops, trace_ops, progress_ops;
extern const struct leat_wrapper_ops hash_ops, xxh3_ops, tee_ops, frame_ops;

/* The flow dropped bytes that belong to section->skip. */
void section_skipped(struct leat_limit *section, uint64_t bytes);

__extension__ typedef unsigned __int128 wide_uint;

/* a * b / c, rounded down; UINT64_MAX when that is too large. c is not 0. */
static inline uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t product;
	wide_uint wide;

	if (!__builtin_mul_overflow(a, b, &product))
		return product / c;
	wide = (wide_uint)a * b / c;
	return wide > UINT64_MAX ? UINT64_MAX : (uint64_t)wide;
}

/* a + b, or UINT64_MAX: a time so far off is LEAT_NEVER. */
static inline uint64_t add_capped(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Asks the wrapper, or the frame that it is, what of so many bytes may pass. The clocks of budget are filled in. Who has no
 * allow says 0, and lets all pass. */
static inline int ask_allow(struct leat_wrapper *w, struct leat_budget *budget, uint64_t bytes, uint64_t at_least)
{
	int (*allow)(struct leat_wrapper *, struct leat_budget *) = w->ops == &frame_ops ?
		((const struct leat_frame *)w)->ops->allow : w->ops->allow;

	budget->bytes = bytes;
	budget->at_least = at_least;
	budget->wake_at_ns = LEAT_NEVER;
	budget->wait.fd = -1;
	return allow ? allow(w, budget) : 0;
}

static inline void wake_by(struct leat_budget *budget, uint64_t at_ns)
{
	if (at_ns < budget->wake_at_ns)
		budget->wake_at_ns = at_ns;
}

#endif
