/* SPDX-License-Identifier: MIT */
/* System calls as strace saw them. */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench;

#define COUNT_NAMES 48
struct counts {
	int valid;
	unsigned transfers;			/* how many were counted together */
	uint64_t bytes;				/* they moved */
	double foreign;				/* how busy others were, as in struct sample */
	uint64_t user_in_bytes, user_out_bytes;	/* payload read into and written from the process's memory */
	uint64_t user_calls;			/* read- and write-like calls on the payload, probes not among them */
	uint64_t probes;			/* preadv2(RWF_NOWAIT) of at most one byte */
	uint64_t transfer_calls;		/* sendfile, splice, copy_file_range, read, write, ... on the payload */
	unsigned names;
	struct { char name[24]; uint64_t calls; } by_name[COUNT_NAMES];
};

/* ---- trace.c ---- */

struct tracer { pid_t pid; int log; uint64_t cpu_ns /* of strace, once stopped */; };
/* Attaches strace to every thread of the process. 0, or -errno after the reason was put into why. */
int tracer_start(struct tracer *tracer, pid_t pid, int cpu, char *why, size_t size);
/* Detaches. */
void tracer_stop(struct tracer *tracer);
/* Adds what the log says between the first and the last payload call of each transfer. Closes log. */
int counts_read(struct counts *counts, int log);
uint64_t counts_of(const struct counts *counts, const char *name);

/* ---- count.c ---- */

/* The count pass over all runs, with its self-check. */
void count_pass(struct bench *b);

#endif
