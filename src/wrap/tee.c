/* SPDX-License-Identifier: MIT */
/*
 * tee: a second sink for the same bytes. What it did not take at once stands in buffer, a ring: len bytes from off. It is
 * bytes that the first sink has, so it stays over a cancel and goes out first in the next transfer.
 *
 * wait: no more may pass than buffer has room for, so that nothing is lost even when second fails; a failure of second ends
 *	the transfer.
 * fail: nothing is held up. When second fails, or is so slow that buffer overflows (-ENOBUFS), the transfer ends; what it
 *	then lacks is counted in dropped_bytes. At the end it is waited for.
 * drop: nothing is held up and nothing fails. What neither second nor buffer takes is counted, and after an error of second
 *	everything, until the next begin.
 */
#include "../endpoint.h"
#include "../route/tee.h"
#include "wrap.h"

#include <errno.h>
#include <string.h>

static uint64_t tee_room(const struct leat_tee *tee)
{
	return tee->size - tee->len;
}

static void tee_drop_buffer(struct leat_tee *tee)
{
	tee->dropped_bytes += tee->len;
	tee->off = tee->len = 0;
}

/* What stands around second, or on it, would see none of the bytes. */
static bool is_bare(const struct leat_sink *second)
{
	return !second->first && !(second->state & (END_VIEW | END_VIEWED));
}

/* Nobody begins a transfer on second: its misuse, also that since the init, and its facts are looked at here. */
static int tee_look(struct leat_tee *tee)
{
	if (!tee->error && !is_bare(tee->second))
		tee->error = -EINVAL;
	if (!tee->error && (tee->second->error || tee->second->facts.kind == LEAT_KIND_NONE))
		tee->error = leat_look_sink(tee->second);
	return tee->error;
}

/* Writes what second takes without waiting. Bytes; *ret_error is 0, -EAGAIN with *wait filled in, or an error. */
static size_t tee_write(struct leat_tee *tee, const unsigned char *bytes, size_t length, struct pollfd *wait, int *ret_error)
{
	size_t done = 0;

	*ret_error = tee_look(tee);
	while (done < length && !*ret_error) {
		int64_t n = sink_write_now(tee->second, bytes + done, length - done, wait);

		if (n > 0)
			done += (size_t)n;
		else	/* a sink that takes nothing and says nothing is one to ask later */
			*ret_error = n == 0 || n == -EINTR ? -EAGAIN : (int)n;
	}
	if (*ret_error && *ret_error != -EAGAIN)
		tee->error = *ret_error;
	return done;
}

/* 0 when buffer is empty, -EAGAIN with *wait filled in, or an error. */
static int tee_flush(struct leat_tee *tee, struct pollfd *wait)
{
	int error = 0;

	while (tee->len && !error) {
		uint64_t straight = tee->size - tee->off;
		size_t n = tee_write(tee, tee->buffer + tee->off, tee->len < straight ? tee->len : straight, wait, &error);

		tee->len -= n;
		tee->off = tee->len ? (tee->off + n) % tee->size : 0;
	}
	return error;
}

/* Takes what there is room for: returns the bytes taken. */
static size_t tee_store(struct leat_tee *tee, const unsigned char *bytes, size_t length)
{
	size_t taken = length < tee_room(tee) ? length : (size_t)tee_room(tee), first;
	uint64_t at;

	if (!taken)
		return 0;
	at = (tee->off + tee->len) % tee->size;
	first = taken < tee->size - at ? taken : (size_t)(tee->size - at);
	memcpy(tee->buffer + at, bytes, first);
	memcpy(tee->buffer, bytes + first, taken - first);
	tee->len += taken;
	return taken;
}

static int tee_see(struct leat_wrapper *wrapper, const void *data, size_t length)
{
	struct leat_tee *tee = (struct leat_tee *)wrapper;
	const unsigned char *bytes = data;
	struct pollfd wait = { .fd = -1 };
	size_t done = 0;
	int error = tee->error;

	if (!error)
		error = tee_flush(tee, &wait);
	if (!error)
		done = tee_write(tee, bytes, length, &wait, &error);
	if (tee->policy == LEAT_TEE_DROP && tee->error)
		tee_drop_buffer(tee);
	else
		done += tee_store(tee, bytes + done, length - done);
	tee->dropped_bytes += length - done;
	if (tee->policy == LEAT_TEE_DROP)
		return 0;
	return tee->error ? tee->error : done < length ? -ENOBUFS : 0;
}

