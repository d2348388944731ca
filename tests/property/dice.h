/* SPDX-License-Identifier: MIT */
/* Chance that a seed repeats (splitmix64), and an array of bytes that grows. */
#ifndef DICE_H
#define DICE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to below - 1; 0 for 0. */
static inline uint64_t dice_below(struct dice *dice, uint64_t below)
{
	uint64_t z = dice_next(dice);

	return below ? z % below : 0;
}

static inline bool dice_one_in(struct dice *dice, uint64_t n)
{
	return dice_below(dice, n) == 0;
}

/* 0 to most, every order of magnitude alike. */
static inline uint64_t dice_size(struct dice *dice, uint64_t most)
{
	unsigned bits = 0;
	uint64_t size;

	while (bits < 63 && most >> bits)
		bits++;
	size = dice_below(dice, UINT64_C(1) << dice_below(dice, bits + 1));
	return size < most ? size : most;
}

struct bytes {
	unsigned char *data;
	uint64_t length, room;
};

static inline unsigned char *bytes_grow(struct bytes *bytes, uint64_t length)
{
	unsigned char *at;

	if (bytes->length + length > bytes->room) {
		bytes->room = 2 * (bytes->length + length) + 64;
		bytes->data = realloc(bytes->data, bytes->room);
		if (!bytes->data)
			abort();
	}
	at = bytes->data + bytes->length;
	bytes->length += length;
	return at;
}

static inline void bytes_add(struct bytes *bytes, const void *data, uint64_t length)
{
	if (length)
		memcpy(bytes_grow(bytes, length), data, length);
}

static inline void bytes_byte(struct bytes *bytes, unsigned char byte)
{
	*bytes_grow(bytes, 1) = byte;
}

static inline void bytes_free(struct bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct bytes){ 0 };
}

struct numbers {
	uint64_t *at;
	size_t count, room;
};

static inline void numbers_add(struct numbers *numbers, uint64_t number)
{
	if (numbers->count == numbers->room) {
		numbers->room = 2 * numbers->room + 16;
		numbers->at = realloc(numbers->at, numbers->room * sizeof *numbers->at);
		if (!numbers->at)
			abort();
	}
	numbers->at[numbers->count++] = number;
}

#endif
