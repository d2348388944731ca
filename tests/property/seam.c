/* SPDX-License-Identifier: MIT */
/*
 * The seam: calls of the library that move bytes come through here (-Wl,--wrap). Faults are injected by the case's seed, and
 * never lie: a short move moves only that much, an EAGAIN or EINTR moves nothing. What the kernel takes for the sink is
 * counted, as a second opinion to the report. Where the file system has no clones they are made by copying. One of the planted
 * bugs lives here, the others in plant.c.
 */
#include "property.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FDS 4096

enum plant planted;
static bool pipes[FDS];		/* of the library */
static bool lost;

enum { MAY_AGAIN = 1, MAY_INTERRUPT = 2, MAY_DECLINE = 4, TO_SINK = 8, FROM_SOURCE = 16 };
enum { INJECTED_SHORT, INJECTED_AGAIN, INJECTED_INTERRUPT, INJECTED_DECLINE };

static bool ours(int fd)
{
	return fd >= 0 && fd < FDS && pipes[fd];
}

static bool is_file(int fd)
{
	struct stat stat;

	return !fstat(fd, &stat) && S_ISREG(stat.st_mode);
}

/* The descriptor's part in it, as MAY_AGAIN or nothing. */
static unsigned waits(int fd)
{
	return !ours(fd) && !is_file(fd) ? MAY_AGAIN : 0;
}

/* TO_SINK, or nothing: a pipe of the library, or the second sink of a tee. */
static unsigned to_sink(int fd)
{
	for (unsigned i = 0; i < world->tees; i++)
		if (world->tee[i]->second_fd == fd)
			return 0;
	return ours(fd) ? 0 : TO_SINK;
}

static bool chance(unsigned rate, unsigned of)
{
	return rate && dice_below(&world->faults, of) < rate;
}

static int inject(int error, unsigned what)
{
	world->injected = true;
	stats->injected[what]++;
	return error;
}

/* 0, with *bytes as many as may be tried; or the error that is injected. */
static int before(uint64_t *bytes, unsigned may)
{
	const struct draft *draft = world->draft;
	uint64_t left = draft->dies_after - world->accepted, grain;

	REQUIRE(!(may & TO_SINK && world->clone_failed), "bytes go to the sink after a clone has failed");
	if (may & TO_SINK && draft->sink <= SINK_APPEND) {
		if (!left) {
			world->sink_dead = true;
			return -ENOSPC;
		}
		*bytes = *bytes < left ? *bytes : left;
	}
	if (may & MAY_DECLINE && chance(draft->declines, 4096)) {
		world->declined = true;
		return inject(-EINVAL, INJECTED_DECLINE);
	}
	if (may & MAY_AGAIN && chance(draft->agains, 256))
		return inject(-EAGAIN, INJECTED_AGAIN);
	if (may & MAY_INTERRUPT && chance(draft->interrupts, 256))
		return inject(-EINTR, INJECTED_INTERRUPT);
	if (*bytes > 1 && chance(draft->shorts, 256)) {
		grain = *bytes / 64;
		*bytes = 1 + grain + dice_size(&world->faults, *bytes - 1 - grain);
		inject(0, INJECTED_SHORT);
	}
	return 0;
}

static int64_t after(int64_t n, unsigned may)
{
	if (n <= 0)
		return n;
	world->moves += (uint64_t)n;
	if (may & TO_SINK)
		world->accepted += (uint64_t)n;
	if (may & FROM_SOURCE)
		world->payload_reads++;
	return n;
}

int64_t __real_sys_sendfile(int out, int in, uint64_t *offset, uint64_t bytes);
int64_t __wrap_sys_sendfile(int out, int in, uint64_t *offset, uint64_t bytes);
int64_t __wrap_sys_sendfile(int out, int in, uint64_t *offset, uint64_t bytes)
{
	unsigned may = waits(out) | MAY_INTERRUPT | MAY_DECLINE | TO_SINK;
	int r = before(&bytes, may);

	return r ? r : after(__real_sys_sendfile(out, in, offset, bytes), may);
}

