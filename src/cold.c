/* SPDX-License-Identifier: MIT */
#include "cold.h"
#include "flow.h"
#include "helper.h"
#include "sys.h"

#include <errno.h>

#define PROBE_BYTES MIB
/* Asked again after 1 ms, doubling to 16, when no helper tells (DESIGN.md, "Helper"). */
#define FIRST_WAIT_NS (LEAT_SECOND / 1000)
#define LONGEST_SHIFT 4
/* Evicted again and again, or a file system that never answers warm: read a little and let it block. */
#define TRIES 40
#define BLOCKING_BYTES (128 * KIB)

static bool asks_file(const struct transfer *t, const struct extent *x)
{
	if (t->blocking & BLOCKING_CALLER || x->origin || x->hole || x->data || x->target || t->pipe.bytes)
		return false;
	return t->base->facts.kind == LEAT_KIND_FILE && t->route->id != LEAT_ROUTE_CLONE;
}

/* The end of the warm bytes from at on, by one byte at the end of each piece: what is read ahead comes from the front. */
static uint64_t warm_until(struct transfer *t, uint64_t at, uint64_t end)
{
	while (at < end) {
		uint64_t piece = end - at < PROBE_BYTES ? end : at + PROBE_BYTES;
		int64_t r = sys_resident(t->source_fd, piece - 1);

		if (r == -EAGAIN)
			return at;
		if (r < 0)	/* a file system without RWF_NOWAIT: nothing can be known */
			return t->end;
		at = piece;
	}
	return at;
}

static int wait_cold(struct transfer *t, uint64_t at, uint64_t end)
{
	uint64_t bytes = end - at < PROBE_BYTES ? end - at : PROBE_BYTES;

	t->waiting = LEAT_SIDE_SOURCE;
	t->wake_at_ns = LEAT_NEVER;
	if (t->bits & TRANSFER_COLD && t->options.helper)
		return LEAT_WAIT;
	t->bits |= TRANSFER_COLD;
	if (t->options.helper && !helper_read_ahead(t->options.helper, t, t->source_fd, at, bytes))
		return LEAT_WAIT;
	sys_will_need(t->source_fd, at, bytes);
	t->wake_at_ns = t->now_ns + (FIRST_WAIT_NS << (t->cold_tries < LONGEST_SHIFT ? t->cold_tries : LONGEST_SHIFT));
	return LEAT_WAIT;
}

int cold_check(struct transfer *t, struct extent *x)
{
	uint64_t at, end;

	if (!asks_file(t, x))
		return 0;
	at = t->base->position;
	end = at + (x->bytes < t->call_bytes ? x->bytes : t->call_bytes);
	if (t->cold_end < at)
		t->cold_end = at;
	if (t->cold_end < end)
		t->cold_end = warm_until(t, t->cold_end, end);
	if (t->cold_end <= at && t->cold_tries < TRIES) {
		t->cold_tries++;
		return wait_cold(t, at, end);
	}
	if (t->bits & TRANSFER_COLD && t->options.helper)
		helper_forget(t->options.helper, t);
	t->bits &= (uint16_t)~TRANSFER_COLD;
	end = t->cold_end > at ? t->cold_end : at + BLOCKING_BYTES;
	t->cold_tries = 0;
	if (x->bytes > end - at)
		x->bytes = end - at;
	return 0;
}
