/* SPDX-License-Identifier: MIT */
#include "cell.h"
#include "descriptors.h"
#include "expect.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 40000

static const char *const wraps_names[WRAPS_KINDS] = { "bare", "five counting wrappers", "hash", "frame", "limit" };
static const char *const mode_names[MODES] = { "leat_copy, blocking", "leat_copy, non-blocking", "leat_step" };

struct logged {
	unsigned begins, ends;
	uint64_t moved, end_bytes;
};

/* Everything of one cell. */
struct run {
	const struct cell *cell;
	struct from_end from;
	struct to_end to;
	struct expect expect;
	struct leat_report plan, report;
	uint64_t payload;		/* that should arrive */
	unsigned wrong;
	char note[160];
	struct leat_count inner, outer;
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;
	struct leat_hash hash;
	struct leat_frame frame;
	struct leat_limit limit;
	struct logged logged, traced;
	struct leat_progress_state shown;
	uint64_t hashed;		/* bytes seen, as they should be */
	unsigned hash_begun, hash_finished;
	uint64_t idle;			/* wake-ups for nothing */
};

__attribute__((format(printf, 2, 3))) static void wrong(struct run *run, const char *format, ...)
{
	va_list list;

	if (!run->wrong++)
		printf("WRONG %s\n", run->note);
	printf("      ");
	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	putchar('\n');
}

#define EXPECT(run, condition, ...) \
	do { \
		if (!(condition)) \
			wrong(run, __VA_ARGS__); \
	} while (0)
#define EXPECT_EQ(run, a, b) \
	EXPECT(run, (a) == (b), #a " is %llu, not %llu (" #b ")", (unsigned long long)(a), (unsigned long long)(b))

/* ---- Wrappers that check what they are told ---- */

static void log_one(struct logged *logged, const struct leat_event *event)
{
	logged->begins += event->kind == LEAT_EVENT_BEGIN;
	logged->ends += event->kind == LEAT_EVENT_END;
	if (event->kind == LEAT_EVENT_MOVED)
		logged->moved += event->bytes;
	if (event->kind == LEAT_EVENT_END)
		logged->end_bytes = event->bytes;
}

static void on_log(void *arg, const struct leat_event *event)
{
	log_one(&((struct run *)arg)->logged, event);
}

static void on_trace(void *arg, const void *id, const struct leat_event *event)
{
	struct run *run = arg;

	EXPECT(run, id == &run->note, "the trace's id is not the caller's");
	log_one(&run->traced, event);
}

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	((struct run *)arg)->shown = *state;
}

static int hash_init(void *state)
{
	((struct run *)state)->hash_begun++;
	return 0;
}

static int hash_update(void *state, const void *bytes, size_t length)
{
	struct run *run = state;

	EXPECT(run, run->hashed + length <= run->from.size && !memcmp(run->from.bytes + run->hashed, bytes, length),
	       "the hash saw other bytes than were next, at %llu", (unsigned long long)run->hashed);
	run->hashed += length;
	return 0;
}

static int hash_finish(void *state)
{
	((struct run *)state)->hash_finished++;
	return 0;
}

static const struct leat_hash_ops hash_ops = { "check", hash_init, hash_update, hash_finish };

static void put_wrappers(struct run *run)
{
	struct leat_source *source = &run->from.source;
	struct leat_sink *sink = &run->to.sink;

	run->payload = run->cell->size;
	switch (run->cell->wraps) {
	case WRAPS_FIVE:
		leat_wrap(source, leat_count_init(&run->inner));
		leat_wrap(source, leat_log_init(&run->log, on_log, run));
		leat_wrap(source, leat_trace_init(&run->trace, &run->note, LEAT_SECOND / 1000, on_trace, run));
		leat_wrap_sink(sink, leat_progress_init(&run->progress, LEAT_SECOND / 1000, on_progress, run));
		leat_wrap_sink(sink, leat_count_init(&run->outer));
		break;
	case WRAPS_HASH:
		leat_wrap(source, leat_hash_init(&run->hash, &hash_ops, run));
		break;
	case WRAPS_FRAME:
		leat_wrap_sink(sink, leat_chunked_init(&run->frame, CHUNK));
		break;
	case WRAPS_LIMIT:
		run->payload = run->cell->size - run->cell->size / 3;
		leat_wrap_sink(sink, leat_limit_init(&run->limit, run->payload));
		break;
	default:
		break;
	}
}

