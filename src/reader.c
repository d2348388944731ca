/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Advising in pieces, because the kernel cuts each advice at what the device takes in one request. 4 MiB cold on a
 * virtual disk (6.18, medians of 21): 9.4 ms without advice, 5.3 in one piece, 4.0 in pieces of 512 KiB, 5.4 of 128 KiB.
 */
#define ADVICE_BYTES (512 * KIB)
#define REQUEST_MOST_BYTES (4 * MIB)
#define READ_BYTES (64 * KIB)	/* on the worker's stack; 128 KiB were no faster */
#define IDLE_S 1

struct request {
	struct request *next;
	struct transfer *t;	/* NULL: forgotten while it is being read */
	uint64_t offset, bytes;
	int fd;			/* ours; -1: closed */
};

static void append(struct requests *list, struct request *request)
{
	request->next = NULL;
	if (list->last)
		list->last->next = request;
	else
		list->first = request;
	list->last = request;
}

/* Takes the first request out, or, when t is not NULL, the one of t. */
static struct request *take(struct requests *list, const struct transfer *t)
{
	struct request *before = NULL, *request = list->first;

	for (; request && t && request->t != t; request = request->next)
		before = request;
	if (!request)
		return NULL;
	if (before)
		before->next = request->next;
	else
		list->first = request->next;
	if (list->last == request)
		list->last = before;
	return request;
}

static void discard(struct request *request)
{
	if (request->fd >= 0)
		sys_close(request->fd);
	free(request);
}

/*
 * Makes every page of the range resident. Advice alone only starts reads, and says nothing about the end of any of them;
 * reading is the one call that waits for each page. Errors are the transfer's to meet: it asks the same file again.
 */
static void read_range(struct reader *reader, const struct request *request)
{
	unsigned char scratch[READ_BYTES];
	uint64_t left = request->bytes < REQUEST_MOST_BYTES ? request->bytes : REQUEST_MOST_BYTES;
	uint64_t at = request->offset;

	for (uint64_t n = 0; n < left; n += ADVICE_BYTES)
		sys_will_need(request->fd, at + n, left - n < ADVICE_BYTES ? left - n : ADVICE_BYTES);
	while (left && !atomic_load_explicit(&reader->give_up, memory_order_relaxed)) {
		int64_t n = sys_pread(request->fd, scratch, left < sizeof scratch ? left : sizeof scratch, at);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
}

/* Under lock, so that signalled and event_fd never differ: a loop that drains what is not yet written would spin. */
static void complete(struct reader *reader, struct request *request)
{
	uint64_t one = 1;

	if (!request->t) {
		free(request);
		return;
	}
	append(&reader->ready, request);
	if (!reader->signalled)
		reader->signalled = sys_write(reader->event_fd, &one, sizeof one) == sizeof one;
}

/* Under lock. NULL: the worker shall end. */
static struct request *wait_for_request(struct reader *reader)
{
	uint64_t ns = sys_now_ns() + IDLE_S * LEAT_SECOND;
	struct timespec until = { .tv_sec = (time_t)(ns / LEAT_SECOND), .tv_nsec = (long)(ns % LEAT_SECOND) };
	int error = 0;

	while (!reader->pending.first && !reader->ending && !error)
		error = pthread_cond_timedwait(&reader->work, &reader->lock, &until);
	return reader->ending ? NULL : take(&reader->pending, NULL);
}

static void *reader_work(void *arg)
{
	struct reader *reader = arg;
	struct request *request;

	sys_name_thread("leat-reader");
	pthread_mutex_lock(&reader->lock);
	while ((request = wait_for_request(reader)) != NULL) {
		reader->now = request;
		atomic_store_explicit(&reader->give_up, false, memory_order_relaxed);
		pthread_mutex_unlock(&reader->lock);
		read_range(reader, request);
		sys_close(request->fd);
		request->fd = -1;
		pthread_mutex_lock(&reader->lock);
		reader->now = NULL;
		complete(reader, request);
	}
	reader->running = false;
	pthread_mutex_unlock(&reader->lock);
	return NULL;
}

/* Under lock. A thread that ended by itself let go of the lock before we got it, so joining it here waits for nothing. */
static int start(struct reader *reader)
{
	int error;

	if (reader->joinable)
		pthread_join(reader->thread, NULL);
	error = sys_thread(&reader->thread, reader_work, reader);
	reader->joinable = reader->running = !error;
	return error;
}

static int init_locks(struct reader *reader)
{
	pthread_condattr_t attr;
	int error = pthread_condattr_init(&attr);

	if (error)
		return -error;
	error = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!error)
		error = pthread_cond_init(&reader->work, &attr);
	pthread_condattr_destroy(&attr);
	if (error)
		return -error;
	error = pthread_mutex_init(&reader->lock, NULL);
	if (error)
		pthread_cond_destroy(&reader->work);
	return -error;
}

