/* SPDX-License-Identifier: MIT */
/*
 * What the processes of a proxy tell each other: memory that all of them share. The keeper writes addresses and health, workers
 * write counts and what they met; everybody reads. Members are atomic by themselves unless a comment says otherwise.
 */
#ifndef CLI_PROXY_BOARD_H
#define CLI_PROXY_BOARD_H

#include <leat.h>

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BOARD_UPSTREAMS 64
#define BOARD_ADDRESSES 16	/* of one name that are used */

struct board_address {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

#define BOARD_TEXT 128
/* "192.0.2.1:80", "[::1]:80", "unix:PATH" or, of a client without one, "unix". Gives text. */
const char *board_text(const struct board_address *address, char text[BOARD_TEXT]);

struct board_upstream {
	char name[300], sni[300];	/* as given, and the name clients ask for, or ""; written before the workers are there */
	uint32_t version;		/* odd: addresses are being written */
	uint32_t count;
	struct board_address addresses[BOARD_ADDRESSES];
	uint32_t next;			/* address */
	uint32_t active;		/* connections */
	uint32_t failures;		/* of connects, one after the other */
	uint32_t checks_failed, sick;	/* health checks in a row, and what they say of it */
	uint64_t unresolved;		/* times its name had no answer */
	uint64_t down_until_ns;		/* by failures of connects */
	uint64_t connections, refused;	/* ever */
};

struct board_counts {			/* ever, of all workers */
	uint64_t accepted, refused, failed, reset, timed_out;
	uint64_t active;
	uint64_t bytes[2];		/* from clients, from upstreams */
	uint64_t route_bytes[LEAT_ROUTES], reasons[LEAT_REASONS];
	uint64_t pipes, pipes_denied;
};

struct board {
	uint32_t next;			/* upstream, in turn */
	uint32_t count;			/* of upstreams; fixed */
	struct leat_bucket rates[2];	/* of all connections together */
	struct board_counts *counts;	/* of all generations */
	struct board_upstream upstreams[BOARD_UPSTREAMS];
};

/* Its addresses, one whole set of them. Their count. */
unsigned board_read(const struct board_upstream *up, struct board_address addresses[BOARD_ADDRESSES]);
/* By one writer. */
void board_write(struct board_upstream *up, const struct board_address *addresses, unsigned count);

#define BOARD_ADD(member, n) __atomic_add_fetch(&(member), n, __ATOMIC_RELAXED)
#define BOARD_GET(member) __atomic_load_n(&(member), __ATOMIC_RELAXED)
#define BOARD_SET(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELAXED)

#endif
