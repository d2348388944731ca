/* SPDX-License-Identifier: MIT */
/* One proxied connection, from its accept to its line in the log. */
#ifndef CLI_PROXY_CONN_H
#define CLI_PROXY_CONN_H

#include "balance.h"
#include "log.h"
#include "relay.h"
#include "settings.h"
#include "timers.h"
#include "turn.h"

struct conn;

/* What connections of a worker share. */
struct conn_rules {
	const struct settings *settings;
	struct board *board;
	struct board_share *share;	/* ours */
	struct balance_rules balance;
	struct relay_rules relay;
	struct relay_kind kinds[2];	/* of upstreams: TCP, Unix */
	struct timers timers;
	int epoll;
	const struct log *log;
	unsigned defaults;		/* upstreams for who asks for no name */
	unsigned count;			/* that are there */
	uint64_t now_ns;		/* of this turn of the loop */
	uint64_t accept_again_ns;	/* what was short then may be there again */
	int spare;			/* a descriptor for the upstream of who was let in with the last one; -1: it is in use */
	struct conn *all;
	struct turn turn;
	struct conn *dead;		/* to be freed at the end of this turn: epoll may still name them */
};

/* Takes over the socket of a client. kind: of what its listener gives. What cannot go on is refused, counted and closed. */
void conn_accept(struct conn_rules *rules, int client, const struct board_address *from, struct relay_kind *kind);
/* The same when there are enough already. */
void conn_refuse(struct conn_rules *rules, int client, const struct board_address *from);
/* What epoll said of a side of it. */
void conn_ready(struct conn_rules *rules, struct conn *conn, int side, unsigned events);
void conn_timer(struct conn_rules *rules, struct timer *timer);
/* Steps who waits for nothing, and frees who is gone. */
void conn_turn_over(struct conn_rules *rules);
/* Ends all that are left. */
void conn_end_all(struct conn_rules *rules);
/* Something is short: nobody is let in for a while. */
void conn_pause(struct conn_rules *rules);

/* What stands in epoll's data: a connection and a side of it, or, with the lowest bit, something of the worker's own. */
static inline uint64_t conn_mark(struct conn *conn, int side)
{
	return (uint64_t)(uintptr_t)conn | (uint64_t)side << 1;
}
#define CONN_OF(data) ((struct conn *)(uintptr_t)((data) & ~UINT64_C(7)))
#define CONN_SIDE(data) ((int)((data) >> 1 & 1))

#endif
