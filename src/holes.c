/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "holes.h"
#include "route/route.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const unsigned char zeros[65536];

static bool wanted(const struct transfer *t)
{
	const struct leat_facts *from = &t->base->facts, *to = &t->out->facts;

	return from->kind == LEAT_KIND_FILE && to->kind == LEAT_KIND_FILE && from->blocks * 512 < from->size &&
	       !(to->open_flags & O_APPEND) && t->route->id != LEAT_ROUTE_CLONE;
}

/* Finds what stands at the position: after it, one of data_end and hole_end is beyond it. */
static void look(struct transfer *t)
{
	uint64_t at = t->base->position;
	int64_t data = sys_seek(t->holes_fd, at, SEEK_DATA), hole;

	if (data == -ENXIO) {	/* a hole up to the end */
		t->hole_end = t->end;
		t->data_end = at;
		return;
	}
	hole = data < 0 ? data : sys_seek(t->holes_fd, (uint64_t)data, SEEK_HOLE);
	if (data < (int64_t)at || hole <= data) {	/* refused, or an answer that would never move on: dense (hazard 31) */
		t->report.noted = t->part_report.noted = LEAT_HOLES_UNKNOWN;
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
	t->holes_fd = sys_locked(t->base->fd) ? -EBUSY : sys_reopen(t->base->fd, O_RDONLY);
	if (t->holes_fd < 0) {
		t->holes_fd = -1;
		t->report.noted = t->part_report.noted = LEAT_HOLES_UNKNOWN;
	}
	t->hole_end = t->data_end = t->base->position;
}

uint64_t holes_limit(struct transfer *t, uint64_t bytes, const unsigned char **ret_data, bool *ret_hole)
{
	uint64_t at = t->base->position, until;

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
	return t->report.content_wrappers && bytes > sizeof zeros ? sizeof zeros : bytes;
}

struct move holes_make(struct transfer *t, struct extent *x)
{
	uint64_t at = t->out->position, size = t->out->facts.size, bytes = x->bytes;
	int r = 0;

	t->bits |= TRANSFER_TAIL_HOLE;
	if (at < size)
		r = sys_punch_hole(t->sink_fd, at, bytes);
	if (r == -EINTR)
		return route_verdict(VERDICT_MORE);
	x->hole = r != -EOPNOTSUPP && r != -ENOSYS;
	if (!x->hole)
		return sink_send(t, zeros, bytes < sizeof zeros ? bytes : sizeof zeros, false);
	if (r < 0)
		return (struct move){ .verdict = VERDICT_FAILED, .error = r, .side = LEAT_SIDE_SINK };
	return route_moved((int64_t)bytes);
}

int holes_finish(struct transfer *t)
{
	int r;

	if (!(t->bits & TRANSFER_TAIL_HOLE) || t->out->position <= t->out->facts.size)
		return 0;
	do
		r = sys_truncate(t->sink_fd, t->out->position);
	while (r == -EINTR);
	return r;
}

void holes_close(struct transfer *t)
{
	if (t->holes_fd >= 0)
		sys_close(t->holes_fd);
	t->holes_fd = -1;
}
