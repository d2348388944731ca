/* SPDX-License-Identifier: MIT */
/*
 * What keeps a watch of days within bounds: of processes that have ended, places that look the same become one, and their flows,
 * if they are too many, sums. No byte is lost by it, and nothing of a process that goes on is touched.
 */
#ifndef DOCTOR_FOLD_H
#define DOCTOR_FOLD_H

#include "collect.h"

struct fold {
	const uint8_t *alive;		/* by number of process, FOLD_PIDS of them: it goes on, or something of it is still to come */
	uint32_t most_flows;		/* that are over; of more, the ends become kinds, and then the places nobody's */
	uint32_t most_processes;	/* of more, those that have ended and have no flow are left out */
	uint32_t *processes;		/* filled: place before → place now, or MODEL_NONE; the caller's to free */
	uint32_t over;			/* filled: flows that are over */
};

#define FOLD_PIDS (1u << 22)	/* that the kernel gives */

/* All flows were collected before, and findings are dropped. 0; or -ENOMEM, and all is as it was. */
int fold_model(struct collect *collect, struct model *model, struct fold *fold);

#endif