int reader_init(struct reader *reader)
{
	int error;

	memset(reader, 0, sizeof *reader);
	reader->event_fd = sys_eventfd();
	if (reader->event_fd < 0)
		return reader->event_fd;
	error = init_locks(reader);
	if (error)
		sys_close(reader->event_fd);
	return error;
}

int reader_ask(struct reader *reader, struct transfer *t, int fd, uint64_t offset, uint64_t bytes)
{
	struct request *request;
	int error = 0;

	/* Closing our duplicate would drop every record lock (F_SETLK) this process holds on the file. */
	if (sys_locked(fd))
		return -EBUSY;
	request = malloc(sizeof *request);
	if (!request)
		return -ENOMEM;
	*request = (struct request){ .t = t, .offset = offset, .bytes = bytes, .fd = sys_dup(fd) };
	if (request->fd < 0) {
		error = request->fd;
		free(request);
		return error;
	}
	pthread_mutex_lock(&reader->lock);
	if (!reader->running)
		error = start(reader);
	if (!error) {
		append(&reader->pending, request);
		pthread_cond_signal(&reader->work);
	}
	pthread_mutex_unlock(&reader->lock);
	if (error)
		discard(request);
	else
		reader->asked++;
	return error;
}

void reader_forget(struct reader *reader, struct transfer *t)
{
	struct request *request = NULL;
	bool found = true;

	if (!reader->asked)
		return;
	pthread_mutex_lock(&reader->lock);
	if (reader->now && reader->now->t == t) {
		reader->now->t = NULL;
		atomic_store_explicit(&reader->give_up, true, memory_order_relaxed);
	} else {
		request = take(&reader->pending, t);
		if (!request)
			request = take(&reader->ready, t);
		found = request != NULL;
	}
	pthread_mutex_unlock(&reader->lock);
	if (request)
		discard(request);
	reader->asked -= found;
}

struct transfer *reader_next(struct reader *reader)
{
	struct request *request;
	struct transfer *t;
	uint64_t count;

	pthread_mutex_lock(&reader->lock);
	request = take(&reader->ready, NULL);
	if (!request && reader->signalled) {
		sys_read(reader->event_fd, &count, sizeof count);
		reader->signalled = false;
	}
	pthread_mutex_unlock(&reader->lock);
	if (!request)
		return NULL;
	t = request->t;
	discard(request);
	reader->asked--;
	return t;
}

void reader_end(struct reader *reader)
{
	struct request *request;

	pthread_mutex_lock(&reader->lock);
	reader->ending = true;
	atomic_store_explicit(&reader->give_up, true, memory_order_relaxed);
	pthread_cond_signal(&reader->work);
	pthread_mutex_unlock(&reader->lock);
	if (reader->joinable)
		pthread_join(reader->thread, NULL);
	while ((request = take(&reader->pending, NULL)) != NULL)
		discard(request);
	while ((request = take(&reader->ready, NULL)) != NULL)
		discard(request);
	pthread_cond_destroy(&reader->work);
	pthread_mutex_destroy(&reader->lock);
	sys_close(reader->event_fd);
}

void reader_abandon(struct reader *reader)
{
	sys_close(reader->event_fd);
}
