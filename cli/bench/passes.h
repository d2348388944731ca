/* SPDX-License-Identifier: MIT */
/* A bench, from the first process to the last. */
#ifndef BENCH_PASSES_H
#define BENCH_PASSES_H

struct bench;

int passes_run(struct bench *b);	/* 0, or -1 after a sentence */
int passes_also(struct bench *b, int counted, int timed);	/* the same, where file, CPUs and network are there */
int also_run(struct bench *b);		/* also.c: --all; 0, or -1 after a sentence */
void passes_end(struct bench *b);	/* ends every process, gives everything back */

#endif
