/* SPDX-License-Identifier: MIT */
/*
 * The charge: bytes that were accepted are charged to each wrapper whose place they crossed, once, and to nobody else
 * (invariant 2). A changer is charged what it consumed when all that it made of it is accepted.
 */
#ifndef LEAT_CHARGE_H
#define LEAT_CHARGE_H

#include "types.h"

/* bytes of extent were accepted (by the sink, or by extent->target). 0, or the error of a wrapper that saw them. */
int charge_extent(struct transfer *t, const struct extent *extent, uint64_t bytes, enum leat_route route,
		  const struct leat_wrapper **ret_by);

/* The changer at extent->target takes what it will. 0, or an error and whose it is. */
int charge_change(struct transfer *t, const struct extent *extent, const struct leat_wrapper **ret_by);

/* The transfer ends, or its part: what changers up to last made and the sink did not take stays with them and comes first
 * next time, and what they consumed for it is charged now. *ret_bytes: added. 0, -ENOMEM, or the error of a wrapper. */
int charge_keep(struct transfer *t, struct leat_wrapper *last, uint64_t *ret_bytes);

/* Where what a changer made stands: [out_off, out_len) of it is still to go. */
unsigned char *charge_slot(const struct transfer *t, const struct leat_wrapper *w);

/* Room that each changer needs behind the copy buffer. */
#define CHANGE_BYTES 65536

#endif
