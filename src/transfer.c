/* SPDX-License-Identifier: MIT */
/*
 * The one loop. Each turn asks the way what may go next, lets a route or a wrapper take it, and charges what was accepted.
 * On would-block it returns to the caller; on declined it takes the next route. Nothing else decides any of this.
 */
#include "transfer.h"
#include "charge.h"
#include "cold.h"
#include "deliver.h"
#include "endpoint.h"
#include "flow.h"
#include "helper.h"
#include "holes.h"
#include "pipe.h"
#include "queue.h"
#include "report.h"
#include "route/route.h"
#include "route/tee.h"
#include "sys.h"
#include "wrap/wrap.h"
#include "wrapper.h"

#include <errno.h>
#include <limits.h>

/* auto: eight fills in a row below 4 KiB say that splice does not pay; but not of who was allowed no more, and had it. */
#define SMALL_FILL_BYTES 4096
#define SMALL_FILLS 8

int transfer_fail(struct transfer *t, int error, enum leat_side side, const struct leat_wrapper *by)
{
	t->report.error = error;
	t->report.side = (uint8_t)side;
	t->report.error_route = (uint8_t)(t->route ? t->route->id : LEAT_ROUTE_NONE);
	t->report.ended_by = side == LEAT_SIDE_CALLER && error == -ECANCELED ? LEAT_ENDED_BY_CANCEL : LEAT_ENDED_BY_ERROR;
	t->report.culprit = by ? wrapper_name(by) : NULL;
	return error;
}

static void tell(struct transfer *t, enum leat_event_kind kind, enum leat_side side)
{
	struct leat_event event = {
		.kind = kind, .route = t->route->id, .side = side, .now_ns = t->now_ns, .total_bytes = LEAT_UNKNOWN,
	};

	way_event(t->first, &event);
}

static int next_route(struct transfer *t, enum leat_reason reason, int error)
{
	enum leat_route left = t->route->id;
	struct leat_event event = { .kind = LEAT_EVENT_ROUTE, .reason = reason, .now_ns = t->now_ns, .total_bytes = LEAT_UNKNOWN };

	t->report.refused[left] = t->earlier.refused[left] = (uint8_t)reason;	/* whichever part speaks for the whole */
	if (t->bits & TRANSFER_AUTO && reason == LEAT_PIPE_BUDGET && t->options.helper)
		t->bits |= TRANSFER_DENIED;
	t->bits &= (uint16_t)~TRANSFER_AUTO;
	t->route_index = 0;
	while (t->route_index < t->route_count && t->routes[t->route_index] != left)
		t->route_index++;
	if (++t->route_index >= t->route_count)
		return transfer_fail(t, t->options.policy == LEAT_REQUIRE ? LEAT_EREFUSED : error ? error : -EOPNOTSUPP, LEAT_SIDE_NONE,
			    NULL);
	route_use(t, t->routes[t->route_index]);
	tee_use_kernel(t, false);
	event.route = t->route->id;
	way_event(t->first, &event);
	return LEAT_AGAIN;
}

/* Two streams under auto: the choice is made anew before each fill, when nothing is held (hazard 69). */
static void adapt(struct transfer *t, uint64_t filled, uint64_t allowed)
{
	enum leat_route was = t->route->id;
	bool small = filled < SMALL_FILL_BYTES, all = filled >= allowed;
	struct leat_event event = { .kind = LEAT_EVENT_ROUTE, .reason = LEAT_OK, .now_ns = t->now_ns, .total_bytes = LEAT_UNKNOWN };

	if (t->bits & TRANSFER_DENIED && helper_has_pipe(t->options.helper))
		t->bits = (t->bits | TRANSFER_AUTO) & (uint16_t)~TRANSFER_DENIED;
	if (!(t->bits & TRANSFER_AUTO) || !filled)
		return;
	if (was == LEAT_ROUTE_COPY && (filled >= ROUTE_AUTO_BYTES || filled == t->buffer.size || (all && !small))) {
		t->small_fills = 0;
		route_use(t, LEAT_ROUTE_SPLICE_PIPE);
	} else if (was == LEAT_ROUTE_SPLICE_PIPE && (all || !small)) {
		t->small_fills = 0;
	} else if (was == LEAT_ROUTE_SPLICE_PIPE && ++t->small_fills >= SMALL_FILLS) {
		event.reason = LEAT_SMALL;
		route_use(t, LEAT_ROUTE_COPY);
	}
	if (t->route->id == was)
		return;
	event.route = t->route->id;
	way_event(t->first, &event);
}

