/* SPDX-License-Identifier: MIT */
/* Sources of sources, and views. */
#ifndef LEAT_QUEUE_H
#define LEAT_QUEUE_H

#include "types.h"

/*
 * The source that gives the next bytes of top: through views, the first part of each queue, down to a descriptor, memory or
 * callback; or a queue's own source when that queue is empty. *ret_part: the innermost part that ends when it ends, or NULL.
 */
struct leat_source *queue_leaf(struct leat_source *top, struct leat_source **ret_part);
/* True when source is a queue that is empty and may still grow. */
bool queue_starves(const struct leat_source *source);
/* Takes the first part, which is over, out of its queue; NULL: there is none. */
struct leat_source *queue_take(struct leat_queue *queue);
/* Marks top and what is below it, as far as it runs now, with the transfer it serves, or idle (NULL). The first misuse kept in any
 * of them, or 0. */
int queue_serve(struct leat_source *top, const struct transfer *t);

#endif
