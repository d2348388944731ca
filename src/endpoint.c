/* SPDX-License-Identifier: MIT */
/* Making sources and sinks, keeping bytes for them, and their end. The first misuse stays in ->error. */
#include "endpoint.h"
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void source_start(struct leat_source *source, enum leat_kind kind, int fd)
{
	memset(source, 0, sizeof *source);
	source->kind = source->facts.kind = (uint8_t)kind;
	source->fd = fd;
	source->length = LEAT_UNKNOWN;
}

static void sink_start(struct leat_sink *sink, enum leat_kind kind, int fd)
{
	memset(sink, 0, sizeof *sink);
	sink->kind = sink->facts.kind = (uint8_t)kind;
	sink->fd = fd;
	sink->length = LEAT_UNKNOWN;
}

void leat_from_fd(struct leat_source *source, int fd)
{
	if (!source)
		return;
	source_start(source, LEAT_KIND_NONE, fd);
	source->own_offset = 1;
	source->error = fd < 0 ? -EBADF : 0;
}

void leat_from_file(struct leat_source *source, int fd, uint64_t offset)
{
	if (!source)
		return;
	source_start(source, LEAT_KIND_NONE, fd);
	source->position = offset;
	source->error = fd < 0 ? -EBADF : offset > INT64_MAX ? -EOVERFLOW : 0;
}

void leat_from_range(struct leat_source *source, int fd, uint64_t offset, uint64_t length)
{
	leat_from_file(source, fd, offset);
	if (!source)
		return;
	source->exact = 1;
	source->length = offset + length;
	if (!source->error && (source->length < offset || source->length > INT64_MAX))
		source->error = -EOVERFLOW;
}

void leat_from_memory(struct leat_source *source, const void *bytes, uint64_t length)
{
	if (!source)
		return;
	source_start(source, LEAT_KIND_MEMORY, -1);
	source->base = bytes;
	source->length = length;
	source->error = !bytes && length ? -EINVAL : length > INT64_MAX ? -EOVERFLOW : 0;
}

void leat_from_callback(struct leat_source *source, const struct leat_source_ops *ops, void *arg)
{
	if (!source)
		return;
	source_start(source, LEAT_KIND_CALLBACK, -1);
	source->base = ops;
	source->arg = arg;
	source->error = ops && ops->read && !ops->reserved[0] && !ops->reserved[1] ? 0 : -EINVAL;
}

void leat_from_queue(struct leat_source *source, struct leat_queue *queue)
{
	if (!source)
		return;
	source_start(source, LEAT_KIND_QUEUE, -1);
	source->error = !queue ? -EINVAL : queue->owner ? LEAT_EWRAPPED : 0;
	if (source->error)
		return;
	source->base = queue;
	queue->owner = source;
}

/* A view in its own chain: the one it stands on stands on it, and would be walked for ever. */
static bool source_in_chain(const struct leat_source *below, const struct leat_source *source)
{
	while (below && below != source)
		below = below->state & END_VIEW ? (const struct leat_source *)below->base : NULL;
	return below != NULL;
}

static bool sink_in_chain(const struct leat_sink *below, const struct leat_sink *sink)
{
	while (below && below != sink)
		below = below->state & END_VIEW ? (const struct leat_sink *)below->base : NULL;
	return below != NULL;
}

void leat_from_source(struct leat_source *source, struct leat_source *below)
{
	if (!source)
		return;
	source_start(source, LEAT_KIND_NONE, -1);
	source->base = below;
	source->own_offset = 0;
	if (!below || source_in_chain(below, source))
		source->error = -EINVAL;
	else if (below->serves || below->state & (END_VIEWED | END_PART))
		source->error = LEAT_EWRAPPED;
	if (source->error)
		return;
	below->state |= END_VIEWED;
	below->parent = source;
	source->state |= END_VIEW;
}

void leat_to_fd(struct leat_sink *sink, int fd)
{
	if (!sink)
		return;
	sink_start(sink, LEAT_KIND_NONE, fd);
	sink->own_offset = 1;
	sink->error = fd < 0 ? -EBADF : 0;
}

void leat_to_file(struct leat_sink *sink, int fd, uint64_t offset)
{
	if (!sink)
		return;
	sink_start(sink, LEAT_KIND_NONE, fd);
	sink->position = offset;
	sink->error = fd < 0 ? -EBADF : offset > INT64_MAX ? -EOVERFLOW : 0;
}

void leat_to_memory(struct leat_sink *sink, void *bytes, uint64_t size)
{
	if (!sink)
		return;
	sink_start(sink, LEAT_KIND_MEMORY, -1);
	sink->base = bytes;
	sink->length = size;
	sink->error = !bytes && size ? -EINVAL : size > INT64_MAX ? -EOVERFLOW : 0;
}

void leat_to_callback(struct leat_sink *sink, const struct leat_sink_ops *ops, void *arg)
{
	if (!sink)
		return;
	sink_start(sink, LEAT_KIND_CALLBACK, -1);
	sink->base = ops;
	sink->arg = arg;
	sink->error = ops && ops->write && !ops->reserved[0] && !ops->reserved[1] ? 0 : -EINVAL;
}

