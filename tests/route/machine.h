/* SPDX-License-Identifier: MIT */
/*
 * How late the machine was, to tell it from how late the library was. A program that asks is linked with machine.c and
 * wrap ['poll', 'usleep'].
 */
#ifndef LEAT_TESTS_ROUTE_MACHINE_H
#define LEAT_TESTS_ROUTE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Nanoseconds for which threads of this process waited for a processor (run_delay of /proc/self/task/ID/schedstat), and for
 * which poll and usleep took longer than they were asked to. Only differences mean anything. What the library asked a poll
 * to wait is never in it. On an idle machine it hardly grows.
 */
uint64_t machine_late_ns(void);
/* The same of the main thread alone, asked from any. */
uint64_t machine_late_main_ns(void);
/* a - b, but 0 when b is more. */
uint64_t machine_less(uint64_t a, uint64_t b);

/* Why nothing comes in time here: "valgrind", with tsan_too also "tsan"; NULL where it does. */
const char *machine_slowed_by(bool tsan_too);

#endif
