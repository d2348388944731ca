/* SPDX-License-Identifier: MIT */
/* The count pass: every shape once more, under strace, with nothing timed. */
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "count.h"
#include "figures.h"
#include "measure.h"
#include "receive.h"
#include "serve.h"
#include "settings.h"
#include "shapes.h"
#include "tool.h"
#include "units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COUNT_BYTES GIB			/* the counts are for each GiB, so count one where it takes no time */
#define COUNT_PATIENCE_NS 1000000000	/* and no further transfer after so long; --quick: an eighth of it */
#define TRIES 3				/* while others are busy */
#define ENOUGH 0.4			/* of the budget: each shape is counted once, over one transfer */

struct attempt {
	struct counts counts;
	char why[200];		/* it failed */
};

/* Counts transfers of a run until they come to bytes_wanted, the first with the planted read if plant. 0, or -errno. */
static int count_run(struct bench *b, struct run *run, int plant, uint64_t bytes_wanted, struct attempt *a)
{
	uint64_t patience_ns = b->settings.quick ? COUNT_PATIENCE_NS / 8 : COUNT_PATIENCE_NS, began, helpers_ns = 0;
	struct counts *counts = &a->counts;
	struct marks from, to;
	struct tracer tracer;
	struct intake in;
	int error;

	memset(a, 0, sizeof *a);
	if (plant && child_order(&run->child, ORDER_PLANT))
		return -EPIPE;
	measure_mark(b, run, &from);
	error = tracer_start(&tracer, run->child.pid, b->cpu_server, a->why, sizeof a->why);
	if (error)
		return error;
	began = now_ns();
	do {
		error = measure_transfer(b, run, (enum receiver)b->settings.receiver, &in);
		counts->bytes += in.bytes;
		counts->transfers++;
		helpers_ns += in.helper_cpu_ns;
	} while (!error && run->shape->direction != FILE_FILE && counts->bytes < bytes_wanted &&
		 now_ns() - began < patience_ns && !out_of_time(b, ENOUGH) && !*b->stop);
	tracer_stop(&tracer);
	measure_mark(b, run, &to);
	counts->foreign = measure_foreign(b, &from, &to, helpers_ns + tracer.cpu_ns);
	if (error) {
		close(tracer.log);
		snprintf(a->why, sizeof a->why, "%s", run->why);
		return error;
	}
	counts->valid = counts_read(counts, tracer.log) == 0 && counts->transfer_calls > 0;
	return 0;
}

/* How fit a shape is for the planted read: best where a wrapper of leat's makes it, then the loops in C. 0: it cannot. */
static int plants(const struct bench *b, const struct shape *shape)
{
	if (shape->family == FAMILY_GO)
		return 0;
	if (shape->family == FAMILY_C)
		return shape->flags & SHAPE_FLOOR ? 3 : 2;
	if (shape->arg & WITH_LOG)
		return shape->direction == FILE_TCP ? 5 : 4;
	return shape->direction != FILE_FILE && b->settings.sink == SINK_NONBLOCKING;	/* stepped: between two steps */
}

/* One transfer with and one without a planted read of one byte: the count of read must differ by exactly that. */
static int check_once(struct bench *b, struct run *run, char *why, size_t size)
{
	struct attempt bare, planted;
	int error = count_run(b, run, 0, 1, &bare);

	if (error) {
		snprintf(why, size, "%s", bare.why);
		return error;
	}
	error = count_run(b, run, 1, 1, &planted);
	if (error) {
		snprintf(why, size, "%s", planted.why);
		return error;
	}
	b->self_check = counts_of(&planted.counts, "read") == counts_of(&bare.counts, "read") + 1 &&
			planted.counts.user_in_bytes == bare.counts.user_in_bytes + 1;
	return 0;
}

/* Up to three times, as the counts: beside a loaded machine it failed once in some runs, and why was not found. Counts that are wrong
 * are wrong each time. */
