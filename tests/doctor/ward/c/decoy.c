/* SPDX-License-Identifier: MIT */
/* What looks like a bounce and is none: the bytes that go out are not those that came in. */
#include "ward.h"

#define PIECE 65536

static uint8_t first[PIECE], second[PIECE];

static void send_all(int fd, const uint8_t *at, size_t left)
{
	while (left) {
		ssize_t n = write(fd, at, left);

		MUST(n > 0);
		at += n;
		left -= (size_t)n;
	}
}

typedef const uint8_t *change(size_t n);

static uint64_t run(struct ward *ward, change *change)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = read(ward->from, first, PIECE)) > 0) {
		send_all(ward->to, change((size_t)n), (size_t)n);
		moved += (uint64_t)n;
	}
	return moved;
}

static const uint8_t *xor_all(size_t n)
{
	for (size_t i = 0; i < n; i++)
		first[i] ^= 0x5a;
	return first;
}

static const uint8_t *change_first(size_t n)
{
	first[0]++;
	return first;
}

static const uint8_t *change_middle(size_t n)
{
	first[n / 2]++;
	return first;
}

static const uint8_t *change_last(size_t n)
{
	first[n - 1]++;
	return first;
}

static const uint8_t *transform(size_t n)
{
	for (size_t i = 0; i < n; i++)
		second[i] = (uint8_t)(first[i] * 3 + 1);
	return second;
}

static uint64_t decoy_xor(struct ward *ward)
{
	return run(ward, xor_all);
}

static uint64_t decoy_first(struct ward *ward)
{
	return run(ward, change_first);
}

static uint64_t decoy_middle(struct ward *ward)
{
	return run(ward, change_middle);
}

static uint64_t decoy_last(struct ward *ward)
{
	return run(ward, change_last);
}

static uint64_t decoy_transform(struct ward *ward)
{
	return run(ward, transform);
}

static uint32_t chance = 1;

static void fill(uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		chance = chance * 1664525 + 1013904223;
		at[i] = (uint8_t)(chance >> 24);
	}
}

/* The file is read and dropped; malloc gives the room again, for other bytes. */
static uint64_t decoy_reused(struct ward *ward)
{
	uint64_t moved = 0;
	uint8_t *buffer;
	ssize_t n;

	do {
		buffer = malloc(PIECE);
		MUST(buffer);
		n = read(ward->from, buffer, PIECE);
		free(buffer);
		buffer = malloc(PIECE);
		MUST(buffer && n >= 0);
		fill(buffer, (size_t)n);
		send_all(ward->to, buffer, (size_t)n);
		free(buffer);
		moved += (uint64_t)n;
	} while (n);
	return moved;
}

/* A server with one buffer: what it answers stands where the question stood, and keeps its first 64 bytes. */
static uint64_t decoy_answers(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = read(ward->from, first, PIECE)) > 0) {
		if (n > 64)
			fill(first + 64, (size_t)n - 64);
		send_all(ward->to, first, (size_t)n);
		moved += (uint64_t)n;
	}
	return moved;
}

/* A file is read for its own sake, and something else is sent, neither of another's size. */
static uint64_t decoy_apart(struct ward *ward)
{
	uint64_t moved = 0;

	while (read(ward->from, first, PIECE) > 0) {
		fill(second, PIECE / 2);
		send_all(ward->to, second, PIECE / 2);
		moved += PIECE / 2;
	}
	return moved;
}

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = {
		{ "xor", decoy_xor }, { "first", decoy_first }, { "middle", decoy_middle }, { "last", decoy_last },
		{ "transform", decoy_transform }, { "reused", decoy_reused }, { "answers", decoy_answers },
		{ "apart", decoy_apart }, { NULL, NULL },
	};

	return ward_main(argc, argv, modes);
}
