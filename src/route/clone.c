/* SPDX-License-Identifier: MIT */
/* Share the extents of a file (reflink). A real error of it is final: a copy after it has been seen to corrupt (hazard 29). */
#include "route.h"
#include "sys.h"

static struct move clone_move(struct transfer *t, uint64_t bytes, bool more)
{
	uint64_t from = t->base->position, to = t->out->position, block = t->base->facts.block_bytes;
	int r;

	(void)more;
	/* Only the end of the file may stand inside a block, and only where the other file ends with it. */
	if ((from + bytes < t->base->facts.size || to + bytes < t->out->facts.size) && block)
		bytes -= bytes % block;
	if (!bytes)
		return (struct move){ .verdict = VERDICT_DECLINED, .reason = LEAT_FS_DENIED };
	r = sys_clone_range(t->sink_fd, to, t->source_fd, from, bytes);
	return r < 0 ? route_error(t, LEAT_ROUTE_CLONE, r, LEAT_SIDE_SINK) : route_moved((int64_t)bytes);
}

const struct route route_clone = { .id = LEAT_ROUTE_CLONE, .move = clone_move };
