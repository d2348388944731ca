/* SPDX-License-Identifier: MIT */
/* The same bytes by three ways, 1 B to 64 MiB. */
#ifndef BENCH_SWEEP_H
#define BENCH_SWEEP_H

#include "stats.h"

#include <stdint.h>

struct bench;

enum sweep_way { SWEEP_MEMORY, SWEEP_COPY, SWEEP_SENDFILE, SWEEP_WAYS };
#define SWEEP_POINTS 24
struct sweep_point { uint64_t bytes; struct stat3 cpu_ns[SWEEP_WAYS]; };
struct sweep { unsigned points_count; struct sweep_point points[SWEEP_POINTS]; };
extern const char *const sweep_way_names[SWEEP_WAYS];

/* 0, or -1 after a sentence. */
int sweep_run(struct bench *b);

#endif
