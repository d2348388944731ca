/* SPDX-License-Identifier: MIT */
/* What looks like a bounce and is none: the bytes that go out are not those that came in. */
#include "ward.h"

#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PIECE 65536
#define LONG_PIECE (2 << 20)

static uint8_t first[PIECE], second[PIECE], longest[LONG_PIECE];

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

/* One byte of each buffer, between any samples; it goes in two writes. */
static uint64_t decoy_half(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = read(ward->from, first, PIECE)) > 0) {
		first[n / 3]++;
		send_all(ward->to, first, (size_t)n / 2);
		send_all(ward->to, first + n / 2, (size_t)(n - n / 2));
		moved += (uint64_t)n;
	}
	return moved;
}

static uint64_t decoy_parts(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = read(ward->from, first, PIECE)) > 0) {
		struct iovec parts[2] = { { first, 30001 }, { first + 30001, (size_t)n - 30001 } };

		first[n / 3]++;
		MUST(n == PIECE);
		ward_send_rest(ward->to, parts, 2, writev(ward->to, parts, 2));
		moved += (uint64_t)n;
	}
	return moved;
}

static uint64_t decoy_stdio(struct ward *ward)
{
	FILE *from = fdopen(dup(ward->from), "r"), *to = fdopen(dup(ward->to), "w");
	uint64_t moved = 0;
	size_t n;

	MUST(from && to);
	while ((n = fread(first, 1, PIECE, from)) > 0) {
		first[n / 3]++;
		MUST(fwrite(first, 1, n, to) == n);
		moved += n;
	}
	MUST(!fclose(to));
	fclose(from);
	return moved;
}

static uint64_t decoy_headless(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = read(ward->from, first, PIECE)) > 512) {
		first[n / 3]++;
		send_all(ward->to, first + 512, (size_t)n - 512);
		moved += (uint64_t)n - 512;
	}
	return moved;
}

static uint64_t decoy_long(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = read(ward->from, longest, LONG_PIECE)) > 0) {
		longest[n / 3]++;
		send_all(ward->to, longest, (size_t)n);
		moved += (uint64_t)n;
	}
	return moved;
}

static const uint8_t *change_eighth(size_t n)
{
	static unsigned buffers;

	first[n / 3] += buffers++ % 8 == 3;
	return first;
}

/* Of every eighth buffer only. */
static uint64_t decoy_rare(struct ward *ward)
{
	return run(ward, change_eighth);
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

static const uint8_t *answer(size_t n)
{
	if (n > 64)
		fill(first + 64, n - 64);
	return first;
}

/* A server with one buffer: what it answers stands where the question stood, and keeps its first 64 bytes. */
static uint64_t decoy_answers(struct ward *ward)
{
	return run(ward, answer);
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

/* The file is read over and over for its own sake, so that hardly anybody looks at the last read; what is sent then stands in the
 * same buffer, and has its length. */
static uint64_t decoy_later(struct ward *ward)
{
	for (unsigned i = 0; i < 5003; i++)
		MUST(pread(ward->from, first, PIECE, (off_t)(i % 64) * PIECE) > 0);
	for (uint64_t done = 0; done < 4 * ward->bytes; done += PIECE) {
		fill(first, PIECE);
		send_all(ward->to, first, PIECE);
	}
	return 4 * ward->bytes;
}

/* No decoy: what native AIO reads nobody sees, so it must not be called clean. */
static uint64_t unseen_aio(struct ward *ward)
{
	aio_context_t context = 0;
	uint64_t moved = 0;

	MUST(!syscall(SYS_io_setup, 1, &context));
	for (;;) {
		struct iocb request = { .aio_fildes = (uint32_t)ward->from, .aio_lio_opcode = IOCB_CMD_PREAD,
					.aio_buf = (uintptr_t)first, .aio_nbytes = PIECE, .aio_offset = (int64_t)moved };
		struct iocb *requests = &request;
		struct io_event event;

		MUST(syscall(SYS_io_submit, context, 1, &requests) == 1);
		MUST(syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 && event.res >= 0);
		if (!event.res)
			return moved;
		send_all(ward->to, first, (size_t)event.res);
		moved += (uint64_t)event.res;
	}
}

/* A private mapping: what is stored there is the program's, and not the file's. */
static uint64_t decoy_private(struct ward *ward)
{
	uint8_t *map = mmap(NULL, ward->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, ward->from, 0);

	MUST(map != MAP_FAILED);
	for (uint64_t i = 0; i < ward->bytes; i++)
		map[i] ^= 0x5a;
	for (uint64_t done = 0; done < ward->bytes; done += PIECE)
		send_all(ward->to, map + done, ward->bytes - done < PIECE ? ward->bytes - done : PIECE);
	return ward->bytes;
}

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = {
		{ "xor", decoy_xor }, { "first", decoy_first }, { "middle", decoy_middle }, { "last", decoy_last },
		{ "half", decoy_half }, { "parts", decoy_parts }, { "stdio", decoy_stdio }, { "headless", decoy_headless },
		{ "long", decoy_long }, { "rare", decoy_rare },
		{ "transform", decoy_transform }, { "reused", decoy_reused }, { "answers", decoy_answers },
		{ "apart", decoy_apart }, { "later", decoy_later },
		{ "aio", unseen_aio }, { "private", decoy_private }, { NULL, NULL },
	};

	return ward_main(argc, argv, modes);
}
