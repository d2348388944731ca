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
#define BOARD_ADDRESSES 32	/* of one name that are used */
#define BOARD_FATES (2 * BOARD_ADDRESSES)	/* of those that are used, and of as many that come after them; bits of a uint64_t */

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

/*
 * What is known of an address: each member has its number above, a value below. Who comes late with what he met, when the place is
 * another one's, sees so by the number, and leaves no trace.
 */
struct board_fate {
	uint64_t failures;		/* of connects, one after the other */
	uint64_t down_until;		/* by these: of leat_now_ns, in tenths of a second */
	uint64_t checks;		/* that failed, one after the other; and whether they took it out */
};

struct board_upstream {
	char name[300], sni[300];	/* as given, and the name clients ask for, or ""; written before the workers are there */
	uint32_t version;		/* of its addresses: sets[version & 1] holds, the other one is written next */
	struct board_set {
		uint32_t count;
		uint32_t numbers[BOARD_ADDRESSES];	/* an address keeps its own as long as it is there, and nobody else ever gets it */
		struct board_address at[BOARD_ADDRESSES];
	} sets[2];
	uint32_t last;			/* number given; the writer's */
	struct board_fate fates[BOARD_FATES];	/* by number % BOARD_FATES */
	uint32_t turns;			/* of the group that begins with it */
	uint32_t next;			/* address */
	uint32_t *active;		/* connections, of all generations: in the counts; fixed */
	uint64_t unresolved;		/* times its name had no answer */
	uint32_t found;			/* addresses in the last one, those among them that are not used; who asks writes it */
	uint64_t connections, refused;	/* ever; refused by an address of it */
};

/* What one worker added to counts that go up and down: what it would take back, and cannot when it dies. Written by it alone. */
struct board_share {
	uint64_t active, pipes;
	uint32_t at[BOARD_UPSTREAMS];
};

#define BOARD_SHARES 1024
#define BOARD_PLACES 1024	/* of upstreams, and of those that have left and may have a connection still */

/* Which of them the upstreams of a generation have. */
struct board_places { unsigned count; uint16_t at[BOARD_UPSTREAMS]; };

struct board_counts {			/* ever, of all workers, and of all generations */
	uint64_t accepted, refused, failed, reset, timed_out, unread;
	uint64_t active;
	uint64_t bytes[2];		/* from clients, from upstreams */
	uint64_t route_bytes[LEAT_ROUTES], reasons[LEAT_REASONS];
	uint64_t pipes, pipes_denied;
	uint64_t log_lost;		/* lines */
	struct leat_bucket rates[2];	/* of all connections together */
	struct board_share shares[BOARD_SHARES];
	struct { uint32_t active; } __attribute__((aligned(64))) upstreams[BOARD_PLACES];	/* a line of the cache each */
};

struct board {
	uint32_t count;			/* of upstreams; fixed */
	struct board_counts *counts;
	struct board_upstream upstreams[BOARD_UPSTREAMS];
};

/* Its addresses, one whole set of them, and their numbers, unless NULL. Their count. */
unsigned board_read(const struct board_upstream *up, struct board_address addresses[BOARD_ADDRESSES], uint32_t numbers[BOARD_ADDRESSES]);
/* Their numbers, which may be of two sets when they change just now: then one of them may find nothing. Their count. */
unsigned board_numbers(const struct board_upstream *up, uint32_t numbers[BOARD_ADDRESSES]);
/* The address of that number, if it is one of the upstream still: 1, or 0. */
int board_find(const struct board_upstream *up, uint32_t number, struct board_address *ret_address);
/* By one writer. Who dies in the midst of it leaves the set before, and holds nobody up. What stays keeps its number and its fate. */
void board_write(struct board_upstream *up, const struct board_address *addresses, unsigned count);
/* How many addresses it has. */
unsigned board_addresses(const struct board_upstream *up);
/* Whether connections go to an address: neither health checks nor connects that failed say no. */
int board_address_is_up(const struct board_upstream *up, uint32_t number, uint64_t now_ns);
/* How many of its addresses are up, at most so many. */
unsigned board_up(const struct board_upstream *up, unsigned most, uint64_t now_ns);
/* A connect to that address succeeded, or failed: so many in a row, 0: never, take it out for so long. */
void board_reached(struct board_upstream *up, uint32_t number);
void board_failed(struct board_upstream *up, uint32_t number, uint64_t limit, uint64_t until_ns);
/* The same of a health check: what succeeds brings it back, whatever took it out. */
void board_checked(struct board_upstream *up, uint32_t number, int is_there, uint64_t limit);
/* What is known of its addresses comes from there, where they are the same: by connects, by checks. */
void board_inherit(struct board_upstream *up, const struct board_upstream *from, int by_connects, int by_checks);

/* A connection more or less, of all, and at an upstream; the pipes a worker has. */
void board_active(struct board *board, struct board_share *share, int by);
void board_at(struct board *board, struct board_share *share, int upstream, int by);
void board_pipes(struct board *board, struct board_share *share, uint64_t pipes);
/* Of who has died: takes back what it had. places: of its generation's upstreams. */
void board_take_back(struct board_counts *counts, const struct board_places *places, struct board_share *share);
/* Somebody was ended in the midst of whatever he did: what he may have locked is free again. */
void board_unlock(struct board_counts *counts);
/* What all connections together may move, also those that go by the rate of before; 0: as much as they can. By the master. */
void board_set_rate(struct board_counts *counts, uint64_t rate);

#define BOARD_ADD(member, n) __atomic_add_fetch(&(member), n, __ATOMIC_RELAXED)
#define BOARD_GET(member) __atomic_load_n(&(member), __ATOMIC_RELAXED)
#define BOARD_SET(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELAXED)

#endif
