/* SPDX-License-Identifier: MIT */
/* The receiving end of a connection. */
#ifndef BENCH_RECEIVE_H
#define BENCH_RECEIVE_H

#include "digest.h"
#include "settings.h"
#include "shapes.h"

#include <stdint.h>

struct bench;
struct child;

struct intake {
	uint64_t bytes, wall_ns, calls, empty_calls;
	uint64_t helper_cpu_ns;		/* of the process that feeds a relay for the ordinary receiver */
	int mss;
	struct digest digest;
};

/* Connects to the child and takes everything it sends. 0, -ETIMEDOUT, or -errno. */
int receive(struct bench *b, const struct child *child, enum direction direction, enum receiver how, int timeout_ms,
	    struct intake *intake);

#endif
