/* SPDX-License-Identifier: MIT */
/* read into a buffer of ours: the bounce, for what needs content or has no kernel route. sink_send writes it on. */
#include "route.h"
#include "endpoint.h"
#include "helper.h"
#include "pipe.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Pages of the page cache are copied faster to where pages begin than to 16 bytes behind, where malloc puts large blocks: a file
 * of 1 GiB to another by read and write, 417 ms of CPU and 480. */
#define PAGE 4096

int buffer_make(struct transfer *t)
{
	struct leat_helper *helper = t->options.helper;

	if (t->buffer.bytes)
		return 0;
	t->buffer.bytes = helper ? helper_take_buffer(helper, t->options.buffer_bytes) : NULL;
	if (!t->buffer.bytes)
		t->buffer.bytes = aligned_alloc(PAGE, (t->options.buffer_bytes + PAGE - 1) / PAGE * PAGE);
	if (!t->buffer.bytes)
		return -ENOMEM;
	t->buffer.size = (uint32_t)t->options.buffer_bytes;
	return 0;
}

void buffer_drop(struct transfer *t)
{
	if (t->buffer.bytes && t->options.helper)
		helper_put_buffer(t->options.helper, t->buffer.bytes, t->buffer.size);
	else
		free(t->buffer.bytes);
	t->buffer = (struct buffer){ 0 };
}

static int64_t read_callback(struct transfer *t, void *bytes, uint64_t size)
{
	const struct leat_source_ops *ops = t->base->base;
	int64_t n;

	t->end_wait = (struct pollfd){ .fd = -1 };
	n = ops->read(t->base->arg, bytes, size, &t->end_wait);
	return n > (int64_t)size || n < INT_MIN ? LEAT_ECONTRACT : n;
}

/*
 * Of a packet (pipe2, O_DIRECT) what a read has no room for is lost, and no flag of the reader's end tells such a pipe from an
 * ordinary one. So two copies of the first two bytes are made: read by one and by three, packets do not come so.
 */
static bool has_packets(struct transfer *t)
{
	char bytes[3];
	int64_t n = 0;

	for (int i = 0; i < 2; i++)
		n += sys_tee(t->source_fd, t->pipe.fd[1], 2, SPLICE_F_NONBLOCK);
	if (n == 4 && sys_read(t->pipe.fd[0], bytes, 1) == 1 && sys_read(t->pipe.fd[0], bytes, 3) == 3) {
		t->base->facts.known |= KNOW_BYTES;
		return false;
	}
	t->base->facts.known |= n == 4 ? KNOW_PACKETS : 0;
	t->pipe.bytes = 4;	/* at most: it is closed, not pooled */
	pipe_close(&t->pipe, t->options.helper);
	return true;
}

static bool have_pipe(struct transfer *t)
{
	return t->pipe.fd[0] >= 0 || pipe_open(&t->pipe, 0, t->options.helper) >= 0;
}

/* Fewer than a packet may have: by a splice, which leaves the rest where it is. */
static int64_t read_packet(struct transfer *t, uint64_t bytes)
{
	int64_t n = sys_splice(t->source_fd, NULL, t->pipe.fd[1], NULL, bytes, SPLICE_F_NONBLOCK), got = 0, r = -EIO;

	if (n < 0 && n != -EAGAIN)
		return sys_read(t->source_fd, t->buffer.bytes + t->buffer.off, bytes);
	while (got < n && (r = sys_read(t->pipe.fd[0], t->buffer.bytes + t->buffer.off + got, (uint64_t)(n - got))) > 0)
		got += r;
	if (n <= 0)
		return n;
	t->pipe.bytes = (uint64_t)(n - got);	/* if it was interrupted: comes behind what is in the buffer */
	return got ? got : r ? r : -EIO;
}

