/* SPDX-License-Identifier: MIT */
/* The routes by their names. A new one is a file, a row here, and a row of plan.c. And what an error of any of them means. */
#include "route.h"
#include "decline.h"
#include "sys.h"

#include <errno.h>

static const struct route *const routes[LEAT_ROUTES] = {
	[LEAT_ROUTE_CLONE] = &route_clone,
	[LEAT_ROUTE_COPY_FILE_RANGE] = &route_copy_file_range,
	[LEAT_ROUTE_SENDFILE] = &route_sendfile,
	[LEAT_ROUTE_SPLICE] = &route_splice,
	[LEAT_ROUTE_SPLICE_PIPE] = &route_splice_pipe,
	[LEAT_ROUTE_MEMORY] = &route_memory,
	[LEAT_ROUTE_COPY] = &route_copy,
};

void route_use(struct transfer *t, enum leat_route route)
{
	t->route = routes[route];
	t->call_bytes = ROUTE_CALL_BYTES;
}

static bool is_closed(int fd)
{
	return fd >= 0 && sys_get_flags(fd) < 0;
}

/* A call on two descriptors does not tell which of them was closed meanwhile, by a callback; nor does a route know. Where both
 * were, its word stands: it knows the one that it called alone. */
static enum leat_side side_of(const struct transfer *t, int error, enum leat_side side)
{
	bool source = error == -EBADF && is_closed(t->source_fd), sink = error == -EBADF && is_closed(t->sink_fd);

	return source == sink ? side : source ? LEAT_SIDE_SOURCE : LEAT_SIDE_SINK;
}

struct move route_error(const struct transfer *t, enum leat_route route, int error, enum leat_side side)
{
	struct move move = { .verdict = VERDICT_FAILED, .error = error, .side = side_of(t, error, side) };

	if (error == -EINTR)	/* without progress: the loop looks at the stop flag and comes again */
		return route_verdict(VERDICT_MORE);
	if (decline_reason(route, error, t->report.route_bytes[route] != 0, &move.reason))
		move.verdict = VERDICT_DECLINED;
	return move;
}
