/* SPDX-License-Identifier: MIT */
/* The table route × errno × progress: which errors mean "take the next route". Everything else is a real error. */
#ifndef LEAT_DECLINE_H
#define LEAT_DECLINE_H

#include "types.h"

/* error is negative; moved says whether this route has moved a byte of this transfer. True and the reason, or false. */
bool decline_reason(enum leat_route route, int error, bool moved, enum leat_reason *ret_reason);

struct decline_row {
	uint32_t routes;	/* bits */
	int error;
	bool at_start_only;
	enum leat_reason reason;
};
/* The table itself, for the test that injects every row. */
const struct decline_row *decline_rows(unsigned *ret_count);

#endif
