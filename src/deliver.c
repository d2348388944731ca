/* SPDX-License-Identifier: MIT */
/* One extent on its way: filled into a buffer, given to a changer, dropped by a section, or moved to the sink; then charged. */
#include "deliver.h"
#include "charge.h"
#include "datagram.h"
#include "endpoint.h"
#include "flow.h"
#include "holes.h"
#include "route/route.h"
#include "sys.h"
#include "wrap/wrap.h"
#include "wrapper.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* Calls between files may grow to 1 GiB while they are short. */
#define CALL_BYTES_LEAST (64 * KIB)
#define CALL_SHORT_NS (20 * (LEAT_SECOND / 1000))
#define CALL_LONG_NS (50 * (LEAT_SECOND / 1000))
/* Below this there is one segment anyway, and nothing for a cork to join. */
#define CORK_BYTES (64 * KIB)

/* A call began at before_ns and has just ended; its time, 0 by a clock that runs backward. */
static uint64_t note_call(struct transfer *t, uint64_t before_ns)
{
	uint64_t took_ns;

	t->now_ns = sys_clock(&t->options);
	took_ns = t->now_ns > before_ns ? t->now_ns - before_ns : 0;
	if (took_ns > t->report.longest_call_ns)
		t->report.longest_call_ns = took_ns;
	return took_ns;
}

static void resize_calls(struct transfer *t, uint64_t asked, uint64_t took_ns)
{
	uint64_t most = kind_is_file(t->out->facts.kind) ? GIB : ROUTE_CALL_BYTES;

	if (took_ns > CALL_LONG_NS && t->call_bytes > CALL_BYTES_LEAST)
		t->call_bytes /= 2;
	else if (took_ns < CALL_SHORT_NS && asked == t->call_bytes && t->call_bytes < most)
		t->call_bytes *= 2;
}

/* sendfile has no MSG_MORE: it takes a cork to say that more follows. */
static void cork(struct transfer *t, uint64_t bytes, bool more)
{
	if (t->bits & TRANSFER_CORKED || (bytes <= CORK_BYTES && !more) || t->route->id != LEAT_ROUTE_SENDFILE ||
	    t->out->facts.kind != LEAT_KIND_TCP || t->out->facts.corked)
		return;
	if (!sys_set_cork(t->sink_fd, 1))
		t->bits |= TRANSFER_CORKED;
}

/* "More follows" leaves a TLS record of the kernel's open, which no cork closes: not said to a socket that makes them. */
static bool makes_records(const struct transfer *t)
{
	struct leat_facts *facts = &t->out->facts;
	char name[16] = "";
	unsigned size = sizeof name - 1;

	if (facts->kind == LEAT_KIND_TCP && !(facts->known & (KNOW_PLAIN | KNOW_RECORDS))) {
		sys_socket_option(t->sink_fd, IPPROTO_TCP, TCP_ULP, name, &size);
		facts->known |= strcmp(name, "tls") ? KNOW_PLAIN : KNOW_RECORDS;
	}
	return facts->known & KNOW_RECORDS;
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
	uint64_t hole = t->out->position < t->out->facts.size ? GIB : UINT64_MAX;	/* behind its end little is to be freed */
	uint64_t most = x->hole ? hole : t->call_bytes, left = t->options.step_bytes - step_done;
	uint64_t bytes = x->bytes < most ? x->bytes : most;

	if (!(t->blocking & BLOCKING_CALLER) && !x->hole && t->route->id != LEAT_ROUTE_CLONE && bytes > left)
		bytes = left;
	/* What a callback was offered before -EAGAIN. */
	if (t->out->kind == LEAT_KIND_CALLBACK && t->out->length != LEAT_UNKNOWN && bytes < t->out->length)
		bytes = x->bytes < t->out->length ? x->bytes : t->out->length;
	return bytes;
}

