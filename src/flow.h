/* SPDX-License-Identifier: MIT */
/*
 * What goes next: one walk along the way, from the leaf of the source to the sink, asking each wrapper. A frame or changer
 * on the way puts bytes of its own at the head of the stream; a section may drop what stands there. Then the charge: what
 * was accepted is charged to each wrapper whose place it crossed, and to nobody else (invariant 2).
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

/* bytes of extent were accepted (by the sink, or by extent->target). 0, or the error of a wrapper that saw them. */
int flow_charge(struct transfer *t, const struct extent *extent, uint64_t bytes, enum leat_route route,
		const struct leat_wrapper **ret_by);

/* The changer at extent->target takes what it will. 0, or an error and whose it is. */
int flow_change(struct transfer *t, const struct extent *extent, const struct leat_wrapper **ret_by);

/* The transfer ends, or its part: what changers up to last made and the sink did not take stays with them and comes first
 * next time, and what they consumed for it is charged now. *ret_bytes: added. 0, -ENOMEM, or the error of a wrapper. */
int flow_keep_changed(struct transfer *t, struct leat_wrapper *last, uint64_t *ret_bytes);

/* True when the extent has to be taken from the source into a pipe or buffer of ours first. */
bool flow_needs_fill(const struct transfer *t, const struct extent *extent);

/* Room that changers need behind the copy buffer. */
#define FLOW_CHANGE_BYTES 65536

#endif
