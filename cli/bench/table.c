/* SPDX-License-Identifier: MIT */
/* The result as a person reads it on a terminal. */
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "count.h"
#include "figures.h"
#include "noise.h"
#include "overhead.h"
#include "results.h"
#include "settings.h"
#include "shapes.h"
#include "stats.h"
#include "sweep.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const titles[DIRECTIONS] = {
	"file → TCP", "TCP → TCP (a relay process)", "file → file",
};

struct colors { const char *bold, *dim, *good, *bad, *family[3], *off; };

static const struct colors *colors(const struct bench *b)
{
	static const struct colors none = { "", "", "", "", { "", "", "" }, "" };
	static const struct colors some = {
		"\033[1m", "\033[2m", "\033[32m", "\033[31m", { "\033[36m", "", "\033[33m" }, "\033[0m",
	};

	return b->out.color ? &some : &none;
}

static void bar(const struct bench *b, double value, double most, int columns)
{
	static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	double length = most > 0 && value > 0 ? value / most * columns : 0;
	int whole = (int)length, printed = whole;

	for (int i = 0; i < whole; i++)
		fputs(b->out.blocks ? "█" : "#", stdout);
	if (b->out.blocks && whole < columns && (int)((length - whole) * 8)) {
		fputs(eighths[(int)((length - whole) * 8)], stdout);
		printed++;
	}
	for (int i = printed; i < columns; i++)
		putchar(' ');
}

/* "79.3", "0.84", "1024": three figures that mean something. */
static const char *short_number(double value, char *text, size_t size)
{
	if (isnan(value))
		snprintf(text, size, "-");
	else
		snprintf(text, size, value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value);
	return text;
}

static const char *byte_count(double bytes, char *text, size_t size)
{
	if (isnan(bytes)) {
		snprintf(text, size, "-");
		return text;
	}
	return out_size((uint64_t)(bytes + 0.5), text, size);
}

/* What stands behind the bar, in columns; the bar has what is left of the line. */
#define NAME_COLUMNS 20
#define ROUTE_COLUMNS 15	/* "copy_file_range" */
#define NUMBER_COLUMNS 35
#define SPREAD_COLUMNS 12	/* " (0.80-0.90)": where there is room */

struct layout { int bar, spread, route; };

static struct layout layout(const struct bench *b)
{
	int least = NAME_COLUMNS + NUMBER_COLUMNS + 2 + ROUTE_COLUMNS, room = b->out.width - least;
	struct layout l = { .spread = room >= 8 + SPREAD_COLUMNS ? SPREAD_COLUMNS : 0 };

	room -= l.spread;
	l.bar = room < 0 ? 0 : room > 24 ? 24 : room;
	l.route = NAME_COLUMNS + l.bar + NUMBER_COLUMNS + l.spread + 2;
	return l;
}

/* The route; why it is none of the kernel's follows, or stands below where there is no room. */
static void route(const struct bench *b, const struct run *run, int column)
{
	const char *reason = strcmp(run->outcome.reason, "ok") ? run->outcome.reason : "";
	const char *wrong = run->verified == 0 ? "WRONG BYTES" : "";
	char below[96];
	int columns;

	if (*run->outcome.route)
		printf("  %s", run->outcome.route);
	snprintf(below, sizeof below, "%s%s%s", reason, *reason && *wrong ? ", " : "", wrong);
	columns = out_columns(below);
	if (*below && column + out_columns(run->outcome.route) + 2 + columns <= b->out.width)
		printf("%s%s", *run->outcome.route ? ", " : "  ", below);
	else if (*below)
		printf("\n%*s%s", column + columns <= b->out.width || columns > b->out.width ? column : b->out.width - columns, "",
		       below);
	putchar('\n');
}

