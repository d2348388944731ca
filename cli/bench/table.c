/* SPDX-License-Identifier: MIT */
/* The result as a person reads it on a terminal. */
#include "bench.h"

#include <math.h>
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

static void row(const struct bench *b, const struct run *run, double most, int bar_columns)
{
	struct stat3 cpu = cpu_ms_per_gib(b, run), speed = gib_per_s(b, run);
	struct stat3 ratio = ratio_of(b, run, bench_floor(b, run->shape->direction));
	char cpu_text[16], speed_text[16], ratio_text[48], user[32], calls[16], name[40];
	const struct colors *c = colors(b);

	short_number(cpu.median, cpu_text, sizeof cpu_text);
	short_number(speed.median, speed_text, sizeof speed_text);
	byte_count(user_bytes_per_gib(run), user, sizeof user);
	snprintf(ratio_text, sizeof ratio_text, "%.2f (%.2f-%.2f)", ratio.median, ratio.min, ratio.max);
	if (run->counts.valid)
		snprintf(calls, sizeof calls, "%.0f", per_gib(&run->counts, run->counts.transfer_calls));
	else
		snprintf(calls, sizeof calls, "-");
	snprintf(name, sizeof name, "%s%s", run->shape->family == FAMILY_LEAT ? "leat " : "", run->shape->name);
	printf("  %s%-20s", c->family[run->shape->family], name);
	bar(b, cpu.median, most, bar_columns);
	printf("%s %6s  %-17s %6s %7s %9s  %s%s%s%s\n", c->off, cpu_text, ratio_text, speed_text, calls, user, run->outcome.route,
	       *run->outcome.reason && strcmp(run->outcome.reason, "ok") ? ", " : "",
	       strcmp(run->outcome.reason, "ok") ? run->outcome.reason : "", run->verified == 0 ? ", WRONG BYTES" : "");
}

static void direction_table(const struct bench *b, enum direction direction)
{
	const struct run *floor = bench_floor(b, direction);
	const struct colors *c = colors(b);
	int bar_columns = b->out.width >= 118 ? 24 : b->out.width >= 104 ? 12 : 8;
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
	printf("\n%s%s%s\n", c->bold, titles[direction], c->off);
	printf("%s  %-20s%-*s %6s  %-17s %6s %7s %9s  %s%s\n", c->dim, "", bar_columns, "", "CPU", "ratio to", "", "calls",
	       "through", "", c->off);
	printf("%s  %-20s%-*s %6s  %-17s %6s %7s %9s  %s%s\n", c->dim, "", bar_columns, "", "ms/GiB", floor->shape->name, "GiB/s",
	       "/GiB", "user/GiB", "route", c->off);
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && !isnan(cpu_ms_per_gib(b, &b->runs[i]).median))
			row(b, &b->runs[i], most, bar_columns);
}

static void calls_table(const struct bench *b)
{
	const struct colors *c = colors(b);

	if (!b->counted_by)
		return;
	printf("\n%ssystem calls per GiB%s, counted by %s for the serving process alone, from its first to its last payload call\n",
	       c->bold, c->off, b->counted_by);
	for (unsigned i = 0; i < b->runs_count; i++) {
		const struct run *run = &b->runs[i];
		int leat = run->shape->family == FAMILY_LEAT;
		const char *comma = "";

		if (!run->counts.valid || run->dropped)
			continue;
		printf("  %-10s%s%-*s", direction_names[run->shape->direction], leat ? "leat " : "", leat ? 15 : 20,
		       run->shape->name);
		for (unsigned n = 0; n < run->counts.names; n++) {
			double calls = per_gib(&run->counts, run->counts.by_name[n].calls);

			if (calls < 0.5)
				continue;
			printf("%s%s %.0f", comma, run->counts.by_name[n].name, calls);
			comma = ", ";
		}
		if (run->counts.probes)
			printf(" (%.0f of them one-byte residency probes)", per_gib(&run->counts, run->counts.probes));
		putchar('\n');
	}
	if (b->self_check >= 0)
		printf("  self-check: a planted read of one byte %s\n", b->self_check ? "changed the counts by exactly that" :
		       "did NOT show in the counts");
}

static void judged(const struct colors *c, enum judgement judgement, unsigned rounds)
{
	const char *color = judgement == HOLDS ? c->good : judgement == MISSED ? c->bad : c->dim;
	char text[64];

	printf("%s%s%s\n", color, judgement_text(judgement, rounds, text, sizeof text), c->off);
}

static void rounds_needed(const struct bench *b)
{
	if (b->rounds < ROUNDS_TO_JUDGE)
		printf("  (%u rounds show where it stands; to judge by, take --rounds %d)\n", b->rounds, ROUNDS_TO_JUDGE);
}

