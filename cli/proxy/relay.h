/* SPDX-License-Identifier: MIT */
/*
 * Two connected sockets, and the bytes between them in both directions until both have ended. An end of stream is passed on as
 * one, when all before it has been; whatever else ends a direction is passed on as a reset. Knows leat.h, sockets and epoll's words.
 */
#ifndef CLI_PROXY_RELAY_H
#define CLI_PROXY_RELAY_H

#include "board.h"

enum { CLIENT, UPSTREAM };		/* the sides; way[side] carries what comes from there */

/* What sockets of one origin have in common, learnt from the first: all that one listener gives. All zero: nothing yet. */
struct relay_kind {
	struct leat_source source;
	struct leat_sink sink;
	int learnt;
};

struct relay_rules {			/* of all relays of a worker; outlives them */
	struct leat_options options;
	uint64_t idle_ns, total_ns;	/* 0: none */
	uint64_t rate;			/* bytes a second, each way; 0: none */
	struct leat_bucket *total;	/* that all share, for each way; or NULL */
};

struct way {
	struct leat_source source;
	struct leat_sink sink;
	struct leat_transfer transfer;
	struct leat_deadline deadline;
	struct leat_rate *rates;	/* own, then shared; or NULL */
	uint64_t wake_ns;		/* it waits for: a time, bytes, room */
	unsigned char wants_bytes, wants_room;
	unsigned char again;		/* its turn was over, not its bytes */
	unsigned char twice;		/* a short read of its source says nothing: an end or urgent data stopped it */
	unsigned char over;		/* its end has been passed on; or nobody is there who could take it */
	unsigned char gone;		/* that */
};

struct relay {
	struct way ways[2];
	struct leat_activity activity;
	int fds[2];
	int error;			/* that ended it, or 0 */
	int unread;			/* who had said something left without all that was for him: no error, as he may be content */
};

enum relay_state { RELAY_WAITS, RELAY_AGAIN /* step again, wait for nothing */, RELAY_HALF /* waits, one way is over */, RELAY_OVER };

/* The sockets are non-blocking, and borrowed until the end. kinds: of either side. 0 or -errno; then relay_end is needed all
 * the same. */
int relay_begin(struct relay *relay, const int fds[2], struct relay_kind *kinds[2], const struct relay_rules *rules);
/* The ways that epoll's events of a side are for, as bits 1 << way. */
unsigned relay_ways(struct relay *relay, int side, unsigned events);
/* Moves what can be moved now. Those that said AGAIN are stepped too. */
enum relay_state relay_step(struct relay *relay, unsigned ways);
/* Whether what goes to a side waits for room there. */
int relay_wants_room(const struct relay *relay, int side);
/* The earliest time it must be stepped at, or LEAT_NEVER. */
uint64_t relay_wake_ns(const struct relay *relay);
/* Gives back all it holds; reports of both ways. Resets both sockets if it ended by an error. The caller closes them. */
void relay_end(struct relay *relay, struct leat_report ret_reports[2]);
/* Adds what it came to, after its end. */
void relay_count(const struct relay *relay, const struct leat_report reports[2], struct board_counts *counts);
/* Why not all of a way was spliced; LEAT_OK: all was, or nothing went. */
enum leat_reason relay_reason(const struct leat_report *report);
/* Bytes that went by a pipe, and through user space. */
void relay_split(const struct leat_report *report, uint64_t *ret_spliced, uint64_t *ret_copied);

#endif
