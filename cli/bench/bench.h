/* SPDX-License-Identifier: MIT */
/*
 * `leat bench`: one run of it. What its parts offer to each other stands in a header of each part.
 *
 * The flow: options -> test file -> one serving process for each selected shape -> verify pass -> count pass ->
 * interleaved rounds -> statistics -> table, JSON, HTML. Every serving process stands from the beginning to the end, on
 * a CPU of its own; this process is the receiver, on another one.
 */
#ifndef BENCH_H
#define BENCH_H

#include "../net.h"
#include "../out.h"
#include "child.h"
#include "count.h"
#include "digest.h"
#include "golang.h"
#include "machine.h"
#include "noise.h"
#include "results.h"
#include "settings.h"
#include "shapes.h"
#include "testfile.h"

#include <signal.h>
#include <stdint.h>

struct overhead;
struct sample;
struct sweep;

struct run {		/* one selected shape */
	const struct shape *shape;
	struct child child;
	struct sample *samples;		/* by round; bytes 0: missing */
	struct outcome outcome;		/* of the last transfer */
	struct counts counts;
	int verified;			/* -1 not looked at, 0 wrong, 1 right */
	int receiver_limits;		/* rounds in which the server stood idle */
	int dropped;
	char why[200];			/* of dropped, or of a missing figure */
};

#define ALSO_MAX 5

struct bench {
	struct settings settings;
	struct result results[RESULTS];
	struct out out;
	struct machine machine;
	struct test_file file;
	int sparse;			/* fd of the sparse file, or -1 */
	struct golang go;
	struct noise noise;
	struct net_options net;
	int cpu_server, cpu_receiver;	/* -1: not pinned */
	int upstream;			/* listener relays connect to */
	int seen_mss;			/* as the connections had it */
	uint64_t began_ns, payload_timeout_ms;
	struct run *runs;
	unsigned runs_count, rounds, noisy_repeated, noisy_kept;
	const char *counted_by;		/* "strace 6.1", or NULL */
	char strace_version[32];
	int self_check;			/* -1 not made, 0 the planted read was not seen, 1 seen */
	char not_counted[200];		/* why the calls are not counted */
	struct overhead *overhead;
	struct sweep *sweep;
	struct bench *also[ALSO_MAX];	/* --all: the same in other conditions, a few shapes each */
	unsigned also_count;
	int is_also;			/* one of these: file and CPUs are those of the first */
	const volatile sig_atomic_t *stop;	/* the signal that asked us to */
	unsigned expected_count;	/* content digests, made once */
	struct expected expected[8];
	unsigned notes_count;
	char notes[24][240];		/* sentences for the reader of the results */
};

/* ---- runs.c ---- */

/* The run of a shape, NULL when it was not selected. */
struct run *bench_run(const struct bench *b, enum direction direction, const char *name);
struct run *bench_floor(const struct bench *b, enum direction direction);
struct run *bench_control(const struct bench *b, enum direction direction);
/* How many are not dropped. */
unsigned bench_left(const struct bench *b);

/* ---- bench.c ---- */

/* Says it on stderr and keeps it for the JSON and the page. */
void bench_note(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes a shape out of the run, with a sentence. */
void bench_drop(struct bench *b, struct run *run, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Why its last transfer failed. */
const char *run_error_text(const struct run *run);
/* More than this part of the budget is spent. Never so when the rounds are given: then they take what they take. */
int out_of_time(const struct bench *b, double part);
/* "1 round", "3 rounds" */
const char *rounds_text(unsigned rounds, char text[24]);

#endif
