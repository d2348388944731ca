/* SPDX-License-Identifier: MIT */
/* FNV-1a: to find things again, and to tell them apart where nobody gains by making two the same. Users' baselines hold such. */
#ifndef DOCTOR_HASH_H
#define DOCTOR_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_FIRST UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count)
{
	for (const uint8_t *at = bytes; count--; at++)
		hash = (hash ^ *at) * UINT64_C(0x100000001b3);
	return hash;
}

/* Of several texts: none runs into the next. */
static inline uint64_t hash_text(uint64_t hash, const char *text)
{
	return hash_bytes(hash_bytes(hash, text, strlen(text)), "\xff", 1);
}

#endif
