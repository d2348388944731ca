/* SPDX-License-Identifier: MIT */
/* The results as one page: no script, nothing fetched, light and dark. */
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "count.h"
#include "figures.h"
#include "overhead.h"
#include "page.h"
#include "results.h"
#include "settings.h"
#include "shapes.h"
#include "stats.h"
#include "sweep.h"

#include <leat.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

void page_text(FILE *f, const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*text, f);
		}
}

const char *page_number(double value, char *text, size_t size)
{
	int whole = value == floor(value);

	if (isnan(value))
		snprintf(text, size, "–");
	else if (value < 999.5)
		snprintf(text, size, whole || value >= 99.95 ? "%.0f" : value < 9.995 ? "%.2f" : "%.1f", value);
	else if (value < 999999.5)
		snprintf(text, size, "%.0f,%03.0f", floor(round(value) / 1000), fmod(round(value), 1000));
	else
		snprintf(text, size, "%.0f,%03.0f,%03.0f", floor(round(value) / 1e6), floor(fmod(round(value), 1e6) / 1000),
			 fmod(round(value), 1000));
	return text;
}

const char *page_class(const struct run *run)
{
	if (run->shape->family == FAMILY_GO)
		return "go";
	if (run->shape->family == FAMILY_C)
		return "c";
	return strcmp(run->outcome.route, leat_route_name(LEAT_ROUTE_COPY)) == 0 ? "leat-copy" : "leat";
}

/* ---- the first screen: what it comes to ---- */

static void ratio_tile(FILE *f, const struct bench *b, const char *of, const char *over, const char *what)
{
	struct stat3 s = ratio_of(b, bench_run(b, FILE_TCP, of), bench_run(b, FILE_TCP, over));
	char rounds[24];

	if (!s.n)
		return;
	fprintf(f, "<div class=\"tile\"><b>%.2f ×</b><span>%s</span><small>CPU for each GiB, %s", s.median, what,
		rounds_text(s.n, rounds));
	if (s.n > 1)
		fprintf(f, ", 95 %% of the median in %.3f to %.3f", s.low, s.high);
	fputs("</small></div>\n", f);
}

static void tiles(FILE *f, const struct bench *b)
{
	const struct run *wrapped = bench_run(b, FILE_TCP, "wrapped");
	char calls[32], user[32];

	fputs("<div class=\"tiles\">\n", f);
	ratio_tile(f, b, "wrapped", "raw", "six wrappers around the file, against the bare file");
	ratio_tile(f, b, "wrapped", "go-wrapped", "leat wrapped, against io.Copy from one do-nothing reader in Go");
	ratio_tile(f, b, "raw", "c-sendfile", "leat, against a plain sendfile loop in C");
	if (wrapped && wrapped->counts.valid && !wrapped->dropped)
		fprintf(f, "<div class=\"tile\"><b>%s</b><span>transfer calls for each wrapped GiB; %s of them read "
			   "or wrote payload"
			   "</span><small>counted by %s</small></div>\n",
			page_number(per_gib(&wrapped->counts, wrapped->counts.transfer_calls), calls, sizeof calls),
			page_number(per_gib(&wrapped->counts, wrapped->counts.user_calls), user, sizeof user), b->counted_by);
	fputs("</div>\n", f);
}

static void head(FILE *f, const struct bench *b)
{
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
	      "content=\"width=device-width, initial-scale=1\"><title>leat bench</title>\n<style>\n", f);
	fputs(page_style, f);
	fputs("</style></head><body><main>\n<h1>What a wrapper costs</h1>\n<p class=\"soft\">", f);
	fprintf(f, "<code>leat bench</code> %s, %s, on ", leat_version(), b->machine.when);
	page_text(f, b->machine.cpu);
	fprintf(f, " (%ld CPUs), Linux ", b->machine.cpus);
	page_text(f, b->machine.kernel);
	fputs("</p>\n", f);
}

/* ---- details as tables ---- */

/* A median with what it lies between; one value lies between nothing. */
static void spread(FILE *f, int decimals, double median, double low, double high, unsigned n)
{
	if (!n) {
		fputs("<td class=\"n\">–</td>", f);
		return;
	}
	fprintf(f, "<td class=\"n\">%.*f", decimals, median);
	if (n > 1)
		fprintf(f, " <span class=\"soft\">(%.*f–%.*f)</span>", decimals, low, decimals, high);
	fputs("</td>", f);
}

