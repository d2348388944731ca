/* SPDX-License-Identifier: MIT */
/* What DESIGN.md says of each pair of ends, written down by hand. Nothing here is computed by the library. */
#ifndef LEAT_TESTS_ROUTE_EXPECT_H
#define LEAT_TESTS_ROUTE_EXPECT_H

#include "ends.h"

#include <stdio.h>

struct expect {
	bool in_plan[LEAT_ROUTES];
	enum leat_reason refused[LEAT_ROUTES];
	enum leat_route first;		/* of the plan */
	bool auto_copy;			/* two streams: copy until reads fill up, then first */
};

/* For the pair without content wrappers, or with one (hash). */
void expect_make(struct expect *expect, enum from from, enum to to, bool hash);

#endif
