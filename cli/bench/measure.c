/* SPDX-License-Identifier: MIT */
/*
 * One sample is one transfer of one shape. CPU is that of the serving process alone, from its own CPU clock read by us
 * before the connection and after its answer: whatever it does in between is billed to it, user and kernel, TCP's work
 * for the receiver on loopback included. A sample during which anybody else was busy on our two CPUs is taken again; a
 * sample is never judged by its result.
 */
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "digest.h"
#include "measure.h"
#include "noise.h"
#include "receive.h"
#include "settings.h"
#include "shapes.h"
#include "testfile.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RETRIES 6		/* when the rounds are given */
#define RETRIES_IN_BUDGET 2	/* else: another round is worth more */
#define RETRIES_QUICK 1
#define SETTLE_US 3000		/* for what a server does behind its answer: it is part of its cost */
#define IDLE_SHARE 0.20		/* a server idle for more than this waited for the receiver */
#define ROUNDS_ADAPTIVE_MIN 3

const double noise_limit = 0.06;	/* of one CPU; as servers elsewhere were measured with */

static uint64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A slice is billed when it is over, or at the next tick. Being on the server's CPU for a moment ends whoever's was under
 * way there, so that it does not count as foreign in the sample to come. */
static void bill_all(const struct bench *b)
{
	pin_to(b->cpu_server);
	pin_to(b->cpu_receiver);
}

void measure_mark(const struct bench *b, const struct run *run, struct marks *m)
{
	if (b->noise.source == NOISE_SCHEDSTAT)
		usleep(50);	/* there our own slice counts only when it is over, too */
	m->server = child_cpu_ns(&run->child);
	m->own = own_cpu_ns();
	m->soft = noise_softirq_ns(&b->noise);
	m->all = noise_all_ns(&b->noise);
	m->wall = now_ns();
}

double measure_foreign(const struct bench *b, const struct marks *from, const struct marks *to, uint64_t helper_ns)
{
	double all = (double)(to->all - from->all), ours;

	if (b->noise.source == NOISE_NONE)
		return 0;
	ours = (double)(to->own - from->own) + (double)(to->server - from->server) + (double)(to->soft - from->soft) +
	       (double)helper_ns;
	return all > ours ? (all - ours) / (double)(to->wall - from->wall) : 0;
}

/* One transfer: what the server said is in run->outcome. 0, or -errno with run->why filled in. */
static int transfer(struct bench *b, struct run *run, enum receiver how, struct intake *in)
{
	int timeout_ms = (int)b->payload_timeout_ms, error = 0;
	char end[96];

	*in = (struct intake){ 0 };
	memset(&run->outcome, 0, sizeof run->outcome);
	if (run->shape->direction == FILE_FILE)
		error = child_order(&run->child, ORDER_RUN);
	else
		error = receive(b, &run->child, run->shape->direction, how, timeout_ms, in);
	if (!error)
		error = child_answer(&run->child, &run->outcome, timeout_ms);
	if (error == -ETIMEDOUT && !*b->stop)
		snprintf(run->why, sizeof run->why, "it did not finish within %d s", timeout_ms / 1000);
	else if (error)
		snprintf(run->why, sizeof run->why, "its process %s (%s)", child_obituary(&run->child, end, sizeof end),
			 strerror(-error));
	if (error)
		return error;
	if (run->outcome.bytes < 0) {
		snprintf(run->why, sizeof run->why, "%s", run_error_text(run));
		return (int)run->outcome.bytes;
	}
	if (run->shape->direction == FILE_FILE)
		in->bytes = (uint64_t)run->outcome.bytes;	/* holes among them */
	else if (in->mss)
		b->seen_mss = in->mss;
	return 0;
}

int measure_transfer(struct bench *b, struct run *run, enum receiver how, struct intake *in)
{
	int error = transfer(b, run, how, in);

	if (!error && run->shape->direction == FILE_FILE)
		error = child_order(&run->child, ORDER_RELEASE);
	return error;
}

static int sample_once(struct bench *b, struct run *run, struct sample *s)
{
	struct marks from, to;
	struct intake in;
	int error = 0;

	/* What the pages of a new file cost depends on who had that memory before: here it is always a copy like this one. */
	if (run->shape->direction == FILE_FILE)
		error = measure_transfer(b, run, b->settings.receiver, &in);
	if (error)
		return error;
	usleep(SETTLE_US);
	bill_all(b);
	measure_mark(b, run, &from);
	error = measure_transfer(b, run, b->settings.receiver, &in);
	if (error)
		return error;
	measure_mark(b, run, &to);
	usleep(SETTLE_US);
	s->bytes = (double)in.bytes;
	s->cpu_ns = (double)(child_cpu_ns(&run->child) - from.server);
	s->wall_ns = (double)in.wall_ns;
	s->foreign = measure_foreign(b, &from, &to, in.helper_cpu_ns);
	if (run->shape->direction == FILE_FILE) {
		/* Its own clocks around the copy: making and dropping the new file is not copying. */
		s->cpu_ns = (double)run->outcome.cpu_ns;
		s->wall_ns = (double)run->outcome.wall_ns;
	} else if (!(run->shape->flags & SHAPE_PACED) && s->foreign <= noise_limit && s->cpu_ns < s->wall_ns * (1 - IDLE_SHARE)) {
		run->receiver_limits++;
	}
	return 0;
}

