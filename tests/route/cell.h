/* SPDX-License-Identifier: MIT */
/* One cell of the route matrix: a transfer between two kinds of ends, looked at from every side. */
#ifndef LEAT_TESTS_ROUTE_CELL_H
#define LEAT_TESTS_ROUTE_CELL_H

#include "ends.h"

enum wraps { WRAPS_NONE, WRAPS_FIVE, WRAPS_HASH, WRAPS_FRAME, WRAPS_LIMIT, WRAPS_KINDS };
enum mode { MODE_BLOCKING, MODE_NONBLOCKING, MODE_STEP, MODES };

struct cell {
	enum from from;
	enum to to;
	enum wraps wraps;
	enum mode mode;
	uint64_t size;
};

/* Runs it, prints what is wrong; the number of things that are. */
unsigned cell_run(const struct cell *cell);

#endif