static int64_t read_pipe(struct transfer *t, uint64_t bytes)
{
	uint8_t known = t->base->facts.known;
	uint64_t there = bytes < PIPE_BUF && !(known & KNOW_BYTES) ? source_ready(t) : 0;

	if (bytes >= PIPE_BUF || known & KNOW_BYTES || (there && there <= bytes) || !have_pipe(t) ||
	    (there && !(known & KNOW_PACKETS) && !has_packets(t)) || !have_pipe(t))
		return sys_read(t->source_fd, t->buffer.bytes + t->buffer.off, bytes);
	return read_packet(t, bytes);
}

static bool direct(const struct leat_facts *facts)
{
	return kind_is_file(facts->kind) && facts->open_flags & O_DIRECT;
}

/* Lets the buffer begin at a block of memory. How many bytes of whole blocks are there then; all, if it is too small. */
static uint64_t fit_blocks(struct transfer *t)
{
	uint64_t skip = -(uintptr_t)t->buffer.bytes % ROUTE_DIRECT_BYTES;

	if (t->buffer.size < skip + ROUTE_DIRECT_BYTES)
		return t->buffer.size;
	t->buffer.off = (uint32_t)skip;
	return (t->buffer.size - skip) / ROUTE_DIRECT_BYTES * ROUTE_DIRECT_BYTES;
}

/* Whole blocks around the bytes asked for; what is more is dropped, and read again when its turn comes. */
static int64_t read_direct(struct transfer *t, uint64_t bytes, uint64_t room)
{
	uint64_t before = t->base->position % ROUTE_DIRECT_BYTES, whole = before + bytes + ROUTE_DIRECT_BYTES - 1;
	int64_t n;

	whole -= whole % ROUTE_DIRECT_BYTES;
	n = sys_pread(t->source_fd, t->buffer.bytes + t->buffer.off, whole < room ? whole : room, t->base->position - before);
	if (n <= (int64_t)before)
		return n < 0 ? n : 0;
	t->buffer.off += (uint32_t)before;
	n -= (int64_t)before;
	return n < (int64_t)bytes ? n : (int64_t)bytes;
}

static int64_t read_source(struct transfer *t, uint64_t bytes)
{
	unsigned char *at = t->buffer.bytes + t->buffer.off;

	switch (t->base->facts.kind) {
	case LEAT_KIND_CALLBACK:
		return read_callback(t, at, bytes);
	case LEAT_KIND_FILE: case LEAT_KIND_GENERATED: case LEAT_KIND_BLOCK:
		return sys_pread(t->source_fd, at, bytes, t->base->position);
	case LEAT_KIND_TCP: case LEAT_KIND_UNIX: case LEAT_KIND_STREAM:
		return sys_recv(t->source_fd, at, bytes, MSG_DONTWAIT);
	case LEAT_KIND_PIPE:
		return read_pipe(t, bytes);
	default:
		return sys_read(t->source_fd, at, bytes);
	}
}

static struct move copy_fill(struct transfer *t, uint64_t bytes)
{
	int64_t n = buffer_make(t);
	uint64_t room = 0;

	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY, (int)n, LEAT_SIDE_CALLER);
	if (t->bits & TRANSFER_AUTO && bytes > ROUTE_AUTO_BYTES)
		bytes = ROUTE_AUTO_BYTES;
	if (bytes > t->buffer.size)
		bytes = t->buffer.size;
	t->buffer.off = 0;
	if (direct(&t->base->facts) || direct(&t->out->facts)) {
		room = fit_blocks(t);
		bytes = bytes < room ? bytes : room;
	}
	n = direct(&t->base->facts) ? read_direct(t, bytes, room) : read_source(t, bytes);
	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SOURCE);
	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY, (int)n, LEAT_SIDE_SOURCE);
	t->buffer.len = (uint32_t)n;
	return n ? route_moved(n) : route_verdict(VERDICT_END);
}

const struct route route_copy = { .id = LEAT_ROUTE_COPY, .fill = copy_fill };
