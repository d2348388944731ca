/* SPDX-License-Identifier: MIT */
/* What the transfer asks of its loop's helper: cold file ranges read ahead, the pool of pipes, a buffer. */
#ifndef LEAT_HELPER_H
#define LEAT_HELPER_H

#include "types.h"

/*
 * Reads [offset, offset+bytes) of fd into the page cache on the worker thread, which is started if it does not run; the
 * transfer then comes out of leat_helper_next, once. fd is duplicated: the caller may close it. 0, or -errno (no thread, no
 * descriptor; -EBUSY: the file has record locks, which closing our duplicate would drop; -ECHILD: after fork): the caller
 * then asks again by time. At most one request for a transfer at a time, at most 4 MiB of it are read. Coming out means
 * tried, not resident: a read error, O_DIRECT or eviction leaves the range cold, so the caller counts its tries.
 */
int helper_read_ahead(struct leat_helper *helper, struct transfer *t, int fd, uint64_t offset, uint64_t bytes);
/* t is about to end: it will not come out of leat_helper_next any more. */
void helper_forget(struct leat_helper *helper, struct transfer *t);

/* The pool. helper_take_pipe: true and an empty pipe of the pool; false: none idle, as helper_has_pipe tells. helper_may_make
 * counts one more open pipe against the cap, or says false; helper_put_pipe takes an empty pipe back, or only counts it off
 * (empty false). */
bool helper_has_pipe(struct leat_helper *helper);
bool helper_take_pipe(struct leat_helper *helper, struct pipe *pipe);
bool helper_may_make(struct leat_helper *helper);
bool helper_put_pipe(struct leat_helper *helper, const struct pipe *pipe, bool empty);
/* One buffer for all transfers of a loop, as only one works at a time: NULL when it is lent out, or of another size. Put takes
 * it over. */
unsigned char *helper_take_buffer(struct leat_helper *helper, uint64_t size);
void helper_put_buffer(struct leat_helper *helper, unsigned char *bytes, uint64_t size);

#endif
