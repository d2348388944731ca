/* SPDX-License-Identifier: MIT */
/* A connection's way to its upstream: which one, by which address, and the next when that does not connect. Waits for nothing. */
#ifndef CLI_PROXY_DIAL_H
#define CLI_PROXY_DIAL_H

#include "board.h"

struct conn_rules;

struct dial {
	unsigned first, count;		/* of the upstreams it may go to */
	int upstream;			/* the one that is tried, or was reached; -1: none */
	int is_unix;			/* the socket to it */
	unsigned tries;			/* upstreams that failed */
	int error;			/* of the last that failed, or 0 */
	int lacks;			/* for want of what it said DIAL_LATER, when that is short here; or 0 */
	uint64_t tried;			/* upstreams, as bits */
	uint64_t tried_addresses;	/* of the upstream, as balance_address wants them */
	uint32_t address;		/* its number, of the one that is tried, or was reached */
	int last;			/* upstream that a socket was wanted to, also when it is left; -1: none yet */
	uint32_t last_address;		/* of it */
};

enum dial_state { DIAL_GOES /* epoll will tell */, DIAL_THERE /* it is connected */, DIAL_LATER /* no socket: its queue is full, or
		  none is to be had */,
		  DIAL_NONE /* nothing is left to be tried */ };

/*
 * A socket to the next address. error: by what the one before failed, whose socket is closed; -EAGAIN: the same address once more,
 * after DIAL_LATER; or 0.
 */
enum dial_state dial_next(struct dial *dial, struct conn_rules *rules, int error, int *ret_fd);
/* Whether an error of socket or connect says what is short here, and nothing of an upstream. */
int dial_is_ours(int error);
/* It is connected. */
void dial_reached(const struct dial *dial, struct conn_rules *rules);
/* The connection to the upstream is over, or is not tried any more. */
void dial_left(struct dial *dial, struct conn_rules *rules);

#endif
