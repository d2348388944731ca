/* SPDX-License-Identifier: MIT */
/* A 64-bit content check of our own, so that the library does not check itself. */
#ifndef BENCH_DIGEST_H
#define BENCH_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct shape;

struct digest { uint64_t lane[4], bytes; unsigned char held[32]; };
void digest_init(struct digest *d);
void digest_update(struct digest *d, const void *bytes, size_t length);
uint64_t digest_result(const struct digest *d);
/* Of what this shape should deliver. 0, or -errno. */
struct expected { uint64_t digest, bytes; uint32_t skip, cut; int file, framed; };
int digest_expected(int file, uint64_t size, const struct shape *shape, struct expected *ret_expected);

#endif
