/* SPDX-License-Identifier: MIT */
/* Bounces of one thread. "CULPRIT: mode" marks the line that is to be named, "CULPRIT: mode/other" one that is right as well. */
#include "ward.h"

#include <sys/mman.h>
#include <sys/uio.h>

#define PIECE 65536

static uint8_t first[2 * PIECE], second[2 * PIECE], ring[4 * PIECE];

static ssize_t fetch_block(int fd, void *to, size_t room)
{
	ssize_t n = read(fd, to, room);

	MUST(n >= 0);
	return n;
}

static void send_all(int fd, const void *bytes, size_t left)
{
	const uint8_t *at = bytes;

	while (left) {
		ssize_t n = write(fd, at, left);	/* CULPRIT: mmap */

		MUST(n > 0);
		at += n;
		left -= (size_t)n;
	}
}

static uint64_t copy_rw(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 0) {	/* CULPRIT: rw */
		send_all(ward->to, first, (size_t)n);
		moved += (uint64_t)n;
	}
	return moved;
}

/* A buffer on the stack larger than what a look at a stack takes at once. It lasts long enough for a second look. */
static uint64_t copy_stack(struct ward *ward)
{
	uint8_t buffer[PIECE];
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, buffer, sizeof buffer)) > 0) {	/* CULPRIT: stack */
		send_all(ward->to, buffer, (size_t)n);
		moved += (uint64_t)n;
		usleep(2000);
	}
	return moved;
}

static uint64_t copy_memcpy(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 0) {	/* CULPRIT: memcpy */
		memcpy(second, first, (size_t)n);
		send_all(ward->to, second, (size_t)n);
		moved += (uint64_t)n;
	}
	return moved;
}

static uint64_t copy_offset(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 0) {	/* CULPRIT: offset */
		memcpy(second + 100, first, (size_t)n);
		send_all(ward->to, second + 100, (size_t)n);
		moved += (uint64_t)n;
	}
	return moved;
}

/* Each block is written when the next one has been read. */
static uint64_t copy_late(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t before = 0, n;
	int side = 0;

	do {
		n = fetch_block(ward->from, first + side * PIECE, PIECE);	/* CULPRIT: late */
		send_all(ward->to, first + !side * PIECE, (size_t)before);
		moved += (uint64_t)before;
		before = n;
		side = !side;
	} while (n > 0);
	return moved;
}

/* Reads of three eighths of the ring, writes of a quarter: no write is as long as a read. */
static uint64_t copy_ring(struct ward *ward)
{
	uint64_t head = 0, tail = 0;
	int more = 1;

	while (more || tail < head) {
		size_t room = sizeof ring - (size_t)(head - tail), to_end = sizeof ring - head % sizeof ring;
		size_t most = sizeof ring * 3 / 8, have, n;

		most = most < room ? most : room;
		most = most < to_end ? most : to_end;
		if (more && most) {
			n = (size_t)fetch_block(ward->from, ring + head % sizeof ring, most);	/* CULPRIT: ring */
			head += n;
			more = n > 0;
		}
		have = (size_t)(head - tail);
		to_end = sizeof ring - tail % sizeof ring;
		n = have < to_end ? have : to_end;
		n = n < sizeof ring / 4 ? n : sizeof ring / 4;
		send_all(ward->to, ring + tail % sizeof ring, n);
		tail += n;
	}
	return tail;
}

/* Sixty-four reads behind each other fill what one write sends. */
static uint64_t copy_gather(struct ward *ward)
{
	size_t room = sizeof first * 8, have = 0;
	uint8_t *buffer = malloc(room);
	uint64_t moved = 0;
	ssize_t n;

	MUST(buffer);
	do {
		n = fetch_block(ward->from, buffer + have, room / 64);	/* CULPRIT: gather */
		have += (size_t)n;
		if (n && have < room)
			continue;
		send_all(ward->to, buffer, have);
		moved += have;
		have = 0;
	} while (n > 0);
	free(buffer);
	return moved;
}

static uint64_t copy_split(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 0) {	/* CULPRIT: split */
		size_t half = (size_t)n / 2;

		send_all(ward->to, first, half);
		send_all(ward->to, first + half, (size_t)n - half);
		moved += (uint64_t)n;
	}
	return moved;
}

static uint64_t copy_fan(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 0)	/* CULPRIT: fan */
		for (int i = 0; i < ward->sink_count; i++) {
			send_all(ward->sinks[i], first, (size_t)n);
			moved += (uint64_t)n;
		}
	return moved;
}

/* As HTTP's chunks: the length, the block, a new line. Moved is what came from the source. */
static uint64_t copy_chunks(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 0) {	/* CULPRIT: chunks */
		char head[32];
		int length = snprintf(head, sizeof head, "%zx\r\n", (size_t)n);
		struct iovec parts[3] = { { head, (size_t)length }, { first, (size_t)n }, { "\r\n", 2 } };
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };

		ward_send_rest(ward->to, parts, 3, sendmsg(ward->to, &message, 0));
		moved += (uint64_t)n;
	}
	return moved;
}

/* A header of 100 bytes is read with the block, and stays behind. */
static uint64_t copy_inside(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = fetch_block(ward->from, first, PIECE)) > 100) {	/* CULPRIT: inside */
		send_all(ward->to, first + 100, (size_t)n - 100);
		moved += (uint64_t)n - 100;
	}
	return moved;
}

static uint64_t copy_mmap(struct ward *ward)
{
	uint8_t *map = mmap(NULL, ward->bytes, PROT_READ, MAP_SHARED, ward->from, 0);

	MUST(map != MAP_FAILED);
	for (uint64_t done = 0; done < ward->bytes; done += PIECE)
		send_all(ward->to, map + done, ward->bytes - done < PIECE ? ward->bytes - done : PIECE);
	return ward->bytes;
}