static void cell(FILE *f, double value)
{
	char text[32];

	fprintf(f, "<td class=\"n\">%s</td>", page_number(value, text, sizeof text));
}

static void shape_row(FILE *f, const struct bench *b, const struct run *run)
{
	struct stat3 cpu = cpu_ms_per_gib(b, run), ratio = ratio_of(b, run, bench_floor(b, run->shape->direction));
	char user[32] = "–";

	if (!isnan(user_bytes_per_gib(run)))
		out_size((uint64_t)(user_bytes_per_gib(run) + 0.5), user, sizeof user);
	fprintf(f, "<tr><td>%s%s</td>", run->shape->family == FAMILY_LEAT ? "leat " : "", run->shape->name);
	spread(f, 1, cpu.median, cpu.min, cpu.max, cpu.n);
	spread(f, 3, ratio.median, ratio.min, ratio.max, ratio.n);
	cell(f, gib_per_s(b, run).median);
	cell(f, run->counts.valid ? per_gib(&run->counts, run->counts.transfer_calls) : NAN);
	fprintf(f, "<td class=\"n\">%s</td><td>", user);
	page_text(f, run->outcome.route);
	if (*run->outcome.reason && strcmp(run->outcome.reason, "ok")) {
		fputs(", ", f);
		page_text(f, run->outcome.reason);
	}
	fprintf(f, "</td><td>%s</td></tr>\n", run->verified > 0 ? "yes" : run->verified == 0 ? "<span "
		   "class=\"missed\">no</span>" : "–");
}

static void shape_table(FILE *f, const struct bench *b, enum direction direction)
{
	fputs("<details><summary>the same in numbers</summary><div class=\"scroll\"><table><tr><th>shape</th><th "
	      "class=\"n\">CPU "
	      "ms/GiB</th><th class=\"n\">to the floor</th><th class=\"n\">GiB/s</th><th class=\"n\">calls/GiB</th>"
	      "<th class=\"n\">through user space</th><th>route, reason</th><th>content right</th></tr>\n", f);
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && cpu_ms_per_gib(b, &b->runs[i]).n)
			shape_row(f, b, &b->runs[i]);
	fputs("</table></div></details>\n", f);
}

static int any_measured(const struct bench *b, enum direction direction)
{
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && cpu_ms_per_gib(b, &b->runs[i]).n)
			return 1;
	return 0;
}

static void direction_section(FILE *f, const struct bench *b, enum direction direction)
{
	static const char *const titles[DIRECTIONS] = { "File to TCP", "TCP to TCP: a relay", "File to file" };
	static const char *const texts[DIRECTIONS] = {
		"A server sends a file from the page cache. Shorter is cheaper. <code>hash</code> and "
		"<code>opaque</code> copy, as they "
		"must: one needs the content, the other hides where it comes from.",
		"A process between two connections moves what one sends to the other.",
		"One file becomes another. Holes stay holes; extents are shared where the file system can.",
	};
	const struct run *floor = bench_floor(b, direction);

	if (!any_measured(b, direction))
		return;
	fprintf(f, "<h2>%s</h2>\n<p>%s CPU of the serving process in milliseconds for each GiB; dots are rounds", titles[direction],
		texts[direction]);
	if (floor && cpu_ms_per_gib(b, floor).n)
		fprintf(f, ", the dashed line is the floor, <code>%s</code>, and × is the ratio to it within the same round.</p>\n",
			floor->shape->name);
	else
		fputs(". The floor was left out, so nothing is compared.</p>\n", f);
	fputs("<div class=\"legend\"><span><i style=\"background:var(--leat)\"></i>leat, kernel "
	      "route</span><span><i style=\"background:"
	      "var(--leat-copy)\"></i>leat, copying because it must</span><span><i style=\"background:var(--c)\"></i>C</span>"
	      "<span><i style=\"background:var(--go)\"></i>Go</span></div>\n", f);
	chart_cpu(f, b, direction);
	shape_table(f, b, direction);
}

