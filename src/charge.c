/* SPDX-License-Identifier: MIT */
#include "charge.h"
#include "holes.h"
#include "wrap/frame.h"
#include "wrap/wrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void base_took(struct transfer *t, uint64_t bytes)
{
	struct leat_source *base = t->base;

	if (base->kept_len) {
		base->kept_off += bytes;
		base->kept_len -= bytes;
		return;
	}
	base->position += bytes;
	if (t->buffer.len) {
		t->buffer.off += (uint32_t)bytes;
		t->buffer.len -= (uint32_t)bytes;
	}
}

/* All of it, though w fails: what a tee could not write it counts. */
static int show(struct leat_wrapper *w, const struct extent *x, uint64_t bytes)
{
	uint64_t most = x->hole && bytes > HOLES_ZEROS ? HOLES_ZEROS : bytes;
	int first_error = 0;

	for (uint64_t n; bytes; bytes -= n) {
		int r;

		n = bytes < most ? bytes : most;
		r = w->ops->see(w, x->data, n);
		first_error = r < 0 && !first_error ? r : first_error;
	}
	return first_error;
}

static int charge_one(struct leat_wrapper *w, const struct extent *x, const struct leat_event *moved)
{
	const struct leat_wrapper_ops *ops = w->ops;
	int r = 0;

	if (x->data && ops->need == LEAT_NEED_CONTENT && ops->see)	/* none: a tee(2) has them in a pipe */
		r = show(w, x, moved->bytes);
	if (ops->moved)
		ops->moved(w, moved->bytes, moved->route);
	w->passed_bytes += moved->bytes;
	if (ops->event)
		ops->event(w, moved);
	return r;
}

/* The output is all accepted: what the changer consumed for it is charged to the wrappers above. */
static int charge_owed(struct transfer *t, struct leat_wrapper *w, enum leat_route route, const struct leat_wrapper **ret_by)
{
	struct extent owed = { .origin = w->owed_origin, .target = w, .data = w->owed_data };
	uint64_t bytes = w->owed_bytes;

	if (w->state & WRAPPER_KEPT) {	/* charged when it was kept */
		free((void *)(uintptr_t)w->owed_data);
		owed.data = w->owed_data = NULL;
		w->state &= ~(uint32_t)WRAPPER_KEPT;
	}
	w->owed_bytes = 0;
	return bytes ? charge_extent(t, &owed, bytes, route, ret_by) : 0;
}

int charge_extent(struct transfer *t, const struct extent *x, uint64_t bytes, enum leat_route route,
		const struct leat_wrapper **ret_by)
{
	const struct leat_event moved = {
		.kind = LEAT_EVENT_MOVED, .route = route, .now_ns = t->now_ns, .bytes = bytes, .total_bytes = LEAT_UNKNOWN,
	};
	bool dropped = x->target && x->target->ops == &section_ops;
	int first_error = 0, r;

	if (!x->origin)
		base_took(t, bytes);
	if (!x->origin && !dropped)
		t->report.source_bytes += bytes;
	for (struct leat_wrapper *w = x->origin ? x->origin : t->first; w && w != x->target; w = w->down) {
		if (w == x->origin && w->ops == &frame_ops)
			frame_took_own((struct leat_frame *)w, bytes);
		if (w == x->origin)
			continue;
		if (w->ops == &frame_ops)
			frame_took_payload((struct leat_frame *)w, bytes);
		r = dropped ? 0 : charge_one(w, x, &moved);
		if (dropped && w->ops->skipped)
			w->ops->skipped(w, bytes);
		if (r < 0 && !first_error) {
			first_error = r;
			*ret_by = *ret_by ? *ret_by : w;
		}
	}
	if (x->origin && x->origin->ops != &frame_ops) {	/* last: a kept output is freed, and everybody has to see it */
		x->origin->out_off += (uint32_t)bytes;
		r = x->origin->out_off == x->origin->out_len ? charge_owed(t, x->origin, route, ret_by) : 0;
		first_error = first_error ? first_error : r;
	}
	if (dropped)
		section_skipped((struct leat_limit *)x->target, bytes);
	return first_error;
}

unsigned char *charge_slot(const struct transfer *t, const struct leat_wrapper *w)
{
	if (w->state & WRAPPER_KEPT)
		return (unsigned char *)(uintptr_t)w->owed_data;
	return t->buffer.bytes + t->buffer.size + (size_t)w->out_slot * CHANGE_BYTES;
}

int charge_change(struct transfer *t, const struct extent *x, const struct leat_wrapper **ret_by)
{
	struct leat_wrapper *w = x->target;
	struct leat_change change = {
		.in = x->data, .in_bytes = x->bytes < SIZE_MAX ? (size_t)x->bytes : SIZE_MAX, .out = charge_slot(t, w),
		.out_bytes = CHANGE_BYTES, .last = x->last,
	};
	int r = w->ops->change(w, &change);

	*ret_by = w;
	if (r < 0)
		return r;
	if (change.consumed > change.in_bytes || change.produced > change.out_bytes || (r && r != LEAT_END) ||
	    (r == LEAT_END && !x->last) || (r != LEAT_END && !change.consumed && !change.produced))
		return LEAT_ECONTRACT;
	if (r == LEAT_END)
		w->state |= WRAPPER_ENDED;
	w->out_off = 0;
	w->out_len = (uint32_t)change.produced;
	w->owed_origin = x->origin;
	w->owed_data = x->data;
	w->owed_bytes = change.consumed;
	if (w->out_len)
		return 0;
	*ret_by = NULL;
	return charge_owed(t, w, LEAT_ROUTE_COPY, ret_by);	/* swallowed: nothing waits for the sink */
}

int charge_keep(struct transfer *t, struct leat_wrapper *last, uint64_t *ret_bytes)
{
	const struct leat_wrapper *by = NULL;
	int first_error = 0, r = 0;

	/* From the sink: one changer's input is another's output. */
	for (struct leat_wrapper *w = last; w; w = w == t->first ? NULL : w->up, r = 0) {
		uint32_t left = w->out_len - w->out_off;
		unsigned char *kept;

		if (w->ops->need != LEAT_NEED_CHANGE || !left)
			continue;
		*ret_bytes += left;
		if (w->state & WRAPPER_KEPT)
			continue;
		kept = malloc(left);
		if (kept)
			memcpy(kept, charge_slot(t, w) + w->out_off, left);
		else
			r = -ENOMEM;
		if (!r)
			r = charge_owed(t, w, LEAT_ROUTE_COPY, &by);
		w->owed_data = kept;
		w->out_off = 0;
		w->out_len = kept ? left : 0;
		w->state |= kept ? WRAPPER_KEPT : 0;
		first_error = first_error ? first_error : r;
	}
	return first_error;
}
