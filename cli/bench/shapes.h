/* SPDX-License-Identifier: MIT */
/* The table of shapes: what is measured. */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <stddef.h>
#include <stdint.h>

enum direction { FILE_TCP, TCP_TCP, FILE_FILE, DIRECTIONS };
enum family { FAMILY_LEAT, FAMILY_C, FAMILY_GO };

enum {	/* struct shape.flags */
	SHAPE_FLOOR = 1,	/* the C program the others of its direction are compared with */
	SHAPE_CONTROL = 2,	/* the floor once more, under another name: the A/A control */
	SHAPE_PACED = 4,	/* slow on purpose: says nothing about who is the limit */
	SHAPE_SPARSE = 8,	/* reads the sparse file */
};

enum {	/* struct shape.arg of a leat shape: what stands around the source */
	WITH_LIMIT = 1, WITH_SECTION = 2, WITH_COUNT = 4, WITH_LOG = 8, WITH_TRACE = 16, WITH_PROGRESS = 32,
	WITH_DEADLINE = 64, WITH_RATE = 128, WITH_HASH = 256,
	WITH_ALL = WITH_LIMIT | WITH_COUNT | WITH_LOG | WITH_TRACE | WITH_PROGRESS | WITH_DEADLINE,
	AS_CALLBACK = 512,	/* the source is a read callback: opaque */
	AS_FRAMED = 1024,	/* header memory + file + trailer memory in a queue */
	ONLY_CLONE = 2048,	/* policy require, every other route off */
};

enum { BY_CORK = 1, BY_POLL = 2 };	/* struct shape.arg of a sendfile loop in C: under a cork; non-blocking */

struct job;

struct shape {
	const char *name;		/* as in the JSON */
	enum direction direction;
	enum family family;
	int (*serve)(struct job *job);	/* NULL: a Go program, go_mode says which */
	uint64_t arg;			/* leat: WITH_...; C: bytes of buffer or pipe, or BY_... */
	uint32_t skip, cut;		/* bytes of the file left out at its begin and end */
	unsigned flags;
	const char *go_mode;
	const char *what;		/* one line for people */
};

extern const struct shape shapes[];
extern const size_t shapes_count;
extern const char *const direction_names[DIRECTIONS];	/* "file-tcp" */
extern const char *const family_names[];		/* "leat", "C", "Go" */

#endif
