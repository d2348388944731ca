/* SPDX-License-Identifier: MIT */
/* What gate.c asks of a baseline. */
#ifndef DOCTOR_BASELINE_H
#define DOCTOR_BASELINE_H

#include "gate.h"

bool baseline_has(const struct baseline *baseline, const struct model *model, const struct finding *finding);

#endif
