/* SPDX-License-Identifier: MIT */
/* Holes of a sparse file stay holes in a file: they are walked on a private reopen, because SEEK_DATA moves the offset. */
#ifndef LEAT_HOLES_H
#define LEAT_HOLES_H

#include "types.h"

/* So many zeros there are: who sees a hole, sees as many at a time. */
#define HOLES_ZEROS 65536

/* Lowers bytes so that they end where data turns into hole or back. *ret_hole: they are a hole, and *ret_data zeros of ours. */
uint64_t holes_limit(struct transfer *t, uint64_t bytes, const unsigned char **ret_data, bool *ret_hole);
/* Makes bytes of extent a hole of the sink file. Where that cannot be, zeros are written, and it is no hole any more. */
struct move holes_make(struct transfer *t, struct extent *extent, uint64_t bytes);
/* A hole at the end only exists once the file is that long. 0 or an error. */
int holes_finish(struct transfer *t);
void holes_close(struct transfer *t);

#endif