static void check_wrappers(struct run *run)
{
	uint64_t payload = run->payload;

	if (run->cell->wraps == WRAPS_FIVE) {
		EXPECT_EQ(run, run->inner.bytes, payload);
		EXPECT_EQ(run, run->outer.bytes, payload);
		EXPECT_EQ(run, run->logged.moved, payload);
		EXPECT_EQ(run, run->logged.end_bytes, payload);
		EXPECT_EQ(run, run->traced.end_bytes, payload);
		EXPECT_EQ(run, run->shown.bytes, payload);
		EXPECT(run, run->shown.ended, "no last progress");
		EXPECT(run, run->logged.begins == 1 && run->logged.ends == 1, "log: %u begins, %u ends", run->logged.begins,
		       run->logged.ends);
		EXPECT(run, run->traced.begins == 1 && run->traced.ends == 1, "trace: %u begins, %u ends",
		       run->traced.begins, run->traced.ends);
	}
	if (run->cell->wraps == WRAPS_HASH) {
		EXPECT_EQ(run, run->hashed, payload);
		EXPECT(run, run->hash_begun == 1 && run->hash_finished == 1, "hash: %u times begun, %u finished",
		       run->hash_begun, run->hash_finished);
	}
	if (run->cell->wraps == WRAPS_LIMIT)
		EXPECT_EQ(run, run->limit.left, 0u);
}

/* ---- What arrived ---- */

/* Takes the chunks away, in place. False: not the chunked coding of HTTP/1.1. */
static bool unchunk(struct to_end *to)
{
	uint64_t at = 0, out = 0;

	for (;;) {
		char *after;
		uint64_t length;

		to->got[to->got_size] = 0;	/* there is room for it */
		if (at >= to->got_size)
			return false;
		length = strtoull((char *)to->got + at, &after, 16);
		at = (uint64_t)((unsigned char *)after - to->got);
		if (at + 4 > to->got_size || memcmp(to->got + at, "\r\n", 2) != 0 || length > CHUNK ||
		    at + 2 + length + 2 > to->got_size || memcmp(to->got + at + 2 + length, "\r\n", 2) != 0)
			return false;
		memmove(to->got + out, to->got + at + 2, length);
		out += length;
		at += length + 4;
		if (!length)
			break;
	}
	if (at != to->got_size)
		return false;
	to->got_size = out;
	return true;
}

static void check_bytes_arrived(struct run *run)
{
	const struct cell *cell = run->cell;

	to_finish(&run->to, run->report.bytes);
	if (cell->to == TO_NOTHING)
		return;
	EXPECT_EQ(run, run->to.got_size, run->report.bytes);
	if (cell->wraps == WRAPS_FRAME)
		EXPECT(run, unchunk(&run->to), "no proper chunks arrived");
	EXPECT_EQ(run, run->to.got_size, run->payload);
	if (run->to.got_size != run->payload)
		return;
	for (uint64_t i = 0; i < run->payload; i++)
		if (run->to.got[i] != run->from.bytes[i]) {
			wrong(run, "byte %llu arrived as another", (unsigned long long)i);
			break;
		}
}

/* What was not delivered is still there, from the next byte on (invariants 2 and 9). */
static void check_rest(struct run *run)
{
	uint64_t at = run->payload, left = run->from.size - at;
	unsigned char *rest = malloc(left + 1);
	int64_t n;

	if (!rest)
		ends_die("room for the rest");
	for (uint64_t got = 0; (n = leat_read(&run->from.source, rest + got, left + 1 - got, NULL)) > 0;) {
		got += (uint64_t)n;
		if (got <= left && memcmp(rest, run->from.bytes + run->payload, got) != 0) {
			wrong(run, "after %llu bytes of the rest leat_read gives other bytes", (unsigned long long)got);
			break;
		}
		if (got > left) {
			wrong(run, "leat_read gives more than is left, %llu", (unsigned long long)left);
			break;
		}
		at = run->payload + got;
	}
	EXPECT(run, n >= 0, "leat_read of the rest: %s", leat_strerror((int)n));
	EXPECT_EQ(run, at, run->from.size);
	free(rest);
}

/* ---- Plan and report ---- */

static void check_plan(struct run *run)
{
	const char *what = from_check(&run->from, 0);
	int r = leat_plan(&run->to.sink, &run->from.source, NULL, &run->plan);

	EXPECT(run, r == 0, "leat_plan: %s", leat_strerror(r));
	EXPECT(run, run->plan.route == run->expect.first, "planned %s, not %s", leat_route_name(run->plan.route),
	       leat_route_name(run->expect.first));
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)
		EXPECT(run, run->plan.refused[route] == run->expect.refused[route], "planned without %s for %s, not %s",
		       leat_route_name(route), leat_reason_name(run->plan.refused[route]),
		       leat_reason_name(run->expect.refused[route]));
	EXPECT(run, !what && !(what = from_check(&run->from, 0)) && !(what = to_check(&run->to, 0)), "planning: %s", what);
	EXPECT(run, run->plan.bytes == 0 && run->plan.ended_by == LEAT_ENDED_NOT, "planning reports bytes or an end");
}

