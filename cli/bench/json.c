/* SPDX-License-Identifier: MIT */
/* The results for programs. The format is described in man/leat-bench.1; what is renamed or removed raises FORMAT. */
#include "../json.h"
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

/* Nothing to say is null. */
static void text(struct json *j, const char *key, const char *value)
{
	json_text(j, key, value && *value ? value : NULL);
}

/* known 0: null */
static void boolean(struct json *j, const char *key, int known, int value)
{
	if (known)
		json_boolean(j, key, value);
	else
		json_null(j, key);
}

static void three(struct json *j, const char *key, struct stat3 s)
{
	if (!s.n) {
		text(j, key, NULL);
		return;
	}
	json_open(j, key, '{');
	json_number(j, "median", s.median);
	json_number(j, "min", s.min);
	json_number(j, "max", s.max);
	json_number(j, "low95", s.low);
	json_number(j, "high95", s.high);
	json_integer(j, "n", s.n);
	json_close(j, '}');
}

static void counts(struct json *j, const struct bench *b, const struct run *run)
{
	const struct counts *c = &run->counts;

	if (c->valid) {
		json_open(j, "calls_per_gib", '{');
		for (unsigned i = 0; i < c->names; i++)
			if (c->by_name[i].calls)
				json_number(j, c->by_name[i].name, per_gib(c, c->by_name[i].calls));
		json_close(j, '}');
	} else {
		text(j, "calls_per_gib", NULL);
	}
	text(j, "calls_counted_by", c->valid ? b->counted_by : NULL);
	json_number(j, "foreign_cpu_while_counted", c->valid ? c->foreign : NAN);
	json_number(j, "transfer_calls_per_gib", c->valid ? per_gib(c, c->transfer_calls) : NAN);
	json_number(j, "payload_reads_writes_per_gib", c->valid ? per_gib(c, c->user_calls) : NAN);
	json_number(j, "residency_probes_per_gib", c->valid ? per_gib(c, c->probes) : NAN);
	json_number(j, "user_space_bytes_per_gib", user_bytes_per_gib(run));
}

static void shape(struct json *j, const struct bench *b, const struct run *run)
{
	const struct shape *s = run->shape;

	json_open(j, NULL, '{');
	text(j, "direction", direction_names[s->direction]);
	text(j, "name", s->name);
	text(j, "family", family_names[s->family]);
	text(j, "what", s->what);
	boolean(j, "is_floor", 1, s->flags & SHAPE_FLOOR);
	boolean(j, "is_control", 1, s->flags & SHAPE_CONTROL);
	text(j, "left_out", run->dropped ? run->why : NULL);
	three(j, "cpu_ms_per_gib", cpu_ms_per_gib(b, run));
	three(j, "ratio_to_floor", ratio_of(b, run, bench_floor(b, s->direction)));
	json_number(j, "gib_per_s", gib_per_s(b, run).median);
	three(j, "gib_per_s_spread", gib_per_s(b, run));
	counts(j, b, run);
	text(j, "route", run->outcome.route);
	text(j, "reason", run->outcome.reason);
	text(j, "explain", run->outcome.explain);
	text(j, "content_hash", run->outcome.hash);
	boolean(j, "verified", run->verified >= 0, run->verified > 0);
	json_close(j, '}');
}

static void machine(struct json *j, const struct bench *b)
{
	uint32_t have = leat_features();

	json_open(j, "machine", '{');
	text(j, "cpu", b->machine.cpu);
	json_integer(j, "cpus", (uint64_t)b->machine.cpus);
	json_integer(j, "memory_bytes", b->machine.memory_bytes);
	text(j, "kernel", b->machine.kernel);
	json_open(j, "routes", '[');
	for (int route = LEAT_ROUTE_NONE + 1; route < LEAT_ROUTES; route++)
		if (have >> route & 1)
			text(j, NULL, leat_route_name(route));
	json_close(j, ']');
	text(j, "go", b->go.version);
	text(j, "strace", b->strace_version);
	json_close(j, '}');
}

static void conditions(struct json *j, const struct bench *b)
{
	text(j, "receiver", b->settings.receiver == RECEIVER_WIRE ? "wire" : "ordinary");
	text(j, "sink", b->settings.sink == SINK_BLOCKING ? "blocking" : "nonblocking");
	json_integer(j, "mss_asked", b->settings.mss);
}

static void method(struct json *j, const struct bench *b)
{
	const struct settings *s = &b->settings;

	json_open(j, "method", '{');
	conditions(j, b);
	text(j, "hash", hash_names[s->hash]);
	text(j, "congestion_control", b->net.congestion);
	json_integer(j, "mss_seen", (uint64_t)b->seen_mss);
	json_integer(j, "size_bytes", b->file.size);
	boolean(j, "generated_file", 1, b->file.generated);
	json_integer(j, "server_cpu", (uint64_t)(b->cpu_server < 0 ? 0 : b->cpu_server));
	json_integer(j, "receiver_cpu", (uint64_t)(b->cpu_receiver < 0 ? 0 : b->cpu_receiver));
	boolean(j, "ahead_of_others", 1, s->ahead && getpriority(PRIO_PROCESS, 0) < 0);
	text(j, "cpu_clock", "CPU clock of the serving process; file-file: its own CPU clock around the copy");
	text(j, "wall_clock", "the receiver's, connecting to last byte; file-file: the serving process's, around the copy");
	text(j, "foreign_cpu_from", noise_name(b->noise.source));
	text(j, "calls_counted_by", b->counted_by);
	text(j, "not_counted", b->not_counted);
	json_open(j, "floors", '{');
	for (int d = 0; d < DIRECTIONS; d++)
		text(j, direction_names[d], bench_floor(b, d) ? bench_floor(b, d)->shape->name : NULL);
	json_close(j, '}');
	json_close(j, '}');
}