static void row(const struct bench *b, const struct run *run, double most, struct layout l)
{
	struct stat3 cpu = cpu_ms_per_gib(b, run), speed = gib_per_s(b, run);
	struct stat3 ratio = ratio_of(b, run, bench_floor(b, run->shape->direction));
	char cpu_text[16], speed_text[16], over[16] = "-", spread[32] = "", user[32], calls[16], name[40];
	const struct colors *c = colors(b);

	short_number(cpu.median, cpu_text, sizeof cpu_text);
	short_number(speed.median, speed_text, sizeof speed_text);
	byte_count(user_bytes_per_gib(run), user, sizeof user);
	if (ratio.n)
		snprintf(over, sizeof over, "%.2f", ratio.median);
	if (l.spread && ratio.n > 1)
		snprintf(spread, sizeof spread, " (%.2f-%.2f)", ratio.min, ratio.max);
	if (run->counts.valid)
		snprintf(calls, sizeof calls, "%.0f", per_gib(&run->counts, run->counts.transfer_calls));
	else
		snprintf(calls, sizeof calls, "-");
	snprintf(name, sizeof name, "%s%s", run->shape->family == FAMILY_LEAT ? "leat " : "", run->shape->name);
	if (out_columns(name) > NAME_COLUMNS - 3) {	/* a line of its own: the bars begin at one place */
		printf("  %s%s%s\n", c->family[run->shape->family], name, c->off);
		name[0] = 0;
	}
	printf("  %s%-*s", c->family[run->shape->family], NAME_COLUMNS - 2, name);
	bar(b, cpu.median, most, l.bar);
	printf("%s %6s %5s%-*s %5s %6s %8s", c->off, cpu_text, over, l.spread, spread, speed_text, calls, user);
	route(b, run, l.route);
}

static void direction_table(const struct bench *b, enum direction direction)
{
	const struct run *floor = bench_floor(b, direction);
	const struct colors *c = colors(b);
	struct layout l = layout(b);
	double most = 0;
	unsigned rows = 0;

	for (unsigned i = 0; i < b->runs_count; i++) {
		double cpu = cpu_ms_per_gib(b, &b->runs[i]).median;

		if (b->runs[i].shape->direction != direction || isnan(cpu))
			continue;
		rows++;
		most = cpu > most ? cpu : most;
	}
	if (!rows)
		return;
	printf("\n%s%s%s, floor: %s\n", c->bold, titles[direction], c->off, floor->shape->name);
	printf("%s%*s %6s %5s%*s %5s %6s %8s%s\n", c->dim, NAME_COLUMNS + l.bar, "", "CPU", "over", l.spread, "", "", "calls",
	       "copied", c->off);
	printf("%s%*s %6s %5s%*s %5s %6s %8s  %s%s\n", c->dim, NAME_COLUMNS + l.bar, "", "ms/GiB", "floor", l.spread, "", "GiB/s",
	       "/GiB", "/GiB", "route", c->off);
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && !isnan(cpu_ms_per_gib(b, &b->runs[i]).median))
			row(b, &b->runs[i], most, l);
}

static void calls_row(const struct bench *b, const struct run *run)
{
	char name[48], text[1024] = "";
	size_t used = 0;
	int column;

	snprintf(name, sizeof name, "%s%s", run->shape->family == FAMILY_LEAT ? "leat " : "", run->shape->name);
	for (unsigned n = 0; n < run->counts.names && used < sizeof text; n++) {
		double calls = per_gib(&run->counts, run->counts.by_name[n].calls);

		if (calls >= 0.5)
			used += (size_t)snprintf(text + used, sizeof text - used, "%s%s" OUT_GLUE "%.0f", used ? ", " : "",
						 run->counts.by_name[n].name, calls);
	}
	if (run->counts.probes && used < sizeof text)
		snprintf(text + used, sizeof text - used, " (%.0f of them one-byte residency probes)",
			 per_gib(&run->counts, run->counts.probes));
	column = printf("  %-10s%-19s ", direction_names[run->shape->direction], name);
	out_wrap(stdout, column, 32, b->out.width, "%s", text);
}

static void calls_table(const struct bench *b)
{
	const struct colors *c = colors(b);

	if (!b->counted_by)
		return;
	printf("\n%ssystem calls per GiB%s, ", c->bold, c->off);
	out_wrap(stdout, 22, 2, b->out.width, "counted by %s for the serving process alone, from its first to its last payload call",
		 b->counted_by);
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].counts.valid && !b->runs[i].dropped)
			calls_row(b, &b->runs[i]);
	if (b->self_check >= 0)
		printf("  self-check: ");
	if (b->self_check >= 0)
		out_wrap(stdout, 14, 4, b->out.width, "a planted read of one byte %s", b->self_check ?
			 "changed the counts by exactly that" : "did NOT show in the counts");
}

static const char *judged_color(const struct colors *c, enum judgement judgement)
{
	return judgement == HOLDS ? c->good : judgement == MISSED ? c->bad : c->dim;
}

static void judged(const struct colors *c, enum judgement judgement, unsigned rounds)
{
	char text[64];

	printf("%s%s%s\n", judged_color(c, judgement), judgement_text(judgement, rounds, text, sizeof text), c->off);
}

