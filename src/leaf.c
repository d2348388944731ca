/* SPDX-License-Identifier: MIT */
/* How a transfer begins and goes from leaf to leaf: facts, plan, private descriptors, and what the wrappers are told. */
#include "charge.h"
#include "endpoint.h"
#include "helper.h"
#include "holes.h"
#include "plan.h"
#include "queue.h"
#include "report.h"
#include "route/route.h"
#include "route/tee.h"
#include "sys.h"
#include "transfer.h"
#include "wrapper.h"
#include "wrap/wrap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_BYTES	(16 * MIB)
#define STEP_NS		(LEAT_SECOND / 100)
#define BUFFER_BYTES	(256 * KIB)	/* 231 ms of CPU a GiB, against 293 by 32 KiB and 385 by 8 */
#define PIPE_BYTES	MIB		/* 0.66 of a 64 KiB one (DESIGN.md 15) */

static void set_options(struct transfer *t, const struct leat_options *options)
{
	if (options)
		t->options = *options;
	if (!t->options.step_bytes)
		t->options.step_bytes = STEP_BYTES;
	if (!t->options.step_ns)
		t->options.step_ns = STEP_NS;
	if (!t->options.buffer_bytes)
		t->options.buffer_bytes = BUFFER_BYTES;
	if (t->options.buffer_bytes > GIB)
		t->options.buffer_bytes = GIB;
	if (!t->options.pipe_bytes)
		t->options.pipe_bytes = PIPE_BYTES;
}

/* What is wrong whatever the ends are. The way of a part, or of what is viewed, leads through what stands on it. */
static int misuse(const struct leat_sink *sink, const struct leat_source *source, const struct leat_options *options)
{
	if (!sink || !source)
		return -EINVAL;
	if (sink->serves || source->serves || (sink->state | source->state) & (END_VIEWED | END_PART))
		return LEAT_EWRAPPED;
	if ((unsigned)options->policy > LEAT_COPY || (unsigned)options->stable > LEAT_STABLE_SNAPSHOT)
		return -EINVAL;
	for (unsigned i = 0; i < sizeof options->reserved / sizeof options->reserved[0]; i++)
		if (options->reserved[i])
			return -EINVAL;
	return 0;
}

/*
 * A blocking descriptor: our own non-blocking open file of a pipe or terminal. A socket has none and is polled, as are the
 * master of a pseudo terminal and a device: opened again they may be another one. A device to write to is not polled, for
 * some never say that they are ready (/dev/kmsg); an eventfd is, and it can wait for a larger room than poll speaks of.
 */
static int own_fd(struct transfer *t, const struct leat_facts *facts, int mode, unsigned blocks, unsigned owned, int *fd)
{
	int own;

	if (!kind_waits(facts->kind) || facts->open_flags & O_NONBLOCK)
		return 0;
	if (facts->kind == LEAT_KIND_DEVICE && (blocks == BLOCKING_SOURCE || !sys_is_eventfd(*fd))) {
		t->blocking |= (uint8_t)(blocks & BLOCKING_SOURCE);
		return 0;
	}
	if (!(t->blocking & BLOCKING_CALLER)) {
		report_blocking(&t->report);
		return LEAT_EBLOCKING;
	}
	if (kind_is_socket(facts->kind) || facts->kind == LEAT_KIND_DEVICE ||
	    (facts->kind == LEAT_KIND_TERMINAL && sys_is_pty_master(*fd)))
		own = -ENXIO;
	else
		own = sys_reopen(*fd, mode | O_NONBLOCK);
	t->blocking |= (uint8_t)(own < 0 ? blocks : owned);
	*fd = own < 0 ? *fd : own;
	return 0;
}

static struct leat_sink *sink_below(struct leat_sink *sink)
{
	while (sink->state & END_VIEW && !sink->error)
		sink = (struct leat_sink *)sink->base;
	return sink;
}

static int look_at_sink(struct transfer *t)
{
	struct leat_sink *out = t->out = sink_below(t->sink);
	int64_t at;
	int r = sink_look(out);

	t->report.sink_kind = out->facts.kind;
	if (r < 0)
		return r;
	if (out->own_offset && kind_is_file(out->facts.kind)) {
		at = sys_seek(out->fd, 0, out->facts.open_flags & O_APPEND ? SEEK_END : SEEK_CUR);
		if (at < 0)
			return (int)at;
		out->position = (uint64_t)at;
	}
	return 0;
}

static int look_at_source(struct transfer *t)
{
	int r = source_look(t->base);

	t->report.source_kind = t->base->facts.kind;
	return r;
}