/* The source gave 0 bytes. A promised length makes that an error of its own (hazard 13). */
static int source_is_empty(struct transfer *t)
{
	char byte;

	if (t->end == LEAT_UNKNOWN || !kind_is_file(t->base->facts.kind)) {
		t->bits |= TRANSFER_EOF;
		return LEAT_AGAIN;
	}
	/* Some files give nothing to one call and everything to read (hazard 23). */
	if (t->route->id != LEAT_ROUTE_COPY && sys_pread(t->source_fd, &byte, 1, t->base->position) == 1)
		return next_route(t, LEAT_SRC_GENERATED, -EIO);
	t->report.noted = LEAT_SOURCE_SHORT;
	return transfer_fail(t, LEAT_ESHORT, LEAT_SIDE_SOURCE, NULL);
}

static int wait_for(struct transfer *t, enum leat_side side)
{
	t->waiting = (uint8_t)side;
	return LEAT_WAIT;
}

static int move_failed(struct transfer *t, const struct move *move)
{
	transfer_fail(t, move->error, move->side, move->by);
	if (move->error == LEAT_ECONTRACT && move->side == LEAT_SIDE_SOURCE && t->base->kind == LEAT_KIND_CALLBACK)
		t->report.culprit = ((const struct leat_source_ops *)t->base->base)->name;
	if (move->error == LEAT_ECONTRACT && move->side == LEAT_SIDE_SINK && t->out->kind == LEAT_KIND_CALLBACK)
		t->report.culprit = ((const struct leat_sink_ops *)t->out->base)->name;
	return move->error;
}

/* What a fill or a move came to, once its bytes are accounted for. */
static int judge(struct transfer *t, const struct move *move)
{
	switch (move->verdict) {
	case VERDICT_MORE:
		return LEAT_AGAIN;
	case VERDICT_END:
		return source_is_empty(t);
	case VERDICT_WAIT_SOURCE:
		return wait_for(t, LEAT_SIDE_SOURCE);
	case VERDICT_WAIT_SINK:
		return wait_for(t, LEAT_SIDE_SINK);
	case VERDICT_WAIT:
		return LEAT_WAIT;
	case VERDICT_DECLINED:
		return next_route(t, move->reason, move->error);
	default:
		return move_failed(t, move);
	}
}

/* Asks each wrapper on [first, stop) to finish; LEAT_DONE when all have. */
static int finish(struct transfer *t, struct leat_wrapper *first, const struct leat_wrapper *stop)
{
	struct leat_budget budget = {
		.now_ns = t->now_ns, .active_ns = t->now_ns - t->starved_ns, .wake_at_ns = LEAT_NEVER, .wait = { .fd = -1 },
	};

	for (struct leat_wrapper *w = first; w && w != stop; w = w->down) {
		int r = w->ops->finish ? w->ops->finish(w, &budget) : 0;

		if (r > 0 && r != LEAT_WAIT)
			r = LEAT_ECONTRACT;
		if (r < 0)
			return transfer_fail(t, r, LEAT_SIDE_WRAPPER, w);
		if (r == LEAT_WAIT) {
			if (budget.wake_at_ns < t->wake_at_ns)	/* the deadlines asked before go on */
				t->wake_at_ns = budget.wake_at_ns;
			t->wrapper_wait = budget.wait;
			return wait_for(t, LEAT_SIDE_WRAPPER);
		}
	}
	return LEAT_DONE;
}

/* The first wrapper behind all parts that stand inside stop (NULL: the whole way): these are not over when stop is. */
static struct leat_wrapper *behind_parts(const struct transfer *t, const struct leat_wrapper *stop)
{
	struct leat_wrapper *behind = t->part_last ? t->part_last->down : t->first;

	if (!t->part)
		return behind;
	for (struct leat_wrapper *w = behind; w != stop; w = w->down)
		if (w->state & WRAPPER_PART_LAST)
			behind = w->down;
	return behind;
}