static void figures_table(const struct bench *b)
{
	struct verdict verdicts[VERDICTS];
	unsigned n = figures_judge(b, verdicts);
	const struct colors *c = colors(b);

	if (n)
		printf("\n%sfigures%s\n", c->bold, c->off);
	for (unsigned i = 0; i < n; i++) {
		const struct verdict *v = &verdicts[i];
		char value[64], what[96];

		if (v->figure->kind == FIGURE_RATIO)
			snprintf(value, sizeof value, "%.3f (95 %% of it in %.3f-%.3f)", v->value, v->ratio.low, v->ratio.high);
		else
			snprintf(value, sizeof value, "%.0f%s", v->value, v->disturbed ? " (others were busy)" : "");
		printf("  %-59s %-33s at most %-5g ", verdict_text(v, what, sizeof what), value, v->figure->at_most);
		judged(c, v->judgement, v->ratio.n);
	}
	if (n)
		rounds_needed(b);
}

static void control(const char *direction, const char *conditions, struct stat3 s)
{
	if (s.n)
		printf("  A/A control, %s%s: %.3f (95 %% of it in %.3f-%.3f, all in %.3f-%.3f)\n", direction, conditions, s.median,
		       s.low, s.high, s.min, s.max);
}

static void controls(const struct bench *b)
{
	char conditions[64];

	for (int d = 0; d < DIRECTIONS; d++)
		control(direction_names[d], "", ratio_of(b, bench_control(b, d), bench_floor(b, d)));
	for (unsigned i = 0; i < b->also_count; i++) {
		const struct bench *also = b->also[i];

		control(direction_names[FILE_TCP], conditions_text(also, conditions, sizeof conditions),
			ratio_of(also, bench_control(also, FILE_TCP), bench_floor(also, FILE_TCP)));
	}
}

static void how(const struct bench *b)
{
	const struct settings *s = &b->settings;
	char size[32], mss[32] = "the system's";

	if (b->seen_mss)
		snprintf(mss, sizeof mss, "%d", b->seen_mss);
	printf("\n%u round%s of %s%s, %s receiver, %s sink of leat, %s, segments of %s\n", b->rounds,
	       b->rounds == 1 ? "" : "s", out_size(s->size, size, sizeof size), b->file.generated ? "" : " (your file)",
	       s->receiver == RECEIVER_WIRE ? "wire" : "ordinary", s->sink == SINK_BLOCKING ? "blocking" : "non-blocking",
	       b->net.congestion ? b->net.congestion : "the system's congestion control", mss);
	printf("  CPU is the serving process's, on CPU %d; the receiver had CPU %d. Ratios are of the same round: median "
	       "(min-max)\n", b->cpu_server, b->cpu_receiver);
	controls(b);
	printf("  noisy samples repeated: %u, kept noisy: %u (foreign CPU from %s)%s\n", b->noisy_repeated, b->noisy_kept,
	       noise_name(b->noise.source), s->ahead ? "; run ahead of other processes" : "");
}

static void sweep_table(const struct bench *b)
{
	const struct sweep *s = b->sweep;
	const struct colors *c = colors(b);

	printf("\n%ssizes%s: CPU of one transfer to a TCP socket, through leat, by each route alone\n", c->bold, c->off);
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

	printf("\n%sa 4 KiB file to a non-blocking TCP socket, %llu wrappers%s: begin + step + end, CPU of one transfer\n",
	       c->bold, (unsigned long long)o->wrappers, c->off);
	printf("  %-28s %7.0f ns\n", "a bare sendfile", o->bare_ns.median);
	for (unsigned i = 0; i < OVERHEAD_ROWS; i++) {
		const struct overhead_row *row = &o->rows[i];

		printf("  %-28s %7.0f ns, %.2f of the bare sendfile\n", row->name, row->leat_ns.median, row->over_bare.median);
		if (!row->ratio.n)
			continue;
		printf("  %-28s %7.0f ns; leat over it: %.3f (95 %% of it in %.3f-%.3f, all in %.3f-%.3f), A/A %.3f "
		       "(%.3f-%.3f)\n", "  the same calls in C", row->same_ns.median, row->ratio.median, row->ratio.low,
		       row->ratio.high, row->ratio.min, row->ratio.max, row->control.median, row->control.low, row->control.high);
		printf("    %u calls (at most %u): %s\n", row->calls_count, row->calls_at_most, row->calls);
		printf("    at most %.2f and %u calls: ", row->at_most, row->calls_at_most);
		judged(c, row->judgement, row->ratio.n);
	}
	printf("  a transfer is a struct of %llu bytes; it allocates %llu bytes while it runs\n",
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
