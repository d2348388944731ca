/* SPDX-License-Identifier: MIT */
/* The event loop of one transfer: what a program with poll does around leat_step. */
#ifndef CLI_LOOP_H
#define CLI_LOOP_H

#include <leat.h>

/* Steps to the end. between (may be NULL) is called after each step. LEAT_DONE, or the error that leat_end will give
 * as well; -ETIMEDOUT after until_ns of CLOCK_MONOTONIC (the transfer is then still running: leat_end cancels it). */
int loop_run(struct leat_transfer *transfer, uint64_t until_ns, void (*between)(void *arg), void *arg);

#endif