static void calls_section(FILE *f, const struct bench *b)
{
	if (!b->counted_by)
		return;
	fprintf(f, "<h2>System calls</h2>\n<p>Calls on the payload for each GiB, file to TCP, on a logarithmic "
		   "scale, counted by %s for the "
		   "serving process alone, from its first to its last payload call.%s</p>\n", b->counted_by,
		b->self_check > 0 ? " One planted <code>read</code> changed the count by exactly one." : "");
	fputs("<div class=\"legend\"><span><i style=\"background:var(--leat)\"></i>inside the kernel</span><span><i "
	      "style=\"background:"
	      "var(--bucket)\"></i>read into user space, written out of it</span></div>\n", f);
	chart_calls(f, b);
	fputs("<details><summary>by name</summary><div class=\"scroll\"><table>\n", f);
	for (unsigned i = 0; i < b->runs_count; i++) {
		const struct run *run = &b->runs[i];
		char text[32];

		if (!run->counts.valid || run->dropped)
			continue;
		fprintf(f, "<tr><td>%s</td><td>%s%s</td><td>", direction_names[run->shape->direction],
			run->shape->family == FAMILY_LEAT ? "leat " : "", run->shape->name);
		for (unsigned n = 0; n < run->counts.names; n++)
			if (per_gib(&run->counts, run->counts.by_name[n].calls) >= 0.5)
				fprintf(f, "%s&nbsp;%s ", run->counts.by_name[n].name,
					page_number(per_gib(&run->counts, run->counts.by_name[n].calls), text, sizeof text));
		if (run->counts.probes)
			fprintf(f, "(%s of them one-byte residency probes)",
				page_number(per_gib(&run->counts, run->counts.probes), text, sizeof text));
		fputs("</td></tr>\n", f);
	}
	fputs("</table></div></details>\n", f);
}

static void judged(FILE *f, enum judgement judgement, unsigned rounds)
{
	static const char *const classes[] = { "soft", "missed", "holds", "soft" };
	char text[64];

	fprintf(f, "<td class=\"%s\">%s</td>", classes[judgement], judgement_text(judgement, rounds, text, sizeof text));
}

static void figures_section(FILE *f, const struct bench *b)
{
	struct verdict verdicts[VERDICTS];
	unsigned n = figures_judge(b, verdicts);
	char rounds[24];

	if (!n)
		return;
	fputs("<h2>The figures leat wants to reach</h2>\n<div class=\"scroll\"><table><tr><th>what</th><th "
	      "class=\"n\">measured</th>"
	      "<th class=\"n\">at most</th><th></th></tr>\n", f);
	for (unsigned i = 0; i < n; i++) {
		const struct verdict *v = &verdicts[i];
		char what[96];

		fputs("<tr><td>", f);
		page_text(f, verdict_text(v, what, sizeof what));
		fputs("</td>", f);
		if (v->figure->kind == FIGURE_RATIO)
			spread(f, 3, v->value, v->ratio.low, v->ratio.high, v->ratio.n);
		else
			fprintf(f, "<td class=\"n\">%.0f</td>", v->value);
		fprintf(f, "<td class=\"n\">%g</td>", v->figure->at_most);
		judged(f, v->judgement, v->ratio.n);
		fputs("</tr>\n", f);
	}
	fputs("</table></div>\n<p class=\"small soft\">In brackets the bootstrap 95&nbsp;% interval of the median. "
	      "A ratio holds when its "
	      "median does, or when its interval contains the figure and that of the control is no narrower.", f);
	if (b->rounds < ROUNDS_TO_JUDGE)
		fprintf(f, " %s show%s where it stands; to judge by, take <code>--rounds %d</code>.",
			rounds_text(b->rounds, rounds), b->rounds == 1 ? "s" : "", ROUNDS_TO_JUDGE);
	fputs("</p>\n", f);
}

static void overhead_section(FILE *f, const struct overhead *o)
{
	if (!o)
		return;
	fprintf(f, "<h2>What leat adds to its calls</h2>\n<p>A file of %llu bytes to a non-blocking socket through "
		   "%llu wrappers: wrap, "
		   "begin, step, end. The C program makes the very calls strace saw leat make. A bare sendfile "
		   "takes %.0f ns.</p>\n"
		   "<div class=\"scroll\"><table><tr><th></th><th class=\"n\">leat, ns</th><th class=\"n\">same "
		   "calls in C, ns</th>"
		   "<th class=\"n\">ratio</th><th class=\"n\">A/A</th><th>calls</th><th class=\"n\">at "
		   "most</th><th></th></tr>\n", (unsigned long long)o->bytes,
		(unsigned long long)o->wrappers, o->bare_ns.median);
	for (unsigned i = 0; i < OVERHEAD_ROWS; i++) {
		const struct overhead_row *row = &o->rows[i];

		fprintf(f, "<tr><td>%s</td><td class=\"n\">%.0f</td><td class=\"n\">%.0f</td>", row->name,
			row->leat_ns.median, row->same_ns.median);
		spread(f, 3, row->ratio.median, row->ratio.low, row->ratio.high, row->ratio.n);
		fprintf(f, "<td class=\"n\">%.3f</td><td>%u: %s</td><td class=\"n\">%.2f, %u calls</td>", row->control.median,
			row->calls_count, row->calls, row->at_most, row->calls_at_most);
		judged(f, row->judgement, row->ratio.n);
		fputs("</tr>\n", f);
	}
	fputs("</table></div>\n", f);
}

