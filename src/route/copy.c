/* SPDX-License-Identifier: MIT */
/* read into a buffer of ours: the bounce, for what needs content or has no kernel route. sink_send writes it on. */
#include "route.h"
#include "endpoint.h"
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

int buffer_make(struct transfer *t)
{
	if (t->buffer.bytes)
		return 0;
	t->buffer.bytes = malloc(t->options.buffer_bytes);
	if (!t->buffer.bytes)
		return -ENOMEM;
	t->buffer.size = (uint32_t)t->options.buffer_bytes;
	return 0;
}

static int64_t read_callback(struct transfer *t, void *bytes, uint64_t size)
{
	const struct leat_source_ops *ops = t->base->base;
	int64_t n;

	t->end_wait = (struct pollfd){ .fd = -1 };
	n = ops->read(t->base->arg, bytes, size, &t->end_wait);
	return n > (int64_t)size || n < INT_MIN ? LEAT_ECONTRACT : n;
}

static int64_t read_source(struct transfer *t, void *bytes, uint64_t size)
{
	switch (t->base->facts.kind) {
	case LEAT_KIND_CALLBACK:
		return read_callback(t, bytes, size);
	case LEAT_KIND_FILE: case LEAT_KIND_GENERATED: case LEAT_KIND_BLOCK:
		return sys_pread(t->source_fd, bytes, size, t->base->position);
	case LEAT_KIND_TCP: case LEAT_KIND_UNIX: case LEAT_KIND_STREAM:
		return sys_recv(t->source_fd, bytes, size, MSG_DONTWAIT);
	default:
		return sys_read(t->source_fd, bytes, size);
	}
}

static struct move copy_fill(struct transfer *t, uint64_t bytes)
{
	int64_t n = buffer_make(t);

	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY, (int)n, LEAT_SIDE_CALLER);
	if (t->bits & TRANSFER_AUTO && bytes > ROUTE_AUTO_BYTES)
		bytes = ROUTE_AUTO_BYTES;
	if (bytes > t->buffer.size)
		bytes = t->buffer.size;
	n = read_source(t, t->buffer.bytes, bytes);
	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SOURCE);
	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY, (int)n, LEAT_SIDE_SOURCE);
	t->buffer.off = 0;
	t->buffer.len = (uint32_t)n;
	return n ? route_moved(n) : route_verdict(VERDICT_END);
}

const struct route route_copy = { .id = LEAT_ROUTE_COPY, .fill = copy_fill };
