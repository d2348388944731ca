/* SPDX-License-Identifier: MIT */
/* The internal structs and enums that the modules share. No code. */
#ifndef LEAT_TYPES_H
#define LEAT_TYPES_H

#include "leat.h"

#include <stdbool.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define ROUTE_BIT(route) (UINT32_C(1) << (route))

/* What one call of a route came to. Positive progress always wins: bytes > 0 goes with VERDICT_MORE. */
enum verdict {
	VERDICT_MORE,
	VERDICT_END,		/* the source has no more */
	VERDICT_WAIT_SOURCE,
	VERDICT_WAIT_SINK,
	VERDICT_WAIT,		/* transfer.waiting says for whom */
	VERDICT_DECLINED,	/* this route is not for this pair: take the next one */
	VERDICT_FAILED,
};

struct move {
	uint64_t bytes;
	enum verdict verdict;
	int error;		/* DECLINED, FAILED: negative */
	enum leat_side side;	/* FAILED: whose error, as far as the kernel tells */
	enum leat_reason reason;	/* DECLINED */
	const struct leat_wrapper *by;	/* FAILED: the wrapper whose error it is, or NULL */
};

/* A pipe of ours. It knows its count; only an empty one goes back to the pool (invariant 8). */
struct pipe {
	int fd[2];		/* -1: none */
	uint64_t bytes;		/* in it now */
	uint64_t size;		/* capacity the kernel really gave */
};

/* leat_source.state, leat_sink.state. Their serves: the address of the transfer that has them, or of themselves while they are
 * closed; 0: idle. */
enum { END_PART = 2, END_VIEWED = 4, END_VIEW = 8 };

/* leat_wrapper.state */
enum { WRAPPER_WRAPPED = 1, WRAPPER_BEGUN = 2, WRAPPER_ENDED = 4 /* a changer gave its last byte; an END event went out */,
       WRAPPER_KERNEL_TEE = 8, WRAPPER_KEPT = 16 /* a changer's output of an earlier transfer, malloc'ed in owed_data */,
       WRAPPER_PART_LAST = 32 /* the last one of a part that holds the running part in a queue of its own */ };

/* leat_facts.known */
enum { KNOW_FLAGS = 2, KNOW_TYPE = 4, KNOW_BYTES = 16 /* of a pipe: it has no packets */, KNOW_PACKETS = 32,
       KNOW_PLAIN = 64 /* of a TCP socket: it makes no TLS records */, KNOW_RECORDS = 128 };

/* The plan for one pair of ends (plan.h makes it, pure). */
struct plan {
	uint8_t routes[LEAT_ROUTES];	/* in the order to try */
	uint8_t count;
	uint8_t begins_with_copy;	/* two streams under auto: copy first, splice when reads fill up */
	uint8_t refused[LEAT_ROUTES];	/* enum leat_reason by route */
	const char *refused_by[LEAT_ROUTES];
};

struct transfer;

/* One route: fill takes bytes from the source into a pipe or buffer of ours, move brings bytes to the sink. */
struct route {
	enum leat_route id;
	struct move (*fill)(struct transfer *t, uint64_t bytes);	/* NULL: one phase */
	struct move (*move)(struct transfer *t, uint64_t bytes, bool more);	/* NULL: what fill took is in t->buffer */
};

struct buffer {
	unsigned char *bytes;
	uint32_t size, off, len;	/* [off, off+len) is held */
};

/* What goes next, and how far: the result of walking the way once (flow.h). */
struct extent {
	struct leat_wrapper *origin;	/* the frame or changer that made the bytes; NULL: the base source */
	struct leat_wrapper *target;	/* the changer or section that takes them; NULL: the sink */
	const unsigned char *data;	/* NULL: the route moves them */
	uint64_t bytes;
	bool hole;			/* bytes of a hole; data may be zeros of ours */
	bool more;			/* more certainly follows, and is allowed to */
	bool fill_only;			/* a frame waits to learn how many bytes there are */
	bool last;			/* target is a changer: nothing follows */
};