static void self_check(struct bench *b)
{
	struct run *run = NULL;
	char why[200];
	int error = 0, best = 0;

	for (unsigned i = 0; i < b->runs_count; i++)
		if (!b->runs[i].dropped && plants(b, b->runs[i].shape) > best) {
			run = &b->runs[i];
			best = plants(b, run->shape);
		}
	if (!run) {
		bench_note(b, "the counts are not checked: no shape that is left can make the planted read");
		return;
	}
	for (int try = 0; try < TRIES && !error && b->self_check <= 0 && !(try && out_of_time(b, ENOUGH)); try++)
		error = check_once(b, run, why, sizeof why);
	if (error && !*b->stop)
		bench_note(b, "the counts could not be checked: %s", why);
	else if (!b->self_check)
		bench_note(b, "a planted read did not show in the counts of %s: they are not to be trusted", run->shape->name);
}

/* The least disturbed of a few counts: a receiver that others keep waiting makes the server of a full socket ask again. */
static int count_quietly(struct bench *b, struct run *run, char *why, size_t size)
{
	double least = INFINITY;
	struct attempt attempt;

	for (int try = 0; try < TRIES && least > noise_limit && !*b->stop && !(try && out_of_time(b, ENOUGH)); try++) {
		int error = count_run(b, run, 0, COUNT_BYTES, &attempt);

		if (error) {
			snprintf(why, size, "%s", attempt.why);
			return error;
		}
		if (attempt.counts.foreign < least) {
			least = attempt.counts.foreign;
			run->counts = attempt.counts;
		}
		b->noisy_repeated += try > 0;
	}
	return 0;
}

static double transfer_calls(const struct run *run)
{
	return per_gib(&run->counts, run->counts.transfer_calls);
}

/*
 * A pause of the whole machine, of which no count of foreign CPU tells, disturbs a count as well: where raw and wrapped differ both
 * are counted again. Each keeps the least disturbed of its own, whatever the other has come to: of pairs the one that differs least
 * would be the one whose raw was disturbed by just what the wrappers cost.
 */
static void count_pair_again(struct bench *b)
{
	struct run *pair[] = { bench_run(b, FILE_TCP, "raw"), bench_run(b, FILE_TCP, "wrapped") };
	struct attempt again;

	for (int i = 0; i < 2; i++)
		if (!pair[i] || pair[i]->dropped || !pair[i]->counts.valid)
			return;
	for (int try = 1; try < TRIES; try++) {
		if (fabs(transfer_calls(pair[0]) - transfer_calls(pair[1])) <= FIGURES_CALLS_APART)
			return;
		for (int i = 0; i < 2; i++) {
			if (*b->stop || out_of_time(b, ENOUGH) || count_run(b, pair[i], 0, COUNT_BYTES, &again))
				return;
			b->noisy_repeated++;
			if (less_disturbed(&again.counts, &pair[i]->counts, i == 0 && b->settings.sink == SINK_BLOCKING))
				pair[i]->counts = again.counts;
		}
	}
}

/* Or why there is none. */
static void say_version(struct bench *b)
{
	char said[128], version[24];

	if (tool_says("strace", "-V", said, sizeof said, b->not_counted, sizeof b->not_counted))
		return;
	if (sscanf(said, "strace -- version %23s", version) == 1)
		snprintf(b->strace_version, sizeof b->strace_version, "strace %s", version);
	else
		snprintf(b->not_counted, sizeof b->not_counted, "`strace -V` names no version");
}

void count_pass(struct bench *b)
{
	char why[200] = "";

	say_version(b);
	if (!b->strace_version[0]) {
		bench_note(b, "%s: system calls are not counted%s", b->not_counted,
			   strstr(b->not_counted, "on the PATH") ? " (install strace to have them)" : "");
		return;
	}
	for (unsigned i = 0; i < b->runs_count && !*b->stop; i++) {
		struct run *run = &b->runs[i];
		int error;

		if (run->dropped)
			continue;
		out_progress(&b->out, i == 0, "counting system calls under %s%s%s", b->strace_version,
			     b->out.live ? ": " : "", b->out.live ? run->shape->name : "");
		error = count_quietly(b, run, why, sizeof why);
		if (error == -EPERM) {
			snprintf(b->not_counted, sizeof b->not_counted, "%s", why);
			bench_note(b, "%s: system calls are not counted", why);
			return;
		}
		if (error && !*b->stop)
			bench_drop(b, run, "%s", why);
		b->counted_by = b->strace_version;
	}
	count_pair_again(b);
	if (b->counted_by && bench_left(b) && !*b->stop)
		self_check(b);
}
