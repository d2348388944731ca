/* SPDX-License-Identifier: MIT */
/* Other programs. */
#ifndef BENCH_TOOL_H
#define BENCH_TOOL_H

#include <stddef.h>

/* Runs a program of the PATH with one argument, and takes what it prints. 0, or -1 with the sentence in why: it is not
 * there, hangs, fails. */
int tool_says(const char *name, const char *argument, char *said, size_t said_size, char *why, size_t size);
/* How a process ended, as the end of a sentence. */
const char *tool_end(int status, char *text, size_t size);

#endif