int64_t __real_sys_copy_file_range(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes);
int64_t __wrap_sys_copy_file_range(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes);
int64_t __wrap_sys_copy_file_range(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes)
{
	unsigned may = MAY_INTERRUPT | MAY_DECLINE | TO_SINK;
	int r = before(&bytes, may);

	return r ? r : after(__real_sys_copy_file_range(in, in_offset, out, out_offset, bytes), may);
}

/* As the kernel (fs/remap_range.c): whole blocks, but for the end of the source where the sink's end lies no farther. */
static bool may_share(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes)
{
	struct stat from, to;

	if (fstat(in, &from) || fstat(out, &to) || !bytes || in_offset % DRAFT_BLOCK || out_offset % DRAFT_BLOCK ||
	    in_offset + bytes > (uint64_t)from.st_size)
		return false;
	return bytes % DRAFT_BLOCK == 0 ||
	       (in_offset + bytes == (uint64_t)from.st_size && out_offset + bytes >= (uint64_t)to.st_size);
}

static int share(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes)
{
	static unsigned char piece[1 << 16];

	if (!may_share(out, out_offset, in, in_offset, bytes))
		return -EINVAL;
	while (bytes) {
		ssize_t n = pread(in, piece, bytes < sizeof piece ? bytes : sizeof piece, (off_t)in_offset);

		REQUIRE(n > 0 && pwrite(out, piece, (size_t)n, (off_t)out_offset) == n, "a clone cannot be made by copying");
		in_offset += (uint64_t)n;
		out_offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

int __real_sys_clone_range(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes);
int __wrap_sys_clone_range(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes);
/* All it is asked for, or nothing. */
int __wrap_sys_clone_range(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes)
{
	const struct draft *draft = world->draft;
	int r;

	if (bytes > draft->dies_after - world->accepted) {
		world->sink_dead = world->clone_failed = true;
		return -ENOSPC;
	}
	if (chance(draft->declines, 4096)) {
		world->declined = true;
		return inject(-EINVAL, INJECTED_DECLINE);
	}
	if (chance(draft->interrupts, 256))
		return inject(-EINTR, INJECTED_INTERRUPT);
	r = __real_sys_clone_range(out, out_offset, in, in_offset, bytes);
	if (r == -EOPNOTSUPP || r == -ENOTTY)
		r = share(out, out_offset, in, in_offset, bytes);
	if (!r)
		after((int64_t)bytes, TO_SINK);
	return r;
}

int64_t __real_sys_read(int fd, void *bytes, uint64_t size);
int64_t __real_sys_splice(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags);
int64_t __wrap_sys_splice(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags);
int64_t __wrap_sys_splice(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags)
{
	unsigned may = waits(in) | waits(out) | MAY_INTERRUPT | (to_sink(out) || ours(out) ? MAY_DECLINE : 0) | to_sink(out);
	int r = before(&bytes, may);
	unsigned char byte;
	int64_t n;

	if (r)
		return r;
	if (planted != PLANT_PIPE || lost || !ours(in) || bytes < 2 || __real_sys_read(in, &byte, 1) != 1)
		return after(__real_sys_splice(in, in_offset, out, out_offset, bytes, flags), may);
	n = __real_sys_splice(in, in_offset, out, out_offset, bytes - 1, flags);
	lost = true;
	stats->planted++;
	return after((n > 0 ? n : 0) + 1, may);
}

int64_t __real_sys_tee(int in, int out, uint64_t bytes, unsigned flags);
int64_t __wrap_sys_tee(int in, int out, uint64_t bytes, unsigned flags);
int64_t __wrap_sys_tee(int in, int out, uint64_t bytes, unsigned flags)
{
	int r = before(&bytes, MAY_INTERRUPT);
	int64_t n = r ? r : __real_sys_tee(in, out, bytes, flags);

	stats->tees += n > 0;
	return n;
}

int64_t __wrap_sys_read(int fd, void *bytes, uint64_t size);
int64_t __wrap_sys_read(int fd, void *bytes, uint64_t size)
{
	unsigned may = waits(fd) | (ours(fd) ? 0 : MAY_INTERRUPT | FROM_SOURCE);
	int r = before(&size, may);

	return r ? r : after(__real_sys_read(fd, bytes, size), may);
}

int64_t __real_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset);
int64_t __wrap_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset);
int64_t __wrap_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset)
{
	int r = before(&size, MAY_INTERRUPT);

	return r ? r : after(__real_sys_pread(fd, bytes, size, offset), size > 1 ? FROM_SOURCE : 0);
}

