/* SPDX-License-Identifier: MIT */
/* Ends that are no files of ours to replace: standard streams, descriptors, sockets, and what is opened just to be read. */
#ifndef CLI_CP_END_H
#define CLI_CP_END_H

#include "../addr.h"

struct end {
	struct addr addr;
	int fd;			/* -1: not open */
	int ours;		/* to be closed */
	int network;		/* a TCP socket: what was sent may be still under way */
};

/*
 * Opens it to be read (writes 0) or written. A listener waits for one connection, and takes no more. Prints a sentence when it
 * fails: -errno, -EINTR when a signal came first. timeout_ms: of connecting and accepting; -1: none.
 */
int end_open(struct end *end, int writes, int timeout_ms);
/* All has been written: flushes it, if asked and where there is a disk; says so to the peer, and waits until it has it, no
 * longer than timeout_ms while it takes nothing. 0 or -errno: -ECANCELED when a signal came. */
int end_finish(struct end *end, int timeout_ms, int sync);
void end_close(struct end *end);

#endif