/* struct leat_transfer, from inside. */
struct transfer {
	struct leat_sink *sink, *out;		/* as given; the base below its views */
	struct leat_source *source, *base;	/* as given; the leaf that gives bytes now */
	struct leat_source *part;		/* the part of a queue that ends when base ends, or NULL */
	struct leat_wrapper *first;		/* the way, in the direction of the bytes */
	struct leat_wrapper *part_last;		/* last wrapper of the part; NULL: the part has none */
	const struct route *route;
	struct leat_options options;
	struct leat_report report, earlier;	/* of the running leaf, and of those before it: the whole is their sum */
	struct pipe pipe;
	struct buffer buffer;
	uint64_t end;			/* of the base's range (absolute), or LEAT_UNKNOWN */
	uint64_t data_end, hole_end;	/* walked so far: [position, data_end) is data, then a hole to hole_end */
	uint64_t now_ns, starved_ns, starved_since_ns;
	uint64_t wake_at_ns;		/* from the last walk */
	uint64_t call_bytes;		/* size of the next call of this route */
	uint64_t cold_end;		/* probed warm up to here */
	uint64_t cold_asked;		/* the helper reads, or has read, up to here; 0: nothing */
	struct pollfd wrapper_wait, end_wait;	/* what a wrapper or a callback end waits for */
	int holes_fd;			/* private reopen for SEEK_DATA; -1: none */
	int source_fd, sink_fd;		/* the descriptors to use: the caller's, or a private non-blocking reopen */
	uint8_t routes[LEAT_ROUTES], route_count, route_index;
	uint8_t waiting;		/* enum leat_side of the last LEAT_WAIT */
	uint8_t changers;
	uint8_t small_fills;		/* auto: how many fills in a row were small */
	uint8_t cold_tries;
	uint8_t vain;			/* so many small fills in a row, without a wait */
	uint8_t stalls;			/* so many calls in a row for the source's bytes came to nothing */
	uint16_t bits;			/* TRANSFER_... */
	uint8_t blocking;		/* BLOCKING_... */
	uint8_t cold_near;		/* of so many MiB more every page is looked at: bytes not far before were cold */
	int result;			/* LEAT_WAIT while it runs, then for good */
	uint32_t tail_hole;		/* so many bytes before the sink's position are a hole, and there may be no file yet */
};

enum { TRANSFER_RUNS = 1, TRANSFER_IN_STEP = 2, TRANSFER_CORKED = 4, TRANSFER_QUIET = 8 /* leat_read: no begin, no end */,
       TRANSFER_AUTO = 16, TRANSFER_BOUNDARIES = 32, TRANSFER_COLD = 64, TRANSFER_EOF = 128 /* a stream gave its end */,
       TRANSFER_MORE_SENT = 256 /* the last send said that more follows */,
       TRANSFER_RAISED = 512 /* in this step SIGPIPE may have been raised: a call to the sink gave less than asked, or a wrapper that
			      * needs content was on the way */,
       TRANSFER_HOLES_ASKED = 1024, TRANSFER_DRAINED = 2048 /* level-triggered: the source gave less than asked */,
       TRANSFER_COLD_AHEAD = 4096 /* what stands at cold_end was found cold: a second probe would not tell */,
       TRANSFER_DENIED = 16384 /* auto: no pipe was to be had; it copies until the pool has one */,
       TRANSFER_GATHERS = 32768 /* between sockets: the source gives little each time, and is not dry */,
       TRANSFER_OVER = 8192 /* the stream or part has ended, and somebody still has to finish */ };
enum { BLOCKING_CALLER = 1 /* leat_copy: the caller waits */, BLOCKING_SOURCE = 2, BLOCKING_SINK = 4, OWN_SOURCE_FD = 8,
       OWN_SINK_FD = 16 };

_Static_assert(sizeof(struct transfer) <= sizeof(struct leat_transfer), "a transfer takes at most 1 KiB");

#endif