/* by has ended the stream, or the source when NULL; part: only the part up to last, which is NULL if it has no wrappers. */
static int stream_over(struct transfer *t, const struct leat_wrapper *by, bool part, struct leat_wrapper *last)
{
	bool around = part && last != t->part_last;
	uint64_t kept_bytes = 0;	/* reported by transfer_end */
	int r = transfer_compare(t);

	if (r < 0)
		return transfer_fail(t, r, LEAT_SIDE_SOURCE, NULL);
	/* leat_read is full: its own limit, the last of the way, ends this transfer, and nothing else. */
	if (t->bits & TRANSFER_QUIET && by && !by->down)
		return LEAT_DONE;
	/* Cut behind a changer: what it took is charged before anybody is asked to finish, and it takes no more. */
	t->bits |= TRANSFER_OVER;
	r = t->changers ? charge_keep(t, part ? last : way_last(t->first), &kept_bytes) : 0;
	if (r < 0)
		return transfer_fail(t, r, LEAT_SIDE_WRAPPER, NULL);
	/* A part that a wrapper behind its queue cuts is not over: it goes on in the next transfer. */
	if (part && !around)
		r = finish(t, t->first, last ? last->down : t->first);
	else
		r = finish(t, behind_parts(t, last), last ? last->down : NULL);
	if (r != LEAT_DONE)
		return r;
	r = around ? transfer_part_around(t, last) : 0;
	if (r < 0)
		return transfer_fail(t, r, LEAT_SIDE_SOURCE, NULL);
	t->report.ended_by = by ? LEAT_ENDED_BY_WRAPPER : LEAT_ENDED_BY_SOURCE;
	t->report.culprit = by ? wrapper_name(by) : NULL;
	if (!part) {
		r = holes_finish(t);
		return r < 0 ? transfer_fail(t, r, LEAT_SIDE_SINK, NULL) : LEAT_DONE;
	}
	transfer_part_over(t);
	r = transfer_next_leaf(t);
	return r < 0 ? r : LEAT_AGAIN;
}

/* An empty open queue got its next part: go on, with the deadlines' clock moved past the gap. */
static int wake_starved(struct transfer *t)
{
	if (t->base->facts.kind != LEAT_KIND_QUEUE || t->base->kept_len)
		return 0;
	if (t->starved_since_ns) {
		t->starved_ns += t->now_ns - t->starved_since_ns;
		t->starved_since_ns = t->now_ns;
	}
	if (!((const struct leat_queue *)t->base->base)->first)
		return 0;
	t->starved_since_ns = 0;
	report_leaf_over(t);
	return transfer_next_leaf(t);
}

/*
 * Between sockets a sender that is as fast as we are has each fill find a little more, and each costs two calls and the sockets'
 * locks, which the sender wants, too. Two small ones in a row without a wait between them are the sign; from then on each one
 * ends the turn when it has gone, until the source is dry. Where that makes none larger, as under a small window, it is in vain:
 * of 256 in a row none but the first four end it.
 */
#define GATHER_BYTES (256 * KIB)
#define GATHER_TRIES 4

static bool may_gather(const struct transfer *t)
{
	return t->route->id == LEAT_ROUTE_SPLICE_PIPE && !(t->blocking & BLOCKING_CALLER) &&
	       kind_is_socket(t->base->facts.kind) && kind_is_socket(t->out->facts.kind);
}

/* What a fill found, not what reached the sink: a frame's own bytes are no piece. Nor is all that there was room for little. */
static void judge_fill(struct transfer *t, uint64_t filled, uint64_t allowed, bool *ret_small)
{
	if (!filled || !may_gather(t))
		return;
	*ret_small = filled < GATHER_BYTES && filled < allowed && filled < t->pipe.size;
	t->vain = *ret_small ? (uint8_t)(t->vain + 1) : 0;
	if (t->vain == 2)
		t->bits |= TRANSFER_GATHERS;
}

/* A small fill has gone, and what a frame owes behind it: at the step's end "more follows" is undone, and it would go alone. */
static bool should_gather(const struct transfer *t)
{
	if (!(t->bits & TRANSFER_GATHERS) || (uint8_t)(t->vain - 1) >= GATHER_TRIES)
		return false;
	return !t->pipe.bytes && !t->buffer.len && !flow_promised(t, NULL);
}

static int go(struct transfer *t, struct extent *x, uint64_t *bytes, bool *small)
{
	uint64_t filled = 0, allowed = x->bytes;
	struct move move = deliver(t, x, *bytes, &filled);

	*bytes += move.bytes;
	judge_fill(t, filled, allowed, small);
	adapt(t, filled, allowed);
	return judge(t, &move);
}