/* Where the base starts and ends for this transfer. */
static int look_at_range(struct transfer *t)
{
	struct leat_source *base = t->base;
	int64_t at;

	t->end = LEAT_UNKNOWN;
	if (base->own_offset && kind_is_file(base->facts.kind)) {
		at = sys_seek(base->fd, 0, SEEK_CUR);
		if (at < 0)
			return (int)at;
		base->position = (uint64_t)at;
	}
	if (base->exact || base->kind == LEAT_KIND_MEMORY)
		t->end = base->length;
	else if (source_seekable(base))
		t->end = base->facts.size > base->position ? base->facts.size : base->position;
	return 0;
}

/* Both ends are one file or block device, or the two ends of one pipe. */
static bool same_inode(const struct transfer *t)
{
	const struct leat_facts *from = &t->base->facts, *to = &t->out->facts;

	return (from->kind == LEAT_KIND_FILE || from->kind == LEAT_KIND_BLOCK || from->kind == LEAT_KIND_PIPE) &&
	       to->kind == from->kind && from->ino == to->ino && from->dev == to->dev;
}

/*
 * A transfer of a file or of memory onto itself would read what it wrote (hazard 33), as would one of a pipe, for ever. Not so
 * a socket or a terminal: what is written there comes out at the peer, and the two are an echo.
 */
static bool overlaps(const struct transfer *t)
{
	const struct leat_source *from = t->base;
	const struct leat_sink *to = t->out;

	if (from->kind == LEAT_KIND_MEMORY && to->kind == LEAT_KIND_MEMORY)
		return from->position < from->length && to->position < to->length &&
		       (uintptr_t)from->base + from->position < (uintptr_t)to->base + to->length &&
		       (uintptr_t)to->base + to->position < (uintptr_t)from->base + from->length;
	if (!same_inode(t))
		return false;
	if (from->facts.kind == LEAT_KIND_PIPE)
		return true;
	if (to->facts.open_flags & O_APPEND)
		return false;
	return from->position < t->end && to->position < t->end && from->position < to->position + (t->end - from->position);
}

static int plan_leaf(struct transfer *t, const struct needs *needs, struct plan *plan)
{
	const struct leat_source *base = t->base;
	const char *content = needs->content;
	bool tees = content && !needs->change && tee_possible(t, &content);
	struct plan_query query = {
		.source = &base->facts, .sink = &t->out->facts, .policy = t->options.policy,
		.routes_off = t->options.routes_off | sys_routes_off(), .features = sys_features(), .kernel = sys_kernel(),
		.content = content, .change = needs->change, .kernel_tee = tees, .framed = needs->framed,
		.stable = t->options.stable && base->stability == LEAT_UNSTABLE && base->facts.kind == LEAT_KIND_FILE,
		.sink_own_offset = t->out->own_offset,
	};

	if (base->kind == LEAT_KIND_CALLBACK)
		query.source_reason = ((const struct leat_source_ops *)base->base)->reason;
	if (t->out->kind == LEAT_KIND_CALLBACK)
		query.sink_reason = ((const struct leat_sink_ops *)t->out->base)->reason;
	return plan_make(&query, plan);
}

/* Way, needs, plan and report of the leaf. Nothing is opened or told: leat_plan does the same. */
static int prepare_leaf(struct transfer *t, struct plan *plan)
{
	struct needs needs;
	int r = look_at_range(t);

	if (r < 0)
		return r;
	t->first = way_link(t->base, t->part, t->sink, &t->part_last);
	needs = way_needs(t->first);
	if (needs.changers > UINT8_MAX) {
		t->report.side = LEAT_SIDE_WRAPPER;
		return -E2BIG;
	}
	t->changers = (uint8_t)needs.changers;
	plan->count = plan->begins_with_copy = 0;
	t->report.wrappers = needs.wrappers;
	t->report.content_wrappers = needs.content_wrappers;
	t->bits &= (uint16_t)~(TRANSFER_BOUNDARIES | TRANSFER_AUTO | TRANSFER_EOF | TRANSFER_HOLES_ASKED |
			     TRANSFER_COLD_AHEAD | TRANSFER_OVER | TRANSFER_DRAINED | TRANSFER_DENIED | TRANSFER_GATHERS);
	t->stalls = t->vain = 0;
	if (needs.boundaries)
		t->bits |= TRANSFER_BOUNDARIES;
	if (t->base->facts.kind == LEAT_KIND_QUEUE)
		return 0;
	if (overlaps(t)) {
		t->report.side = LEAT_SIDE_SINK;
		return -EINVAL;
	}
	r = plan_leaf(t, &needs, plan);
	if (r < 0)
		t->report.side = r == LEAT_EDATAGRAM ? LEAT_SIDE_SINK : LEAT_SIDE_NONE;
	report_plan(&t->report, plan);
	t->report.by_reference = t->base->facts.kind == LEAT_KIND_FILE && t->base->stability == LEAT_UNSTABLE &&
				 !kind_is_file(t->out->facts.kind) && t->report.route != LEAT_ROUTE_COPY;
	return r;
}

