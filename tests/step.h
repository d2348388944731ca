/* SPDX-License-Identifier: MIT */
/* A step that says what it waits for: one whose time is over first, as on a slow machine, is made again. */
#ifndef LEAT_TESTS_STEP_H
#define LEAT_TESTS_STEP_H

#include <leat.h>

static inline int step_on(struct leat_transfer *transfer)
{
	int r;

	while ((r = leat_step(transfer)) == LEAT_AGAIN)
		;
	return r;
}

#endif
