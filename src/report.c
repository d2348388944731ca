/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const route_names[LEAT_ROUTES] = {
	"none", "clone", "copy_file_range", "sendfile", "splice", "splice_pipe", "memory", "copy",
};

static const char *const reason_names[LEAT_REASONS] = {
	"ok", "small", "needs-content", "changes-bytes", "opaque-source", "opaque-sink", "out-append", "src-pipe",
	"src-generated", "cross-fs", "fs-denied", "sandbox", "pipe-budget", "kernel-too-old", "tls-userspace", "ktls-off",
	"unstable-source", "source-changed", "source-short", "source-grew", "holes-unknown", "blocking-fd", "sink-datagram",
	"disabled-by-user", "not-applicable", "urgent-data",
};

static const char *const kind_names[LEAT_KINDS] = {
	"none", "file", "generated file", "pipe", "tcp", "unix socket", "stream socket", "datagram socket", "block device",
	"device", "terminal", "directory", "memory", "callback", "queue", "nothing",
};

const char *leat_route_name(enum leat_route route)
{
	return (unsigned)route < LEAT_ROUTES ? route_names[route] : "unknown";
}

const char *leat_reason_name(enum leat_reason reason)
{
	return (unsigned)reason < LEAT_REASONS ? reason_names[reason] : "unknown";
}

const char *leat_kind_name(enum leat_kind kind)
{
	return (unsigned)kind < LEAT_KINDS ? kind_names[kind] : "unknown";
}

const char *leat_strerror(int error)
{
	switch (error) {
	case LEAT_ESHORT:
		return "the source ended before its promised length";
	case LEAT_ECHANGED:
		return "the source changed while it was sent";
	case LEAT_EBLOCKING:
		return "a socket or pipe without O_NONBLOCK cannot be stepped";
	case LEAT_ESTUCK:
		return "nothing can wake this transfer";
	case LEAT_EREFUSED:
		return "no kernel route, and policy require forbids a copy";
	case LEAT_EDATAGRAM:
		return "messages are no stream: a datagram sink needs a frame wrapper, a datagram source does not work";
	case LEAT_EWRAPPED:
		return "already on a chain or in a queue, or busy";
	case LEAT_ECONTRACT:
		return "a callback broke its contract";
	default:
		return error > 0 ? "no error" : strerror(error < -INT_MAX ? INT_MAX : -error);
	}
}

const char *leat_version(void)
{
	return LEAT_VERSION;
}

struct leat_report report_misuse(int error)
{
	return (struct leat_report){ .error = error, .side = LEAT_SIDE_CALLER, .ended_by = LEAT_ENDED_BY_ERROR };
}

void report_plan(struct leat_report *report, const struct plan *plan)
{
	memcpy(report->refused, plan->refused, sizeof report->refused);
	memcpy(report->refused_by, plan->refused_by, sizeof report->refused_by);
	report->route = plan->count ? plan->routes[0] : LEAT_ROUTE_NONE;
}

void report_blocking(struct leat_report *report)
{
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)
		if (!report->refused[route])
			report->refused[route] = LEAT_BLOCKING_FD;
	report->route = LEAT_ROUTE_NONE;
}

void report_add(struct leat_report *report, const struct leat_report *earlier)
{
	bool shows = report->source_kind != LEAT_KIND_NONE && report->source_kind != LEAT_KIND_QUEUE;

	/* What could not be looked at, and the empty queue behind the last part, have nothing to show. */
	if (earlier->source_kind && (!shows || earlier->bytes > report->bytes)) {
		memcpy(report->refused, earlier->refused, sizeof report->refused);
		memcpy(report->refused_by, earlier->refused_by, sizeof report->refused_by);
		report->source_kind = earlier->source_kind;
		report->route = earlier->route;
	}
	for (int route = 0; route < LEAT_ROUTES; route++) {
		report->route_bytes[route] += earlier->route_bytes[route];
		report->route_calls[route] += earlier->route_calls[route];
	}
	report->bytes += earlier->bytes;
	report->source_bytes += earlier->source_bytes;
	report->hole_bytes += earlier->hole_bytes;
	report->source_waits += earlier->source_waits;
	report->sink_waits += earlier->sink_waits;
	report->other_waits += earlier->other_waits;
	report->cold_waits += earlier->cold_waits;
	if (earlier->begin_ns)
		report->begin_ns = earlier->begin_ns;
	if (report->longest_call_ns < earlier->longest_call_ns)
		report->longest_call_ns = earlier->longest_call_ns;
	if (!report->noted)
		report->noted = earlier->noted;
	report->by_reference |= earlier->by_reference;	/* whoever speaks for more: some bytes may still change */
}

void report_leaf_over(struct transfer *t)
{
	report_add(&t->report, &t->earlier);
	t->earlier = t->report;
	t->report = (struct leat_report){
		.begin_ns = t->now_ns, .sink_kind = t->earlier.sink_kind, .wrappers = t->earlier.wrappers,
		.content_wrappers = t->earlier.content_wrappers,
	};
}

void report_close(struct leat_report *report, uint64_t now_ns)
{
	uint64_t most = 0;

	report->end_ns = now_ns;
	for (int route = 0; route < LEAT_ROUTES; route++)
		if (report->route_bytes[route] > most) {
			most = report->route_bytes[route];
			report->route = (uint8_t)route;
		}
}

/* ---- explain ---------------------------------------------------------------------------------------------------------- */

struct text {
	char *at;
	size_t left;
};

