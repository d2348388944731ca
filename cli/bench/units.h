/* SPDX-License-Identifier: MIT */
/* Sizes, and the time. */
#ifndef BENCH_UNITS_H
#define BENCH_UNITS_H

#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

uint64_t now_ns(void);	/* bench.c */

#endif
