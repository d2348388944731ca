/* SPDX-License-Identifier: MIT */
/* What gate.c asks of a baseline. */
#ifndef DOCTOR_BASELINE_H
#define DOCTOR_BASELINE_H

#include "gate.h"

/* Bytes of the finding that are at places which the baseline does not have; 0: it has them all. */
uint64_t baseline_new_bytes(const struct baseline *baseline, const struct model *model, const struct finding *finding);

#endif
