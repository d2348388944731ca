/* SPDX-License-Identifier: MIT */
/*
 * Ends of every kind for fault tests: a source that gives a known pattern, a sink that collects what arrives. Streams have
 * a thread at their far end; the thread uses plain system calls, never the library. Every byte tells its place.
 */
#ifndef LEAT_FAULT_LAB_H
#define LEAT_FAULT_LAB_H

#include "check.h"

#include "leat.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum lab_kind { LAB_FILE, LAB_PIPE, LAB_UNIX, LAB_TCP, LAB_KINDS };

struct lab_far;				/* the thread at the far end, and what it has */

struct lab_source {
	enum lab_kind kind;
	int fd;
	struct lab_far *far;
	struct leat_source source;	/* leat_from_fd */
};

struct lab_sink {
	enum lab_kind kind;
	int fd;
	struct lab_far *far;
	const unsigned char *got;	/* after finish */
	size_t got_bytes, room;
	struct leat_sink sink;		/* leat_to_fd */
};

extern bool lab_nonblocking;		/* of what is opened from now on */
extern bool lab_held;			/* sinks opened from now on are not read at their far end until lab_sink_go */

const char *lab_kind_name(enum lab_kind kind);

/* The pattern: bytes [at, at+bytes) of it; where data differs from it first, or -1. */
void lab_fill(void *data, uint64_t at, size_t bytes);
int64_t lab_differs(const void *data, uint64_t at, size_t bytes);

/* A directory of this program, removed when it ends; a file in it that has no name. */
const char *lab_dir(void);
int lab_empty_file(void);
int lab_file(size_t bytes);		/* holds the pattern, offset 0 */
void lab_pair(enum lab_kind kind, int fds[2]);	/* [1] is written to and [0] read from; sockets both ways */

void lab_source_open(struct lab_source *from, enum lab_kind kind, size_t bytes);
void lab_sink_open(struct lab_sink *to, enum lab_kind kind, size_t room);
void lab_sink_go(struct lab_sink *to);
void lab_sink_narrow(struct lab_sink *sink);	/* LAB_TCP: takes little before its far end reads */
/* Ends the stream and waits until all has arrived; what arrived is in got. */
void lab_sink_finish(struct lab_sink *to);
void lab_source_close(struct lab_source *from);
void lab_sink_close(struct lab_sink *to);	/* after finish */

/* Ends the case unless to has just the first bytes of the pattern. */
void lab_arrived(const struct lab_sink *to, size_t bytes);

/* How long something may take; an emulated processor (tests/vm) needs longer. */
uint64_t lab_emulated_ms(uint64_t ms, uint64_t emulated);

/* leat_copy with a stop flag, which is set after 100 ms: it must end by that. */
void lab_copy_stopped(struct leat_sink *sink, struct leat_source *source, struct leat_report *report);

/* Steps until done or failed, with poll for LEAT_WAIT; every step is bounded by alarm. */
int lab_step_all(struct leat_transfer *transfer);

#endif