int64_t __real_sys_recv(int fd, void *bytes, uint64_t size, int flags);
int64_t __wrap_sys_recv(int fd, void *bytes, uint64_t size, int flags);
int64_t __wrap_sys_recv(int fd, void *bytes, uint64_t size, int flags)
{
	int r = before(&size, MAY_AGAIN | MAY_INTERRUPT);

	return r ? r : after(__real_sys_recv(fd, bytes, size, flags), FROM_SOURCE);
}

int64_t __real_sys_send(int fd, const void *bytes, uint64_t size, int flags);
int64_t __wrap_sys_send(int fd, const void *bytes, uint64_t size, int flags);
int64_t __wrap_sys_send(int fd, const void *bytes, uint64_t size, int flags)
{
	int r = before(&size, MAY_AGAIN | MAY_INTERRUPT | TO_SINK);

	return r ? r : after(__real_sys_send(fd, bytes, size, flags), TO_SINK);
}

int64_t __real_sys_write(int fd, const void *bytes, uint64_t size);
int64_t __wrap_sys_write(int fd, const void *bytes, uint64_t size);
int64_t __wrap_sys_write(int fd, const void *bytes, uint64_t size)
{
	int r = before(&size, waits(fd) | MAY_INTERRUPT | to_sink(fd));

	return r ? r : after(__real_sys_write(fd, bytes, size), to_sink(fd));
}

int64_t __real_sys_pwrite(int fd, const void *bytes, uint64_t size, uint64_t offset);
int64_t __wrap_sys_pwrite(int fd, const void *bytes, uint64_t size, uint64_t offset);
int64_t __wrap_sys_pwrite(int fd, const void *bytes, uint64_t size, uint64_t offset)
{
	int r = before(&size, MAY_INTERRUPT | TO_SINK);

	return r ? r : after(__real_sys_pwrite(fd, bytes, size, offset), TO_SINK);
}

int __real_sys_pipe(int fd[2]);
int __wrap_sys_pipe(int fd[2]);
int __wrap_sys_pipe(int fd[2])
{
	int r = __real_sys_pipe(fd);

	if (r)
		return r;
	REQUIRE(fd[0] < FDS && fd[1] < FDS, "descriptors leak: %d", fd[1]);
	pipes[fd[0]] = pipes[fd[1]] = true;
	lost = false;
	return 0;
}

void __real_sys_close(int fd);
void __wrap_sys_close(int fd);
void __wrap_sys_close(int fd)
{
	REQUIRE(fd >= 0, "the library closed descriptor %d", fd);
	if (fd < FDS)
		pipes[fd] = false;
	__real_sys_close(fd);
}

/* leat_copy waits: the peers go on meanwhile, and the clock. Timeouts of 0 only look. */
int __real_sys_poll(struct pollfd *fds, unsigned count, int timeout_ms);
int __wrap_sys_poll(struct pollfd *fds, unsigned count, int timeout_ms);
int __wrap_sys_poll(struct pollfd *fds, unsigned count, int timeout_ms)
{
	if (timeout_ms && world) {
		uint64_t wake_at_ns = timeout_ms < 0 ? NEVER : world->now_ns + (uint64_t)timeout_ms * (LEAT_SECOND / 1000);

		world_settle(world, fds, count, wake_at_ns);
	}
	return __real_sys_poll(fds, count, 0);
}