static int assign_slots(struct transfer *t)
{
	struct leat_wrapper *last = t->first;
	uint32_t slot = 0;
	unsigned char *grown;

	if (!t->changers)
		return 0;
	while (last->down)
		last = last->down;
	for (; last; last = last->up)	/* from the sink: a part's changers come and go at the other end */
		if (last->ops->need == LEAT_NEED_CHANGE)
			last->out_slot = slot++;
	grown = realloc(t->buffer.bytes, t->options.buffer_bytes + (size_t)t->changers * CHANGE_BYTES);
	if (!grown)
		return -ENOMEM;
	t->buffer.bytes = grown;
	t->buffer.size = (uint32_t)t->options.buffer_bytes;
	return 0;
}

static void tell_begin(struct transfer *t)
{
	struct leat_event event = {
		.kind = LEAT_EVENT_BEGIN, .route = t->report.route, .now_ns = t->now_ns, .report = &t->report,
		.total_bytes = t->end == LEAT_UNKNOWN ? LEAT_UNKNOWN : t->end - t->base->position,
	};
	bool of_part = t->part != NULL;

	for (struct leat_wrapper *w = t->first; w; w = w->down) {
		if (w == (t->part_last ? t->part_last->down : t->first) && of_part) {
			of_part = false;	/* behind the queue, nobody knows how much follows */
			event.total_bytes = LEAT_UNKNOWN;
		}
		event.total_bytes = wrapper_total(w, event.total_bytes);
		if (w->state & WRAPPER_BEGUN || t->bits & TRANSFER_QUIET)
			continue;
		w->state |= WRAPPER_BEGUN;
		w->passed_bytes = 0;
		if (!(w->state & WRAPPER_KEPT)) {
			w->owed_bytes = 0;
			w->out_off = w->out_len = 0;
		}
		if (w->ops->event)
			w->ops->event(w, &event);
	}
}

/* A reflink copy that nobody else writes; without one the plan copies (reason unstable-source). */
static void take_snapshot(struct transfer *t)
{
	int fd;

	if (t->options.stable != LEAT_STABLE_SNAPSHOT || t->base->facts.kind != LEAT_KIND_FILE ||
	    t->base->stability != LEAT_UNSTABLE)
		return;
	fd = sys_temporary(t->options.snapshot_dir);
	if (fd < 0)
		return;
	if (sys_clone_range(fd, 0, t->base->fd, 0, 0) < 0) {
		sys_close(fd);
		return;
	}
	t->source_fd = fd;
	t->blocking |= OWN_SOURCE_FD;
	t->base->stability = LEAT_SNAPSHOT;
}

static int open_leaf(struct transfer *t)
{
	struct plan plan;
	int r;

	t->holes_fd = t->source_fd = -1;
	t->cold_end = t->cold_asked = t->cold_near = t->cold_tries = 0;
	t->report.side = LEAT_SIDE_SOURCE;	/* unless who fails knows better */
	t->base = queue_leaf(t->source, &t->part);
	r = queue_serve(t->source, t);
	if (!r)
		r = look_at_source(t);
	if (r < 0)
		return r;
	take_snapshot(t);
	r = prepare_leaf(t, &plan);
	if (!r)
		r = assign_slots(t);
	if (!r && t->source_fd < 0) {
		t->source_fd = t->base->fd;
		r = own_fd(t, &t->base->facts, O_RDONLY, BLOCKING_SOURCE, OWN_SOURCE_FD, &t->source_fd);
	}
	if (r < 0)
		return r;
	memcpy(t->routes, plan.routes, sizeof t->routes);
	t->route_count = plan.count;
	t->route_index = 0;
	if (plan.begins_with_copy) {
		t->bits |= TRANSFER_AUTO;
		route_use(t, LEAT_ROUTE_COPY);
	} else {
		route_use(t, plan.count ? plan.routes[0] : LEAT_ROUTE_MEMORY);
	}
	tee_use_kernel(t, t->report.content_wrappers && t->route->id == LEAT_ROUTE_SPLICE_PIPE);
	t->report.side = LEAT_SIDE_NONE;
	tell_begin(t);
	return 0;
}

int transfer_next_leaf(struct transfer *t)
{
	int r = open_leaf(t);

	return r < 0 ? transfer_fail(t, r, r == -ENOMEM ? LEAT_SIDE_CALLER : (enum leat_side)t->report.side, NULL) : 0;
}