int measure_sample(struct bench *b, struct run *run, struct sample *ret_sample)
{
	int retries = b->settings.rounds ? RETRIES : b->settings.quick ? RETRIES_QUICK : RETRIES_IN_BUDGET;
	struct sample best = { .foreign = INFINITY };

	for (int try = 0; try <= retries && !*b->stop; try++) {
		struct sample s;
		int error = sample_once(b, run, &s);

		if (error)
			return error;
		if (s.foreign < best.foreign)
			best = s;
		if (best.foreign <= noise_limit)
			break;
		if (try == retries || out_of_time(b, 1)) {
			b->noisy_kept++;
			break;
		}
		b->noisy_repeated++;
		if (s.foreign > 5 * noise_limit && b->settings.rounds)
			usleep(try < 2 ? 100000 : 300000);
	}
	*ret_sample = best;
	return *b->stop ? -EINTR : 0;
}

/* What the shape should deliver; many deliver the same, so it is looked up first. */
static int find_expected(struct bench *b, const struct shape *shape, struct expected *e)
{
	int file = shape->flags & SHAPE_SPARSE ? b->sparse : b->file.fd, error;
	int framed = shape->family == FAMILY_LEAT && shape->arg & AS_FRAMED;

	for (unsigned i = 0; i < b->expected_count; i++) {
		*e = b->expected[i];
		if (e->file == file && e->skip == shape->skip && e->cut == shape->cut && e->framed == framed)
			return 0;
	}
	error = digest_expected(file, b->file.size, shape, e);
	if (!error && b->expected_count < sizeof b->expected / sizeof b->expected[0])
		b->expected[b->expected_count++] = *e;
	return error;
}

/* The new file is still open in the serving process: read it from there. */
static int copy_is(const struct bench *b, const struct run *run, const struct expected *expected)
{
	struct expected found = { 0 };
	char path[64];
	int fd, error;

	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)run->child.pid, run->outcome.dst);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	error = digest_expected(fd, b->file.size, run->shape, &found);
	close(fd);
	return !error && found.digest == expected->digest && found.bytes == expected->bytes;
}

void measure_verify(struct bench *b, struct run *run)
{
	struct expected expected;
	struct intake in;
	int error = transfer(b, run, RECEIVER_VERIFY, &in);

	if (error) {
		bench_drop(b, run, "%s", run->why);
		return;
	}
	run->verified = find_expected(b, run->shape, &expected) == 0 && in.bytes == expected.bytes;
	if (run->shape->direction == FILE_FILE) {
		run->verified = run->verified && copy_is(b, run, &expected);
		child_order(&run->child, ORDER_RELEASE);
	} else {
		run->verified = run->verified && digest_result(&in.digest) == expected.digest;
	}
	if (!run->verified && !test_file_changed(&b->file, b->settings.file))
		bench_note(b, "%s %s delivered other bytes than it should have: its figures are worth nothing",
			   direction_names[run->shape->direction], run->shape->name);
}

static void one_round(struct bench *b, unsigned round)
{
	for (unsigned i = 0; i < b->runs_count && !*b->stop; i++) {
		/* There and back again: what drifts within a round falls on either side of the floor. */
		struct run *run = &b->runs[round % 2 ? b->runs_count - 1 - i : i];

		if (run->dropped)
			continue;
		out_progress(&b->out, 0, "round %u, %s %s", round + 1, direction_names[run->shape->direction],
			     run->shape->name);
		if (measure_sample(b, run, &run->samples[round]) && !*b->stop)
			bench_drop(b, run, "%s", run->why);
	}
}

unsigned measure_rounds(struct bench *b)
{
	unsigned most = (unsigned)b->settings.rounds ? (unsigned)b->settings.rounds : ROUNDS_ADAPTIVE_MAX, round;
	unsigned least = b->settings.quick ? 1 : ROUNDS_ADAPTIVE_MIN;
	char text[24];
	uint64_t began = now_ns();

	for (round = 0; round < most && bench_left(b) && !*b->stop; round++) {
		uint64_t spent = now_ns() - began;

		if (!b->settings.rounds && round && (round >= least || out_of_time(b, 1.1)) &&
		    now_ns() - b->began_ns + spent / round > b->settings.budget_s * 1000000000)
			break;
		out_progress(&b->out, round == 0, "measuring: %s%s", rounds_text(most, text), b->settings.rounds ? "" : " at most");
		one_round(b, round);
	}
	out_progress_end();
	if (!bench_left(b))
		return 0;
	return *b->stop && round ? round - 1 : round;
}