static int turn(struct transfer *t, uint64_t *ret_bytes, bool *ret_small)
{
	const struct leat_wrapper *by = NULL;
	struct extent x;
	int error = wake_starved(t), cold;

	if (error < 0)
		return error;
	switch (flow_next(t, &x, &by, &error)) {
	case FLOW_READY:
		cold = cold_check(t, &x, !*ret_bytes);
		return cold ? cold : go(t, &x, ret_bytes, ret_small);
	case FLOW_PART_OVER:
		return stream_over(t, by, true, x.target);
	case FLOW_END:
		return stream_over(t, by, false, NULL);
	case FLOW_WAIT:
		if (t->waiting == LEAT_SIDE_CALLER) {
			t->starved_since_ns = t->starved_since_ns ? t->starved_since_ns : t->now_ns;
			t->wake_at_ns = LEAT_NEVER;
		}
		return LEAT_WAIT;
	default:
		return transfer_fail(t, error, LEAT_SIDE_WRAPPER, by);
	}
}

/* Nothing to do but wait for somebody else: a peer that went away in the meantime would never be noticed. */
static int dead_end(struct transfer *t)
{
	struct pollfd poll = { .fd = t->sink_fd };
	int error = 0;
	unsigned size = sizeof error;

	if (t->waiting == LEAT_SIDE_SINK || !kind_waits(t->out->facts.kind) || sys_poll(&poll, 1, 0) <= 0)
		return LEAT_WAIT;
	if (!(poll.revents & (POLLERR | POLLHUP | POLLNVAL)))
		return LEAT_WAIT;
	if (kind_is_socket(t->out->facts.kind))
		sys_socket_option(t->sink_fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return transfer_fail(t, error ? -error : poll.revents & POLLNVAL ? -EBADF : -EPIPE, LEAT_SIDE_SINK, NULL);
}

/*
 * poll calls a TCP socket writable only when a third of its buffer is free. With a large buffer and a slow reader that is
 * longer than an idle deadline may be, although bytes go all the time (hazard 48): so the sink is tried again half way to
 * the next point in time that a wrapper waits for.
 */
#define TRY_AGAIN_NS (LEAT_SECOND / 10)

static void try_half_way(struct transfer *t)
{
	if (t->waiting != LEAT_SIDE_SINK || t->wake_at_ns == LEAT_NEVER || !kind_is_socket(t->out->facts.kind))
		return;
	if (t->wake_at_ns > t->now_ns + TRY_AGAIN_NS)
		t->wake_at_ns -= (t->wake_at_ns - t->now_ns) / 2;
}

/* For the disk, and not for a wrapper that was asked in between. A cold source is a file, and waits for nothing else. */
static bool waits_cold(const struct transfer *t)
{
	return t->bits & TRANSFER_COLD && t->waiting == LEAT_SIDE_SOURCE;
}

/*
 * Idle, it keeps nothing that another transfer of the loop could use: thousands may wait for their peers. But a pipe that it
 * might not get again and cannot do without, or that a tee has one just like.
 */
static void rest(struct transfer *t)
{
	if (!t->options.helper || t->pipe.bytes || t->buffer.len)
		return;
	if (t->options.policy != LEAT_REQUIRE && !t->report.content_wrappers)
		pipe_close(&t->pipe, t->options.helper);
	if (!t->changers)	/* what they have made stands behind the buffer */
		buffer_drop(t);
}

static int waited(struct transfer *t, bool idle)
{
	int r = idle ? dead_end(t) : LEAT_WAIT;

	if (r < 0)
		return r;
	if (waits_cold(t))
		t->report.cold_waits++;
	else if (t->waiting == LEAT_SIDE_SOURCE)
		t->report.source_waits++;
	else if (t->waiting == LEAT_SIDE_SINK)
		t->report.sink_waits++;
	else
		t->report.other_waits++;
	t->bits &= (uint16_t)~TRANSFER_GATHERS;
	t->vain = 0;
	try_half_way(t);
	rest(t);
	tell(t, LEAT_EVENT_WAIT, t->waiting);
	return LEAT_WAIT;
}

static bool stopped(const struct transfer *t)
{
	return t->options.stop && __atomic_load_n(t->options.stop, __ATOMIC_ACQUIRE);	/* a handler's flag, or a thread's */
}

/* sendfile and splice know no MSG_NOSIGNAL; a user's content wrapper may write to anything. */
static bool may_raise(const struct transfer *t)
{
	if (t->report.content_wrappers || t->out->facts.kind == LEAT_KIND_PIPE)
		return true;
	return kind_is_socket(t->out->facts.kind) && t->route->id != LEAT_ROUTE_COPY && t->route->id != LEAT_ROUTE_MEMORY;
}

/* masked: what sys_mask_pipe gave in this step, or MASK_NOT. The route may change from turn to turn. */
#define MASK_NOT INT_MIN

static void mask_if_it_may_raise(struct transfer *t, int *masked)
{
	if (*masked == MASK_NOT && may_raise(t))
		*masked = sys_mask_pipe();
	if (t->report.content_wrappers)		/* its part may be over before the step is */
		t->bits |= TRANSFER_RAISED;
}

static int turns(struct transfer *t, int *masked)
{
	uint64_t bytes = 0, begin_ns = 0, read_ns = t->now_ns;
	bool small = false;
	int r = LEAT_AGAIN;

	while (r == LEAT_AGAIN) {
		mask_if_it_may_raise(t, masked);
		if (t->now_ns == read_ns)	/* else a call to the sink ended just now */
			t->now_ns = sys_clock(&t->options);
		read_ns = t->now_ns;
		begin_ns = begin_ns ? begin_ns : t->now_ns;
		if (stopped(t))
			return transfer_fail(t, -ECANCELED, LEAT_SIDE_CALLER, NULL);
		if (bytes >= t->options.step_bytes || t->now_ns - begin_ns >= t->options.step_ns)
			return LEAT_AGAIN;
		if (t->now_ns >= t->wake_at_ns) {
			t->wake_at_ns = LEAT_NEVER;
			tell(t, LEAT_EVENT_TICK, LEAT_SIDE_NONE);
		}
		r = turn(t, &bytes, &small);
		if (r == LEAT_AGAIN && small && should_gather(t))
			return LEAT_AGAIN;
	}
	return r == LEAT_WAIT ? waited(t, !bytes) : r;
}

int transfer_step(struct transfer *t)
{
	int masked = MASK_NOT, r;

	if (t->bits & TRANSFER_IN_STEP)
		return -EBUSY;
	if (t->result != LEAT_WAIT)
		return t->result;
	t->bits = (t->bits | TRANSFER_IN_STEP) & (uint16_t)~(TRANSFER_DRAINED | TRANSFER_RAISED);
	if (t->part || t->base->facts.kind == LEAT_KIND_QUEUE)
		masked = sys_mask_pipe();
	r = turns(t, &masked);
	/* Neither a cork nor "more follows" outlives the step: 201 ms of silence otherwise (measured). */
	if (t->bits & (TRANSFER_CORKED | TRANSFER_MORE_SENT) && t->out->facts.kind == LEAT_KIND_TCP && !t->out->facts.corked)
		sys_set_cork(t->sink_fd, 0);
	t->bits &= (uint16_t)~(TRANSFER_CORKED | TRANSFER_MORE_SENT | TRANSFER_IN_STEP);
	if (masked >= 0)
		sys_unmask_pipe(masked, t->report.error == -EPIPE || t->report.content_wrappers || t->bits & TRANSFER_RAISED);
	if (r < 0 || r == LEAT_DONE)
		t->result = r;
	return r;
}

static struct pollfd poll_for(int fd, short events)
{
	return (struct pollfd){ .fd = fd, .events = events };
}

void transfer_wants(const struct transfer *t, struct leat_wait *wait)
{
	const struct pollfd nothing = { .fd = -1 };
	bool callback;

	wait->fds[0] = wait->fds[1] = wait->fds[2] = nothing;
	wait->wake_at_ns = t->wake_at_ns;
	if (t->result != LEAT_WAIT || waits_cold(t) || !t->base)	/* none: asked by the release of a part */
		return;
	if (t->waiting == LEAT_SIDE_SINK) {
		callback = t->out->facts.kind == LEAT_KIND_CALLBACK;
		wait->fds[1] = callback ? t->end_wait : poll_for(t->out->fd, POLLOUT);
		return;
	}
	if (kind_waits(t->out->facts.kind))
		wait->fds[1] = poll_for(t->out->fd, 0);
	if (t->waiting == LEAT_SIDE_SOURCE) {
		callback = t->base->facts.kind == LEAT_KIND_CALLBACK;
		wait->fds[0] = callback ? t->end_wait : poll_for(t->base->fd, POLLIN);
	} else if (t->waiting == LEAT_SIDE_WRAPPER) {
		wait->fds[2] = t->wrapper_wait;
	}
}
