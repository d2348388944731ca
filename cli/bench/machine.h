/* SPDX-License-Identifier: MIT */
/* What this runs on. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdint.h>

struct bench;

struct machine { char cpu[96], kernel[96], when[32]; long cpus; uint64_t memory_bytes; };

void machine_find(struct bench *b);
void machine_set_mss(struct bench *b);	/* as the settings have it */

#endif
