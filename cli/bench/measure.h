/* SPDX-License-Identifier: MIT */
/* Transfers that are verified, and timed. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "settings.h"

#include <stdint.h>

struct bench;
struct intake;
struct run;

struct sample { double cpu_ns, wall_ns, bytes, foreign /* share of one CPU */; };

/* One transfer of one shape. 0, or -errno after the reason was put into run->why. */
int measure_transfer(struct bench *b, struct run *run, enum receiver how, struct intake *in);
/* The same, timed, and again while others were busy. */
int measure_sample(struct bench *b, struct run *run, struct sample *ret_sample);
/* CPU time of others on our CPUs between two marks, as a share of one CPU; helper_ns: of processes of ours that are gone. */
struct marks { uint64_t wall, own, server, all, soft; };
void measure_mark(const struct bench *b, const struct run *run, struct marks *m);
double measure_foreign(const struct bench *b, const struct marks *from, const struct marks *to, uint64_t helper_ns);
#define ROUNDS_ADAPTIVE_MAX 21	/* unless they are given */
extern const double noise_limit;	/* a share above which a sample is taken again */
/* The verify pass of one shape; sets run->verified. */
void measure_verify(struct bench *b, struct run *run);
/* All rounds. Returns how many were done; 0 when no shape is left. */
unsigned measure_rounds(struct bench *b);

#endif