/* "(95 % of it in 0.995-1.010)"; nothing of a single value. */
static const char *interval(struct stat3 s, const char *what, char *text, size_t size)
{
	text[0] = 0;
	if (s.n > 1)
		snprintf(text, size, " (%s in %.3f-%.3f)", what, s.low, s.high);
	return text;
}

#define WIDE 140	/* a figure, its interval and its judgement in one line */

static void figure_row(const struct bench *b, const struct verdict *v, int what_columns)
{
	static const char *const words[] = { "-", "MISSED", "holds", "busy" };
	const struct colors *c = colors(b);
	int ratio = v->figure->kind == FIGURE_RATIO;
	char value[64], within[48] = "", what[96];

	snprintf(value, sizeof value, ratio ? "%.3f" : "%.0f", v->value);
	verdict_text(v, what, sizeof what);
	if (b->out.width < WIDE) {
		printf("  %s%-6s%s %-*s", judged_color(c, v->judgement), words[v->judgement], c->off, what_columns, what);
		if (out_columns(what) > what_columns)
			printf("\n%*s", what_columns + 9, "");
		printf(" %6s %4g\n", value, v->figure->at_most);
		return;
	}
	if (ratio)
		interval(v->ratio, "95 % of it", within, sizeof within);
	printf("  %-*s %6s%-28s at most %-5g ", what_columns, what, value, within, v->figure->at_most);
	judged(c, v->judgement, v->ratio.n);
}

static void figures_table(const struct bench *b)
{
	struct verdict verdicts[VERDICTS];
	unsigned n = figures_judge(b, verdicts), seen[OTHERS_BUSY + 1] = { 0 };
	const struct colors *c = colors(b);
	char what[96], rounds[24];
	int columns = 0;

	if (!n)
		return;
	for (unsigned i = 0; i < n; i++) {
		int these = out_columns(verdict_text(&verdicts[i], what, sizeof what));

		columns = these > columns ? these : columns;
		seen[verdicts[i].judgement]++;
	}
	if (b->out.width < WIDE && columns > b->out.width - 21)
		columns = b->out.width > 40 ? b->out.width - 21 : 19;
	if (b->out.width < WIDE)
		printf("\n%sfigures%s%*s\n", c->bold, c->off, columns + 14, "measured, at most");
	else
		printf("\n%sfigures%s\n", c->bold, c->off);
	for (unsigned i = 0; i < n; i++)
		figure_row(b, &verdicts[i], columns);
	if (seen[TOO_FEW_ROUNDS])
		printf("  %-7s", "-");
	if (seen[TOO_FEW_ROUNDS])
		out_wrap(stdout, 9, 9, b->out.width, "%s: too few to judge (of %d); take --rounds %d",
			 rounds_text(b->rounds, rounds), ROUNDS_TO_JUDGE, ROUNDS_TO_JUDGE);
	if (seen[OTHERS_BUSY] && b->out.width < WIDE)
		printf("  %-7s%s\n", "busy", "not judged: others were busy while the calls were counted");
}

static void control(const struct bench *b, const char *direction, const char *conditions, struct stat3 s)
{
	char within[96] = "";

	if (s.n > 1)
		snprintf(within, sizeof within, " (95 %% of it in %.3f-%.3f, all in %.3f-%.3f)", s.low, s.high, s.min, s.max);
	if (s.n) {
		fputs("  ", stdout);
		out_wrap(stdout, 2, 4, b->out.width, "A/A control, %s%s: %.3f%s", direction, conditions, s.median, within);
	}
}

static void controls(const struct bench *b)
{
	char conditions[64];

	for (int d = 0; d < DIRECTIONS; d++)
		control(b, direction_names[d], "", ratio_of(b, bench_control(b, d), bench_floor(b, d)));
	for (unsigned i = 0; i < b->also_count; i++) {
		const struct bench *also = b->also[i];

		control(b, direction_names[FILE_TCP], conditions_text(also, conditions, sizeof conditions),
			ratio_of(also, bench_control(also, FILE_TCP), bench_floor(also, FILE_TCP)));
	}
}

