/* SPDX-License-Identifier: MIT */
/* A sink that takes so many bytes in small pieces, then fails or waits. */
#ifndef LEAT_TESTS_ROUTE_TAP_H
#define LEAT_TESTS_ROUTE_TAP_H

#include "leat.h"

#include <string.h>

#define TAP_ROOM 3000000	/* the most that it may be asked to take */

static struct {
	struct leat_sink sink;
	unsigned char got[TAP_ROOM];
	uint64_t at, most;
	int then;
} tap;

static int64_t tap_write(void *arg, const void *bytes, size_t size, int more, struct pollfd *wait)
{
	uint64_t n = size < 10000 ? size : 10000;

	if (tap.at == tap.most)
		return tap.then;
	n = n < tap.most - tap.at ? n : tap.most - tap.at;
	memcpy(tap.got + tap.at, bytes, n);
	tap.at += n;
	return (int64_t)n;
}

static const struct leat_sink_ops tap_ops = { .name = "tap", .write = tap_write };

static inline void tap_open(uint64_t most, int then)
{
	tap.at = 0;
	tap.most = most;
	tap.then = then;
	leat_to_callback(&tap.sink, &tap_ops, NULL);
}

#endif
