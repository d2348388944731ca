/* SPDX-License-Identifier: MIT */
/* Wrappers that are told what passes, by number: count, log, trace, progress. */
#include "wrap.h"

#include <string.h>

/* ---- count ---- */

static void count_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct leat_count *count = (struct leat_count *)wrapper;

	count->bytes += bytes;
	count->moves++;
}

const struct leat_wrapper_ops count_ops = {
	.name = "count",
	.need = LEAT_NEED_COUNTS,
	.moved = count_moved,
};

struct leat_wrapper *leat_count_init(struct leat_count *count)
{
	if (!count)
		return NULL;
	count->bytes = count->moves = 0;
	return leat_wrapper_init(&count->wrapper, &count_ops);
}

/* ---- log ---- */

static void log_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	const struct leat_log *log = (struct leat_log *)wrapper;

	log->fn(log->arg, event);
}

const struct leat_wrapper_ops log_ops = {
	.name = "log",
	.need = LEAT_NEED_COUNTS,
	.event = log_event,
};

struct leat_wrapper *leat_log_init(struct leat_log *log, void (*fn)(void *arg, const struct leat_event *event), void *arg)
{
	if (!log)
		return NULL;
	log->fn = fn;
	log->arg = arg;
	return leat_wrapper_init(&log->wrapper, fn ? &log_ops : NULL);
}

/* ---- trace ---- */

static int trace_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	wake_by(budget, ((struct leat_trace *)wrapper)->next_ns);
	return 0;
}

/* Whatever event finds that it is time, the caller gets a tick: bytes so far, never those of one move. */
static void trace_tick(struct leat_trace *trace, const struct leat_event *event)
{
	struct leat_event tick = *event;

	tick.kind = LEAT_EVENT_TICK;
	tick.bytes = trace->wrapper.passed_bytes;
	trace->next_ns = add_capped(event->now_ns, trace->progress_ns);
	trace->fn(trace->arg, trace->id, &tick);
}

static void trace_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	struct leat_trace *trace = (struct leat_trace *)wrapper;

	if (event->kind == LEAT_EVENT_BEGIN) {
		trace->next_ns = trace->progress_ns ? add_capped(event->now_ns, trace->progress_ns) : LEAT_NEVER;
		trace->fn(trace->arg, trace->id, event);
	} else if (event->kind == LEAT_EVENT_END) {
		trace->next_ns = LEAT_NEVER;
		trace->fn(trace->arg, trace->id, event);
	} else if (event->now_ns >= trace->next_ns) {
		trace_tick(trace, event);
	}
}

const struct leat_wrapper_ops trace_ops = {
	.name = "trace",
	.need = LEAT_NEED_COUNTS,
	.allow = trace_allow,
	.event = trace_event,
};

struct leat_wrapper *leat_trace_init(struct leat_trace *trace, const void *id, uint64_t progress_ns,
				     void (*fn)(void *arg, const void *id, const struct leat_event *event), void *arg)
{
	if (!trace)
		return NULL;
	trace->fn = fn;
	trace->arg = arg;
	trace->id = id;
	trace->progress_ns = progress_ns;
	trace->next_ns = LEAT_NEVER;
	return leat_wrapper_init(&trace->wrapper, fn ? &trace_ops : NULL);
}

/* ---- progress ---- */

/*
 * The rate shown is smoothed: a sample over dt weighs dt / (dt + 2 s). So a bar redrawn ten times a second does not jump,
 * and 5 s after a change of speed about nine tenths of it are shown, at any interval up to a second.
 */
#define SMOOTH_NS (2 * LEAT_SECOND)

static void progress_start(struct leat_progress *progress, uint64_t now_ns)
{
	progress->begin_ns = progress->last_ns = progress->mark_ns = now_ns;
	progress->next_ns = progress->interval_ns ? add_capped(now_ns, progress->interval_ns) : LEAT_NEVER;
	progress->bytes = progress->mark_bytes = progress->rate = 0;
	progress->total = LEAT_UNKNOWN;
}