static uint64_t copy_stdio(struct ward *ward)
{
	FILE *from = fdopen(dup(ward->from), "r"), *to = fdopen(dup(ward->to), "w");
	uint64_t moved = 0;
	size_t n;

	MUST(from && to);
	while ((n = fread(first, 1, 4096, from)) > 0) {		/* CULPRIT: stdio */
		MUST(fwrite(first, 1, n, to) == n);		/* CULPRIT: stdio/write */
		moved += n;
	}
	MUST(!fclose(to));
	fclose(from);
	return moved;
}

static uint64_t copy_vectors(struct ward *ward)
{
	struct iovec parts[16];
	uint64_t moved = 0;
	ssize_t n;

	for (int i = 0; i < 16; i++)
		parts[i] = (struct iovec){ first + i * 8192, 8192 };
	while ((n = readv(ward->from, parts, 16)) > 0) {	/* CULPRIT: vectors */
		MUST(n == (ssize_t)sizeof first);
		ward_send_rest(ward->to, parts, 16, writev(ward->to, parts, 16));
		moved += (uint64_t)n;
	}
	return moved;
}

/* As many buffers in a call as the kernel takes. */
static uint64_t copy_many_vectors(struct ward *ward)
{
	static struct iovec parts[1024];
	uint8_t *buffers = malloc(sizeof first * 32);
	uint64_t moved = 0;
	ssize_t n;

	MUST(buffers);
	for (int i = 0; i < 1024; i++)
		parts[i] = (struct iovec){ buffers + i * 4096, 4096 };
	while ((n = readv(ward->from, parts, 1024)) > 0) {	/* CULPRIT: many */
		MUST(n == (ssize_t)sizeof first * 32);
		ward_send_rest(ward->to, parts, 1024, writev(ward->to, parts, 1024));
		moved += (uint64_t)n;
	}
	free(buffers);
	return moved;
}

/* 8 KiB to each of two thousand files: as many flows, and one place that makes them. */
static uint64_t copy_files(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	for (int i = 0; i < 2000 && (n = fetch_block(ward->from, first, 8192)) > 0; i++) {	/* CULPRIT: files */
		char name[32];
		int fd;

		snprintf(name, sizeof name, "part-%d", i);
		fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		MUST(fd >= 0);
		send_all(fd, first, (size_t)n);
		close(fd);
		moved += (uint64_t)n;
	}
	return moved;
}

static uint64_t copy_messages(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = recv(ward->from, first, PIECE, 0)) > 0) {	/* CULPRIT: recv */
		for (ssize_t done = 0; done < n; done += send(ward->to, first + done, (size_t)(n - done), 0))
			;
		moved += (uint64_t)n;
	}
	return moved;
}

/* A buffer that is as short as a socket's may be, not waited for but asked again: EAGAIN, and writes that take a part. */
static uint64_t copy_nonblock(struct ward *ward)
{
	int small = 8192;
	uint64_t moved = 0;
	ssize_t n;

	MUST(!setsockopt(ward->to, SOL_SOCKET, SO_SNDBUF, &small, sizeof small));
	MUST(!fcntl(ward->to, F_SETFL, O_NONBLOCK));
	while ((n = fetch_block(ward->from, first, PIECE)) > 0) {	/* CULPRIT: nonblock */
		for (ssize_t done = 0; done < n;) {
			ssize_t sent = write(ward->to, first + done, (size_t)(n - done));
			struct pollfd ready = { ward->to, POLLOUT, 0 };

			MUST(sent > 0 || errno == EAGAIN);
			if (sent < 0)
				poll(&ready, 1, 1000);
			else
				done += sent;
		}
		moved += (uint64_t)n;
	}
	return moved;
}

/* A reader behind a pointer, as a library has it, around another: the loop is the program's own all the same. */
struct reader {
	ssize_t (*read)(struct reader *reader, void *to, size_t room);
	struct reader *inner;
	int fd;
	uint64_t count;
};

static ssize_t read_plain(struct reader *reader, void *to, size_t room)
{
	return fetch_block(reader->fd, to, room);
}

static ssize_t read_counted(struct reader *reader, void *to, size_t room)
{
	ssize_t n = reader->inner->read(reader->inner, to, room);

	reader->count += (uint64_t)n;
	return n;
}

static uint64_t copy_wrapped(struct ward *ward)
{
	struct reader plain = { .read = read_plain, .fd = ward->from };
	struct reader counted = { .read = read_counted, .inner = &plain };
	ssize_t n;

	while ((n = counted.read(&counted, first, PIECE)) > 0)	/* CULPRIT: wrapped */
		send_all(ward->to, first, (size_t)n);
	return counted.count;
}

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = {
		{ "rw", copy_rw }, { "stack", copy_stack }, { "memcpy", copy_memcpy }, { "offset", copy_offset },
		{ "late", copy_late }, { "ring", copy_ring }, { "split", copy_split }, { "fan", copy_fan },
		{ "chunks", copy_chunks }, { "inside", copy_inside }, { "mmap", copy_mmap }, { "stdio", copy_stdio },
		{ "vectors", copy_vectors }, { "recv", copy_messages }, { "nonblock", copy_nonblock },
		{ "wrapped", copy_wrapped }, { "many", copy_many_vectors }, { "files", copy_files },
		{ "gather", copy_gather }, { NULL, NULL },
	};

	return ward_main(argc, argv, modes);
}
