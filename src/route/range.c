/* SPDX-License-Identifier: MIT */
/* copy_file_range: file to file inside the kernel, at explicit offsets. */
#include "route.h"
#include "sys.h"

#include <errno.h>

static struct move range_move(struct transfer *t, uint64_t bytes, bool more)
{
	uint64_t from = t->base->position, to = t->out->position;
	int64_t n = sys_copy_file_range(t->source_fd, &from, t->sink_fd, &to, bytes);

	(void)more;
	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY_FILE_RANGE, (int)n, n == -EIO ? LEAT_SIDE_NONE : LEAT_SIDE_SINK);
	return n ? route_moved(n) : route_verdict(VERDICT_END);
}

const struct route route_copy_file_range = { .id = LEAT_ROUTE_COPY_FILE_RANGE, .move = range_move };
