/* SPDX-License-Identifier: MIT */
/* The flame graph of a model: all stacks as one tree, wide as their bytes, drawn as SVG. */
#ifndef DOCTOR_PRINT_FLAME_H
#define DOCTOR_PRINT_FLAME_H

#include "../model.h"

#include <stdio.h>

/* 0, or -ENOMEM. Draws nothing when no stack is known. Classes: lost, kernel, other; culprit for the frames to blame. */
int flame_draw(FILE *to, const struct model *model);

#endif
