/* SPDX-License-Identifier: MIT */
/* The routes by their names. A new one is a file, a row here, and a row of plan.c. */
#include "route.h"

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
