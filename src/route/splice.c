/* SPDX-License-Identifier: MIT */
/*
 * splice, in two forms. `splice`: one end is a pipe of the caller's. `splice_pipe`: through a pipe of ours, which is filled
 * only while it is empty, so that EAGAIN from filling always means the source (hazard 41).
 */
#include "route.h"
#include "endpoint.h"
#include "pipe.h"
#include "sys.h"
#include "tee.h"

#include <errno.h>
#include <fcntl.h>

static uint64_t *offset_of(uint8_t kind, uint64_t *offset)
{
	return kind_is_file(kind) ? offset : NULL;
}

/* One splice from the base into fd. Its result; neither position is moved: that is for who charges. */
static int64_t from_source(struct transfer *t, int fd, uint64_t *to, uint64_t bytes, unsigned flags)
{
	uint64_t from = t->base->position;

	return sys_splice(t->source_fd, offset_of(t->base->facts.kind, &from), fd, to, bytes, flags | SPLICE_F_NONBLOCK);
}

/* One of the two is a pipe, which has no errors but EPIPE: they are the other's. */
static enum leat_side side_of(const struct transfer *t, int error)
{
	if (error == -EPIPE || t->out->facts.kind != LEAT_KIND_PIPE)
		return LEAT_SIDE_SINK;
	return t->base->facts.kind != LEAT_KIND_PIPE ? LEAT_SIDE_SOURCE : LEAT_SIDE_NONE;
}

/* EAGAIN has two causes: a source that has bytes means the sink is full, unless the sink would take some. */
static bool sink_is_full(struct transfer *t)
{
	struct pollfd poll = { .fd = t->sink_fd, .events = POLLOUT };

	if (kind_is_file(t->base->facts.kind))
		return true;
	if (sys_readable_bytes(t->source_fd) <= 0 || (t->stalls && sys_poll(&poll, 1, 0)))
		return false;
	t->stalls = t->stalls ? t->stalls : 1;
	return true;
}

static struct move splice_move(struct transfer *t, uint64_t bytes, bool more)
{
	uint64_t to = t->out->position;
	int64_t n;

	n = from_source(t, t->sink_fd, offset_of(t->out->facts.kind, &to), bytes, more ? SPLICE_F_MORE : 0);
	if (n == -EAGAIN && sink_is_full(t))
		return route_verdict(VERDICT_WAIT_SINK);
	if (n == -EAGAIN || n == 0)
		return source_stalled(t, !n);
	if (n < 0)
		return route_error(t, LEAT_ROUTE_SPLICE, (int)n, side_of(t, (int)n));
	t->stalls = 0;
	return route_moved(n);
}

static struct move pipe_fill(struct transfer *t, uint64_t bytes)
{
	enum leat_reason reason = LEAT_OK;
	int64_t n;
	int r;

	if (t->pipe.fd[0] < 0) {
		n = pipe_open(&t->pipe, t->options.pipe_bytes, t->options.helper);
		if (n < 0)
			return (struct move){ .verdict = VERDICT_DECLINED, .error = (int)n, .reason = LEAT_PIPE_BUDGET };
	}
	n = from_source(t, t->pipe.fd[1], NULL, bytes < t->pipe.size ? bytes : t->pipe.size, SPLICE_F_MOVE);
	if (n == -EAGAIN || n == 0)
		return source_stalled(t, !n);
	if (n < 0)
		return route_error(t, LEAT_ROUTE_SPLICE_PIPE, (int)n, LEAT_SIDE_SOURCE);
	t->stalls = 0;
	t->pipe.bytes += (uint64_t)n;
	r = tee_fill(t, &reason);
	if (r < 0)	/* the bytes are in the pipe, and leave it by the next route */
		return (struct move){ .verdict = VERDICT_DECLINED, .error = r, .reason = reason };
	return route_moved(n);
}

static struct move pipe_move(struct transfer *t, uint64_t bytes, bool more)
{
	uint64_t to = t->out->position;
	int64_t n;

	n = sys_splice(t->pipe.fd[0], NULL, t->sink_fd, offset_of(t->out->facts.kind, &to), bytes,
		       SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0));
	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SINK);
	if (n == 0)
		n = -EIO;	/* a pipe that holds bytes and gives none */
	if (n < 0)
		return route_error(t, LEAT_ROUTE_SPLICE_PIPE, (int)n, LEAT_SIDE_SINK);
	t->pipe.bytes -= (uint64_t)n;
	return route_moved(n);
}

struct move pipe_to_buffer(struct transfer *t, uint64_t bytes)
{
	int64_t n = buffer_make(t);

	if (!n)
		n = sys_read(t->pipe.fd[0], t->buffer.bytes, bytes < t->buffer.size ? bytes : t->buffer.size);
	if (n == 0)
		n = -EIO;
	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY, (int)n, LEAT_SIDE_SOURCE);
	t->pipe.bytes -= (uint64_t)n;
	t->buffer.off = 0;
	t->buffer.len = (uint32_t)n;
	return route_moved(n);
}

const struct route route_splice = { .id = LEAT_ROUTE_SPLICE, .move = splice_move };
const struct route route_splice_pipe = { .id = LEAT_ROUTE_SPLICE_PIPE, .fill = pipe_fill, .move = pipe_move };
