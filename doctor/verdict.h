/* SPDX-License-Identifier: MIT */
/* What a flow is: carried by the kernel, bounced, copied twice, changed on the way, too small, or not movable at all; and how sure
 * that is. Pure: sees the model only. */
#ifndef DOCTOR_VERDICT_H
#define DOCTOR_VERDICT_H

#include "model.h"

#define VERDICT_SMALL_BYTES 4096	/* a mean below it: counted, nothing advised */

struct judgement {
	enum verdict verdict;
	enum confidence confidence;
	uint8_t reason;		/* enum leat_reason */
};

/* side: of the culprit, for the reason of a loss. */
void verdict_flow(const struct model *model, const struct flow *flow, enum culprit_side side, struct judgement *judgement);
bool verdict_loses(enum verdict verdict);		/* bounce, copied, mmap-write: the kernel could have moved these */
const char *verdict_name(enum verdict verdict);		/* "bounce" */
const char *confidence_name(enum confidence confidence);	/* "certain" */

/* Judges every flow, joins those that say the same (merge.h), and leaves model->findings. 0 or -ENOMEM. */
int verdict_all(struct model *model);

#endif
