/* SPDX-License-Identifier: MIT */
/* The results for programs. The format is described in man/leat-bench.1; what is renamed or removed raises FORMAT. */
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

#include <leat.h>

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#define FORMAT 2

struct json { FILE *f; int depth, filled; };

static void next(struct json *j, const char *key)
{
	fputs(j->filled ? ",\n" : j->depth ? "\n" : "", j->f);
	for (int i = 0; i < j->depth; i++)
		fputc('\t', j->f);
	if (key)
		fprintf(j->f, "\"%s\": ", key);
	j->filled = 1;
}

static void open_with(struct json *j, const char *key, char bracket)
{
	next(j, key);
	fputc(bracket, j->f);
	j->depth++;
	j->filled = 0;
}

static void close_with(struct json *j, char bracket)
{
	j->depth--;
	if (j->filled) {
		fputc('\n', j->f);
		for (int i = 0; i < j->depth; i++)
			fputc('\t', j->f);
	}
	fputc(bracket, j->f);
	j->filled = 1;
}

static void text(struct json *j, const char *key, const char *value)
{
	next(j, key);
	if (!value || !*value) {
		fputs("null", j->f);
		return;
	}
	fputc('"', j->f);
	for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(j->f, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(j->f, "\\u%04x", *c);
		else
			fputc(*c, j->f);
	}
	fputc('"', j->f);
}

static void number(struct json *j, const char *key, double value)
{
	next(j, key);
	if (isfinite(value))
		fprintf(j->f, "%.6g", value);
	else
		fputs("null", j->f);
}

static void integer(struct json *j, const char *key, uint64_t value)
{
	next(j, key);
	fprintf(j->f, "%llu", (unsigned long long)value);
}

/* known 0: null */
static void boolean(struct json *j, const char *key, int known, int value)
{
	next(j, key);
	fputs(!known ? "null" : value ? "true" : "false", j->f);
}

static void three(struct json *j, const char *key, struct stat3 s)
{
	if (!s.n) {
		text(j, key, NULL);
		return;
	}
	open_with(j, key, '{');
	number(j, "median", s.median);
	number(j, "min", s.min);
	number(j, "max", s.max);
	number(j, "low95", s.low);
	number(j, "high95", s.high);
	integer(j, "n", s.n);
	close_with(j, '}');
}

static void counts(struct json *j, const struct bench *b, const struct run *run)
{
	const struct counts *c = &run->counts;

	if (c->valid) {
		open_with(j, "calls_per_gib", '{');
		for (unsigned i = 0; i < c->names; i++)
			if (c->by_name[i].calls)
				number(j, c->by_name[i].name, per_gib(c, c->by_name[i].calls));
		close_with(j, '}');
	} else {
		text(j, "calls_per_gib", NULL);
	}
	text(j, "calls_counted_by", c->valid ? b->counted_by : NULL);
	number(j, "foreign_cpu_while_counted", c->valid ? c->foreign : NAN);
	number(j, "transfer_calls_per_gib", c->valid ? per_gib(c, c->transfer_calls) : NAN);
	number(j, "payload_reads_writes_per_gib", c->valid ? per_gib(c, c->user_calls) : NAN);
	number(j, "residency_probes_per_gib", c->valid ? per_gib(c, c->probes) : NAN);
	number(j, "user_space_bytes_per_gib", user_bytes_per_gib(run));
}

static void shape(struct json *j, const struct bench *b, const struct run *run)
{
	const struct shape *s = run->shape;

	open_with(j, NULL, '{');
	text(j, "direction", direction_names[s->direction]);
	text(j, "name", s->name);
	text(j, "family", family_names[s->family]);
	text(j, "what", s->what);
	boolean(j, "is_floor", 1, s->flags & SHAPE_FLOOR);
	boolean(j, "is_control", 1, s->flags & SHAPE_CONTROL);
	text(j, "left_out", run->dropped ? run->why : NULL);
	three(j, "cpu_ms_per_gib", cpu_ms_per_gib(b, run));
	three(j, "ratio_to_floor", ratio_of(b, run, bench_floor(b, s->direction)));
	number(j, "gib_per_s", gib_per_s(b, run).median);
	three(j, "gib_per_s_spread", gib_per_s(b, run));
	counts(j, b, run);
	text(j, "route", run->outcome.route);
	text(j, "reason", run->outcome.reason);
	text(j, "explain", run->outcome.explain);
	text(j, "content_hash", run->outcome.hash);
	boolean(j, "verified", run->verified >= 0, run->verified > 0);
	close_with(j, '}');
}

