/* SPDX-License-Identifier: MIT */
/* Charts as inline SVG. Colours come from the page's style sheet, so that light and dark both work. */
#include "../out.h"
#include "bench.h"
#include "count.h"
#include "figures.h"
#include "measure.h"
#include "page.h"
#include "shapes.h"
#include "stats.h"
#include "sweep.h"
#include "units.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 900
#define LEFT 178		/* names */
#define RIGHT 148		/* values */
#define ROW 27
#define TOP 26

static const double plot = WIDTH - LEFT - RIGHT;

static void begin(FILE *f, double height, const char *label)
{
	fprintf(f, "<div class=\"chart\"><svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"", WIDTH, height);
	page_text(f, label);
	fputs("\">\n", f);
}

static void end(FILE *f)
{
	fputs("</svg></div>\n", f);
}

/* A round step for about five grid lines. */
static double grid_step(double most)
{
	double rough = most / 5, power = pow(10, floor(log10(rough))), n = rough / power;

	return power * (n < 1.5 ? 1 : n < 3.5 ? 2 : n < 7.5 ? 5 : 10);
}

static void vertical(FILE *f, double x, double height, const char *class, const char *text)
{
	fprintf(f, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.0f\"/>", class, x, x, TOP - 6, height - 6);
	if (*text)
		fprintf(f, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, TOP - 12, text);
}

static void name(FILE *f, const struct run *run, double y)
{
	fprintf(f, "<text class=\"name\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\"><tspan class=\"family\">%s</tspan> "
		   "", LEFT - 10,
		y + 4.5, family_names[run->shape->family]);
	page_text(f, run->shape->name);
	fputs("</text>", f);
}

static double clamp(double x)
{
	return x > 1 ? 1 : x;
}

static void cpu_row(FILE *f, const struct bench *b, const struct run *run, double y, double most)
{
	struct stat3 cpu = cpu_ms_per_gib(b, run), ratio = ratio_of(b, run, bench_floor(b, run->shape->direction));
	char value[32];

	fputs("<g><title>", f);
	page_text(f, run->shape->what);
	fprintf(f, ". %s, %.1f to %.1f ms/GiB</title>", rounds_text(cpu.n, value), cpu.min, cpu.max);
	name(f, run, y);
	fprintf(f, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"15\" "
		   "rx=\"2\"/>", page_class(run), LEFT, y - 7.5,
		clamp(cpu.median / most) * plot);
	for (unsigned r = 0; r < b->rounds; r++) {
		const struct sample *s = &run->samples[r];
		double x = s->bytes > 0 ? s->cpu_ns / 1e6 / (s->bytes / (double)GIB) / most : 2;

		if (x <= 1)
			fprintf(f, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"1.9\"/>", LEFT + x * plot,
				y + ((int)(r % 5) - 2) * 2.1);
	}
	fprintf(f, "<text class=\"value\" x=\"%d\" y=\"%.1f\"><tspan>%s ms</tspan>", WIDTH - RIGHT + 10, y + 4.5,
		page_number(cpu.median, value, sizeof value));
	if (ratio.n)
		fprintf(f, "<tspan class=\"ratio\" dx=\"8\">%.2f ×</tspan>", ratio.median);
	fputs("</text></g>\n", f);
}

void chart_cpu(FILE *f, const struct bench *b, enum direction direction)
{
	const struct run *floor = bench_floor(b, direction);
	struct stat3 floor_at = floor ? cpu_ms_per_gib(b, floor) : (struct stat3){ 0 };
	double most = 0, step, y = TOP + 10;
	unsigned rows = 0;
	char text[32];

	for (unsigned i = 0; i < b->runs_count; i++) {
		struct stat3 cpu = cpu_ms_per_gib(b, &b->runs[i]);

		if (b->runs[i].shape->direction != direction || !cpu.n)
			continue;
		rows++;
		most = fmax(most, fmin(cpu.max, cpu.median * 1.3));
	}
	if (!rows || most <= 0)
		return;
	step = grid_step(most);
	begin(f, TOP + 8 + rows * ROW, "CPU of the serving process, milliseconds for each GiB");
	for (int i = 0; i * step <= most; i++) {
		snprintf(text, sizeof text, "%g", i * step);
		vertical(f, LEFT + i * step / most * plot, TOP + 8 + rows * ROW, "grid", text);
	}
	for (unsigned i = 0; i < b->runs_count; i++) {
		if (b->runs[i].shape->direction != direction || !cpu_ms_per_gib(b, &b->runs[i]).n)
			continue;
		cpu_row(f, b, &b->runs[i], y, most);
		y += ROW;
	}
	if (floor_at.n)
		vertical(f, LEFT + floor_at.median / most * plot, TOP + 8 + rows * ROW, "floor", "");
	end(f);
}

/* Logarithmic: the point is the factor between hundreds and tens of thousands. */
static double calls_place(double calls, double most)
{
	return calls < 1 ? 0 : (log10(calls) + 0.15) / (log10(most) + 0.15);
}

static int counted(const struct run *run)
{
	return run->counts.valid && !run->dropped && run->shape->direction == FILE_TCP;
}

static void calls_row(FILE *f, const struct run *run, double y, double most)
{
	double calls = per_gib(&run->counts, run->counts.transfer_calls), user = per_gib(&run->counts, run->counts.user_calls);
	double length = calls_place(calls, most) * plot, bounced = calls > 0 ? user / calls : 0;
	char value[32];

	fputs("<g><title>", f);
	page_text(f, run->shape->what);
	fputs("</title>", f);
	name(f, run, y);
	fprintf(f, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"15\" rx=\"2\"/>",
		bounced > 0.5 ? "bucket" : "channel", LEFT, y - 7.5, fmax(length, 2));
	fprintf(f, "<text class=\"value\" x=\"%d\" y=\"%.1f\">%s</text></g>\n", WIDTH - RIGHT + 10, y + 4.5,
		page_number(calls, value, sizeof value));
}

void chart_calls(FILE *f, const struct bench *b)
{
	double most = 10, y = TOP + 10;
	unsigned rows = 0;
	char text[32];

	for (unsigned i = 0; i < b->runs_count; i++)
		if (counted(&b->runs[i])) {
			rows++;
			most = fmax(most, per_gib(&b->runs[i].counts, b->runs[i].counts.transfer_calls));
		}
	if (!rows)
		return;
	begin(f, TOP + 8 + rows * ROW, "transfer calls for each GiB, logarithmic");
	for (unsigned at = 1; at <= most; at *= 10)
		vertical(f, LEFT + calls_place(at, most) * plot, TOP + 8 + rows * ROW, "grid", page_number(at, text, sizeof text));
	for (unsigned i = 0; i < b->runs_count; i++)
		if (counted(&b->runs[i])) {
			calls_row(f, &b->runs[i], y, most);
			y += ROW;
		}
	end(f);
}

/* ---- the sweep: CPU against that of copy at the same size; the size is logarithmic ---- */

#define SWEEP_HEIGHT 300
#define SWEEP_LEFT 50
#define SWEEP_RIGHT 110

static double sweep_x(const struct sweep *s, unsigned point)
{
	return SWEEP_LEFT + (double)point / (s->points_count - 1) * (WIDTH - SWEEP_LEFT - SWEEP_RIGHT);
}

static double sweep_value(const struct sweep_point *p, int way)
{
	return p->cpu_ns[way].median / p->cpu_ns[SWEEP_COPY].median;
}

static double sweep_y(double value, double most)
{
	return SWEEP_HEIGHT - value / most * (SWEEP_HEIGHT - 20);
}

void chart_sweep(FILE *f, const struct sweep *s)
{
	static const char *const classes[SWEEP_WAYS] = { "line-memory", "line-copy", "line-sendfile" };
	double most = 1.25;
	char text[32];

	for (unsigned i = 0; i < s->points_count; i++)
		for (int way = 0; way < SWEEP_WAYS; way++)
			most = fmax(most, fmin(sweep_value(&s->points[i], way), 2));
	begin(f, SWEEP_HEIGHT + 30, "CPU of one transfer against that of a copy, by size");
	for (int quarter = 0; quarter <= most * 4; quarter++) {
		double at = quarter / 4.0, y = sweep_y(at, most);

		fprintf(f, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" x=\"%d\" "
			   "y=\"%.1f\" text-anchor=\"end\">%.2f</text>\n", SWEEP_LEFT, WIDTH - SWEEP_RIGHT, y, y, SWEEP_LEFT - 6,
			y + 4, at);
	}
	for (unsigned i = 0; i < s->points_count; i++)
		fprintf(f, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", sweep_x(s, i),
			SWEEP_HEIGHT + 20, out_size(s->points[i].bytes, text, sizeof text));
	for (int way = 0; way < SWEEP_WAYS; way++) {
		double y = 0;

		fprintf(f, "<polyline class=\"%s\" points=\"", classes[way]);
		for (unsigned i = 0; i < s->points_count; i++) {
			y = sweep_y(fmin(sweep_value(&s->points[i], way), most), most);
			fprintf(f, "%.1f,%.1f ", sweep_x(s, i), y);
		}
		fprintf(f, "\"/><text class=\"name\" x=\"%d\" y=\"%.1f\">%s</text>\n", WIDTH - SWEEP_RIGHT + 10, y + 4.5,
			sweep_way_names[way]);
	}
	end(f);
}
