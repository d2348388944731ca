/* SPDX-License-Identifier: MIT */
/*
 * Faults at the seam of src/sys.c. One fault at a time: a call, after how many bytes it has moved, and what it returns then;
 * calls are cut so that they end just there. Splices are told apart: into a pipe of the library's (fill), out of it (drain),
 * and with a pipe of the caller's.
 *
 * A program that uses it links seam.c and wraps what tests/fault/meson.build lists in seam_wraps.
 */
#ifndef LEAT_FAULT_SEAM_H
#define LEAT_FAULT_SEAM_H

#include <stdbool.h>
#include <stdint.h>

enum seam_call {
	SEAM_NONE, SEAM_CLONE, SEAM_RANGE, SEAM_SENDFILE, SEAM_SPLICE, SEAM_FILL, SEAM_DRAIN, SEAM_READ, SEAM_PREAD, SEAM_RECV,
	SEAM_WRITE, SEAM_PWRITE, SEAM_SEND, SEAM_PUNCH, SEAM_TRUNCATE, SEAM_LENGTHEN, SEAM_SEEK, SEAM_PIPE, SEAM_PIPE_SIZE,
	SEAM_REOPEN,
	SEAM_POLL, SEAM_CALLS
};

struct seam {
	enum seam_call call;
	uint64_t after;			/* bytes this call has moved when the fault comes */
	int64_t result;			/* -errno, or 0 */
	unsigned times;			/* in a row; 0 is 1 */
	unsigned skip;			/* calls that go well first, besides */
	uint64_t most;			/* bytes any call moves at once; 0: as it likes */
	bool clone_works;		/* clones are made by copying: not every file system has them */
	void (*on_fire)(void);		/* called when the fault comes */

	unsigned fired;
	unsigned later;			/* calls of the faulty kind after the last fault */
	unsigned calls[SEAM_CALLS];
	uint64_t moved[SEAM_CALLS];
};

extern struct seam seam;

/* No fault, counters at 0. */
void seam_reset(void);
/* The next fault. */
void seam_set(enum seam_call call, uint64_t after, int64_t result);
const char *seam_name(enum seam_call call);

#endif