/* Which route carried how much. */
static void check_routes(struct run *run)
{
	const struct leat_report *r = &run->report;
	const struct cell *cell = run->cell;
	uint64_t own = r->bytes - r->source_bytes, want[LEAT_ROUTES] = { 0 };
	/* The offsets stand inside a block, so that no file system can share it: reflink-wrapped.c has whole ones. */
	enum leat_route carrier = run->expect.first == LEAT_ROUTE_CLONE ? LEAT_ROUTE_COPY_FILE_RANGE : run->expect.first;
	uint64_t third = cell->size / 3, middle = run->payload < third ? 0 : run->payload - third;

	if (cell->from == FROM_QUEUE)
		want[LEAT_ROUTE_MEMORY] = middle < third ? middle : third;
	want[carrier] += run->payload - want[LEAT_ROUTE_MEMORY];
	/* On route copy all is alike. Else what a frame adds goes from memory. */
	want[carrier == LEAT_ROUTE_COPY && cell->from != FROM_QUEUE ? LEAT_ROUTE_COPY : LEAT_ROUTE_MEMORY] += own;
	if (run->expect.auto_copy) {
		EXPECT(run, run->payload >= 16384 || !r->route_bytes[carrier], "splice before reads filled up");
		EXPECT(run, run->payload < 1 << 20 || r->route_bytes[carrier], "never changed to splice");
		return;
	}
	if (carrier == LEAT_ROUTE_COPY && cell->from == FROM_QUEUE) {
		EXPECT_EQ(run, r->route_bytes[LEAT_ROUTE_COPY] + r->route_bytes[LEAT_ROUTE_MEMORY], r->bytes);
		return;
	}
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)
		EXPECT(run, r->route_bytes[route] == want[route], "%s carried %llu, not %llu", leat_route_name(route),
		       (unsigned long long)r->route_bytes[route], (unsigned long long)want[route]);
	if (run->payload && cell->from != FROM_QUEUE && cell->size > 100)
		EXPECT(run, r->route == carrier, "route is %s, not %s", leat_route_name(r->route), leat_route_name(carrier));
}

static void check_sums(struct run *run)
{
	const struct leat_report *r = &run->report;
	uint64_t sum = r->hole_bytes;

	for (int route = 0; route < LEAT_ROUTES; route++) {
		sum += r->route_bytes[route];
		EXPECT(run, !r->route_bytes[route] || r->route_calls[route], "%s carried without a call", leat_route_name(route));
		EXPECT(run, route == LEAT_ROUTE_CLONE || run->expect.in_plan[route] || !r->route_calls[route] ||
			       route == LEAT_ROUTE_MEMORY, "%s was called", leat_route_name(route));
	}
	EXPECT_EQ(run, sum, r->bytes);
	EXPECT_EQ(run, r->source_bytes, run->payload);
	EXPECT(run, run->cell->wraps == WRAPS_FRAME || r->bytes == r->source_bytes, "bytes of a frame without one");
	EXPECT(run, r->end_ns >= r->begin_ns && r->longest_call_ns <= r->end_ns - r->begin_ns, "times do not fit");
	EXPECT_EQ(run, r->error, 0);
	EXPECT_EQ(run, r->side, LEAT_SIDE_NONE);
	EXPECT_EQ(run, r->noted, LEAT_OK);
	EXPECT_EQ(run, r->content_wrappers, run->cell->wraps == WRAPS_HASH);
}

static void check_refusals(struct run *run)
{
	const struct leat_report *r = &run->report;

	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++) {
		enum leat_reason reason = run->expect.refused[route];

		if (run->cell->from == FROM_QUEUE)
			return;
		if (route == LEAT_ROUTE_CLONE && run->expect.in_plan[route] && run->payload)
			reason = LEAT_FS_DENIED;
		EXPECT(run, r->refused[route] == reason, "%s was refused for %s, not %s", leat_route_name(route),
		       leat_reason_name(r->refused[route]), leat_reason_name(reason));
		EXPECT(run, reason != LEAT_NEEDS_CONTENT || (r->refused_by[route] && !strcmp(r->refused_by[route], "check")),
		       "%s was refused by %s", leat_route_name(route), r->refused_by[route] ? r->refused_by[route] : "nobody");
	}
}

