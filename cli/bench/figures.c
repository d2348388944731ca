/* SPDX-License-Identifier: MIT */
/* Ratios within one round, and the figures they are to reach. A new figure is a row. */
#include "bench.h"
#include "child.h"
#include "count.h"
#include "figures.h"
#include "measure.h"
#include "settings.h"
#include "shapes.h"
#include "stats.h"
#include "units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct figure figures[] = {
	{ "wrapped against raw", FIGURE_RATIO, FILE_TCP, "wrapped", "raw", 1.03, ALWAYS },
	{ "raw against C sendfile", FIGURE_RATIO, FILE_TCP, "raw", "c-sendfile", 0.85, WIRE_AND_LOOPBACK_MSS },
	{ "raw against C sendfile", FIGURE_RATIO, FILE_TCP, "raw", "c-sendfile", 1.02,
	  NOT_WIRE_AND_LOOPBACK_MSS },
	{ "raw against C sendfile and poll", FIGURE_RATIO, FILE_TCP, "raw", "c-sendfile-poll", 1.02, ORDINARY_AND_NONBLOCKING },
	{ "wrapped against Go wrapped", FIGURE_RATIO, FILE_TCP, "wrapped", "go-wrapped", 0.30, ALWAYS },
	{ "opaque (copies) against C read + write of 32 KiB", FIGURE_RATIO, FILE_TCP, "opaque", "c-copy-32k", 0.85, ALWAYS },
	{ "relay raw against C splice, 1 MiB pipe", FIGURE_RATIO, TCP_TCP, "raw", "c-splice-1m", 1.05, ALWAYS },
	{ "relay wrapped against C splice, 1 MiB pipe", FIGURE_RATIO, TCP_TCP, "wrapped", "c-splice-1m", 1.05, ALWAYS },
	{ "transfer calls per GiB, raw", FIGURE_CALLS, FILE_TCP, "raw", NULL, 300, SINK_IS_NONBLOCKING },
	{ "transfer calls per GiB, wrapped", FIGURE_CALLS, FILE_TCP, "wrapped", NULL, 300, SINK_IS_NONBLOCKING },
	{ "transfer calls per GiB, raw", FIGURE_CALLS, FILE_TCP, "raw", NULL, 1100, SINK_IS_BLOCKING },
	{ "transfer calls per GiB, wrapped", FIGURE_CALLS, FILE_TCP, "wrapped", NULL, 1100, SINK_IS_BLOCKING },
	{ "reads and writes of payload, raw", FIGURE_PAYLOAD_CALLS, FILE_TCP, "raw", NULL, 0, ALWAYS },
	{ "reads and writes of payload, wrapped", FIGURE_PAYLOAD_CALLS, FILE_TCP, "wrapped", NULL, 0, ALWAYS },
	{ "transfer calls per GiB, wrapped less raw", FIGURE_CALLS_DIFFER, FILE_TCP, "wrapped", "raw", FIGURES_CALLS_APART, WIRE },
};

/* One value for each round both were measured in. */
static struct stat3 over_rounds(const struct bench *b, double (*value)(const struct sample *, const struct sample *),
				const struct run *run, const struct run *over)
{
	double *values = malloc((b->rounds + 1) * sizeof *values);
	struct stat3 none = stats_of(NULL, 0), s;
	unsigned n = 0;

	if (!values || !run || !over || run->dropped || over->dropped || !run->samples || !over->samples) {
		free(values);
		return none;
	}
	for (unsigned r = 0; r < b->rounds; r++)
		if (run->samples[r].bytes > 0 && over->samples[r].bytes > 0)
			values[n++] = value(&run->samples[r], &over->samples[r]);
	s = stats_of(values, n);
	free(values);
	return s;
}

static double value_cpu(const struct sample *a, const struct sample *unused)
{
	(void)unused;
	return a->cpu_ns / 1e6 / (a->bytes / (double)GIB);
}

static double value_speed(const struct sample *a, const struct sample *unused)
{
	(void)unused;
	return a->bytes / (double)GIB / (a->wall_ns / 1e9);
}

static double value_ratio(const struct sample *a, const struct sample *b)
{
	return a->cpu_ns / a->bytes / (b->cpu_ns / b->bytes);
}

struct stat3 cpu_ms_per_gib(const struct bench *b, const struct run *run)
{
	return over_rounds(b, value_cpu, run, run);
}

struct stat3 gib_per_s(const struct bench *b, const struct run *run)
{
	return over_rounds(b, value_speed, run, run);
}

struct stat3 ratio_of(const struct bench *b, const struct run *run, const struct run *over)
{
	return over_rounds(b, value_ratio, run, over);
}

double per_gib(const struct counts *counts, uint64_t n)
{
	return counts->bytes ? (double)n * (double)GIB / (double)counts->bytes : NAN;
}

int less_disturbed(const struct counts *now, const struct counts *had, int may_wait)
{
	double calls = per_gib(now, now->transfer_calls), were = per_gib(had, had->transfer_calls);

	return now->valid && (!had->valid || (may_wait ? calls > were : calls < were));
}

double user_bytes_per_gib(const struct run *run)
{
	const struct counts *c = &run->counts;

	if (c->valid)
		return per_gib(c, c->user_in_bytes > c->user_out_bytes ? c->user_in_bytes : c->user_out_bytes);
	if (run->outcome.by_leat && run->outcome.bytes > 0)
		return (double)run->outcome.copied_bytes * (double)GIB / (double)run->outcome.bytes;
	return NAN;
}