static void sweep_section(FILE *f, const struct sweep *s)
{
	if (!s)
		return;
	fputs("<h2>Where the kernel routes start to pay</h2>\n<p>CPU of one transfer to a TCP socket, by memory and by sendfile, "
	      "each alone, as a multiple of what copying the same bytes takes. Below 1 is cheaper than a copy.</p>\n", f);
	chart_sweep(f, s);
}

/* ---- how it was measured ---- */

static void control(FILE *f, const char *direction, const char *conditions, struct stat3 c)
{
	if (!c.n)
		return;
	fprintf(f, "<li>Control, %s%s: the floor against itself came to %.3f", direction, conditions, c.median);
	if (c.n > 1)
		fprintf(f, " (%.3f–%.3f)", c.low, c.high);
	fputs(". No ratio here is sharper.</li>\n", f);
}

static void method_section(FILE *f, const struct bench *b)
{
	const struct settings *s = &b->settings;
	char size[32], conditions[64], rounds[24];

	fprintf(f, "<h2>How it was measured</h2>\n<ul><li>%s; in each, every shape once, there and back "
		   "again. %s of %s, in the "
		   "page cache.</li>\n", rounds_text(b->rounds, rounds), b->file.generated ? "A generated file" : "A given file",
		out_size(b->file.size, size, sizeof size));
	fprintf(f, "<li>The serving process has CPU %d, the receiver CPU %d. CPU time is the serving process's own "
		   "clock, user and kernel; on "
		   "loopback that includes TCP's work for the receiver. Speed is by the wall clock: the receiver's, from "
		   "connecting to the last byte; file to file the serving process's, around the copy.</li>\n",
		b->cpu_server, b->cpu_receiver);
	fprintf(f, "<li>%s</li>\n", s->receiver == RECEIVER_WIRE ?
		"The wire receiver neither sleeps nor copies: it drops the bytes in the kernel, as a network card "
		"takes them away." :
		"The ordinary receiver sleeps in recv and copies 256 KiB at a time, as programs do.");
	fprintf(f, "<li>leat's server holds a %s socket. Congestion control on the test sockets: %s. Segments of %d "
		   "bytes.</li>\n",
		s->sink == SINK_BLOCKING ? "blocking" : "non-blocking", b->net.congestion ? b->net.congestion : "the system's",
		b->seen_mss);
	fprintf(f, "<li>Contents were compared in a pass of their own. Samples during which others were busy on the "
		   "two CPUs were taken "
		   "again: %u; kept all the same: %u.</li>\n", b->noisy_repeated, b->noisy_kept);
	for (int d = 0; d < DIRECTIONS; d++)
		control(f, direction_names[d], "",
			ratio_of(b, bench_control(b, (enum direction)d), bench_floor(b, (enum direction)d)));
	for (unsigned i = 0; i < b->also_count; i++)
		control(f, direction_names[FILE_TCP], conditions_text(b->also[i], conditions, sizeof conditions),
			ratio_of(b->also[i], bench_control(b->also[i], FILE_TCP), bench_floor(b->also[i], FILE_TCP)));
	for (unsigned i = 0; i < b->notes_count; i++) {
		fputs("<li>", f);
		page_text(f, b->notes[i]);
		fputs("</li>\n", f);
	}
	fputs("</ul>\n", f);
}

void html_write(const struct bench *b, FILE *f)
{
	head(f, b);
	if (b->rounds) {
		fputs("<p>Put a byte counter, a log or a limit around a file, and most programs silently stop using "
		      "the kernel's own way from "
		      "file to socket and carry every byte through a buffer. This page shows what that costs on "
		      "this machine, and that "
		      "it need not.</p>\n", f);
		tiles(f, b);
		fputs(page_flow, f);
		for (int d = 0; d < DIRECTIONS; d++)
			direction_section(f, b, (enum direction)d);
		calls_section(f, b);
		figures_section(f, b);
	}
	overhead_section(f, b->overhead);
	sweep_section(f, b->sweep);
	if (b->rounds)
		method_section(f, b);
	fputs("</main></body></html>\n", f);
}