void leat_to_nothing(struct leat_sink *sink)
{
	if (sink)
		sink_start(sink, LEAT_KIND_NOTHING, -1);
}

void leat_to_sink(struct leat_sink *sink, struct leat_sink *below)
{
	if (!sink)
		return;
	sink_start(sink, LEAT_KIND_NONE, -1);
	sink->base = below;
	if (!below || sink_in_chain(below, sink))
		sink->error = -EINVAL;
	else if (below->serves || below->state & END_VIEWED)
		sink->error = LEAT_EWRAPPED;
	if (sink->error)
		return;
	below->state |= END_VIEWED;
	below->parent = sink;
	sink->state |= END_VIEW;
}

void leat_promise(struct leat_source *source, enum leat_stability stability)
{
	if (!source)
		return;
	if ((unsigned)stability > LEAT_SNAPSHOT)
		source->error = source->error ? source->error : -EINVAL;
	else if (source->serves)
		source->error = source->error ? source->error : LEAT_EWRAPPED;
	else
		source->stability = (uint8_t)stability;
	if (stability == LEAT_SEALED && !source->error)
		source->facts.known = 0;	/* to be checked, also when it was looked at before */
}

void leat_on_release(struct leat_source *source, void (*release)(void *, const struct leat_report *), void *arg)
{
	if (!source)
		return;
	source->release = release;
	source->release_arg = arg;
}

void source_release(struct leat_source *source, const struct leat_report *report)
{
	void (*release)(void *, const struct leat_report *) = source->release;

	source->release = NULL;
	if (release)
		release(source->release_arg, report);
}

int source_keep(struct leat_source *source, const void *bytes, uint64_t length)
{
	unsigned char *fresh;

	if (!length)
		return 0;
	if (source->kept_off >= length) {
		source->kept_off -= length;
	} else {
		if (source->kept_len > SIZE_MAX - length)
			return -ENOMEM;
		fresh = malloc(length + source->kept_len);
		if (!fresh)
			return -ENOMEM;
		if (source->kept_len)
			memcpy(fresh + length, source->kept + source->kept_off, source->kept_len);
		free(source->kept);
		source->kept = fresh;
		source->kept_off = 0;
	}
	memcpy(source->kept + source->kept_off, bytes, length);
	source->kept_len += length;
	return 0;
}

int leat_unread(struct leat_source *source, const void *bytes, size_t length)
{
	if (!source || (!bytes && length))
		return -EINVAL;
	if (source->serves)
		return LEAT_EWRAPPED;
	while (source->state & END_VIEW)
		source = (struct leat_source *)source->base;
	return source_keep(source, bytes, length);
}

static void release_wrappers(struct leat_wrapper *last)
{
	while (last) {
		struct leat_wrapper *inner = last->inner;
		void (*release)(struct leat_wrapper *) = last->ops->release;

		if (last->state & WRAPPER_KEPT)
			free((void *)(uintptr_t)last->owed_data);
		last->inner = last->outer = last->up = last->down = NULL;
		last->state = 0;
		if (release)
			release(last);
		last = inner;
	}
}

/* The parts that never ran, or not to their end. Meanwhile nothing is added: a release that always does would never end. */
static void close_parts(struct leat_queue *queue)
{
	int ended = queue->ended;

	queue->ended = 1;
	for (struct leat_source *part; (part = queue_take(queue));) {
		struct leat_report report = { 0 };

		if (part->so_far)
			report = *part->so_far;
		free(part->so_far);
		part->so_far = NULL;
		report.error = -ECANCELED;
		report.ended_by = LEAT_ENDED_BY_CANCEL;
		report.side = LEAT_SIDE_CALLER;
		report.culprit = NULL;	/* of a part in it */
		source_release(part, &report);
	}
	queue->owner = NULL;
	queue->around = NULL;
	queue->ended = ended;
}

/*
 * Emptied first: its release may close the source once more, use it again, or free what it stands in. The releases before,
 * of wrappers and parts, may not yet: it is busy.
 */
void leat_close(struct leat_source *source)
{
	struct leat_source was, *below;

	if (!source)
		return;
	was = *source;
	memset(source, 0, sizeof *source);
	source->serves = (uintptr_t)source;
	release_wrappers(was.last);
	if (was.kind == LEAT_KIND_QUEUE && was.base)
		close_parts((struct leat_queue *)was.base);
	source->serves = 0;
	if (was.state & END_VIEW) {
		below = (struct leat_source *)was.base;
		below->state &= (uint8_t)~END_VIEWED;
		below->parent = NULL;
	}
	free(was.kept);
	free(was.so_far);
	source_release(&was, NULL);
}

void leat_close_sink(struct leat_sink *sink)
{
	struct leat_sink was, *below;

	if (!sink)
		return;
	was = *sink;
	memset(sink, 0, sizeof *sink);
	sink->serves = (uintptr_t)sink;
	release_wrappers(was.last);
	sink->serves = 0;
	if (was.state & END_VIEW) {
		below = (struct leat_sink *)was.base;
		below->state &= (uint8_t)~END_VIEWED;
		below->parent = NULL;
	}
}
