/* SPDX-License-Identifier: MIT */
/* A datagram socket as sink: each piece of the outermost frame, header and trailer included, is one datagram. */
#ifndef LEAT_DATAGRAM_H
#define LEAT_DATAGRAM_H

#include "types.h"

#define DATAGRAM_PARTS 3	/* header, payload, trailer */

/* The extents of one datagram, in order, and the bytes they are. */
struct datagram {
	struct extent parts[DATAGRAM_PARTS];
	unsigned count;
};

/* The datagram that begins with extent x. FLOW_READY: it is whole, or count is 0 and parts[0] must be filled first; else
 * as flow_next. */
int datagram_gather(struct transfer *t, const struct extent *x, struct datagram *d, const struct leat_wrapper **ret_by,
		    int *ret_error);
/* Sends it: all of it or nothing. */
struct move datagram_send(struct transfer *t, const struct datagram *d);

#endif
