/* SPDX-License-Identifier: MIT */
/*
 * How a process with libleat serves a shape. One function for all of them: the shape's bits say what stands around the
 * source. Everything a wrapper calls back does as little as an honest user of it would: it adds up what it is told.
 */
#include "../loop.h"
#include "../net.h"
#include "../sha256.h"
#include "child.h"
#include "serve.h"
#include "settings.h"
#include "shapes.h"
#include "units.h"

#include <leat.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RATE_BYTES_PER_S (2 * GIB)
#define RATE_BURST (4 * MIB)

const char *const hash_names[] = { "xxh3", "sha256" };

const char framed_header[] =
	"HTTP/1.1 200 OK\r\nServer: leat bench\r\nContent-Type: application/octet-stream\r\n"
	"Cache-Control: no-store\r\nConnection: close\r\n\r\n";
const char framed_trailer[] = "\r\n--leat-bench-the-end--\r\n";

struct stack {		/* every wrapper a shape may ask for, and what their callbacks add up */
	struct leat_limit limit, section;
	struct leat_count count;
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;
	struct leat_deadline deadline;
	struct leat_rate rate;
	struct leat_xxh3 xxh3;
	struct leat_hash hash;
	struct sha256 sha256;
	uint64_t logged_bytes, traced, progressed;
	struct job *job;
};

static void on_log(void *arg, const struct leat_event *event)
{
	struct stack *stack = arg;

	stack->job->outcome->events++;
	if (event->kind != LEAT_EVENT_MOVED)
		return;
	stack->logged_bytes += event->bytes;
	job_between(stack->job);
}

static void on_trace(void *arg, const void *id, const struct leat_event *event)
{
	struct stack *stack = arg;

	stack->traced += id == stack && event->kind != LEAT_EVENT_MOVED;
}

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	struct stack *stack = arg;

	stack->progressed = state->bytes;
}

static void wrap(struct stack *s, struct leat_source *source)
{
	const struct job *job = s->job;
	uint64_t with = job->shape->arg, bytes = job->size - job->shape->skip - job->shape->cut;

	/* A relay does not know how long the stream is: its limit is one that is never reached. */
	if (with & WITH_LIMIT)
		leat_wrap(source, leat_limit_init(&s->limit, job->in >= 0 ? UINT64_C(1) << 60 : bytes));
	if (with & WITH_SECTION)
		leat_wrap(source, leat_section_init(&s->section, job->shape->skip, bytes));
	if (with & WITH_COUNT)
		leat_wrap(source, leat_count_init(&s->count));
	if (with & WITH_LOG)
		leat_wrap(source, leat_log_init(&s->log, on_log, s));
	if (with & WITH_TRACE)
		leat_wrap(source, leat_trace_init(&s->trace, s, LEAT_SECOND / 10, on_trace, s));
	if (with & WITH_PROGRESS)
		leat_wrap(source, leat_progress_init(&s->progress, LEAT_SECOND / 4, on_progress, s));
	if (with & WITH_DEADLINE)
		leat_wrap(source, leat_deadline_init(&s->deadline, 30 * LEAT_SECOND, 600 * LEAT_SECOND));
	if (with & WITH_RATE)
		leat_wrap(source, leat_rate_init(&s->rate, RATE_BYTES_PER_S, RATE_BURST));
	if (with & WITH_HASH && job->settings->hash == HASH_SHA256)
		leat_wrap(source, leat_hash_init(&s->hash, &sha256_ops, &s->sha256));
	else if (with & WITH_HASH)
		leat_wrap(source, leat_xxh3_init(&s->xxh3));
}

/* The do-nothing reader: it hides what it reads from. */
static int64_t opaque_read(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	struct job *job = arg;
	int fd = job->in >= 0 ? job->in : job->file;
	ssize_t n = read(fd, buffer, bytes);

	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		*wait = (struct pollfd){ .fd = fd, .events = POLLIN };
	return -errno;
}

static const struct leat_source_ops opaque_ops = { .name = "do-nothing reader", .read = opaque_read };

struct pieces {		/* of the framed shape */
	struct leat_queue queue;
	struct leat_source part[3];
};

static int make_framed(struct leat_source *source, struct pieces *pieces, const struct job *job)
{
	int error = 0;

	leat_from_memory(&pieces->part[0], framed_header, strlen(framed_header));
	leat_from_file(&pieces->part[1], job->file, 0);
	leat_from_memory(&pieces->part[2], framed_trailer, strlen(framed_trailer));
	leat_queue_init(&pieces->queue);
	for (int i = 0; i < 3 && !error; i++)
		error = leat_queue_add(&pieces->queue, &pieces->part[i]);
	leat_queue_end(&pieces->queue);
	leat_from_queue(source, &pieces->queue);
	return error;
}