static void check_end(struct run *run)
{
	const struct cell *cell = run->cell;
	const struct leat_report *r = &run->report;
	static const enum leat_kind sink_kinds[TO_KINDS] = {
		LEAT_KIND_FILE, LEAT_KIND_FILE,	    LEAT_KIND_FILE,   LEAT_KIND_PIPE,	 LEAT_KIND_TCP, LEAT_KIND_UNIX,
		LEAT_KIND_TERMINAL, LEAT_KIND_MEMORY, LEAT_KIND_CALLBACK, LEAT_KIND_NOTHING, LEAT_KIND_TCP,
	};
	bool limited = cell->from == FROM_PTY || cell->from == FROM_ZERO;

	EXPECT(run, r->sink_kind == sink_kinds[cell->to], "the sink is called a %s", leat_kind_name(r->sink_kind));
	if (limited || run->payload < cell->size)
		EXPECT(run, r->ended_by == LEAT_ENDED_BY_WRAPPER && r->culprit && !strcmp(r->culprit, "limit"),
		       "not ended by the limit but %u, %s", r->ended_by, r->culprit ? r->culprit : "nobody");
	else if (cell->wraps != WRAPS_LIMIT)
		EXPECT_EQ(run, r->ended_by, LEAT_ENDED_BY_SOURCE);
	/* Small segments and short callbacks wake often; hundreds of wake-ups for nothing are a spin. */
	EXPECT(run, run->idle <= 50 + r->bytes / 2000, "%llu wake-ups for nothing", (unsigned long long)run->idle);
}

/* ---- The cell ---- */

static void transfer(struct run *run)
{
	struct leat_options options = { .step_bytes = 100000 };
	struct leat_transfer t;
	int64_t n;
	int r;

	if (run->cell->mode != MODE_STEP) {
		n = leat_copy(&run->to.sink, &run->from.source, NULL, &run->report);
		EXPECT(run, n == (int64_t)run->report.bytes, "leat_copy: %s", n < 0 ? leat_strerror((int)n) : "another number");
		return;
	}
	r = leat_begin(&t, &run->to.sink, &run->from.source, &options);
	EXPECT(run, r == 0, "leat_begin: %s", leat_strerror(r));
	if (r)
		return;
	r = ends_drive(&t, &run->idle);
	EXPECT(run, r == LEAT_DONE, "leat_step: %s", leat_strerror(r));
	EXPECT(run, leat_step(&t) == r, "another step after the last says something else");
	n = leat_end(&t, &run->report);
	EXPECT(run, n == r, "leat_end: %s", leat_strerror((int)n));
}

static void check_ends(struct run *run, uint64_t taken)
{
	const char *what = from_check(&run->from, taken);

	EXPECT(run, !what, "source: %s", what);
	what = to_check(&run->to, run->report.bytes);
	EXPECT(run, !what, "sink: %s", what);
}

static void check_all(struct run *run)
{
	check_plan(run);
	transfer(run);
	check_ends(run, run->payload);
	check_wrappers(run);
	check_routes(run);
	check_sums(run);
	check_refusals(run);
	check_end(run);
	check_bytes_arrived(run);
	check_rest(run);
	check_ends(run, run->from.size);
}

unsigned cell_run(const struct cell *cell)
{
	static struct run run;
	bool blocking = cell->mode == MODE_BLOCKING;
	unsigned fds;

	memset(&run, 0, sizeof run);
	run.cell = cell;
	snprintf(run.note, sizeof run.note, "%s to %s, %s, %s, %llu bytes", from_names[cell->from], to_names[cell->to],
		 wraps_names[cell->wraps], mode_names[cell->mode], (unsigned long long)cell->size);
	ends_alarm(20, run.note);
	expect_make(&run.expect, cell->from, cell->to, cell->wraps == WRAPS_HASH);
	from_make(&run.from, cell->from, cell->size, blocking);	/* files and children that stay are made here */
	from_close(&run.from);
	fds = count_descriptors();
	from_make(&run.from, cell->from, cell->size, blocking);
	to_make(&run.to, cell->to, 2 * cell->size + 100, blocking);
	put_wrappers(&run);
	check_all(&run);
	from_close(&run.from);
	to_close(&run.to);
	EXPECT(&run, count_descriptors() == fds, "%u descriptors before, %u after", fds, count_descriptors());
	return run.wrong;
}