/* before_ns: just now. */
static struct move move_to_sink(struct transfer *t, struct extent *x, uint64_t bytes, uint64_t before_ns,
				enum leat_route *ret_route)
{
	bool own = x->origin || (x->data && t->base->kept_len);	/* bytes of a wrapper, or kept: sent from memory */
	bool more = x->more || bytes < x->bytes || (!x->hole && x->bytes == t->end - t->base->position && part_follows(t));
	uint64_t took_ns;
	struct move move;

	if (more && (x->data || t->route->id != LEAT_ROUTE_SENDFILE))
		more = !makes_records(t);
	/* What stands in the buffer was copied, also when splice is the route from here on. */
	*ret_route = own && t->route->id != LEAT_ROUTE_COPY ? LEAT_ROUTE_MEMORY :
		     x->data && t->buffer.len && !own ? LEAT_ROUTE_COPY : t->route->id;
	/* Blocking ends: asked by poll first, and no call is made, or counted, that could wait. send has MSG_DONTWAIT. */
	if (!(x->data && kind_is_socket(t->out->facts.kind)) && !sink_room(t, &bytes))
		return route_verdict(VERDICT_WAIT_SINK);
	if (!x->data && !t->route->fill && !source_has(t))
		return route_verdict(VERDICT_WAIT_SOURCE);
	if (x->hole) {
		move = holes_make(t, x, bytes);
		*ret_route = x->hole ? LEAT_ROUTE_NONE : LEAT_ROUTE_MEMORY;	/* of the zeros, as it could not be made */
	} else if (x->data) {
		move = sink_send(t, x->data, bytes, more);
	} else {
		cork(t, x->bytes, more);
		move = t->route->move(t, bytes, more);
	}
	took_ns = note_call(t, before_ns);
	if (x->hole)
		return move;
	t->report.route_calls[*ret_route]++;
	if (move.bytes) {
		t->bits &= (uint16_t)~TRANSFER_MORE_SENT;
		t->tail_hole = 0;
		if (more && (x->data || t->route->id != LEAT_ROUTE_SENDFILE))
			t->bits |= TRANSFER_MORE_SENT;
		if (move.bytes < bytes)
			t->bits |= TRANSFER_RAISED;
	}
	resize_calls(t, bytes, took_ns);
	return move;
}

static void account(struct transfer *t, const struct extent *x, uint64_t bytes, enum leat_route route)
{
	t->report.bytes += bytes;
	*(x->hole ? &t->report.hole_bytes : &t->report.route_bytes[route]) += bytes;
	t->out->position += bytes;
}

/*
 * A read of less than there is room for says that a TCP socket has no more now. A splice does not: a pipe is full by its slots long
 * before it is by bytes, when segments are small (hazard 42), and who waits by edges would not be told of what stayed behind. Nor
 * a read from others, which ends where a descriptor was passed (Unix), with a packet (pipe2, O_DIRECT), or with a line.
 */
static bool says_drained(const struct transfer *t, const struct route *route, const struct move *move, uint64_t bytes)
{
	uint64_t room = t->bits & TRANSFER_AUTO ? ROUTE_AUTO_BYTES : t->buffer.size;

	return t->options.level_triggered && t->base->facts.kind == LEAT_KIND_TCP && route->id == LEAT_ROUTE_COPY && move->bytes &&
	       move->bytes < (bytes < room ? bytes : room);
}

/* Bytes that are now in a pipe or buffer of ours, not at the sink. */
static struct move held(struct move move, uint64_t *ret_filled)
{
	*ret_filled = move.bytes;
	move.bytes = 0;
	return move;
}

static struct move failed(int error, enum leat_side side, const struct leat_wrapper *by)
{
	return (struct move){ .verdict = VERDICT_FAILED, .error = error, .side = side, .by = by };
}

static struct move fill(struct transfer *t, const struct extent *x, const struct route *route, uint64_t *ret_filled)
{
	uint64_t before_ns = t->now_ns, drained;
	struct move move;

