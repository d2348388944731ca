/* SPDX-License-Identifier: MIT */
/*
 * The routes, all of one shape (struct route). They move bytes and tell what the kernel said; they charge nobody, wait for
 * nothing and choose nothing: that is transfer.c.
 */
#ifndef LEAT_ROUTE_H
#define LEAT_ROUTE_H

#include "types.h"

extern const struct route route_clone, route_copy_file_range, route_sendfile, route_splice, route_splice_pipe, route_memory,
	route_copy;

/* What a call of a route begins with. 4 MiB cost no more than 64 MiB (DESIGN.md 16); at 8 MiB the calls that end short
 * because the socket is full leave the sum below 300 a GiB. About 1 ms on loopback. */
#define ROUTE_CALL_BYTES (8 * MIB)

/* The transfer goes by this route from here on. */
void route_use(struct transfer *t, enum leat_route route);

/* What a stream is read by while auto finds out whether splice pays: a read that fills up says it does (a gain from about
 * 16 KiB, envoyproxy/envoy#5620). */
#define ROUTE_AUTO_BYTES 16384

/* What O_DIRECT counts in: offsets, lengths and addresses of whole blocks. Few disks have larger ones. */
#define ROUTE_DIRECT_BYTES 4096

/* Sends bytes of our memory to the sink, whatever it is, as much as it takes now: frames, kept bytes, routes memory and copy. */
struct move sink_send(struct transfer *t, const void *data, uint64_t bytes, bool more);

/* Takes at most bytes from the front of a pipe of ours into t->buffer: another route left them, or they are dropped. */
struct move pipe_to_buffer(struct transfer *t, uint64_t bytes);
/* Makes t->buffer, if there is none. 0 or -ENOMEM. */
int buffer_make(struct transfer *t);
/* Gives it back to the helper, or frees it. Nothing may be held in it. */
void buffer_drop(struct transfer *t);

/* Bytes certainly readable from the base now, for a frame that must announce them. */
uint64_t source_ready(const struct transfer *t);
/* For a route without fill that has nothing ready: MORE (there is something now), END, or WAIT_SOURCE. */
struct move source_probe(struct transfer *t);
/*
 * splice gave no byte of a source, by EAGAIN or, when ended, by 0. From a socket that may only mean that it stands at urgent
 * data, for ever: recv steps over that, so who has bytes all the same is declined to copy.
 */
struct move source_stalled(struct transfer *t, bool ended);

/* On a blocking socket: lowers *bytes to what the kernel takes without waiting; false: nothing now. True elsewhere. */
bool sink_room(const struct transfer *t, uint64_t *bytes);
bool source_has(const struct transfer *t);
/* Whether poll calls the sink writable. If not, the kernel owes who waits by edges an event. */
bool sink_writable(const struct transfer *t);

/* Turns the error of a transfer call into a verdict, by the table of decline.h. */
struct move route_error(const struct transfer *t, enum leat_route route, int error, enum leat_side side);

static inline struct move route_moved(int64_t bytes)
{
	return (struct move){ .bytes = (uint64_t)bytes, .verdict = VERDICT_MORE };
}

static inline struct move route_verdict(enum verdict verdict)
{
	return (struct move){ .verdict = verdict };
}

#endif