static void how(const struct bench *b)
{
	const struct settings *s = &b->settings;
	char size[32], mss[32] = "the system's", rounds[24];

	if (b->seen_mss)
		snprintf(mss, sizeof mss, "%d", b->seen_mss);
	putchar('\n');
	out_wrap(stdout, 0, 2, b->out.width, "%s of %s%s, %s receiver, %s sink of leat, %s, segments of %s",
		 rounds_text(b->rounds, rounds), out_size(s->size, size, sizeof size), b->file.generated ? "" : " (your file)",
		 s->receiver == RECEIVER_WIRE ? "wire" : "ordinary", s->sink == SINK_BLOCKING ? "blocking" : "non-blocking",
		 b->net.congestion ? b->net.congestion : "the system's congestion control", mss);
	fputs("  ", stdout);
	out_wrap(stdout, 2, 2, b->out.width,
		 "CPU is the serving process's, on CPU %d; the receiver had CPU %d. \"over floor\": this CPU over the floor's of the "
		 "same round, median%s. \"calls\": on the payload. \"copied\": payload read into the process, or written out of it.",
		 b->cpu_server, b->cpu_receiver, layout(b).spread ? " (min-max)" : "");
	controls(b);
	fputs("  ", stdout);
	out_wrap(stdout, 2, 4, b->out.width, "noisy samples repeated: %u, kept noisy: %u (foreign CPU from %s)%s", b->noisy_repeated,
		 b->noisy_kept, noise_name(b->noise.source), s->ahead ? "; run ahead of other processes" : "");
}

static void sweep_table(const struct bench *b)
{
	const struct sweep *s = b->sweep;
	const struct colors *c = colors(b);

	printf("\n%ssizes%s: ", c->bold, c->off);
	out_wrap(stdout, 7, 2, b->out.width, "CPU of one transfer to a TCP socket, through leat, by each route alone");
	printf("  %10s %14s %14s %14s   cheapest\n", "bytes", "memory ns", "copy ns", "sendfile ns");
	for (unsigned i = 0; i < s->points_count; i++) {
		const struct sweep_point *p = &s->points[i];
		char size[32];
		int best = 0;

		for (int way = 1; way < SWEEP_WAYS; way++)
			if (p->cpu_ns[way].median < p->cpu_ns[best].median)
				best = way;
		printf("  %10s", out_size(p->bytes, size, sizeof size));
		for (int way = 0; way < SWEEP_WAYS; way++)
			printf(" %14.0f", p->cpu_ns[way].median);
		printf("   %s\n", sweep_way_names[best]);
	}
}

static void overhead_table(const struct bench *b)
{
	const struct overhead *o = b->overhead;
	const struct colors *c = colors(b);
	int width = b->out.width;
	char text[64];

	printf("\n%soverhead%s: ", c->bold, c->off);
	out_wrap(stdout, 10, 2, width, "a 4 KiB file to a non-blocking TCP socket, %llu wrappers: begin + step + end, CPU of one transfer",
		 (unsigned long long)o->wrappers);
	printf("  %-26s %6.0f ns\n", "a bare sendfile", o->bare_ns.median);
	for (unsigned i = 0; i < OVERHEAD_ROWS; i++) {
		const struct overhead_row *row = &o->rows[i];

		printf("  %-26s %6.0f ns, %.2f of the bare sendfile\n", row->name, row->leat_ns.median, row->over_bare.median);
		if (!row->ratio.n)
			continue;
		printf("  %-26s %6.0f ns; leat over it: %.3f\n", "  the same calls in C", row->same_ns.median, row->ratio.median);
		if (row->ratio.n > 1) {
			fputs("    ", stdout);
			out_wrap(stdout, 4, 4, width,
				 "95 %% of it in %.3f-%.3f, all in %.3f-%.3f; A/A %.3f%s", row->ratio.low, row->ratio.high,
				 row->ratio.min, row->ratio.max, row->control.median, interval(row->control, "95 %", text, sizeof text));
		}
		fputs("    ", stdout);
		out_wrap(stdout, 4, 6, width, "%u calls (at most %u): %s", row->calls_count, row->calls_at_most, row->calls);
		printf("    at most %.2f and %u calls: ", row->at_most, row->calls_at_most);
		judged(c, row->judgement, row->ratio.n);
	}
	fputs("  ", stdout);
	out_wrap(stdout, 2, 2, width, "a transfer is a struct of %llu bytes; it allocates %llu bytes while it runs",
		 (unsigned long long)o->struct_bytes, (unsigned long long)o->allocated_bytes);
}

void table_print(const struct bench *b)
{
	if (b->rounds) {
		for (int d = 0; d < DIRECTIONS; d++)
			direction_table(b, (enum direction)d);
		calls_table(b);
		figures_table(b);
		how(b);
	}
	if (b->overhead)
		overhead_table(b);
	if (b->sweep)
		sweep_table(b);
}
