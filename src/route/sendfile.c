/* SPDX-License-Identifier: MIT */
/* sendfile: file to socket, terminal, device, or to a file at that file's own offset. */
#include "route.h"
#include "endpoint.h"
#include "sys.h"

#include <errno.h>
#include <unistd.h>

/* A socket has no EIO of its own, a terminal only when the other side has left it. */
static enum leat_side side_of(const struct transfer *t, int error)
{
	struct pollfd poll = { .fd = t->sink_fd };

	if (error != -EIO || kind_is_file(t->out->facts.kind))
		return LEAT_SIDE_SINK;
	return t->out->facts.kind == LEAT_KIND_TERMINAL && sys_poll(&poll, 1, 0) > 0 ? LEAT_SIDE_SINK : LEAT_SIDE_SOURCE;
}

static struct move sendfile_move(struct transfer *t, uint64_t bytes, bool more)
{
	uint64_t at = t->base->position;
	int64_t n;

	(void)more;
	if (kind_is_file(t->out->facts.kind)) {
		n = sys_seek(t->sink_fd, t->out->position, SEEK_SET);
		if (n < 0)
			return route_error(t, LEAT_ROUTE_SENDFILE, (int)n, LEAT_SIDE_SINK);
	}
	n = sys_sendfile(t->sink_fd, t->source_fd, &at, bytes);
	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SINK);
	if (n < 0)
		return route_error(t, LEAT_ROUTE_SENDFILE, (int)n, side_of(t, (int)n));
	return n ? route_moved(n) : route_verdict(VERDICT_END);
}

const struct route route_sendfile = { .id = LEAT_ROUTE_SENDFILE, .move = sendfile_move };
