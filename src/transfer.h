/* SPDX-License-Identifier: MIT */
/* A transfer's life, shared by the loop (transfer.c), its beginning and end (leaf.c) and the calls that wait (block.c). */
#ifndef LEAT_TRANSFER_H
#define LEAT_TRANSFER_H

#include "types.h"

static inline struct transfer *transfer_inside(const struct leat_transfer *transfer)
{
	return (struct transfer *)(uintptr_t)transfer;
}

/* leaf.c: Looks at both ends, plans, tells the wrappers. blocking: BLOCKING_CALLER for leat_copy. 0 or an error. */
int transfer_begin(struct transfer *t, struct leat_sink *sink, struct leat_source *source,
		   const struct leat_options *options, unsigned blocking, unsigned bits);
/* Finds the leaf that gives bytes next, with its facts and plan. 0, or an error, as transfer_fail. */
int transfer_next_leaf(struct transfer *t);
/* What that opened is given back, and a descriptor's own offset left after the last byte delivered, for io.Copy's habit. */
void transfer_leave_leaf(struct transfer *t);
/* end.c: The part has ended, well or with the transfer's error: its offset, events, report and release. */
void transfer_part_over(struct transfer *t);
/* A wrapper behind the queue has ended the part around it, whose last wrapper is last: what is inside stays as it is, and that
 * part is the one that is over. 0 or an error. */
int transfer_part_around(struct transfer *t, struct leat_wrapper *last);
/* The part's, or the whole transfer's, source looked at once more: 0, LEAT_ECHANGED; notes growth. */
int transfer_compare(struct transfer *t);
int transfer_end(struct transfer *t, struct leat_report *report);

/* transfer.c: Notes what failed. Returns error. by: whose error it is, or NULL. */
int transfer_fail(struct transfer *t, int error, enum leat_side side, const struct leat_wrapper *by);
int transfer_step(struct transfer *t);
void transfer_wants(const struct transfer *t, struct leat_wait *wait);

#endif
