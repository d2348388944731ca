/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <errno.h>
#include <string.h>

static struct leat_queue *queue_of(const struct leat_source *source)
{
	return source->kind == LEAT_KIND_QUEUE ? (struct leat_queue *)source->base : NULL;
}

void leat_queue_init(struct leat_queue *queue)
{
	if (queue)
		memset(queue, 0, sizeof *queue);
}

/* The queue whose parts this source gives, seen through views; NULL: none. */
static struct leat_queue *queue_beneath(const struct leat_source *source)
{
	while (source->state & END_VIEW)
		source = (const struct leat_source *)source->base;
	return queue_of(source);
}

/* A queue in itself, at whatever depth, would be walked for ever. */
static bool is_inside(const struct leat_queue *queue, const struct leat_queue *held)
{
	if (!held->first)	/* it holds nothing: no need to look */
		return queue == held;
	while (queue && queue != held)
		queue = queue->around;
	return queue != NULL;
}

int leat_queue_add(struct leat_queue *queue, struct leat_source *part)
{
	struct leat_queue *held = part ? queue_beneath(part) : NULL;

	if (!queue || !part || queue->owner == part || (held && is_inside(queue, held)))
		return -EINVAL;
	if (queue->ended)
		return -EPIPE;
	if (part->serves || part->state & (END_PART | END_VIEWED))
		return LEAT_EWRAPPED;
	part->state |= END_PART;
	part->next = NULL;
	if (held)
		held->around = queue;
	if (queue->last)
		queue->last->next = part;
	else
		queue->first = part;
	queue->last = part;
	return 0;
}

void leat_queue_end(struct leat_queue *queue)
{
	if (queue)
		queue->ended = 1;
}

static struct leat_source *beneath(const struct leat_source *source)
{
	if (source->state & END_VIEW)
		return (struct leat_source *)source->base;
	return queue_of(source) ? queue_of(source)->first : NULL;
}

/* The source below this one, which is linked to it; NULL at a leaf. */
static struct leat_source *below(struct leat_source *source)
{
	struct leat_source *next;

	if (source->error || source->kept_len)	/* bytes put back on a queue come before its parts */
		return NULL;
	next = beneath(source);
	if (next)
		next->parent = source;
	return next;
}

struct leat_source *queue_leaf(struct leat_source *top, struct leat_source **ret_part)
{
	struct leat_source *next;

	*ret_part = NULL;
	while ((next = below(top))) {
		if (queue_of(top))
			*ret_part = next;
		top = next;
	}
	return top;
}

bool queue_starves(const struct leat_source *source)
{
	const struct leat_queue *queue = queue_of(source);

	return queue && !queue->first && !queue->ended;
}

struct leat_source *queue_take(struct leat_queue *queue)
{
	struct leat_source *part = queue->first;
	struct leat_queue *held = part ? queue_beneath(part) : NULL;

	if (!part)
		return NULL;
	queue->first = part->next;
	if (!queue->first)
		queue->last = NULL;
	if (held)
		held->around = NULL;
	part->next = part->parent = NULL;
	part->serves = 0;
	part->state &= (uint8_t)~END_PART;
	return part;
}

int queue_serve(struct leat_source *top, const struct transfer *t)
{
	int error = 0;

	/* What became busy becomes idle, also below a source that was misused, or keeps bytes, since then. */
	for (; top; top = t ? below(top) : beneath(top)) {
		if (top->error && !error)
			error = top->error;
		top->serves = (uintptr_t)t;
	}
	return error;
}