static void progress_sample(struct leat_progress *progress, uint64_t now_ns)
{
	uint64_t dt_ns = now_ns - progress->mark_ns, sample;

	if (now_ns <= progress->mark_ns)
		return;
	sample = mul_div(progress->bytes - progress->mark_bytes, LEAT_SECOND, dt_ns);
	if (progress->mark_ns == progress->begin_ns)
		progress->rate = sample;
	else if (sample >= progress->rate)
		progress->rate += mul_div(sample - progress->rate, dt_ns, add_capped(dt_ns, SMOOTH_NS));
	else	/* rounded up: the rate of a stalled transfer does come down to 0 */
		progress->rate -= mul_div(progress->rate - sample - 1, dt_ns, add_capped(dt_ns, SMOOTH_NS)) + 1;
	progress->mark_ns = now_ns;
	progress->mark_bytes = progress->bytes;
}

static uint64_t eta_ns(const struct leat_progress *progress)
{
	uint64_t left;

	if (progress->total == LEAT_UNKNOWN)
		return LEAT_UNKNOWN;
	left = progress->total > progress->bytes ? progress->total - progress->bytes : 0;
	if (!left)
		return 0;
	return progress->rate ? mul_div(left, LEAT_SECOND, progress->rate) : LEAT_UNKNOWN;
}

static void progress_tell(struct leat_progress *progress, uint64_t now_ns, int ended)
{
	uint64_t elapsed_ns = now_ns > progress->begin_ns ? now_ns - progress->begin_ns : 0;
	struct leat_progress_state state = {
		.bytes = progress->bytes,
		.total_bytes = progress->total,
		.bytes_per_s = progress->rate,
		.eta_ns = ended ? 0 : eta_ns(progress),
		.stalled_ns = now_ns > progress->last_ns ? now_ns - progress->last_ns : 0,
		.elapsed_ns = elapsed_ns,
		.ended = ended,
	};

	if (ended)	/* the rate of the whole */
		state.bytes_per_s = elapsed_ns ? mul_div(progress->bytes, LEAT_SECOND, elapsed_ns) : 0;
	progress->fn(progress->arg, &state);
}

/* On the beat of interval_ns from the begin, without making up for beats that were missed. */
static void progress_beat(struct leat_progress *progress, uint64_t now_ns)
{
	uint64_t late_ns = now_ns - progress->next_ns;

	progress->next_ns = add_capped(now_ns, progress->interval_ns - late_ns % progress->interval_ns);
	progress_sample(progress, now_ns);
	progress_tell(progress, now_ns, 0);
}

static int progress_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct leat_progress *progress = (struct leat_progress *)wrapper;

	if (progress->begin_ns != LEAT_NEVER)
		wake_by(budget, progress->next_ns);
	return 0;
}

static void progress_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	((struct leat_progress *)wrapper)->bytes += bytes;
}

static void progress_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	struct leat_progress *progress = (struct leat_progress *)wrapper;

	if (event->kind == LEAT_EVENT_BEGIN || progress->begin_ns == LEAT_NEVER)
		progress_start(progress, event->now_ns);
	if (progress->total == LEAT_UNKNOWN)	/* at the end it is no expectation any more */
		progress->total = event->total_bytes;
	if (event->kind == LEAT_EVENT_MOVED)
		progress->last_ns = event->now_ns;
	if (event->kind == LEAT_EVENT_END) {
		progress_tell(progress, event->now_ns, 1);
		progress->begin_ns = LEAT_NEVER;
	} else if (progress->interval_ns && event->now_ns >= progress->next_ns) {
		progress_beat(progress, event->now_ns);
	}
}

const struct leat_wrapper_ops progress_ops = {
	.name = "progress",
	.need = LEAT_NEED_COUNTS,
	.allow = progress_allow,
	.moved = progress_moved,
	.event = progress_event,
};

struct leat_wrapper *leat_progress_init(struct leat_progress *progress, uint64_t interval_ns,
					void (*fn)(void *arg, const struct leat_progress_state *state), void *arg)
{
	if (!progress)
		return NULL;
	memset(progress, 0, sizeof *progress);
	progress->fn = fn;
	progress->arg = arg;
	progress->interval_ns = interval_ns;
	progress->begin_ns = LEAT_NEVER;
	return leat_wrapper_init(&progress->wrapper, fn ? &progress_ops : NULL);
}
