/* SPDX-License-Identifier: MIT */
#include "second.h"
#include "../out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_BYTES (256 << 10)

/* ---- Holes ------------------------------------------------------------------------------------------------------------- */

static void forget_holes(struct second *second)
{
	if (second->map >= 0)
		close(second->map);
	second->map = -1;
}

/* Asks what stands at the place: afterwards one of hole_end and data_end is behind it, or no more is asked. */
static void look(struct second *second)
{
	off_t from = (off_t)(second->map_at + second->at), data = lseek(second->map, from, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO) {	/* up to the end */
		second->hole_end = UINT64_MAX;
		return;
	}
	hole = data < from ? -1 : lseek(second->map, data, SEEK_HOLE);
	if (hole <= data) {	/* refused, or an answer that would never move on */
		forget_holes(second);
		return;
	}
	second->hole_end = (uint64_t)data - second->map_at;
	second->data_end = (uint64_t)hole - second->map_at;
}

static int is_zero(const unsigned char *bytes, size_t length)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

static int write_all(struct second *second, const unsigned char *bytes, size_t length, uint64_t at)
{
	while (length) {
		ssize_t n = pwrite(second->dest.fd, bytes, length, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		bytes += n;
		length -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* What was left out becomes a hole, also of what stands there in place, or was set aside behind the last write; zeros where a
 * file system has no such. */
static int make_hole(struct second *second)
{
	static const unsigned char zeros[4096];
	uint64_t from = second->hole_from, length = second->at - from;
	int r = 0;

	second->hole_from = UINT64_MAX;
	if (from == UINT64_MAX || !length ||
	    fallocate(second->dest.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)length) == 0 ||
	    second->dest.way != DEST_IN_PLACE)
		return 0;
	for (uint64_t n; length && !r; from += n, length -= n) {
		n = length < sizeof zeros ? length : sizeof zeros;
		r = write_all(second, zeros, n, from);
	}
	return r;
}

/* The tee's second sink. The source may have been written to since its bytes were read: a hole is what is zero, and a hole there. */
static int64_t put(void *arg, const void *given, size_t bytes, int more, struct pollfd *wait)
{
	struct second *second = arg;
	uint64_t until;
	int r, hole;

	(void)more;
	(void)wait;
	if (second->map >= 0 && second->at >= second->hole_end && second->at >= second->data_end)
		look(second);
	hole = second->map >= 0 && second->at < second->hole_end;
	until = hole ? second->hole_end : second->data_end;
	if (second->map >= 0 && until - second->at < bytes)
		bytes = until - second->at;
	if (hole && is_zero(given, bytes)) {
		if (second->hole_from == UINT64_MAX)
			second->hole_from = second->at;
	} else {
		r = make_hole(second);
		if (!r)
			r = write_all(second, given, bytes, second->at);
		if (r < 0)
			return r;
	}
	second->at += bytes;
	return (int64_t)bytes;
}

void second_holes(struct second *second, int source, uint64_t at, uint64_t length, const struct dest_options *options)
{
	static const struct leat_sink_ops ops = { .name = "tee", .write = put };
	char self[40];

	if (second->dest.way == DEST_DIRECT)
		return;
	snprintf(self, sizeof self, "/proc/self/fd/%d", source);
	second->map = open(self, O_RDONLY | O_CLOEXEC);	/* looking moves the place of an open file */
	if (second->map < 0)
		return;
	second->map_at = at;
	dest_size(&second->dest, length, options);
	second->dest.sized = 1;	/* at last it will be, if it ends in a hole */
	leat_close_sink(&second->sink);
	leat_to_callback(&second->sink, &ops, second);
}

/* ---- The file ---------------------------------------------------------------------------------------------------------- */

void second_init(struct second *second)
{
	*second = (struct second){ .dest.fd = -1, .map = -1, .hole_from = UINT64_MAX };
}

int second_open(struct second *second, const char *path, const struct stat *source, const struct dest_options *options)
{
	int r = dest_open(&second->dest, AT_FDCWD, path, path, source, options);

	if (r < 0)
		return r;
	second->buffer = malloc(BUFFER_BYTES);
	if (!second->buffer) {
		out_error("no memory for --tee");
		return -ENOMEM;
	}
	if (second->dest.way == DEST_DIRECT)
		leat_to_fd(&second->sink, second->dest.fd);
	else
		leat_to_file(&second->sink, second->dest.fd, 0);
	return 0;
}

struct leat_wrapper *second_tee(struct second *second)
{
	return leat_tee_init(&second->tee, &second->sink, LEAT_TEE_WAIT, second->buffer, BUFFER_BYTES);
}

struct leat_wrapper *second_cache(struct second *second)
{
	return cache_init(&second->cache, -1, 0, second->dest.fd, 0);
}

int second_complete(struct second *second, const struct dest_options *options, int no_cache, uint64_t length)
{
	int r = make_hole(second);

	if (r < 0)
		out_error("%s: cannot be written: %s", second->dest.shown, strerror(-r));
	else
		r = dest_take_over(&second->dest, options, length);
	if (!r && no_cache)
		r = cache_flush(&second->cache, second->dest.shown);
	return r ? r : dest_stand_by(&second->dest, options);
}

int second_commit(struct second *second, const struct dest_options *options)
{
	return dest_commit(&second->dest, options);
}

void second_close(struct second *second)
{
	forget_holes(second);
	leat_close_sink(&second->sink);
	dest_close(&second->dest, 0);
	free(second->buffer);
}
