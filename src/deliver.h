/* SPDX-License-Identifier: MIT */
/* One extent on its way. */
#ifndef LEAT_DELIVER_H
#define LEAT_DELIVER_H

#include "types.h"

/*
 * Puts the extent where it has to go: into a pipe or buffer of ours (*ret_filled: how much), to a changer, past a section,
 * or to the sink, and charges what was accepted. .bytes is what the sink took. step_done: bytes this step has moved already.
 */
struct move deliver(struct transfer *t, struct extent *x, uint64_t step_done, uint64_t *ret_filled);

#endif