static void controls(struct json *j, const struct bench *b)
{
	json_open(j, "control", '{');
	for (int d = 0; d < DIRECTIONS; d++)
		three(j, direction_names[d], ratio_of(b, bench_control(b, d), bench_floor(b, d)));
	json_close(j, '}');
}

static void figures(struct json *j, const struct bench *b)
{
	static const char *const kinds[] = { "cpu ratio", "transfer calls per GiB", "payload reads and writes per GiB",
					     "difference of transfer calls per GiB" };
	struct verdict verdicts[VERDICTS];
	unsigned n = figures_judge(b, verdicts);

	json_open(j, "figures", '[');
	for (unsigned i = 0; i < n; i++) {
		const struct figure *f = verdicts[i].figure;

		json_open(j, NULL, '{');
		text(j, "what", f->what);
		text(j, "kind", kinds[f->kind]);
		text(j, "direction", direction_names[f->direction]);
		text(j, "of", f->of);
		text(j, "over", f->over);
		conditions(j, verdicts[i].of);
		json_number(j, "at_most", f->at_most);
		json_number(j, "value", verdicts[i].value);
		three(j, "ratio", verdicts[i].ratio);
		boolean(j, "holds", verdicts[i].judgement == HOLDS || verdicts[i].judgement == MISSED,
			verdicts[i].judgement == HOLDS);
		boolean(j, "others_were_busy", 1, verdicts[i].disturbed);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void overhead(struct json *j, const struct overhead *o)
{
	if (!o)
		return;
	json_open(j, "overhead", '{');
	json_integer(j, "bytes", o->bytes);
	json_integer(j, "wrappers", o->wrappers);
	json_integer(j, "transfer_struct_bytes", o->struct_bytes);
	json_integer(j, "allocated_bytes", o->allocated_bytes);
	three(j, "bare_sendfile_ns", o->bare_ns);
	json_open(j, "rows", '[');
	for (unsigned i = 0; i < OVERHEAD_ROWS; i++) {
		const struct overhead_row *row = &o->rows[i];

		json_open(j, NULL, '{');
		text(j, "name", row->name);
		three(j, "leat_ns", row->leat_ns);
		three(j, "same_calls_ns", row->same_ns);
		three(j, "ratio", row->ratio);
		three(j, "control", row->control);
		three(j, "ratio_to_bare_sendfile", row->over_bare);
		json_integer(j, "calls", row->calls_count);
		text(j, "calls_text", row->calls);
		json_number(j, "at_most", row->at_most);
		json_integer(j, "calls_at_most", row->calls_at_most);
		boolean(j, "holds", row->judgement != TOO_FEW_ROUNDS, row->judgement == HOLDS);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

static void sweep(struct json *j, const struct sweep *s)
{
	if (!s)
		return;
	json_open(j, "sweep", '[');
	for (unsigned i = 0; i < s->points_count; i++) {
		const struct sweep_point *p = &s->points[i];

		json_open(j, NULL, '{');
		json_integer(j, "bytes", p->bytes);
		json_open(j, "cpu_ns_per_transfer", '{');
		for (int way = 0; way < SWEEP_WAYS; way++)
			three(j, sweep_way_names[way], p->cpu_ns[way]);
		json_close(j, '}');
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* Rounds, control and shapes of a run, or of one in other conditions. */
static void measured(struct json *j, const struct bench *b)
{
	json_integer(j, "rounds", b->rounds);
	json_integer(j, "noisy_rounds_repeated", b->noisy_repeated);
	json_integer(j, "noisy_rounds_kept", b->noisy_kept);
	controls(j, b);
	boolean(j, "self_check", b->self_check >= 0, b->self_check);
	json_open(j, "shapes", '[');
	for (unsigned i = 0; i < b->runs_count; i++)
		shape(j, b, &b->runs[i]);
	json_close(j, ']');
}

static void also(struct json *j, const struct bench *b)
{
	if (!b->also_count)
		return;
	json_open(j, "also", '[');
	for (unsigned i = 0; i < b->also_count; i++) {
		json_open(j, NULL, '{');
		conditions(j, b->also[i]);
		json_integer(j, "mss_seen", (uint64_t)b->also[i]->seen_mss);
		measured(j, b->also[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void everything(struct json *j, const struct bench *b)
{
	json_open(j, NULL, '{');
	text(j, "format", "leat-bench");
	json_integer(j, "version", FORMAT);
	text(j, "leat", leat_version());
	text(j, "when", b->machine.when);
	machine(j, b);
	method(j, b);
	measured(j, b);
	also(j, b);
	figures(j, b);
	overhead(j, b->overhead);
	sweep(j, b->sweep);
	json_open(j, "notes", '[');
	for (unsigned i = 0; i < b->notes_count; i++)
		text(j, NULL, b->notes[i]);
	json_close(j, ']');
	json_close(j, '}');
	json_end(j);
}

void json_write(const struct bench *b, FILE *f)
{
	struct json j = { .to = f };

	everything(&j, b);
}