	if (t->pipe.bytes)
		return held(pipe_to_buffer(t, t->pipe.bytes), &drained);
	if (t->bits & TRANSFER_DRAINED)
		return route_verdict(VERDICT_WAIT_SOURCE);
	if (!route->fill)
		return source_probe(t);
	if (!source_has(t))
		return route_verdict(VERDICT_WAIT_SOURCE);
	t->report.route_calls[route->id]++;
	move = route->fill(t, x->bytes);
	note_call(t, before_ns);
	if (says_drained(t, route, &move, x->bytes))
		t->bits |= TRANSFER_DRAINED;
	return held(move, ret_filled);
}

static struct move charge(struct transfer *t, const struct extent *x, uint64_t bytes, enum leat_route route)
{
	const struct leat_wrapper *by = NULL;
	int r = charge_extent(t, x, bytes, route, &by);

	return r < 0 ? failed(r, LEAT_SIDE_WRAPPER, by) : route_verdict(VERDICT_MORE);
}

/* A section drops what stands before its start: a seekable source just starts later. */
static struct move drop(struct transfer *t, struct extent *x)
{
	uint64_t filled;

	if (!x->origin && t->pipe.bytes && !x->data)
		return held(pipe_to_buffer(t, x->bytes), &filled);
	if (!x->origin && !x->data && !source_seekable(t->base))
		return fill(t, x, &route_copy, &filled);
	return charge(t, x, x->bytes, LEAT_ROUTE_NONE);
}

/* What the sink accepted of an extent, in the reports and to the wrappers. The charge's error, or the move's own verdict. */
static struct move settle(struct transfer *t, const struct extent *x, uint64_t bytes, enum leat_route route, struct move move)
{
	struct move charged;

	account(t, x, bytes, route);
	charged = charge(t, x, bytes, route);
	if (charged.verdict != VERDICT_FAILED)
		return move;
	charged.bytes = move.bytes;
	return charged;
}

/* Several extents, accepted together or not at all. */
static struct move deliver_datagram(struct transfer *t, struct extent *x, uint64_t *ret_filled)
{
	const struct leat_wrapper *by = NULL;
	struct datagram d;
	struct move move;
	int error = 0, flow = datagram_gather(t, x, &d, &by, &error);

	if (flow == FLOW_WAIT)
		return route_verdict(VERDICT_WAIT);
	if (flow != FLOW_READY)
		return failed(error ? error : LEAT_ESHORT, LEAT_SIDE_SINK, by);
	if (!d.count)	/* its payload is not in one run yet */
		return deliver(t, &d.parts[0], 0, ret_filled);
	t->report.route_calls[t->route->id]++;
	move = datagram_send(t, &d);
	for (unsigned i = 0; move.bytes && i < d.count; i++)
		move = settle(t, &d.parts[i], d.parts[i].bytes, t->route->id, move);
	return move;
}

struct move deliver(struct transfer *t, struct extent *x, uint64_t step_done, uint64_t *ret_filled)
{
	const struct leat_wrapper *by;
	enum leat_route route;
	struct move move;
	uint64_t asked, before_ns;
	int r;

	if (x->target && x->target->ops == &section_ops)
		return drop(t, x);
	if (x->fill_only || flow_needs_fill(t, x))
		return fill(t, x, t->route, ret_filled);
	if (x->target) {
		r = charge_change(t, x, &by);
		return r < 0 ? failed(r, LEAT_SIDE_WRAPPER, by) : route_verdict(VERDICT_MORE);
	}
	if (t->out->facts.kind == LEAT_KIND_DATAGRAM)
		return deliver_datagram(t, x, ret_filled);
	asked = call_bytes(t, x, step_done);
	/* The loop has just read the clock, unless wrappers were told of a move since, or wrote for themselves: no call's time. */
	before_ns = step_done || t->report.content_wrappers ? sys_clock(&t->options) : t->now_ns;
	move = move_to_sink(t, x, asked, before_ns, &route);
	if (!move.bytes)
		return move;
	/* Not the count alone: a signal, a stop, a tracer that attaches cuts calls short, too, and a pipe gives what is in it. */
	if (t->options.level_triggered && kind_waits(t->out->facts.kind) && move.bytes < asked && !sink_writable(t))
		move.verdict = VERDICT_WAIT_SINK;
	return settle(t, x, move.bytes, route, move);
}
