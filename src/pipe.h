/* SPDX-License-Identifier: MIT */
/*
 * The pipe of a transfer: from the helper's pool, or made for it. Only an empty pipe goes back; one that holds bytes is
 * closed, so no byte of one connection can reach another (hazard 45).
 */
#ifndef LEAT_PIPE_H
#define LEAT_PIPE_H

#include "types.h"

/* Opens *pipe with about bytes of capacity (pool may be NULL). 0; -EMFILE, -ENFILE, or -ENOBUFS when the pool's cap or the
 * user's pipe budget leaves nothing useful (less than 64 KiB): the caller declines with pipe-budget. */
int pipe_open(struct pipe *pipe, uint64_t bytes, struct leat_helper *pool);
/* Gives it back or closes it; *pipe is then empty. A pipe that is not open is fine. */
void pipe_close(struct pipe *pipe, struct leat_helper *pool);

#endif
