/* SPDX-License-Identifier: MIT */
/* CPU time of everything on our CPUs, from the best source this kernel has. */
#ifndef BENCH_NOISE_H
#define BENCH_NOISE_H

#include <stdint.h>
#include <sys/types.h>

enum noise_source { NOISE_NONE, NOISE_CPUACCT, NOISE_SCHEDSTAT, NOISE_TICKS };
struct noise { enum noise_source source; int cpu[2]; pid_t ksoftirqd[2]; };
void noise_init(struct noise *noise, int cpu_a, int cpu_b);
const char *noise_name(enum noise_source source);
uint64_t noise_all_ns(const struct noise *noise);
uint64_t noise_softirq_ns(const struct noise *noise);

#endif