static void machine(struct json *j, const struct bench *b)
{
	uint32_t have = leat_features();

	open_with(j, "machine", '{');
	text(j, "cpu", b->machine.cpu);
	integer(j, "cpus", (uint64_t)b->machine.cpus);
	integer(j, "memory_bytes", b->machine.memory_bytes);
	text(j, "kernel", b->machine.kernel);
	open_with(j, "routes", '[');
	for (int route = LEAT_ROUTE_NONE + 1; route < LEAT_ROUTES; route++)
		if (have >> route & 1)
			text(j, NULL, leat_route_name(route));
	close_with(j, ']');
	text(j, "go", b->go.version);
	text(j, "strace", b->strace_version);
	close_with(j, '}');
}

static void conditions(struct json *j, const struct bench *b)
{
	text(j, "receiver", b->settings.receiver == RECEIVER_WIRE ? "wire" : "ordinary");
	text(j, "sink", b->settings.sink == SINK_BLOCKING ? "blocking" : "nonblocking");
	integer(j, "mss_asked", b->settings.mss);
}

static void method(struct json *j, const struct bench *b)
{
	const struct settings *s = &b->settings;

	open_with(j, "method", '{');
	conditions(j, b);
	text(j, "hash", hash_names[s->hash]);
	text(j, "congestion_control", b->net.congestion);
	integer(j, "mss_seen", (uint64_t)b->seen_mss);
	integer(j, "size_bytes", b->file.size);
	boolean(j, "generated_file", 1, b->file.generated);
	integer(j, "server_cpu", (uint64_t)(b->cpu_server < 0 ? 0 : b->cpu_server));
	integer(j, "receiver_cpu", (uint64_t)(b->cpu_receiver < 0 ? 0 : b->cpu_receiver));
	boolean(j, "ahead_of_others", 1, s->ahead && getpriority(PRIO_PROCESS, 0) < 0);
	text(j, "cpu_clock", "CPU clock of the serving process; file-file: its own CPU clock around the copy");
	text(j, "wall_clock", "the receiver's, connecting to last byte; file-file: the serving process's, around the copy");
	text(j, "foreign_cpu_from", noise_name(b->noise.source));
	text(j, "calls_counted_by", b->counted_by);
	text(j, "not_counted", b->not_counted);
	open_with(j, "floors", '{');
	for (int d = 0; d < DIRECTIONS; d++)
		text(j, direction_names[d], bench_floor(b, d) ? bench_floor(b, d)->shape->name : NULL);
	close_with(j, '}');
	close_with(j, '}');
}

static void controls(struct json *j, const struct bench *b)
{
	open_with(j, "control", '{');
	for (int d = 0; d < DIRECTIONS; d++)
		three(j, direction_names[d], ratio_of(b, bench_control(b, d), bench_floor(b, d)));
	close_with(j, '}');
}

static void figures(struct json *j, const struct bench *b)
{
	static const char *const kinds[] = { "cpu ratio", "transfer calls per GiB", "payload reads and writes per GiB",
					     "difference of transfer calls per GiB" };
	struct verdict verdicts[VERDICTS];
	unsigned n = figures_judge(b, verdicts);

	open_with(j, "figures", '[');
	for (unsigned i = 0; i < n; i++) {
		const struct figure *f = verdicts[i].figure;

		open_with(j, NULL, '{');
		text(j, "what", f->what);
		text(j, "kind", kinds[f->kind]);
		text(j, "direction", direction_names[f->direction]);
		text(j, "of", f->of);
		text(j, "over", f->over);
		conditions(j, verdicts[i].of);
		number(j, "at_most", f->at_most);
		number(j, "value", verdicts[i].value);
		three(j, "ratio", verdicts[i].ratio);
		boolean(j, "holds", verdicts[i].judgement == HOLDS || verdicts[i].judgement == MISSED,
			verdicts[i].judgement == HOLDS);
		boolean(j, "others_were_busy", 1, verdicts[i].disturbed);
		close_with(j, '}');
	}
	close_with(j, ']');
}

