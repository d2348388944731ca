/* SPDX-License-Identifier: MIT */
/* The world of random calls: ends, wrappers, queues, transfers, and what stands at the far ends. */
#ifndef LEAT_FAULT_API_H
#define LEAT_FAULT_API_H

#include "any-wrapper.h"
#include "lab.h"
#include "seam.h"
#include "types.h"

#define SOURCES 6
#define SINKS 5
#define QUEUES 3
#define WRAPPERS 14
#define RUNNING 3
#define STREAMS 4
#define CALLS 250

struct running {
	struct leat_transfer transfer;
	struct leat_source *source;
	struct leat_sink *sink;
	bool runs, helped;
	int last;
	uint64_t bytes;
};

struct world {
	struct leat_source sources[SOURCES];
	struct leat_sink sinks[SINKS], seconds[WRAPPERS];
	struct leat_queue queues[QUEUES];
	union any_wrapper wrappers[WRAPPERS];
	unsigned char tee_room[WRAPPERS][512], memory[5000];
	struct running running[RUNNING];
	struct leat_helper helper;
	int in[STREAMS][2], out[STREAMS][2];	/* [0] is read from, [1] written to */
	int file, sparse, target, append, dir;
	unsigned done, moved, failed, copied;
};

extern struct world world;

/* A number of [0, n) from the seed. */
uint64_t below(uint64_t n);

/* note is printed with what fails there. */
void make_world(const char *note);
/* Closes everything, in an order that is allowed; checks that nothing is busy or on a chain. */
void unmake_world(void);
void make_source(struct leat_source *source);
void make_sink(struct leat_sink *sink);
void wrap_something(void);
void grow_a_queue(void);
void poke_the_far_ends(void);

#endif
