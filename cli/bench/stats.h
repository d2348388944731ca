/* SPDX-License-Identifier: MIT */
/* Medians. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

struct stat3 { unsigned n; double median, min, max, low, high /* bootstrap 95 % interval of the median */; };
struct stat3 stats_of(const double *values, unsigned n);

#endif
