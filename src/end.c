/* SPDX-License-Identifier: MIT */
/* How a part of a queue and a transfer end: what is held goes back to the source, offsets are left, everybody is told. */
#include "charge.h"
#include "endpoint.h"
#include "holes.h"
#include "pipe.h"
#include "queue.h"
#include "report.h"
#include "route/route.h"
#include "sys.h"
#include "transfer.h"
#include "wrapper.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell_end(struct transfer *t, const struct leat_wrapper *stop, const struct leat_report *report)
{
	struct leat_event event = { .kind = LEAT_EVENT_END, .route = report->route, .now_ns = t->now_ns, .report = report,
				    .reason = report_reason(report) };

	for (struct leat_wrapper *w = t->first, *down; w && w != stop; w = down) {
		down = w->down;
		if (!(w->state & WRAPPER_BEGUN))
			continue;
		w->state &= ~(uint32_t)WRAPPER_BEGUN;
		if (!report->error)	/* else it has ended for good, and does so only once */
			w->state &= ~(uint32_t)WRAPPER_ENDED;
		if (!w->ops->event)
			continue;
		event.bytes = event.total_bytes = w->passed_bytes;
		w->ops->event(w, &event);
	}
}

/* What the pipe still holds, read out and put in front of what the source keeps. */
static int keep_piped(struct transfer *t)
{
	unsigned char *all = malloc(t->pipe.bytes);
	uint64_t got = 0;
	int r;

	while (all && got < t->pipe.bytes) {
		int64_t n = sys_read(t->pipe.fd[0], all + got, t->pipe.bytes - got);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		got += (uint64_t)n;
	}
	r = !all ? -ENOMEM : got < t->pipe.bytes ? -EIO : source_keep(t->base, all, got);
	t->pipe.bytes -= got;
	free(all);
	return r;
}

/* Bytes of a stream that a pipe or buffer of ours holds go back to the source. A file, a generated one too, is read by
 * position, and that has not moved yet. */
static int keep_held(struct transfer *t)
{
	int r = 0;

	if (!t->base || !(t->buffer.len || t->pipe.bytes))
		return 0;
	if (!kind_is_file(t->base->facts.kind)) {
		if (t->pipe.bytes)	/* behind what is in the buffer */
			r = keep_piped(t);
		if (!r && t->buffer.len)
			r = source_keep(t->base, t->buffer.bytes + t->buffer.off, t->buffer.len);
	}
	if (r < 0)	/* they are lost: nothing may follow the gap */
		t->base->error = r;
	t->buffer.len = 0;
	if (t->pipe.bytes)	/* not empty: closed, never pooled */
		pipe_close(&t->pipe, t->options.helper);
	return r;
}

/* The latest run of a part, with what it gave before: all that is known of it should nobody take it up again. */
static void add_so_far(struct leat_source *part, const struct leat_report *report)
{
	struct leat_report all = *report;

	if (part->so_far)
		report_add(&all, part->so_far);
	else
		part->so_far = malloc(sizeof *part->so_far);
	report_close(&all, report->end_ns);
	if (part->so_far)
		*part->so_far = all;
}

/* The part of an outer queue that holds this one in a queue of its own, or NULL. */
static struct leat_source *part_around(const struct leat_source *part)
{
	struct leat_source *around = part->parent;

	while (around && !(around->state & END_PART))
		around = around->parent;
	return around;
}

/* What a part gave in this transfer belongs to every part around it too. */
static void add_to_parts_around(struct leat_source *part, const struct leat_report *report)
{
	while ((part = part_around(part)))
		add_so_far(part, report);
}

void transfer_part_over(struct transfer *t)
{
	struct leat_source *part = t->part;
	struct leat_report report;
	uint64_t by_changers = 0;
	int changed = charge_keep(t, t->part_last, &by_changers), r = keep_held(t);

	report = t->report;
	report_close(&report, t->now_ns);
	transfer_leave_leaf(t);
	report_leaf_over(t);
	add_to_parts_around(part, &report);
	if (part->so_far)
		report_add(&report, part->so_far);
	if (!report.error)
		report.error = r < 0 ? r : changed;
	report.kept_bytes = by_changers + t->base->kept_len;
	report_close(&report, t->now_ns);
	tell_end(t, t->part_last ? t->part_last->down : t->first, &report);
	queue_serve(part, NULL);
	queue_take((struct leat_queue *)part->parent->base);
	t->base = t->part = NULL;
	/* From here on the part and its wrappers may be gone. */
	t->first = t->part_last ? t->part_last->down : t->first;
	t->part_last = NULL;
	free(part->so_far);
	part->so_far = NULL;
	source_release(part, &report);
}

static bool on_the_way(const struct transfer *t, const struct leat_wrapper *wrapper)
{
	const struct leat_wrapper *w = t->first;

	while (w && w != wrapper)
		w = w->down;
	return w != NULL;
}