void transfer_leave_leaf(struct transfer *t)
{
	const struct leat_source *base = t->base;

	/* source_fd: it was looked at in full, so position says where it stands. */
	if (base && t->source_fd >= 0 && base->own_offset && kind_is_file(base->facts.kind))
		sys_seek(base->fd, base->position, SEEK_SET);
	holes_close(t);
	tee_use_kernel(t, false);
	if (t->options.helper)
		helper_forget(t->options.helper, t);
	t->bits &= (uint16_t)~TRANSFER_COLD;
	if (t->blocking & OWN_SOURCE_FD)
		sys_close(t->source_fd);
	if (base && t->blocking & OWN_SOURCE_FD && base->stability == LEAT_SNAPSHOT && t->options.stable)
		t->base->stability = LEAT_UNSTABLE;
	t->blocking &= (uint8_t)~(OWN_SOURCE_FD | BLOCKING_SOURCE);
	t->source_fd = -1;
}

int transfer_compare(struct transfer *t)
{
	enum leat_reason changed;

	if (t->options.ignore_changes || t->base->kind != LEAT_KIND_NONE)
		return 0;
	changed = source_compare(t->base);
	if (changed == LEAT_SOURCE_CHANGED && same_inode(t))
		return 0;	/* by what we wrote */
	if (changed)
		t->report.noted = (uint8_t)changed;
	return changed == LEAT_SOURCE_CHANGED ? LEAT_ECHANGED : 0;
}

int transfer_begin(struct transfer *t, struct leat_sink *sink, struct leat_source *source,
		   const struct leat_options *options, unsigned blocking, unsigned bits)
{
	int r;

	memset(t, 0, sizeof *t);
	t->sink = sink;
	t->source = source;
	t->blocking = (uint8_t)blocking;
	t->bits = (uint16_t)(TRANSFER_RUNS | TRANSFER_IN_STEP | bits);
	t->pipe.fd[0] = t->pipe.fd[1] = t->holes_fd = t->source_fd = t->sink_fd = -1;
	t->wake_at_ns = LEAT_NEVER;
	set_options(t, options);
	r = misuse(sink, source, &t->options);
	if (r < 0) {
		t->bits = 0;
		t->report = report_misuse(r);
		return r;
	}
	t->now_ns = sys_clock(&t->options);
	t->report.begin_ns = t->now_ns;
	for (struct leat_sink *s = sink; s; s = s->state & END_VIEW ? (struct leat_sink *)s->base : NULL)
		s->serves = (uintptr_t)t;
	t->report.side = LEAT_SIDE_SINK;
	r = look_at_sink(t);
	if (!r) {
		t->sink_fd = t->out->fd;
		r = own_fd(t, &t->out->facts, O_WRONLY, BLOCKING_SINK, OWN_SINK_FD, &t->sink_fd);
		if (kind_is_socket(t->out->facts.kind)) {
			t->out->facts.blocks = 0;	/* sink_room asks, if it has to know */
			t->out->facts.known &= (uint8_t)~(KNOW_PLAIN | KNOW_RECORDS);	/* TLS may be on since */
		}
	}
	if (!r)
		r = transfer_next_leaf(t);
	t->bits &= (uint16_t)~TRANSFER_IN_STEP;
	t->result = r < 0 ? transfer_fail(t, r, (enum leat_side)t->report.side, NULL) : LEAT_WAIT;
	return r;
}

/* Looks and plans, and leaves both ends as they were: what a descriptor is now says nothing of what it is at the begin. */
static int plan_only(struct transfer *t)
{
	struct leat_sink *out = sink_below(t->sink), sink_was = *out;
	struct leat_source source_was;
	struct plan plan;
	int r;

	t->report.side = LEAT_SIDE_SINK;
	r = look_at_sink(t);
	if (!r) {
		t->report.side = LEAT_SIDE_SOURCE;
		t->base = queue_leaf(t->source, &t->part);
		source_was = *t->base;
		r = look_at_source(t);
		if (!r)
			r = prepare_leaf(t, &plan);
		*t->base = source_was;
	}
	*out = sink_was;
	return r;
}

int leat_plan(struct leat_sink *sink, struct leat_source *source, const struct leat_options *options,
	      struct leat_report *report)
{
	struct transfer t = { .sink = sink, .source = source };
	int r;

	set_options(&t, options);
	r = misuse(sink, source, &t.options);
	if (r < 0) {
		if (report)
			*report = report_misuse(r);
		return r;
	}
	r = plan_only(&t);
	t.report.error = r < 0 ? r : 0;
	if (r < 0)
		t.report.ended_by = LEAT_ENDED_BY_ERROR;
	else
		t.report.side = LEAT_SIDE_NONE;
	if (report)
		*report = t.report;
	return r;
}