/* What stands in the tee's own pipe and could not be spliced on: read, and treated as by a copy. */
static void tee_unpipe(struct leat_tee *tee, uint64_t bytes)
{
	unsigned char some[4096];

	while (bytes) {
		int64_t n = tee_pipe_read(tee, some, bytes < sizeof some ? bytes : sizeof some);
		int error;

		if (n <= 0) {
			tee->error = n < 0 ? (int)n : -EIO;
			tee->dropped_bytes += bytes;
			return;
		}
		error = tee_see(&tee->wrapper, some, (size_t)n);
		tee->error = tee->error ? tee->error : error;
		bytes -= (uint64_t)n;
	}
}

/* The kernel's tee: the bytes stand in the tee's own pipe. Errors come out of the next allow or finish. */
static void tee_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct leat_tee *tee = (struct leat_tee *)wrapper;
	struct pollfd wait = { .fd = -1 };
	int64_t n = 0;

	if (!(wrapper->state & WRAPPER_KERNEL_TEE) || route != LEAT_ROUTE_SPLICE_PIPE)
		return;	/* see had them */
	if (!tee->error)
		n = tee_flush(tee, &wait);
	while (bytes && !n && !tee->error) {
		n = tee_pipe_splice(tee, bytes);
		if (n > 0) {
			bytes -= (uint64_t)n;
			n = 0;
		} else if (n == 0) {
			n = -EAGAIN;
		} else if (n != -EAGAIN && n != -EINTR && n != -EINVAL) {	/* EINVAL: a device without splice */
			tee->error = (int)n;
		}
	}
	if (tee->policy == LEAT_TEE_DROP && tee->error)
		tee_drop_buffer(tee);
	tee_unpipe(tee, bytes);
}

/* The exception to "allow has no side effect": bytes that second owes already go on whenever there is a turn. */
static int tee_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct leat_tee *tee = (struct leat_tee *)wrapper;
	struct pollfd wait = { .fd = -1 };
	uint64_t of_use;
	int error = tee_look(tee);

	if (!error)
		error = tee_flush(tee, &wait);
	if (tee->policy == LEAT_TEE_DROP)
		return 0;
	if (error && error != -EAGAIN)
		return error;
	if (tee->policy == LEAT_TEE_FAIL || !budget->bytes)
		return 0;
	of_use = budget->at_least < tee->size ? budget->at_least : tee->size;
	if (!tee_room(tee) || tee_room(tee) < of_use) {
		budget->bytes = 0;
		budget->wait = wait;
		return LEAT_WAIT;
	}
	if (budget->bytes > tee_room(tee))
		budget->bytes = tee_room(tee);
	return 0;
}

static int tee_finish(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct leat_tee *tee = (struct leat_tee *)wrapper;
	struct pollfd wait = { .fd = -1 };
	int error = tee->error ? tee->error : tee_flush(tee, &wait);

	if (tee->policy == LEAT_TEE_DROP) {
		tee_drop_buffer(tee);
		return 0;
	}
	if (error == -EAGAIN) {
		budget->wait = wait;
		return LEAT_WAIT;
	}
	return error;
}

static void tee_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	if (event->kind == LEAT_EVENT_BEGIN)
		((struct leat_tee *)wrapper)->error = 0;
}

const struct leat_wrapper_ops tee_ops = {
	.name = "tee",
	.need = LEAT_NEED_CONTENT,
	.allow = tee_allow,
	.see = tee_see,
	.moved = tee_moved,
	.finish = tee_finish,
	.event = tee_event,
};

struct leat_wrapper *leat_tee_init(struct leat_tee *tee, struct leat_sink *second, enum leat_tee_policy policy,
				   void *buffer, size_t size)
{
	bool bare = second && is_bare(second);
	bool sound = bare && (unsigned)policy <= LEAT_TEE_WAIT && (buffer || !size) && (size || policy != LEAT_TEE_WAIT);

	if (!tee)
		return NULL;
	memset(tee, 0, sizeof *tee);
	tee->second = second;
	tee->buffer = buffer;
	tee->size = size;
	tee->policy = policy;
	tee->pipe[0] = tee->pipe[1] = -1;
	return leat_wrapper_init(&tee->wrapper, sound ? &tee_ops : NULL);
}
