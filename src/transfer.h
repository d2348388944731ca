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
/* Finds the leaf that gives bytes next, with its facts and plan. 0 or an error. */
int transfer_next_leaf(struct transfer *t);
/* end.c: The part has ended with error (0: well): its offset, events, report and release. */
void transfer_part_over(struct transfer *t, int error);
/* The part's, or the whole transfer's, source looked at once more: 0, LEAT_ECHANGED; notes growth. */
int transfer_compare(struct transfer *t);
int transfer_end(struct transfer *t, struct leat_report *report);

/* What a call of a route begins with. 4 MiB cost no more than 64 MiB (DESIGN.md 16); at 8 MiB the calls that end short
 * because the socket is full leave the sum below 300 a GiB. About 1 ms on loopback. */
#define TRANSFER_CALL_BYTES (8 * MIB)

/* deliver.c: the extent goes where it has to. LEAT_AGAIN, LEAT_WAIT or an error; *ret_bytes: added, what the sink took. */
int transfer_deliver(struct transfer *t, struct extent *x, uint64_t *ret_bytes);

/* transfer.c. What a fill or a move came to, once its bytes are accounted for: LEAT_AGAIN, LEAT_WAIT, or an error. */
int transfer_judge(struct transfer *t, const struct move *move);
/* Two streams under auto: the choice is made anew after each fill. */
void transfer_adapt(struct transfer *t, uint64_t filled);
/* Writes the error into the reports, and returns it. */
int transfer_fail(struct transfer *t, int error, enum leat_side side, const struct leat_wrapper *by);
int transfer_step(struct transfer *t);
void transfer_use_route(struct transfer *t, enum leat_route route);
void transfer_wants(const struct transfer *t, struct leat_wait *wait);
uint64_t transfer_clock(const struct transfer *t);

#endif
