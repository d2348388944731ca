/* SPDX-License-Identifier: MIT */
/* Sources and sinks: what they are made of, and their facts, gathered once. */
#ifndef LEAT_ENDPOINT_H
#define LEAT_ENDPOINT_H

#include "types.h"

/* Gathers what is not yet known; a file whose content nobody promised is always asked for its size again. 0 or an error. */
int source_look(struct leat_source *source);
int sink_look(struct leat_sink *sink);

/* A file, block device or memory: has a position and an end, and can be started anywhere. */
bool source_seekable(const struct leat_source *source);
bool kind_is_socket(uint8_t kind);
bool kind_is_file(uint8_t kind);
/* A stream under O_NONBLOCK's rule: socket, pipe, terminal, device. */
bool kind_waits(uint8_t kind);

/* Compares a file source with the facts of its begin: LEAT_OK, LEAT_SOURCE_GREW, or LEAT_SOURCE_CHANGED. */
enum leat_reason source_compare(const struct leat_source *source);

/* Puts bytes in front of what the source keeps already. 0 or -ENOMEM. */
int source_keep(struct leat_source *source, const void *bytes, uint64_t length);

/* The release of a part or of a closed source, exactly once. */
void source_release(struct leat_source *source, const struct leat_report *report);

/* Writes to a bare sink what it takes without waiting: bytes, or -EAGAIN with *wait filled in, or an error. */
int64_t sink_write_now(struct leat_sink *sink, const void *bytes, size_t length, struct pollfd *wait);

#endif
