/* SPDX-License-Identifier: MIT */
/* Patients that carry a file of their own to a sink, and note what they did: the least that a watched program can do. */
#ifndef TESTS_DOCTOR_CARRYING_H
#define TESTS_DOCTOR_CARRYING_H

#include "watching.h"

#define PIECE 8192

static uint8_t pattern[65536];

static inline void fill_pattern(void)
{
	static unsigned seed = 23;

	for (unsigned i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
}

static inline int source_file(const char *name, unsigned pieces)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	NEED(fd >= 0);
	fill_pattern();
	for (unsigned i = 0; i < pieces; i++) {
		memcpy(pattern, &i, sizeof i);
		NEED(write(fd, pattern, PIECE) == PIECE);
	}
	NEED(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Reads all of it into buffer, and writes it to the sink. */
static inline uint64_t carry(int from, int to, uint8_t *buffer)
{
	uint64_t done = 0;
	ssize_t n;

	while ((n = read(from, buffer, PIECE)) > 0) {
		NEED(write(to, buffer, (size_t)n) == n);
		done += (uint64_t)n;
	}
	NEED(n == 0);
	return done;
}

static inline void note_did(int from, int to, uint64_t bytes)
{
	unsigned at = __atomic_fetch_add(&shared->count, 1, __ATOMIC_SEQ_CST);

	shared->did[at].from = inode_of(from);
	shared->did[at].to = inode_of(to);
	shared->did[at].bytes = bytes;
}

#endif
