/* SPDX-License-Identifier: MIT */
/* One extent on its way: filled into a buffer, given to a changer, dropped by a section, or moved to the sink; then charged. */
#include "transfer.h"
#include "datagram.h"
#include "endpoint.h"
#include "flow.h"
#include "holes.h"
#include "route/route.h"
#include "sys.h"
#include "wrap/wrap.h"
#include "wrapper.h"

/* Calls between files may grow to 1 GiB while they are short. */
#define CALL_BYTES_LEAST (64 * KIB)
#define CALL_SHORT_NS (20 * (LEAT_SECOND / 1000))
#define CALL_LONG_NS (50 * (LEAT_SECOND / 1000))
/* Below this there is one segment anyway, and nothing for a cork to join. */
#define CORK_BYTES (64 * KIB)

static void resize_calls(struct transfer *t, uint64_t asked, uint64_t took_ns)
{
	uint64_t most = kind_is_file(t->out->facts.kind) ? GIB : TRANSFER_CALL_BYTES;

	if (took_ns > t->report.longest_call_ns)
		t->report.longest_call_ns = took_ns;
	if (took_ns > t->part_report.longest_call_ns)
		t->part_report.longest_call_ns = took_ns;
	if (took_ns > CALL_LONG_NS && t->call_bytes > CALL_BYTES_LEAST)
		t->call_bytes /= 2;
	else if (took_ns < CALL_SHORT_NS && asked == t->call_bytes && t->call_bytes < most)
		t->call_bytes *= 2;
}

static void count_call(struct transfer *t, enum leat_route route)
{
	t->report.route_calls[route]++;
	t->part_report.route_calls[route]++;
}

static void cork(struct transfer *t, uint64_t bytes)
{
	if (t->bits & TRANSFER_CORKED || bytes <= CORK_BYTES || t->route->id != LEAT_ROUTE_SENDFILE ||
	    t->out->facts.kind != LEAT_KIND_TCP || t->out->facts.corked)
		return;
	if (!sys_set_cork(t->sink_fd, 1))
		t->bits |= TRANSFER_CORKED;
}

/* A part that certainly or likely has bytes follows: say so with the last bytes of this one. Undone at the step's end. */
static bool part_follows(const struct transfer *t)
{
	const struct leat_source *next = t->part ? t->part->next : NULL;

	return next && !next->error &&
	       (next->kind == LEAT_KIND_MEMORY ? next->length > next->position : next->kind == LEAT_KIND_NONE && !next->own_offset);
}

/*
 * What the next call is asked for: a step works for no more than step_bytes. leat_copy has no steps, and clone, which can be
 * cut at whole blocks only, does no work by the byte.
 */
static uint64_t call_bytes(const struct transfer *t, const struct extent *x, uint64_t step_done)
{
	uint64_t bytes = x->bytes < t->call_bytes ? x->bytes : t->call_bytes, left = t->options.step_bytes - step_done;

	if (!(t->blocking & BLOCKING_CALLER) && !x->hole && t->route->id != LEAT_ROUTE_CLONE && bytes > left)
		bytes = left;
	/* What a callback was offered before -EAGAIN. */
	if (t->out->kind == LEAT_KIND_CALLBACK && t->out->length != LEAT_UNKNOWN && bytes < t->out->length)
		bytes = x->bytes < t->out->length ? x->bytes : t->out->length;
	return bytes;
}

static struct move move_to_sink(struct transfer *t, struct extent *x, uint64_t bytes, enum leat_route *ret_route)
{
	bool own = x->origin || (x->data && t->base->kept_len);	/* bytes of a wrapper, or kept: sent from memory */
	uint64_t before = transfer_clock(t);
	bool more = x->more || bytes < x->bytes || (!x->hole && x->bytes == t->end - t->base->position && part_follows(t));
	struct move move;

	/* What stands in the buffer was copied, also when splice is the route from here on. */
	*ret_route = own && t->route->id != LEAT_ROUTE_COPY ? LEAT_ROUTE_MEMORY :
		     x->data && t->buffer.len && !own ? LEAT_ROUTE_COPY : t->route->id;
	if (x->hole)
		return holes_make(t, x->bytes);
	t->bits &= (uint16_t)~TRANSFER_TAIL_HOLE;
	if (!x->data) {
		cork(t, x->bytes);
		move = t->route->move(t, bytes, more);
	} else {
		move = sink_send(t, x->data, bytes, more);
	}
	count_call(t, *ret_route);
	if (move.bytes) {
		t->bits &= (uint16_t)~TRANSFER_MORE_SENT;
		if (more && (x->data || t->route->id != LEAT_ROUTE_SENDFILE))
			t->bits |= TRANSFER_MORE_SENT;
	}
	resize_calls(t, bytes, transfer_clock(t) - before);
	return move;
}