static void overhead(struct json *j, const struct overhead *o)
{
	if (!o)
		return;
	open_with(j, "overhead", '{');
	integer(j, "bytes", o->bytes);
	integer(j, "wrappers", o->wrappers);
	integer(j, "transfer_struct_bytes", o->struct_bytes);
	integer(j, "allocated_bytes", o->allocated_bytes);
	three(j, "bare_sendfile_ns", o->bare_ns);
	open_with(j, "rows", '[');
	for (unsigned i = 0; i < OVERHEAD_ROWS; i++) {
		const struct overhead_row *row = &o->rows[i];

		open_with(j, NULL, '{');
		text(j, "name", row->name);
		three(j, "leat_ns", row->leat_ns);
		three(j, "same_calls_ns", row->same_ns);
		three(j, "ratio", row->ratio);
		three(j, "control", row->control);
		three(j, "ratio_to_bare_sendfile", row->over_bare);
		integer(j, "calls", row->calls_count);
		text(j, "calls_text", row->calls);
		number(j, "at_most", row->at_most);
		integer(j, "calls_at_most", row->calls_at_most);
		boolean(j, "holds", row->judgement != TOO_FEW_ROUNDS, row->judgement == HOLDS);
		close_with(j, '}');
	}
	close_with(j, ']');
	close_with(j, '}');
}

static void sweep(struct json *j, const struct sweep *s)
{
	if (!s)
		return;
	open_with(j, "sweep", '[');
	for (unsigned i = 0; i < s->points_count; i++) {
		const struct sweep_point *p = &s->points[i];

		open_with(j, NULL, '{');
		integer(j, "bytes", p->bytes);
		open_with(j, "cpu_ns_per_transfer", '{');
		for (int way = 0; way < SWEEP_WAYS; way++)
			three(j, sweep_way_names[way], p->cpu_ns[way]);
		close_with(j, '}');
		close_with(j, '}');
	}
	close_with(j, ']');
}

/* Rounds, control and shapes of a run, or of one in other conditions. */
static void measured(struct json *j, const struct bench *b)
{
	integer(j, "rounds", b->rounds);
	integer(j, "noisy_rounds_repeated", b->noisy_repeated);
	integer(j, "noisy_rounds_kept", b->noisy_kept);
	controls(j, b);
	boolean(j, "self_check", b->self_check >= 0, b->self_check);
	open_with(j, "shapes", '[');
	for (unsigned i = 0; i < b->runs_count; i++)
		shape(j, b, &b->runs[i]);
	close_with(j, ']');
}

static void also(struct json *j, const struct bench *b)
{
	if (!b->also_count)
		return;
	open_with(j, "also", '[');
	for (unsigned i = 0; i < b->also_count; i++) {
		open_with(j, NULL, '{');
		conditions(j, b->also[i]);
		integer(j, "mss_seen", (uint64_t)b->also[i]->seen_mss);
		measured(j, b->also[i]);
		close_with(j, '}');
	}
	close_with(j, ']');
}

static void everything(struct json *j, const struct bench *b)
{
	open_with(j, NULL, '{');
	text(j, "format", "leat-bench");
	integer(j, "version", FORMAT);
	text(j, "leat", leat_version());
	text(j, "when", b->machine.when);
	machine(j, b);
	method(j, b);
	measured(j, b);
	also(j, b);
	figures(j, b);
	overhead(j, b->overhead);
	sweep(j, b->sweep);
	open_with(j, "notes", '[');
	for (unsigned i = 0; i < b->notes_count; i++)
		text(j, NULL, b->notes[i]);
	close_with(j, ']');
	close_with(j, '}');
	fputc('\n', j->f);
}

void json_write(const struct bench *b, FILE *f)
{
	struct json j = { .f = f };

	everything(&j, b);
}
