/* SPDX-License-Identifier: MIT */
/*
 * The pieces of a frame. A piece is head, payload and tail, in this order; the flow sends head and tail from the frame's
 * own bytes and says after each move what was taken. Between pieces open is 0.
 */
#ifndef LEAT_WRAP_FRAME_H
#define LEAT_WRAP_FRAME_H

#include "../types.h"

/*
 * Opens a piece of at most ready_bytes payload and piece_max_bytes, whole in room_bytes with its head and tail. Asks before
 * and after of the frame, again with fewer bytes until the piece fits. May be called again for an open piece of which no
 * byte is sent. 0; or, with no piece open:
 * -ENOBUFS: not even one byte of payload fits (frame_left says how much room it takes), or ready_bytes is 0
 * LEAT_ECONTRACT: a callback gave more than LEAT_FRAME_BYTES
 */
int frame_open(struct leat_frame *frame, uint64_t ready_bytes, uint64_t room_bytes);

/*
 * Opens what stands at the very end, a piece without payload; only between pieces. Afterwards ended is 1, and open is 0 when
 * finish had nothing to say, as also the second time. 0 or LEAT_ECONTRACT.
 */
int frame_finish_open(struct leat_frame *frame);

/* bytes of the payload of the open piece were accepted; at most piece_left. */
void frame_took_payload(struct leat_frame *frame, uint64_t bytes);

/* bytes of the head, or when payload and head are gone of the tail, were accepted; at most what is left of it. */
void frame_took_own(struct leat_frame *frame, uint64_t bytes);

/* What is still to go of the piece: rest of the head, payload, rest of the tail. */
uint64_t frame_left(const struct leat_frame *frame);

#endif
