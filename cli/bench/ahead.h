/* SPDX-License-Identifier: MIT */
/* Before all other processes. */
#ifndef BENCH_AHEAD_H
#define BENCH_AHEAD_H

#include <signal.h>

/* Goes on before all other processes, in a child; the caller waits for it and ends with its status. 0, or -errno when it
 * goes on as before. */
int ahead_begin(const volatile sig_atomic_t *stop);

#endif
