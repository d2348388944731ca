/* SPDX-License-Identifier: MIT */
/* The 4 KiB transfer of `leat bench --overhead`: its ends, leat's way, and the same calls without leat. */
#ifndef BENCH_SMALL_H
#define BENCH_SMALL_H

#include <leat.h>

#include <stddef.h>

#define SMALL_BYTES 4096
#define SMALL_WRAPPERS 6
#define SMALL_TURN 8		/* responses in one turn: 32 KiB, which every receive buffer takes */

/* One system call that a C program can make again. */
enum again {
	AGAIN_SENDFILE, AGAIN_PROBE, AGAIN_FSTAT, AGAIN_STATX, AGAIN_BLOCK_SIGPIPE, AGAIN_UNBLOCK_SIGPIPE, AGAIN_SIGPENDING,
	AGAIN_GETFL, AGAIN_POLL, AGAIN_CORK, AGAIN_GET_CORK, AGAIN_UNKNOWN
};
#define CALLS_MAX 32
struct same_call { enum again kind; int on_socket; long value, place; };
struct same_calls {
	unsigned n;
	struct same_call call[CALLS_MAX];
	const char *unknown;	/* a call nobody taught the C program; static text */
	char text[400];		/* the names, in order */
};

/* What strace saw between the last two marks in the log. Closes log. 0, or -errno. */
int calls_read(struct same_calls *calls, int log);
/* Before and after what is to be recorded: a call that nothing else here makes. */
void calls_mark(void);

struct six {
	struct leat_limit limit;
	struct leat_count count;
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;
	struct leat_deadline deadline;
	uint64_t told;
};

/* One response of a server, ready to go: its ends as they were looked at once, and six wrappers on them. */
struct response {
	struct leat_source source;
	struct leat_sink sink;
	struct six wrappers;
	struct leat_transfer transfer;
};

struct small {
	int file, out, in;		/* in: the other end of out; ours too, so that nobody has to wake up */
	struct leat_source source[2];	/* looked at once: promised immutable, or not */
	struct leat_sink sink;
	char drained[65536];
};

/* 0, or -errno. */
int small_open(struct small *s, const char *dir);
/* One response is made ready, begun, stepped, ended and closed. 0, or -errno. */
int small_by_leat(struct small *s, int immutable);
/* One is made ready and closed: what has to be taken off the former. */
int small_by_wrapping(struct small *s, int immutable);
int small_by_calls(struct small *s, const struct same_calls *calls);
int small_by_sendfile(struct small *s);
void small_drain(struct small *s);
/* Bytes that one transfer has allocated when it is done, wrappers and all; -1: it failed. */
long small_allocated_bytes(struct small *s);

#endif
