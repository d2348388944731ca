/* SPDX-License-Identifier: MIT */
/* The options of `leat bench`. */
#ifndef BENCH_SETTINGS_H
#define BENCH_SETTINGS_H

#include <stdint.h>

enum receiver { RECEIVER_WIRE, RECEIVER_ORDINARY, RECEIVER_VERIFY /* ordinary, and hashes */ };
enum sink_mode { SINK_NONBLOCKING, SINK_BLOCKING };
enum hash { HASH_XXH3, HASH_SHA256 };
extern const char *const hash_names[];	/* "sha256"; serve.c */

struct settings {
	uint64_t size, rounds, port, mss, budget_s;
	int receiver, sink, hash;	/* enum receiver, enum sink_mode, enum hash */
	int quick, sweep, overhead, all, no_go, list, ahead;
	const char *shape_list, *file, *json, *html;
};

#endif
