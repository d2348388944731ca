/* SPDX-License-Identifier: MIT */
/*
 * Who lost the kernel's route: the frame of the program by which the stack of the read and the stack of the write differ.
 * Pure: sees the model only.
 */
#ifndef DOCTOR_CULPRIT_H
#define DOCTOR_CULPRIT_H

#include "model.h"

/* Of a flow that a kernel route carries, the innermost frame of the program that asks for it, as SIDE_CALLER. */
void culprit_find(const struct model *model, const struct flow *flow, struct culprit *culprit);

/* The frames of one side that stand inside the copy loop: from 0, innermost, to the count given. Without a loop, all. */
uint32_t culprit_inside_read(const struct model *model, const struct flow *flow, const struct culprit *culprit);
uint32_t culprit_inside_write(const struct model *model, const struct flow *flow, const struct culprit *culprit);

/* Is it code of libuv, as a shared library? Its pool's threads have no frame of the program around them. */
bool culprit_is_libuv(const struct frame *frame);

#endif