__attribute__((format(printf, 2, 3)))
static void say(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->at, text->left, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= text->left)
		n = text->left ? (int)text->left - 1 : 0;
	text->at += n;
	text->left -= (size_t)n;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void say_routes(struct text *text, const struct leat_report *r)
{
	const char *between = " by ";

	for (int route = 1; route < LEAT_ROUTES; route++) {
		if (!r->route_bytes[route])
			continue;
		say(text, "%s%s in %" PRIu64 " call%s", between, leat_route_name(route), r->route_calls[route],
		    plural(r->route_calls[route]));
		between = ", ";
	}
	if (r->hole_bytes)
		say(text, "%s%" PRIu64 " kept as holes", r->bytes == r->hole_bytes ? ", " : between, r->hole_bytes);
}

/* A reason that no route of the kernel could get round, whichever fits the pair. */
static bool of_the_pair(uint8_t reason)
{
	return reason == LEAT_SRC_GENERATED || reason == LEAT_OPAQUE_SOURCE || reason == LEAT_OPAQUE_SINK ||
	       reason == LEAT_TLS_USERSPACE || reason == LEAT_KTLS_OFF || reason == LEAT_SINK_DATAGRAM ||
	       reason == LEAT_BLOCKING_FD;
}

static bool refused(const struct leat_report *r, enum leat_route route)
{
	return r->refused[route] != LEAT_OK && r->refused[route] != LEAT_NOT_APPLICABLE;
}

/* The next route behind after that is better than the one taken, fits the pair and was refused; LEAT_ROUTES: none. */
static int next_refusal(const struct leat_report *r, int after)
{
	/* None was taken, or the one that was declined later: all are of interest. */
	int taken = r->route && r->route < LEAT_ROUTES && !r->refused[r->route] ? r->route : LEAT_ROUTES;

	for (int route = after + 1; route < taken; route++) {
		if (r->refused[route] == LEAT_SRC_PIPE && refused(r, LEAT_ROUTE_SPLICE))
			continue;	/* splice would have been the route */
		if (refused(r, route))
			return route;
	}
	return LEAT_ROUTES;
}

enum leat_reason report_reason(const struct leat_report *report)
{
	int route = next_refusal(report, LEAT_ROUTE_NONE);

	return route < LEAT_ROUTES ? report->refused[route] : LEAT_OK;
}

/* The first of them is what a reader wants to know. */
static void say_refusal(struct text *text, const struct leat_report *r)
{
	for (int route = LEAT_ROUTE_NONE; (route = next_refusal(r, route)) < LEAT_ROUTES;) {
		say(text, "; no %s: %s", route == LEAT_ROUTE_CLONE && of_the_pair(r->refused[route]) ? "kernel route" :
		    leat_route_name(route), leat_reason_name(r->refused[route]));
		if (r->refused_by[route])
			say(text, ":%s", r->refused_by[route]);
		if (r->route == LEAT_ROUTE_COPY || r->refused[route] != LEAT_FS_DENIED)
			return;
	}
}

static void say_wrappers(struct text *text, const struct leat_report *r)
{
	if (!r->wrappers || r->content_wrappers || r->route == LEAT_ROUTE_NONE || r->route == LEAT_ROUTE_COPY)
		return;
	say(text, "; %u wrapper%s kept it (%s no content)", r->wrappers, plural(r->wrappers), r->wrappers == 1 ? "it needs" : "they need");
}

static const char *side_name(uint8_t side)
{
	static const char *const names[] = { "", " at the source", " at the sink", " in a wrapper", " by the caller" };

	return side < sizeof names / sizeof names[0] ? names[side] : "";
}

static void say_end(struct text *text, const struct leat_report *r)
{
	if (r->noted)
		say(text, "; noted %s", leat_reason_name(r->noted));
	if (r->kept_bytes)
		say(text, "; %" PRIu64 " byte%s kept for the next transfer", r->kept_bytes, plural(r->kept_bytes));
	if (r->ended_by == LEAT_ENDED_BY_WRAPPER && r->culprit)
		say(text, "; ended by %s", r->culprit);
	if (r->error)
		say(text, "; failed%s%s%s: %s", side_name(r->side), r->culprit ? " " : "", r->culprit ? r->culprit : "",
		    leat_strerror(r->error));
}

/* One line whatever the names are made of, and no character cut in two by the end of a small one. */
static void tidy(char *line, bool cut)
{
	unsigned char *end = (unsigned char *)line, *last;

	for (; *end; end++)
		if (*end < ' ' || *end == 0x7f)
			*end = '?';
	if (!cut || end == (unsigned char *)line)
		return;
	for (last = end - 1; last > (unsigned char *)line && (*last & 0xc0) == 0x80; last--)
		;
	if (*last >= 0xc0 && end - last < (*last >= 0xf0 ? 4 : *last >= 0xe0 ? 3 : 2))
		*last = '\0';
}

char *leat_explain(const struct leat_report *report, char *line, size_t size)
{
	struct text text = { line, size };

	if (!line || !size)
		return line;
	*line = '\0';
	if (!report)
		return line;
	say(&text, "%s \xe2\x86\x92 %s: ", leat_kind_name(report->source_kind), leat_kind_name(report->sink_kind));
	if (report->ended_by == LEAT_ENDED_NOT && !report->bytes && !report->error) {
		say(&text, "would go by %s", leat_route_name(report->route));
	} else {
		say(&text, "%" PRIu64 " byte%s", report->bytes, plural(report->bytes));
		say_routes(&text, report);
	}
	say_refusal(&text, report);
	say_wrappers(&text, report);
	say_end(&text, report);
	tidy(line, text.left == 1);
	return line;
}
