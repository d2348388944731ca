/* SPDX-License-Identifier: MIT */
/* begin + step + end of one small transfer through leat, beside a C program that makes the same calls. */
#ifndef BENCH_OVERHEAD_H
#define BENCH_OVERHEAD_H

#include "figures.h"
#include "stats.h"

#include <stdint.h>

struct bench;

enum { OVERHEAD_ROWS = 2 };
struct overhead_row {
	const char *name;
	struct stat3 leat_ns, same_ns, ratio, control, over_bare;	/* CPU of one transfer */
	unsigned calls_count, calls_at_most;
	double at_most;
	enum judgement judgement;
	char calls[400];		/* in order, as strace saw them */
};
struct overhead {
	struct overhead_row rows[OVERHEAD_ROWS];
	struct stat3 bare_ns;		/* a sendfile and nothing else */
	uint64_t bytes, wrappers, struct_bytes, allocated_bytes;
};

/* 0, or -1 after a sentence. */
int overhead_run(struct bench *b);

#endif
