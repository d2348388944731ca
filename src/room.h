/* SPDX-License-Identifier: MIT */
/* How many bytes certainly fit below a frame: so that no header is sent whose piece is then cut (invariant 2). */
#ifndef LEAT_ROOM_H
#define LEAT_ROOM_H

#include "types.h"

/*
 * Asks what stands below frame, which is not open, up to the next changer, how many bytes of the frame it lets pass in all,
 * where fewer than of_use bytes of payload are of no use (0: one). budget is filled in but for its bytes.
 * 0: *ret_room, and *ret_by is who lowered it; else the answer of *ret_by, LEAT_WAIT or negative, with its budget.
 */
int room_below(const struct transfer *t, const struct leat_frame *frame, uint64_t of_use, struct leat_budget *budget,
	       uint64_t *ret_room, struct leat_wrapper **ret_by);

#endif