static int applies(const struct bench *b, enum figure_when when)
{
	int wire = b->settings.receiver == RECEIVER_WIRE && !b->settings.mss;
	/* There poll costs any program a tenth: a loop that does the same is what it is compared with. */
	int polls = b->settings.receiver != RECEIVER_WIRE && b->settings.sink == SINK_NONBLOCKING;

	switch (when) {
	case WIRE_AND_LOOPBACK_MSS:
		return wire;
	case NOT_WIRE_AND_LOOPBACK_MSS:
		return !wire && !polls;
	case ORDINARY_AND_NONBLOCKING:
		return polls;
	case SINK_IS_NONBLOCKING:
		return b->settings.sink == SINK_NONBLOCKING && b->settings.receiver == RECEIVER_WIRE;
	case SINK_IS_BLOCKING:
		return b->settings.sink == SINK_BLOCKING && b->settings.receiver == RECEIVER_WIRE;
	case WIRE:
		return b->settings.receiver == RECEIVER_WIRE;
	default:
		return 1;
	}
}

static double width(struct stat3 s)
{
	return s.high - s.low;
}

/* The median is within the figure; or its interval contains the figure, and the control, of which we know that it is 1,
 * is spread no less. Nobody can tell from a few rounds. */
enum judgement judge(struct stat3 ratio, struct stat3 control, double at_most)
{
	if (ratio.n < ROUNDS_TO_JUDGE)
		return TOO_FEW_ROUNDS;
	if (ratio.median <= at_most || (ratio.low <= at_most && control.n && width(control) >= width(ratio)))
		return HOLDS;
	return MISSED;
}

const char *judgement_text(enum judgement judgement, unsigned rounds, char *text, size_t size)
{
	if (judgement == TOO_FEW_ROUNDS)
		snprintf(text, size, "too few rounds to judge (%u of %d)", rounds, ROUNDS_TO_JUDGE);
	else if (judgement == OTHERS_BUSY)
		snprintf(text, size, "not judged: others were busy");
	else
		snprintf(text, size, "%s", judgement == HOLDS ? "holds" : "MISSED");
	return text;
}

static void judge_ratio(const struct bench *b, const struct figure *f, struct verdict *v)
{
	struct stat3 control = ratio_of(b, bench_control(b, f->direction), bench_floor(b, f->direction));

	v->ratio = ratio_of(b, bench_run(b, f->direction, f->of), bench_run(b, f->direction, f->over));
	v->known = v->ratio.n > 0;
	v->value = v->ratio.median;
	v->judgement = judge(v->ratio, control, f->at_most);
}

/* Calls are counted, not measured: no rounds are needed. */
static void judge_calls(const struct bench *b, const struct figure *f, struct verdict *v)
{
	const struct run *run = bench_run(b, f->direction, f->of);
	const struct run *other = f->over ? bench_run(b, f->direction, f->over) : run;

	v->known = run && other && !run->dropped && !other->dropped && run->counts.valid && other->counts.valid;
	if (!v->known)
		return;
	/* A call more or less on a full socket is their doing; a read of payload never is. */
	v->disturbed = f->kind != FIGURE_PAYLOAD_CALLS && fmax(run->counts.foreign, other->counts.foreign) > noise_limit;
	if (f->kind == FIGURE_CALLS)
		v->value = per_gib(&run->counts, run->counts.transfer_calls);
	else if (f->kind == FIGURE_PAYLOAD_CALLS)
		v->value = per_gib(&run->counts, run->counts.user_calls);
	else
		v->value = fabs(per_gib(&run->counts, run->counts.transfer_calls) -
				per_gib(&other->counts, other->counts.transfer_calls));
	v->judgement = v->disturbed ? OTHERS_BUSY : v->value <= f->at_most ? HOLDS : MISSED;
}

static int judge_one(const struct bench *b, const struct figure *f, struct verdict *v)
{
	if (!applies(b, f->when))
		return 0;
	memset(v, 0, sizeof *v);
	v->figure = f;
	v->of = b;
	if (f->kind == FIGURE_RATIO)
		judge_ratio(b, f, v);
	else
		judge_calls(b, f, v);
	return v->known != 0;
}

unsigned figures_judge(const struct bench *b, struct verdict verdicts[VERDICTS])
{
	unsigned n = 0;

	for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
		if (n < VERDICTS)
			n += judge_one(b, &figures[i], &verdicts[n]);
		for (unsigned a = 0; a < b->also_count && n < VERDICTS; a++)
			n += judge_one(b->also[a], &figures[i], &verdicts[n]);
	}
	return n;
}

const char *conditions_text(const struct bench *b, char *text, size_t size)
{
	int ordinary = b->settings.receiver != RECEIVER_WIRE;
	char mss[32] = ", loopback MSS";

	if (b->settings.mss)
		snprintf(mss, sizeof mss, ", MSS %llu", (unsigned long long)b->settings.mss);
	snprintf(text, size, "%s%s%s", ordinary && !b->settings.mss ? "" : mss, ordinary ? ", ordinary receiver" : "",
		 b->settings.sink == SINK_BLOCKING ? ", blocking sink" : "");
	return text;
}

const char *verdict_text(const struct verdict *verdict, char *text, size_t size)
{
	const struct figure *f = verdict->figure;
	const char *sink = verdict->of->settings.sink == SINK_BLOCKING ? ", blocking sink" : ", non-blocking sink";
	char conditions[64] = "";

	if (f->when == WIRE_AND_LOOPBACK_MSS || f->when == NOT_WIRE_AND_LOOPBACK_MSS || f->when == ORDINARY_AND_NONBLOCKING)
		conditions_text(verdict->of, conditions, sizeof conditions);
	else if (f->kind != FIGURE_RATIO)
		snprintf(conditions, sizeof conditions, "%s", sink);
	snprintf(text, size, "%s%s", f->what, conditions);
	return text;
}
