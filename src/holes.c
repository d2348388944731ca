/* SPDX-License-Identifier: MIT */
#include "holes.h"
#include "route/route.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BLOCK_BYTES 4096	/* of most file systems; where they are larger, less is given back */
/* Of a hole that somebody has to see so much goes at once: each piece of the last one makes the file longer, which takes 5 us on
 * tmpfs, 15 on btrfs, 13 to 60 on ext4, 50 on XFS. With XXH3 it is 1.9 to 3.5 us for each 64 KiB so; 2.2 to 4.5 when they went
 * alone, and only the last of them made the file longer. */
#define SEEN_BYTES MIB

static const unsigned char zeros[HOLES_ZEROS];

static bool wanted(const struct transfer *t)
{
	const struct leat_facts *from = &t->base->facts, *to = &t->out->facts;

	if (from->size > INT64_MAX - BLOCK_BYTES)	/* tmpfs finds no data in such a last page (6.18) */
		return false;
	return from->kind == LEAT_KIND_FILE && to->kind == LEAT_KIND_FILE && from->blocks * 512 < from->size &&
	       !(to->open_flags & O_APPEND) && t->route->id != LEAT_ROUTE_CLONE && !t->options.fill_holes;
}

/* Finds what stands at the position: after it, one of data_end and hole_end is beyond it. */
static void look(struct transfer *t)
{
	uint64_t at = t->base->position;
	int64_t data = sys_seek(t->holes_fd, at, SEEK_DATA), hole, end;

	if (data == -ENXIO) {	/* a hole up to the end, or the end: what is promised behind it is for a read to miss */
		end = sys_seek(t->holes_fd, 0, SEEK_END);
		if (end <= (int64_t)at) {
			holes_close(t);
			return;
		}
		t->hole_end = (uint64_t)end < t->end ? (uint64_t)end : t->end;
		t->data_end = at;
		return;
	}
	hole = data < 0 ? data : sys_seek(t->holes_fd, (uint64_t)data, SEEK_HOLE);
	if (data < (int64_t)at || hole <= data) {	/* refused, or an answer that would never move on: dense (hazard 31) */
		t->report.noted = LEAT_HOLES_UNKNOWN;
		holes_close(t);
		return;
	}
	t->hole_end = (uint64_t)data < t->end ? (uint64_t)data : t->end;
	t->data_end = (uint64_t)hole;
}

static void ask_once(struct transfer *t)
{
	t->bits |= TRANSFER_HOLES_ASKED;
	/* Closing ours would drop the locks that the process has on the file. */
	t->holes_fd = sys_locked(t->source_fd) ? -EBUSY : sys_reopen(t->source_fd, O_RDONLY);
	if (t->holes_fd < 0) {
		t->holes_fd = -1;
		t->report.noted = LEAT_HOLES_UNKNOWN;
	}
	t->hole_end = t->data_end = t->base->position;
}

uint64_t holes_limit(struct transfer *t, uint64_t bytes, const unsigned char **ret_data, bool *ret_hole)
{
	uint64_t at = t->base->position, until, most = UINT64_MAX;

	if (!(t->bits & TRANSFER_HOLES_ASKED) && wanted(t))
		ask_once(t);
	if (t->holes_fd < 0)
		return bytes;
	/* Bytes run [hole .. hole_end) then [hole_end .. data_end); at the end of both, look again. */
	if (at >= t->hole_end && at >= t->data_end)
		look(t);
	if (t->holes_fd < 0)
		return bytes;
	*ret_hole = at < t->hole_end;
	until = *ret_hole ? t->hole_end : t->data_end;
	bytes = until - at < bytes ? until - at : bytes;
	if (!*ret_hole)
		return bytes;
	*ret_data = zeros;
	if (t->report.content_wrappers)
		most = t->changers ? sizeof zeros : SEEN_BYTES;	/* a changer takes them as bytes */
	return bytes < most ? bytes : most;
}

/* 0 where it cannot be known. */
static uint64_t size_now(const struct transfer *t)
{
	struct stat now;

	return sys_fstat(t->sink_fd, &now) < 0 ? 0 : (uint64_t)now.st_size;
}

/*
 * The file ends at end, whose last bytes are hole. The size found at begin says nothing now: others may have written behind us,
 * and a truncate to our end would cut that off. What lengthens and never shortens takes a block, which is given back when it
 * is whole.
 */
static int lengthen(const struct transfer *t, uint64_t end, uint64_t hole)
{
	uint64_t whole = end - end % BLOCK_BYTES, from = end - hole;
	int r;

	if (size_now(t) >= end)
		return 0;
	do
		r = sys_lengthen(t->sink_fd, end);
	while (r == -EINTR);
	if (!r && whole > from)	/* an earlier piece's, too; but part of a block would be made zeros, where now nothing is written */
		sys_punch_hole(t->sink_fd, from, whole - from);
	if (r != -EOPNOTSUPP && r != -ENOSYS && r != -ENOSPC && r != -EDQUOT)
		return r;
	do	/* a file system that cannot, or has no block: who writes behind us between these two calls is cut off */
		r = size_now(t) >= end ? 0 : sys_truncate(t->sink_fd, end);
	while (r == -EINTR);
	return r;
}

struct move holes_make(struct transfer *t, struct extent *x, uint64_t bytes)
{
	uint64_t at = t->out->position, size = t->out->facts.size, tail = t->tail_hole + bytes;
	bool rest = t->hole_end >= t->end;	/* no data behind it will make the file longer */
	int r = sys_punch_hole(t->sink_fd, at, bytes);

	if (at >= size)	/* only what XFS set aside behind the last write, which the next one would make blocks of the file */
		r = 0;
	if (r == -EINTR)
		return route_verdict(VERDICT_MORE);
	x->hole = r != -EOPNOTSUPP && r != -ENOSYS;
	if (!x->hole)
		return sink_send(t, zeros, bytes < sizeof zeros ? bytes : sizeof zeros, false);
	if (!r && (rest || tail > UINT32_MAX)) {	/* before it is counted; more than tail_hole can tell */
		r = lengthen(t, at + bytes, tail);
		tail = tail > UINT32_MAX ? 0 : tail;
	}
	if (r < 0)
		return (struct move){ .verdict = VERDICT_FAILED, .error = r, .side = LEAT_SIDE_SINK };
	t->tail_hole = (uint32_t)tail;
	return route_moved((int64_t)bytes);
}

int holes_finish(struct transfer *t)
{
	uint64_t end = t->out->position, there, lost, here;
	int r = t->tail_hole ? lengthen(t, end, t->tail_hole) : 0;

	there = r < 0 ? size_now(t) : end;
	lost = there < end ? end - there : 0;
	lost = lost < t->tail_hole ? lost : t->tail_hole;
	here = lost < t->report.hole_bytes ? lost : t->report.hole_bytes;

	/*
	 * Counted, and not there after all: of the running leaf, and of what stands before it. It comes again with the next transfer;
	 * only the wrappers have it twice.
	 */
	if (t->base && t->source_fd >= 0)
		t->base->position -= here;
	t->report.bytes -= here;
	t->report.source_bytes -= here;
	t->report.hole_bytes -= here;
	t->earlier.bytes -= lost - here;
	t->earlier.source_bytes -= lost - here;
	t->earlier.hole_bytes -= lost - here;
	t->out->position -= lost;
	t->tail_hole = 0;
	return r;
}

void holes_close(struct transfer *t)
{
	if (t->holes_fd >= 0)
		sys_close(t->holes_fd);
	t->holes_fd = -1;
}
