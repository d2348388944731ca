/* SPDX-License-Identifier: MIT */
/* Cold file ranges: a stepped transfer asks before it reads, so that the disk is waited for elsewhere (invariant 13). */
#ifndef LEAT_COLD_H
#define LEAT_COLD_H

#include "types.h"

/* 0: go on, with extent->bytes lowered to what is warm; LEAT_WAIT: being read ahead. first: of this step. */
int cold_check(struct transfer *t, struct extent *extent, bool first);

#endif
