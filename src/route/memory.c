/* SPDX-License-Identifier: MIT */
/* From memory to whatever the sink is: the route of memory sources, and the way of frame bytes, kept bytes and copies. */
#include "route.h"
#include "endpoint.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

static int64_t send_memory(struct transfer *t, const void *data, uint64_t bytes)
{
	uint64_t room = t->out->length - t->out->position;

	if (!room)
		return -ENOSPC;
	bytes = bytes < room ? bytes : room;
	memcpy((unsigned char *)t->out->base + t->out->position, data, bytes);
	return (int64_t)bytes;
}

static int64_t send_callback(struct transfer *t, const void *data, uint64_t bytes, bool more)
{
	const struct leat_sink_ops *ops = t->out->base;
	int64_t n;

	t->end_wait = (struct pollfd){ .fd = -1 };
	n = ops->write(t->out->arg, data, bytes, more, &t->end_wait);
	t->out->length = n == -EAGAIN ? bytes : LEAT_UNKNOWN;	/* it gets at least as many again */
	return n > (int64_t)bytes || n == 0 || n < INT_MIN ? LEAT_ECONTRACT : n;
}

static int64_t send_file(struct transfer *t, const void *data, uint64_t bytes)
{
	const struct leat_sink *out = t->out;
	int64_t n;

	if (out->facts.open_flags & O_DIRECT && bytes > ROUTE_DIRECT_BYTES)	/* whole blocks, as far as there are */
		bytes -= bytes % ROUTE_DIRECT_BYTES;
	if (out->facts.open_flags & O_APPEND)
		return sys_write(t->sink_fd, data, bytes);
	n = sys_pwrite(t->sink_fd, data, bytes, out->position);
	/* Many files of /proc take bytes only where the descriptor stands, which is there. */
	return n == -ESPIPE && out->own_offset && out->facts.kind == LEAT_KIND_GENERATED ? sys_write(t->sink_fd, data, bytes) : n;
}

static int64_t send_now(struct transfer *t, const void *data, uint64_t bytes, bool more)
{
	switch (t->out->facts.kind) {
	case LEAT_KIND_NOTHING:
		return (int64_t)bytes;
	case LEAT_KIND_MEMORY:
		return send_memory(t, data, bytes);
	case LEAT_KIND_CALLBACK:
		return send_callback(t, data, bytes, more);
	case LEAT_KIND_TCP: case LEAT_KIND_UNIX: case LEAT_KIND_STREAM: case LEAT_KIND_DATAGRAM:
		return sys_send(t->sink_fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	case LEAT_KIND_FILE: case LEAT_KIND_GENERATED: case LEAT_KIND_BLOCK:
		return send_file(t, data, bytes);
	default:
		return sys_write(t->sink_fd, data, bytes);
	}
}

struct move sink_send(struct transfer *t, const void *data, uint64_t bytes, bool more)
{
	int64_t n = send_now(t, data, bytes, more);

	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SINK);
	if (n == 0)
		n = -EIO;	/* it takes nothing and does not say why: asking again would never end */
	if (n < 0)
		return route_error(t, LEAT_ROUTE_MEMORY, (int)n, LEAT_SIDE_SINK);
	return route_moved(n);
}

/* For a tee's second sink, which stands alone: no transfer is on it. */
int64_t sink_write_now(struct leat_sink *sink, const void *bytes, size_t length, struct pollfd *wait)
{
	bool waits = !(sink->facts.open_flags & O_NONBLOCK) &&
		     (sink->facts.kind != LEAT_KIND_DEVICE || sys_is_eventfd(sink->fd));
	struct transfer t = { .out = sink, .sink_fd = sink->fd, .blocking = waits ? BLOCKING_SINK : 0 };
	bool own = sink->own_offset && kind_is_file(sink->facts.kind);
	uint64_t room = length;
	int64_t n = -EAGAIN;

	if (own)
		n = sys_write(sink->fd, bytes, length);
	else if (kind_is_socket(sink->facts.kind) || sink_room(&t, &room))
		n = send_now(&t, bytes, room, false);
	*wait = (struct pollfd){ .fd = sink->fd, .events = POLLOUT };
	if (n == -EAGAIN && sink->kind == LEAT_KIND_CALLBACK)
		*wait = t.end_wait;
	if (n > 0)
		sink->position += (uint64_t)n;
	return n;
}

const struct route route_memory = { .id = LEAT_ROUTE_MEMORY };
