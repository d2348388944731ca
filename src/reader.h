/* SPDX-License-Identifier: MIT */
/*
 * The read-ahead worker of a helper: one thread that reads cold file ranges into the page cache, so that the loop's thread
 * never waits for the disk. The thread exists while there is work, and a second longer. All functions are the loop
 * thread's; only what stands under lock is shared with the worker.
 */
#ifndef LEAT_READER_H
#define LEAT_READER_H

#include "types.h"

#include <pthread.h>
#include <stdatomic.h>

struct request;

struct requests {	/* in order */
	struct request *first, *last;
};

struct reader {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct requests pending, ready;	/* under lock, as the next four */
	struct request *now;		/* the worker reads it, without the lock; on no list */
	bool running;			/* false: there is no thread, or it will not take the lock any more */
	bool ending;
	bool signalled;			/* exactly when event_fd is readable */
	atomic_bool give_up;		/* nobody waits for what is being read */
	bool joinable;
	int event_fd;
	unsigned asked;			/* requests not yet given back or forgotten */
	pthread_t thread;
};

int reader_init(struct reader *reader);		/* 0, -errno */
/* See helper_read_ahead. 0, -EBUSY, or -errno of dup, malloc or the thread. */
int reader_ask(struct reader *reader, struct transfer *t, int fd, uint64_t offset, uint64_t bytes);
void reader_forget(struct reader *reader, struct transfer *t);
/* The next transfer whose range has been read, or NULL: then event_fd is not readable until there is one. */
struct transfer *reader_next(struct reader *reader);
/* Joins the thread: waits for at most one read of it. */
void reader_end(struct reader *reader);
/* In a child after fork there is no thread, and the lists may have been caught half changed: only event_fd is closed. */
void reader_abandon(struct reader *reader);

#endif
