/* SPDX-License-Identifier: MIT */
#include "cold.h"
#include "flow.h"
#include "helper.h"
#include "route/route.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>

#define PROBE_BYTES MIB
#define STRIDE_BYTES (64 * KIB)
/*
 * So many pieces behind cold bytes are looked at page by page, and so many bytes at once. It takes 0.1 ms a MiB, nearly what
 * sending it takes; but the disk that it comes from takes longer.
 */
#define NEAR_PIECES 64
#define LOOK_BYTES (8 * MIB)
#define PAGE_BYTES 4096
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
	if (t->base->facts.open_flags & O_DIRECT)	/* nothing of it is ever read from memory */
		return false;
	return t->base->facts.kind == LEAT_KIND_FILE && t->route->id != LEAT_ROUTE_CLONE;
}

/* Whether the page at offset is in memory. A file system that cannot tell (no RWF_NOWAIT) is called warm. */
static bool resident(const struct transfer *t, uint64_t offset)
{
	return sys_resident(t->source_fd, offset, 1) != -EAGAIN;
}

/* Whether every page is. What has become shorter meanwhile is for the call to meet. */
static bool all_resident(const struct transfer *t, uint64_t at, uint64_t end)
{
	int64_t n = 1;

	for (; at < end && n > 0; at += n > 0 ? (uint64_t)n : 0)
		n = sys_resident(t->source_fd, at, end - at);
	return n != -EAGAIN;
}

/*
 * The end of the warm bytes from at on, by one byte at the end of each piece: reading ahead comes from the front. Behind cold
 * bytes single pages say nothing: what was read for an earlier piece reaches into this one, a probe of a cold page has fetched
 * just that page (kernel fact nowait), and one hole between has the kernel read 8 MiB in the call. There every page is looked
 * at. A call that took long may have met such holes; then pieces are short.
 */
static uint64_t warm_until(struct transfer *t, uint64_t at, uint64_t end)
{
	bool every_page = t->cold_near;
	uint64_t most = t->call_bytes < ROUTE_CALL_BYTES && !every_page ? STRIDE_BYTES : PROBE_BYTES;

	/* A page at the end of each piece may be there by itself, as after requests for ranges; with the first one it rarely is. */
	if (!every_page && end - at > PAGE_BYTES && !resident(t, at))
		return at;
	while (at < end) {
		uint64_t piece = end - at < most ? end : at + most;

		if (!(every_page ? all_resident(t, at, piece) : resident(t, piece - 1)))
			return at;
		t->cold_near -= t->cold_near && piece - at == PROBE_BYTES;
		at = piece;
	}
	return at;
}

static int wait_cold(struct transfer *t, uint64_t at, uint64_t end)
{
	uint64_t bytes = end - at < PROBE_BYTES ? end - at : PROBE_BYTES;
	unsigned shift = t->cold_tries < LONGEST_SHIFT ? t->cold_tries : LONGEST_SHIFT;

	t->cold_tries++;
	t->cold_near = NEAR_PIECES;
	t->waiting = LEAT_SIDE_SOURCE;
	t->wake_at_ns = LEAT_NEVER;
	t->bits = (t->bits | TRANSFER_COLD) & (uint16_t)~TRANSFER_COLD_AHEAD;
	if (t->options.helper && !helper_read_ahead(t->options.helper, t, t->source_fd, at, bytes)) {
		t->cold_asked = at + bytes;
		return LEAT_WAIT;
	}
	t->cold_asked = 0;	/* an earlier request: nobody reads for this one */
	sys_will_need(t->source_fd, at, bytes);
	t->wake_at_ns = t->now_ns + (FIRST_WAIT_NS << shift);
	return LEAT_WAIT;
}

/*
 * What was warm in an earlier step, or when the helper had read it, may have been evicted since, what was read first before
 * the rest. One page tells: each step has one probe of this kind.
 */
static void look_again(struct transfer *t, uint64_t at)
{
	if (t->cold_end <= at || resident(t, at))
		return;
	t->cold_end = at;
	t->bits |= TRANSFER_COLD_AHEAD;
}

int cold_check(struct transfer *t, struct extent *x, bool first)
{
	uint64_t at, end;

	if (!asks_file(t, x))
		return 0;
	at = t->base->position;
	if (t->bits & TRANSFER_COLD && t->cold_asked > at) {	/* stepped early: leat_helper_next clears the bit */
		t->waiting = LEAT_SIDE_SOURCE;
		t->wake_at_ns = LEAT_NEVER;
		return LEAT_WAIT;
	}
	end = at + (x->bytes < t->call_bytes ? x->bytes : t->call_bytes);
	if (t->cold_near && end - at > LOOK_BYTES)
		end = at + LOOK_BYTES;
	if (t->cold_end < t->cold_asked) {	/* read ahead: what of it was evicted again is waited for, in one short call */
		t->cold_end = t->cold_asked;
		t->bits &= (uint16_t)~TRANSFER_COLD_AHEAD;
	}
	if (first)
		look_again(t, at);
	if (t->cold_end < at)
		t->cold_end = at;
	/* A short call leaves most of its range known: another probe for each few bytes that went would cost more than they. */
	if (t->cold_end < end && t->cold_end - at < (end - at + 1) / 2 && !(t->bits & TRANSFER_COLD_AHEAD)) {
		t->cold_end = warm_until(t, t->cold_end, end);
		t->bits |= t->cold_end < end ? TRANSFER_COLD_AHEAD : 0;
	}
	if (t->cold_end <= at && t->cold_tries < TRIES)
		return wait_cold(t, at, end);
	end = t->cold_end > at ? t->cold_end : at + BLOCKING_BYTES;
	t->bits &= (uint16_t)~(t->cold_end > at ? TRANSFER_COLD : TRANSFER_COLD | TRANSFER_COLD_AHEAD);
	t->cold_tries = 0;
	if (t->waiting == LEAT_SIDE_SOURCE)	/* a turn that ends now, for its time, is not to name the file to a loop */
		t->waiting = LEAT_SIDE_NONE;
	if (x->bytes > end - at)
		x->bytes = end - at;
	return 0;
}