static int make_source(struct leat_source *source, struct pieces *pieces, struct job *job)
{
	if (job->shape->arg & AS_CALLBACK) {
		if (job->in < 0 && lseek(job->file, 0, SEEK_SET))
			return -errno;
		leat_from_callback(source, &opaque_ops, job);
	} else if (job->shape->arg & AS_FRAMED) {
		return make_framed(source, pieces, job);
	} else if (job->in >= 0) {
		leat_from_fd(source, job->in);
	} else {
		leat_from_file(source, job->file, 0);
	}
	return 0;
}

/* The reason why no kernel route was taken: of the first route that would have been one. */
static void say_reason(const struct leat_report *report, char *text, size_t size)
{
	snprintf(text, size, "%s", leat_reason_name(LEAT_OK));
	if (report->route != LEAT_ROUTE_COPY && report->error != LEAT_EREFUSED)
		return;
	for (int route = LEAT_ROUTE_NONE + 1; route < LEAT_ROUTE_MEMORY; route++) {
		enum leat_reason reason = report->refused[route];

		if (reason == LEAT_OK || reason == LEAT_NOT_APPLICABLE)
			continue;
		snprintf(text, size, "%s%s%s", leat_reason_name(reason), report->refused_by[route] ? ":" : "",
			 report->refused_by[route] ? report->refused_by[route] : "");
		return;
	}
}

static void tell(struct outcome *o, const struct leat_report *report)
{
	o->by_leat = 1;
	o->copied_bytes = report->route_bytes[LEAT_ROUTE_COPY];
	o->hole_bytes = report->hole_bytes;
	o->waits = report->source_waits + report->sink_waits + report->other_waits;
	o->longest_call_ns = report->longest_call_ns;
	for (int route = 0; route < LEAT_ROUTES; route++)
		o->transfer_calls += report->route_calls[route];
	snprintf(o->route, sizeof o->route, "%s", leat_route_name(report->route));
	say_reason(report, o->reason, sizeof o->reason);
	leat_explain(report, o->explain, sizeof o->explain);
}

static void tell_hash(const struct job *job, struct stack *s)
{
	struct outcome *o = job->outcome;
	char text[SHA256_TEXT_BYTES];

	if (!(job->shape->arg & WITH_HASH))
		return;
	if (job->settings->hash == HASH_XXH3)
		snprintf(o->hash, sizeof o->hash, "%016llx", (unsigned long long)leat_xxh3_result(&s->xxh3));
	else
		snprintf(o->hash, sizeof o->hash, "%s", sha256_text(&s->sha256, text));
	sha256_release(&s->sha256);
}

/* As a program with an event loop does it. */
static int64_t run_stepped(struct job *job, struct leat_sink *sink, struct leat_source *source, struct leat_report *report)
{
	struct leat_transfer transfer;
	int error;

	if (job->in >= 0)
		net_set_blocking(job->in, 0);
	net_set_blocking(job->out, 0);
	error = leat_begin(&transfer, sink, source, NULL);
	if (error)
		return error;
	loop_run(&transfer, job->until_ns, job_between, job);
	error = leat_end(&transfer, report);
	return error ? error : (int64_t)report->bytes;
}

int serve_leat(struct job *job)
{
	struct stack stack;
	struct leat_options options = { 0 };
	struct leat_report report = { 0 };
	struct leat_source source;
	struct leat_sink sink;
	struct pieces pieces;
	int error;

	memset(&stack, 0, sizeof stack);
	stack.job = job;
	error = make_source(&source, &pieces, job);
	if (error)
		return error;
	wrap(&stack, &source);
	if (job->shape->arg & ONLY_CLONE) {
		options.policy = LEAT_REQUIRE;
		options.routes_off = ~(UINT32_C(1) << LEAT_ROUTE_CLONE);
	}
	if (job->shape->direction == FILE_FILE)
		leat_to_file(&sink, job->out, 0);
	else
		leat_to_fd(&sink, job->out);
	if (job->shape->direction == FILE_FILE || job->settings->sink == SINK_BLOCKING)
		job->outcome->bytes = leat_copy(&sink, &source, &options, &report);
	else
		job->outcome->bytes = run_stepped(job, &sink, &source, &report);
	tell(job->outcome, &report);
	job->outcome->counted_bytes = stack.count.bytes;
	tell_hash(job, &stack);
	leat_close(&source);
	leat_close_sink(&sink);
	return 0;
}
