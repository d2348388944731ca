/* SPDX-License-Identifier: MIT */
/* Flows that say the same become one finding. Pure: sees the model only. */
#ifndef DOCTOR_MERGE_H
#define DOCTOR_MERGE_H

#include "verdict.h"

struct merge_flow {
	uint32_t flow;
	struct culprit culprit;
	struct judgement judgement;
};

/* Orders flows by their place; 0: between ends of the same kinds, by one culprit of one executable. Judgements are not looked at. */
int merge_place_order(const struct model *model, const struct merge_flow *a, const struct merge_flow *b);

/* Sorts flows in place, and makes model->findings of them: one for each verdict, reason, culprit and kinds of ends; the largest
 * loss first, the kernel's routes last. 0 or -ENOMEM. */
int merge_flows(struct model *model, struct merge_flow *flows, uint32_t count);

#endif
