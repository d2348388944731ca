/* SPDX-License-Identifier: MIT */
/*
 * Ends of every kind for the route tests. A stream source has a thread that feeds it, a stream sink one that receives, so
 * that every transfer meets a peer with a mind of its own. Whatever cannot be set up ends the program with status 1: a
 * test whose ends are not as planned proves nothing.
 */
#ifndef LEAT_TESTS_ROUTE_ENDS_H
#define LEAT_TESTS_ROUTE_ENDS_H

#include "leat.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where a file's bytes begin: no multiple of anything, so a lost offset shows. */
#define ENDS_PAD 4099

enum from {	/* kinds of sources */
	FROM_FD,	/* file at its own offset, which is not 0 */
	FROM_FILE,	/* file from an offset to its end */
	FROM_RANGE,	/* with other bytes behind the range */
	FROM_PROC,	/* /proc/PID/environ of a child: a generated file of any size */
	FROM_MEMORY,
	FROM_PIPE, FROM_FIFO, FROM_TCP, FROM_UNIX,
	FROM_PTY,	/* with a limit: a terminal has no clean end */
	FROM_ZERO,	/* /dev/zero, with a limit */
	FROM_CALLBACK,	/* short reads, and -EAGAIN each third time */
	FROM_QUEUE,	/* file, memory, file */
	FROM_VIEW,	/* of a file range */
	FROM_KINDS
};

enum to {	/* kinds of sinks */
	TO_FD, TO_FILE, TO_APPEND, TO_PIPE, TO_TCP, TO_UNIX, TO_PTY, TO_MEMORY,
	TO_CALLBACK,	/* short writes, and -EAGAIN each third time */
	TO_NOTHING,
	TO_VIEW,	/* of a TCP socket */
	TO_KINDS
};

extern const char *const from_names[FROM_KINDS];
extern const char *const to_names[TO_KINDS];

struct from_end {
	enum from kind;
	struct leat_source source, below, parts[3];
	struct leat_queue queue;
	struct leat_limit limit;
	const unsigned char *bytes;	/* what it gives */
	uint64_t size;
	int fd, peer, flags;		/* flags: of F_GETFL at the beginning; fd -1: none */
	int64_t offset;			/* of fd at the beginning; -1: it has none */
	bool own_offset, feeding;
	pthread_t feeder;
	uint64_t given;			/* by the callback */
	unsigned asked;
	int always;			/* an eventfd that is always ready */
};

struct to_end {
	enum to kind;
	struct leat_sink sink, below;
	unsigned char *got;		/* what arrived */
	uint64_t got_size, room;
	int fd, peer, flags;
	int64_t offset;
	bool own_offset, receiving;
	pthread_t receiver;
	uint64_t allowed;		/* the receiver reads so much and then waits for more */
	uint64_t bytes_per_s;		/* and no faster than this; 0: as fast as it can */
	unsigned asked;
	uint64_t again;			/* bytes offered when the callback said -EAGAIN; 0: it did not */
	int always;
};

/* A directory for the program's files, removed at exit. */
const char *ends_dir(void);
/* An open file there, already without a name. flags: of open, beyond O_CREAT | O_CLOEXEC. */
int ends_file(int flags);
/* The same with this content, opened with flags only then. */
int ends_file_with(const void *bytes, uint64_t size, int flags);
/* Bytes without a visible period, the same in each run; made once. */
const unsigned char *ends_content(uint64_t size);

_Noreturn void ends_die(const char *what);
void ends_pair(bool tcp, int pair[2]);		/* both blocking */
void ends_pty(int *ret_master, int *ret_slave);	/* raw */
void ends_nonblock(int fd, bool on);
bool ends_is_nonblock(int fd);
uint64_t ends_write_all(int fd, const void *bytes, uint64_t size);	/* bytes written until an error */

/* Makes the end. For a pipe, socket or terminal blocking says whether our descriptor lacks O_NONBLOCK. */
void from_make(struct from_end *end, enum from kind, uint64_t size, bool blocking);
void to_make(struct to_end *end, enum to kind, uint64_t room, bool blocking);
/* The same with a receiver that reads only so much, until to_allow says that it may read more. */
void to_make_slow(struct to_end *end, enum to kind, uint64_t room, bool blocking, uint64_t allowed);
void to_allow(struct to_end *end, uint64_t allowed);
void to_pace(struct to_end *end, uint64_t bytes_per_s);	/* before anything is allowed */
/* The end's own offset and flags are as invariants 9 and 11 say, after bytes went through. NULL, or what is wrong. */
const char *from_check(const struct from_end *end, uint64_t bytes);
const char *to_check(const struct to_end *end, uint64_t bytes);
/* Waits until all has arrived that ever will, and closes our descriptor of a stream. bytes: what the report says, which is
 * how much a memory sink holds. */
void to_finish(struct to_end *end, uint64_t bytes);
void from_close(struct from_end *end);
void to_close(struct to_end *end);

/* Steps with poll on leat_wants until it is over; counts wake-ups that brought nothing. DONE or the error. */
int ends_drive(struct leat_transfer *t, uint64_t *ret_idle);
/* Ends the program, saying what it was at, if a call never returns. 0: off. */
void ends_alarm(unsigned seconds, const char *what);

#endif