static void account(struct transfer *t, const struct extent *x, uint64_t bytes, enum leat_route route)
{
	struct leat_report *reports[] = { &t->report, &t->part_report };

	for (int i = 0; i < 2; i++) {
		reports[i]->bytes += bytes;
		reports[i]->source_bytes += x->origin ? 0 : bytes;
		*(x->hole ? &reports[i]->hole_bytes : &reports[i]->route_bytes[route]) += bytes;
	}
	t->out->position += bytes;
}

/* What one fill can take at most, so that less means the source has no more now. */
static uint64_t fill_room(const struct transfer *t, uint64_t bytes)
{
	uint64_t room = t->route->id == LEAT_ROUTE_SPLICE_PIPE ? t->pipe.size : t->bits & TRANSFER_AUTO ? ROUTE_AUTO_BYTES :
			t->buffer.size;

	return bytes < room ? bytes : room;
}

static int fill(struct transfer *t, const struct extent *x)
{
	struct move move;

	if (t->pipe.bytes) {
		move = pipe_to_buffer(t);
		return transfer_judge(t, &move);
	}
	if (t->bits & TRANSFER_DRAINED)
		return transfer_judge(t, &(struct move){ .verdict = VERDICT_WAIT_SOURCE });
	if (!t->route->fill) {
		move = source_probe(t);
		return transfer_judge(t, &move);
	}
	count_call(t, t->route->id);
	move = t->route->fill(t, x->bytes);
	if (t->options.level_triggered && kind_waits(t->base->facts.kind) && move.bytes && move.bytes < fill_room(t, x->bytes))
		t->bits |= TRANSFER_DRAINED;
	transfer_adapt(t, move.bytes);
	return transfer_judge(t, &move);
}

static int charge(struct transfer *t, const struct extent *x, uint64_t bytes, enum leat_route route)
{
	const struct leat_wrapper *by = NULL;
	int r = flow_charge(t, x, bytes, route, &by);

	return r < 0 ? transfer_fail(t, r, LEAT_SIDE_WRAPPER, by) : LEAT_AGAIN;
}

/* A section drops what stands before its start: a seekable source just starts later. */
static int drop(struct transfer *t, struct extent *x)
{
	if (!x->origin && t->pipe.bytes && !x->data) {
		struct move move = pipe_to_buffer(t);

		return transfer_judge(t, &move);
	}
	if (!x->origin && !x->data && !source_seekable(t->base)) {
		struct move move = route_copy.fill(t, x->bytes);

		return transfer_judge(t, &move);
	}
	return charge(t, x, x->bytes, LEAT_ROUTE_NONE);
}

/* Several extents, accepted together or not at all. */
static int deliver_datagram(struct transfer *t, struct extent *x, uint64_t *ret_bytes)
{
	const struct leat_wrapper *by = NULL;
	enum leat_route route = t->route->id;
	struct datagram d;
	struct move move;
	int error = 0, flow = datagram_gather(t, x, &d, &by, &error), r;

	if (flow != FLOW_READY)
		return flow == FLOW_WAIT ? LEAT_WAIT : transfer_fail(t, error ? error : LEAT_ESHORT, LEAT_SIDE_SINK, by);
	if (!d.count)
		return transfer_deliver(t, &d.parts[0], ret_bytes);
	count_call(t, route);
	move = datagram_send(t, &d);
	for (unsigned i = 0; move.bytes && i < d.count; i++) {
		*ret_bytes += d.parts[i].bytes;
		account(t, &d.parts[i], d.parts[i].bytes, route);
		r = charge(t, &d.parts[i], d.parts[i].bytes, route);
		if (r < 0)
			return r;
	}
	return transfer_judge(t, &move);
}

int transfer_deliver(struct transfer *t, struct extent *x, uint64_t *ret_bytes)
{
	const struct leat_wrapper *by;
	enum leat_route route;
	struct move move;
	uint64_t asked;
	int r;

	if (x->target && x->target->ops == &section_ops)
		return drop(t, x);
	if (x->fill_only || flow_needs_fill(t, x))
		return fill(t, x);
	if (x->target) {
		r = flow_change(t, x, &by);
		return r < 0 ? transfer_fail(t, r, LEAT_SIDE_WRAPPER, by) : LEAT_AGAIN;
	}
	if (t->out->facts.kind == LEAT_KIND_DATAGRAM)
		return deliver_datagram(t, x, ret_bytes);
	asked = call_bytes(t, x, *ret_bytes);
	move = move_to_sink(t, x, asked, &route);
	if (!move.bytes)
		return transfer_judge(t, &move);
	*ret_bytes += move.bytes;
	account(t, x, move.bytes, route);
	r = charge(t, x, move.bytes, route);
	if (r < 0)
		return r;
	if (t->options.level_triggered && kind_waits(t->out->facts.kind) && move.bytes < asked)
		move.verdict = VERDICT_WAIT_SINK;
	return transfer_judge(t, &move);
}
