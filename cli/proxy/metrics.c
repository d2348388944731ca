/* SPDX-License-Identifier: MIT */
#include "metrics.h"
#include "../escape.h"
#include "board.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

static void family(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP leat_proxy_%s %s\n# TYPE leat_proxy_%s %s\n", name, help, name, type);
}

static void value(FILE *to, const char *name, uint64_t count)
{
	fprintf(to, "leat_proxy_%s %" PRIu64 "\n", name, count);
}

static void labelled(FILE *to, const char *name, const char *label, const char *of, uint64_t count)
{
	fprintf(to, "leat_proxy_%s{%s=\"", name, label);
	escape(to, ESCAPE_LABEL, of);
	fprintf(to, "\"} %" PRIu64 "\n", count);
}

static void write_counts(FILE *to, const struct board_counts *counts)
{
	static const char *const from[] = { "client", "upstream" };
	const struct { const char *name, *type, *help; const uint64_t *count; } rows[] = {
		{ "connections_total", "counter", "Connections that clients made.", &counts->accepted },
		{ "connections_active", "gauge", "Connections that are there.", &counts->active },
		{ "refused_total", "counter", "Connections reset before they had an upstream.", &counts->refused },
		{ "reset_total", "counter", "Connections that ended by an error, which was passed on as a reset.", &counts->reset },
		{ "unread_total", "counter", "Connections whose Unix peer had answered, and left something unread.", &counts->unread },
		{ "timed_out_total", "counter", "Connections that ended by --idle, --half-open or --total.", &counts->timed_out },
		{ "pipes_open", "gauge", "Pipes that workers have open for splice, idle ones with them.", &counts->pipes },
		{ "pipes_denied_total", "counter", "Directions of connections that found no pipe to be had.", &counts->pipes_denied },
		{ "log_lines_lost_total", "counter", "Lines of the log that there was no room for.", &counts->log_lost },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		family(to, rows[i].name, rows[i].type, rows[i].help);
		value(to, rows[i].name, BOARD_GET(*rows[i].count));
	}
	family(to, "bytes_total", "counter", "Bytes passed on, by who sent them; counted when a connection is over.");
	for (int i = 0; i < 2; i++)
		labelled(to, "bytes_total", "from", from[i], BOARD_GET(counts->bytes[i]));
	family(to, "route_bytes_total", "counter", "The same bytes, by the route they took.");
	for (unsigned i = 0; i < LEAT_ROUTES; i++)
		labelled(to, "route_bytes_total", "route", leat_route_name((enum leat_route)i), BOARD_GET(counts->route_bytes[i]));
	family(to, "copied_bytes_total", "counter", "Bytes that were copied, by the reason why they were not spliced.");
	for (unsigned i = 1; i < LEAT_REASONS; i++)
		if (BOARD_GET(counts->reasons[i]))
			labelled(to, "copied_bytes_total", "reason", leat_reason_name((enum leat_reason)i), BOARD_GET(counts->reasons[i]));
}

/* What the kernel lets an ordinary user have in pipes, in pages; past it a pipe has one page, or two. 0: no limit. */
static void write_budget(FILE *to)
{
	static const char path[] = "/proc/sys/fs/pipe-user-pages-soft";
	FILE *file = fopen(path, "re");
	unsigned long long pages;

	if (file && fscanf(file, "%llu", &pages) == 1) {	/* NOLINT(cert-err34-c) */
		family(to, "pipe_budget_pages", "gauge", "fs.pipe-user-pages-soft: what an ordinary user's pipes may have; 0 is no limit.");
		value(to, "pipe_budget_pages", pages);
	}
	if (file)
		fclose(file);
}

static uint64_t is_up(const struct board_upstream *up)
{
	return board_up(up, 1, leat_now_ns());
}

static uint64_t addresses(const struct board_upstream *up)
{
	return board_addresses(up);
}

static uint64_t addresses_up(const struct board_upstream *up)
{
	return board_up(up, BOARD_ADDRESSES, leat_now_ns());
}

static uint64_t active(const struct board_upstream *up)
{
	return BOARD_GET(*up->active);
}

static uint64_t connections(const struct board_upstream *up)
{
	return BOARD_GET(up->connections);
}

static uint64_t failures(const struct board_upstream *up)
{
	return BOARD_GET(up->refused);
}

static uint64_t unresolved(const struct board_upstream *up)
{
	return BOARD_GET(up->unresolved);
}

static void write_upstreams(FILE *to, const struct board *board)
{
	static const struct { const char *name, *type, *help; uint64_t (*get)(const struct board_upstream *up); } rows[] = {
		{ "upstream_up", "gauge", "1: connections go there; 0: all its addresses are out, or it has none.", is_up },
		{ "upstream_addresses", "gauge", "Addresses it has.", addresses },
		{ "upstream_addresses_up", "gauge", "Of those the ones that connections go to.", addresses_up },
		{ "upstream_connections_active", "gauge", "Connections to it.", active },
		{ "upstream_connections_total", "counter", "Connections made to it since the configuration was read.", connections },
		{ "upstream_failures_total", "counter", "Connects to an address of it that failed since then.", failures },
		{ "upstream_unresolved_total", "counter", "Times its name had no answer.", unresolved },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		family(to, rows[i].name, rows[i].type, rows[i].help);
		for (unsigned j = 0; j < board->count; j++) {
			const struct board_upstream *up = &board->upstreams[j];

			fprintf(to, "leat_proxy_%s{upstream=\"", rows[i].name);
			escape(to, ESCAPE_LABEL, up->name);
			fputs("\",sni=\"", to);
			escape(to, ESCAPE_LABEL, up->sni);
			fprintf(to, "\"} %" PRIu64 "\n", rows[i].get(up));
		}
	}
}

const char *metrics_lacks(const void *board)
{
	const struct board *of = board;
	uint64_t now_ns = leat_now_ns();

	for (unsigned i = 0, next; i < of->count; i = next) {
		unsigned up = 0;

		for (next = i; next < of->count && strcasecmp(of->upstreams[next].sni, of->upstreams[i].sni) == 0; next++)
			up += board_up(&of->upstreams[next], 1, now_ns);
		if (!up)
			return i ? "no upstream of a name of --sni is up\n" : "no upstream is up\n";
	}
	return NULL;
}

int metrics_write(FILE *to, void *board)
{
	const struct board *of = board;

	write_counts(to, of->counts);
	write_budget(to);
	write_upstreams(to, of);
	return ferror(to) ? -EIO : 0;
}
