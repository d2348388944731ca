/* SPDX-License-Identifier: MIT */
/*
 * A streaming 64-bit digest for the verify pass: four lanes, each multiplied and rotated with every word, so that a lost,
 * doubled, swapped or changed byte shows. Not for adversaries. Its own, so that the library is not checked by itself.
 */
#include "digest.h"
#include "serve.h"
#include "shapes.h"
#include "units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ODD_A UINT64_C(0x9e3779b97f4a7c15)
#define ODD_B UINT64_C(0xd6e8feb86659fd93)

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

void digest_init(struct digest *d)
{
	memset(d, 0, sizeof *d);
	for (unsigned i = 0; i < 4; i++)
		d->lane[i] = ODD_B * (i + 1);
}

static void block(struct digest *d, const unsigned char *bytes)
{
	uint64_t word[4];

	memcpy(word, bytes, sizeof word);
	for (int i = 0; i < 4; i++)
		d->lane[i] = rotate((d->lane[i] ^ word[i]) * ODD_A, 31);
}

void digest_update(struct digest *d, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	size_t held = d->bytes % 32;

	d->bytes += length;
	if (held) {
		size_t take = 32 - held < length ? 32 - held : length;

		memcpy(d->held + held, at, take);
		at += take;
		length -= take;
		if (held + take < 32)
			return;
		block(d, d->held);
	}
	for (; length >= 32; at += 32, length -= 32)
		block(d, at);
	memcpy(d->held, at, length);
}

uint64_t digest_result(const struct digest *d)
{
	struct digest end = *d;
	uint64_t result = d->bytes * ODD_A;

	if (d->bytes % 32) {
		memset(end.held + d->bytes % 32, 0, 32 - d->bytes % 32);
		block(&end, end.held);
	}
	for (int i = 0; i < 4; i++)
		result = rotate((result ^ end.lane[i]) * ODD_B, 29);
	return result ^ result >> 32;
}

int digest_expected(int file, uint64_t size, const struct shape *shape, struct expected *ret_expected)
{
	int framed = shape->family == FAMILY_LEAT && shape->arg & AS_FRAMED;
	uint64_t at = shape->skip, end = size - shape->cut;
	size_t chunk = 256 * KIB;
	unsigned char *buffer = malloc(chunk);
	struct digest d;
	int error = 0;

	if (!buffer)
		return -ENOMEM;
	digest_init(&d);
	if (framed)
		digest_update(&d, framed_header, strlen(framed_header));
	while (at < end && !error) {
		ssize_t n = pread(file, buffer, end - at < chunk ? end - at : chunk, (off_t)at);

		if (n <= 0)
			error = n < 0 ? -errno : -EIO;
		else
			digest_update(&d, buffer, (size_t)n);
		at += n > 0 ? (uint64_t)n : 0;
	}
	if (framed)
		digest_update(&d, framed_trailer, strlen(framed_trailer));
	free(buffer);
	*ret_expected = (struct expected){ .digest = digest_result(&d), .bytes = d.bytes, .skip = shape->skip,
					   .cut = shape->cut, .file = file, .framed = framed };
	return error;
}
