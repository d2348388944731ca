/* SPDX-License-Identifier: MIT */
/* Room for any wrapper that the library ships. */
#ifndef LEAT_TESTS_ANY_WRAPPER_H
#define LEAT_TESTS_ANY_WRAPPER_H

#include "leat.h"

union any_wrapper {
	struct leat_wrapper wrapper;
	struct leat_limit limit;
	struct leat_rate rate;
	struct leat_deadline deadline;
	struct leat_count count;
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;
	struct leat_hash hash;
	struct leat_xxh3 xxh3;
	struct leat_tee tee;
	struct leat_frame frame;
};

#endif
