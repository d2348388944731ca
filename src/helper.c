/* SPDX-License-Identifier: MIT */
/* The helper of a loop: owns the pool of pipes and the read-ahead worker, and knows the process they belong to. */
#include "helper.h"

#include "reader.h"
#include "sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIPES_MAX 64	/* 64 of 1 MiB are just what pipe-user-pages-soft allows an ordinary user */

struct helper {
	struct pipe *idle;		/* a stack: the pipe used last is the warmest */
	unsigned idle_count, idle_room;
	unsigned open, open_max;	/* idle ones and those lent out */
	unsigned char *buffer;		/* idle; or NULL */
	uint64_t buffer_size;
	pid_t owner;			/* 0: not initialised */
	struct reader reader;
};

_Static_assert(sizeof(struct helper) <= sizeof(struct leat_helper), "a helper takes at most 256 bytes");
_Static_assert(_Alignof(struct helper) <= _Alignof(struct leat_helper), "a helper stands where the caller put it");

static struct helper *inside(struct leat_helper *helper)
{
	return (struct helper *)helper;
}

/* A child after fork has the parent's pipes and eventfd but not its thread, and its locks may be held by nobody. */
static bool foreign(const struct helper *h)
{
	return h->owner != sys_pid();
}

int leat_helper_init(struct leat_helper *helper, unsigned pipes_max)
{
	struct helper *h = inside(helper);
	int error;

	if (!helper)
		return -EINVAL;
	memset(helper, 0, sizeof *helper);
	error = reader_init(&h->reader);
	if (error)
		return error;
	h->open_max = pipes_max ? pipes_max : PIPES_MAX;
	h->owner = sys_pid();
	return 0;
}

int leat_helper_fd(const struct leat_helper *helper)
{
	const struct helper *h = (const struct helper *)helper;

	return h && h->owner ? h->reader.event_fd : -1;
}

unsigned leat_helper_pipes(const struct leat_helper *helper)
{
	const struct helper *h = (const struct helper *)helper;

	return h ? h->open : 0;
}

struct leat_transfer *leat_helper_next(struct leat_helper *helper)
{
	struct helper *h = inside(helper);
	struct transfer *t = !h || foreign(h) ? NULL : reader_next(&h->reader);

	/* Nobody reads for it any more: still cold, it has to ask again. */
	if (t)
		t->bits &= (uint16_t)~TRANSFER_COLD;
	return (struct leat_transfer *)t;
}

void leat_helper_end(struct leat_helper *helper)
{
	struct helper *h = inside(helper);

	if (!h || !h->owner)
		return;
	if (foreign(h))
		reader_abandon(&h->reader);
	else
		reader_end(&h->reader);
	for (unsigned i = 0; i < h->idle_count; i++) {
		sys_close(h->idle[i].fd[0]);
		sys_close(h->idle[i].fd[1]);
	}
	free(h->idle);
	free(h->buffer);
	memset(helper, 0, sizeof *helper);
}

int helper_read_ahead(struct leat_helper *helper, struct transfer *t, int fd, uint64_t offset, uint64_t bytes)
{
	struct helper *h = inside(helper);

	return foreign(h) ? -ECHILD : reader_ask(&h->reader, t, fd, offset, bytes);
}

void helper_forget(struct leat_helper *helper, struct transfer *t)
{
	struct helper *h = inside(helper);

	if (h->reader.asked && !foreign(h))
		reader_forget(&h->reader, t);
}

/* Two processes on one pipe would read each other's clients' bytes. */
bool helper_has_pipe(struct leat_helper *helper)
{
	const struct helper *h = inside(helper);

	return h->idle_count && !foreign(h);
}

bool helper_take_pipe(struct leat_helper *helper, struct pipe *pipe)
{
	struct helper *h = inside(helper);

	if (!helper_has_pipe(helper))
		return false;
	*pipe = h->idle[--h->idle_count];
	return true;
}

bool helper_may_make(struct leat_helper *helper)
{
	struct helper *h = inside(helper);

	if (h->open >= h->open_max)
		return false;
	h->open++;
	return true;
}

bool helper_put_pipe(struct leat_helper *helper, const struct pipe *pipe, bool empty)
{
	struct helper *h = inside(helper);

	if (empty && h->idle_count == h->idle_room) {
		unsigned room = h->idle_room ? 2 * h->idle_room : 8;
		struct pipe *idle = reallocarray(h->idle, room, sizeof *idle);

		if (idle) {
			h->idle = idle;
			h->idle_room = room;
		}
	}
	if (!empty || h->idle_count == h->idle_room) {
		h->open--;
		return false;
	}
	h->idle[h->idle_count++] = *pipe;
	return true;
}

unsigned char *helper_take_buffer(struct leat_helper *helper, uint64_t size)
{
	struct helper *h = inside(helper);
	unsigned char *bytes = h->buffer_size == size ? h->buffer : NULL;

	if (bytes)
		h->buffer = NULL;
	return bytes;
}

void helper_put_buffer(struct leat_helper *helper, unsigned char *bytes, uint64_t size)
{
	struct helper *h = inside(helper);

	/* Nobody would free it: the end of one that is not prepared does nothing. Memory of a child's own is no parent's: it is not asked
	 * whose helper this is, at a call for each read. */
	if (!h->owner) {
		free(bytes);
		return;
	}
	free(h->buffer);
	h->buffer = bytes;
	h->buffer_size = size;
}
