/* SPDX-License-Identifier: MIT */
/* The chain of wrappers: putting them on, threading the whole way of a transfer, and telling them what happens. */
#ifndef LEAT_WRAPPER_H
#define LEAT_WRAPPER_H

#include "types.h"

/* What the wrappers on a way need, in sum. The names are of the first that needs it, or NULL. */
struct needs {
	const char *content, *change;
	uint16_t wrappers, content_wrappers;
	uint32_t changers;
	bool boundaries;	/* a frame, a changer or a section that still skips is on the way */
	bool framed;
};

const char *wrapper_name(const struct leat_wrapper *wrapper);

/*
 * Threads up and down through every wrapper from the leaf base to the sink, in the direction of the bytes, and returns the
 * first. *ret_part_last is the last one of the queue's part that base ends (NULL: none, or no part).
 */
struct leat_wrapper *way_link(struct leat_source *base, struct leat_source *part, struct leat_sink *sink,
			      struct leat_wrapper **ret_part_last);
struct leat_wrapper *way_last(struct leat_wrapper *first);
struct needs way_needs(const struct leat_wrapper *first);

/* Tells all of them; bytes are those that passed each, but of MOVED. */
void way_event(struct leat_wrapper *first, struct leat_event *event);
/* The bytes expected behind this wrapper when total come to it; LEAT_UNKNOWN behind a frame or changer. */
uint64_t wrapper_total(const struct leat_wrapper *wrapper, uint64_t total);

#endif
