/* SPDX-License-Identifier: MIT */
/*
 * What goes next: one walk along the way, from the leaf of the source to the sink, asking each wrapper. A frame or changer
 * on the way puts bytes of its own at the head of the stream; a section may drop what stands there.
 */
#ifndef LEAT_FLOW_H
#define LEAT_FLOW_H

#include "types.h"

enum flow {
	FLOW_READY,		/* *extent may go */
	FLOW_WAIT,		/* a wrapper or the caller: t->waiting, t->wake_at_ns, t->wrapper_wait */
	FLOW_PART_OVER,		/* the queue's part has ended, or one around it: extent->target is its last wrapper */
	FLOW_END,		/* the stream has ended */
	FLOW_FAILED,		/* *ret_error, *ret_by */
};

/* *ret_by: the wrapper that ended or failed the stream, or NULL for the source. */
enum flow flow_next(struct transfer *t, struct extent *extent, const struct leat_wrapper **ret_by, int *ret_error);

/* Whether a frame above by, with no changer between, has promised bytes that are still to go. by NULL: anywhere on the way. */
bool flow_promised(const struct transfer *t, const struct leat_wrapper *by);

/* True when the extent has to be taken from the source into a pipe or buffer of ours first. */
bool flow_needs_fill(const struct transfer *t, const struct extent *extent);

#endif
