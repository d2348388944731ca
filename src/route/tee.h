/* SPDX-License-Identifier: MIT */
/*
 * tee(2) for route splice_pipe: what fills the pipe of a transfer is duplicated into one pipe for each tee on the way, page
 * by page, without a copy. A tee's pipe holds exactly what the transfer's pipe holds: the bytes not yet delivered.
 */
#ifndef LEAT_ROUTE_TEE_H
#define LEAT_ROUTE_TEE_H

#include "../types.h"

/* Whether every content wrapper on the way is a tee whose second sink the kernel can splice to. *ret_by is the first that
 * is no tee, and forbids it; else it is left alone. */
bool tee_possible(const struct transfer *t, const char **ret_by);
/* Switches the tees on the way to the kernel or back; back drops what their pipes hold (the transfer still has it). */
void tee_use_kernel(struct transfer *t, bool kernel);
/* Duplicates the bytes that have just filled the empty pipe. 0 or an error, with its reason. */
int tee_fill(struct transfer *t, enum leat_reason *ret_reason);

/* For the tee itself, once bytes of its pipe have been delivered: to the second sink (bytes or -errno), or to memory. */
int64_t tee_pipe_splice(struct leat_tee *tee, uint64_t bytes);
int64_t tee_pipe_read(struct leat_tee *tee, void *bytes, uint64_t size);

#endif
