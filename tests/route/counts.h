/* SPDX-License-Identifier: MIT */
/* One transfer between two marks, for counts.c to look at from outside. */
#ifndef LEAT_TESTS_ROUTE_COUNTS_H
#define LEAT_TESTS_ROUTE_COUNTS_H

#include "ends.h"

/* Calls that nobody else makes. */
#define COUNTS_BEGIN 42424240
#define COUNTS_END 42424241
#define COUNTS_BEGIN_TEXT "getpgid(42424240)"
#define COUNTS_END_TEXT "getpgid(42424241)"

/* "sockets-FROM-TO-STEP-STACK": so much between two sockets, with one of these stacks; the last alone needs the content. */
#define COUNTS_SOCKETS_BYTES (24 << 20)
#define COUNTS_STACKS 8
extern const char *const counts_stacks[COUNTS_STACKS];

/* Runs the scenario and writes its report into the file. The exit status. */
int counts_move(const char *scenario, const char *report_path);

#endif