/* A failure is that of every part around, too: what they still hold never follows. */
static void parts_failed(struct transfer *t)
{
	struct leat_source *around = part_around(t->part), *source = t->part->parent;
	struct leat_report failed = t->report;

	memset(&failed, 0, offsetof(struct leat_report, begin_ns));	/* what the part gave counts once */
	for (transfer_part_over(t); around; transfer_part_over(t)) {
		t->part = t->base = around;
		t->report = failed;
		for (t->part_last = NULL; source; source = source->parent) {
			t->part_last = source->last ? source->last : t->part_last;
			if (source == around)
				break;
		}
		if (!on_the_way(t, t->part_last))	/* it failed before its wrappers were threaded */
			t->part_last = NULL;
		source = around->parent;
		around = part_around(around);
	}
	t->report = failed;	/* as does the whole */
}

/* A part that is cut stays first in its queue, to go on in the next transfer; its report waits with it. */
static void part_stays(struct transfer *t)
{
	struct leat_report report = t->report;

	report.error = -ECANCELED;
	report.ended_by = LEAT_ENDED_BY_CANCEL;
	report.kept_bytes = t->base->kept_len;
	charge_keep(t, t->part_last, &report.kept_bytes);	/* was done for the whole way: it only counts */
	report_close(&report, t->now_ns);
	add_so_far(t->part, &report);
	add_to_parts_around(t->part, &report);
	tell_end(t, t->part_last ? t->part_last->down : t->first, &report);
}

int transfer_part_around(struct transfer *t, struct leat_wrapper *last)
{
	struct leat_source *source = t->part->parent;
	int r = keep_held(t);

	transfer_leave_leaf(t);
	part_stays(t);
	while (source->last != last)
		source = source->parent;
	while (!(source->state & END_PART))
		source = source->parent;
	t->part = t->base = source;
	t->part_last = last;
	report_leaf_over(t);
	return r;
}

/* What the changers have taken is seen by who stands above them, and may write it to anything: no step masks its SIGPIPE. */
static int keep_changed(struct transfer *t, uint64_t *ret_bytes)
{
	int masked, r;

	if (!t->changers)
		return 0;
	masked = sys_mask_pipe();
	r = charge_keep(t, way_last(t->first), ret_bytes);
	if (masked >= 0)
		sys_unmask_pipe(masked, true);
	return r;
}

int transfer_end(struct transfer *t, struct leat_report *report)
{
	int r = t->result, kept, changed;
	uint64_t kept_bytes = 0;

	if (!(t->bits & TRANSFER_RUNS))
		return -EINVAL;
	t->bits |= TRANSFER_IN_STEP;	/* for callbacks that are told of the end */
	if (r == LEAT_WAIT) {	/* else it ended when its last step did */
		t->now_ns = sys_clock(&t->options);
		r = t->report.error = -ECANCELED;
		t->report.ended_by = LEAT_ENDED_BY_CANCEL;
		t->report.side = LEAT_SIDE_CALLER;
	}
	changed = keep_changed(t, &kept_bytes);
	kept = keep_held(t);
	kept_bytes += t->base ? t->base->kept_len : 0;
	if (changed < 0)
		t->source->error = changed;
	kept = kept < 0 ? kept : changed;
	if (kept < 0 && (r >= 0 || r == -ECANCELED)) {
		r = t->report.error = kept;
		t->report.ended_by = LEAT_ENDED_BY_ERROR;
	}
	pipe_close(&t->pipe, t->options.helper);
	buffer_drop(t);
	if (t->tail_hole && r < 0)
		holes_finish(t);
	queue_serve(t->source, NULL);
	t->source->serves = (uintptr_t)t;	/* its parts may be used again now, it only when all are told */
	if (t->part) {
		if (r == 0 || r == -ECANCELED)
			part_stays(t);
		else
			parts_failed(t);
	}
	transfer_leave_leaf(t);
	if (t->sink_fd >= 0 && t->out->own_offset && kind_is_file(t->out->facts.kind) && !(t->out->facts.open_flags & O_APPEND))
		sys_seek(t->out->fd, t->out->position, SEEK_SET);
	if (t->blocking & OWN_SINK_FD)
		sys_close(t->sink_fd);
	if (t->earlier.source_kind) {	/* else there were none, as in most transfers */
		report_add(&t->report, &t->earlier);
		memset(&t->earlier, 0, sizeof t->earlier);	/* leat_so_far adds it, too */
	}
	t->report.kept_bytes = kept_bytes;
	report_close(&t->report, t->now_ns);
	tell_end(t, NULL, &t->report);
	t->source->serves = 0;
	for (struct leat_sink *s = t->sink; s; s = s->state & END_VIEW ? (struct leat_sink *)s->base : NULL)
		s->serves = 0;
	if (report)
		*report = t->report;
	t->bits = 0;
	return r;
}
