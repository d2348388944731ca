/* SPDX-License-Identifier: MIT */
#include "seam.h"

#include "sys.h"

#include <errno.h>
#include <unistd.h>

struct seam seam;

static bool ours[65536];	/* descriptors of pipes that the library made */

/* One system call: its real one, and the one the library's objects are linked to. */
#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAP(int64_t, sys_sendfile, int out, int in, uint64_t *offset, uint64_t bytes);
WRAP(int64_t, sys_splice, int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags);
WRAP(int64_t, sys_copy_file_range, int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes);
WRAP(int, sys_clone_range, int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes);
WRAP(int64_t, sys_read, int fd, void *bytes, uint64_t size);
WRAP(int64_t, sys_pread, int fd, void *bytes, uint64_t size, uint64_t offset);
WRAP(int64_t, sys_write, int fd, const void *bytes, uint64_t size);
WRAP(int64_t, sys_pwrite, int fd, const void *bytes, uint64_t size, uint64_t offset);
WRAP(int64_t, sys_recv, int fd, void *bytes, uint64_t size, int flags);
WRAP(int64_t, sys_send, int fd, const void *bytes, uint64_t size, int flags);
WRAP(int64_t, sys_seek, int fd, uint64_t offset, int whence);
WRAP(int, sys_truncate, int fd, uint64_t size);
WRAP(int, sys_lengthen, int fd, uint64_t size);
WRAP(int, sys_punch_hole, int fd, uint64_t offset, uint64_t bytes);
WRAP(int, sys_reopen, int fd, int flags);
WRAP(int, sys_pipe, int fd[2]);
WRAP(int64_t, sys_pipe_size, int fd, uint64_t wanted);
WRAP(int, sys_poll, struct pollfd *fds, unsigned count, int timeout_ms);
WRAP(void, sys_close, int fd);

void seam_reset(void)
{
	seam = (struct seam){ 0 };
}

void seam_set(enum seam_call call, uint64_t after, int64_t result)
{
	seam.call = call;
	seam.after = after;
	seam.result = result;
	seam.fired = seam.later = 0;
	seam.moved[call] = seam.calls[call] = 0;
}

const char *seam_name(enum seam_call call)
{
	static const char *const names[SEAM_CALLS] = {
		"none", "clone", "copy_file_range", "sendfile", "splice", "fill", "drain", "read", "pread", "recv",
		"write", "pwrite", "send", "punch_hole", "truncate", "lengthen", "seek", "pipe", "pipe_size", "reopen",
		"poll",
	};

	return names[call];
}

static void cut(uint64_t *bytes, uint64_t most)
{
	if (*bytes > most)
		*bytes = most;
}

/* True: the fault comes now, and seam.result is the call's. Else *bytes may have been cut. */
static bool fires(enum seam_call call, uint64_t *bytes)
{
	unsigned times = seam.times ? seam.times : 1;

	seam.calls[call]++;
	if (seam.call == call && seam.moved[call] >= seam.after && seam.calls[call] > seam.skip) {
		if (seam.fired < times) {
			seam.fired++;
			if (seam.on_fire)
				seam.on_fire();
			return true;
		}
		seam.later++;
	}
	if (seam.most)
		cut(bytes, seam.most);
	if (seam.call == call && seam.moved[call] < seam.after)
		cut(bytes, seam.after - seam.moved[call]);
	return false;
}

static int64_t moved(enum seam_call call, int64_t n)
{
	if (n > 0)
		seam.moved[call] += (uint64_t)n;
	return n;
}

int64_t __wrap_sys_sendfile(int out, int in, uint64_t *offset, uint64_t bytes)
{
	if (fires(SEAM_SENDFILE, &bytes))
		return seam.result;
	return moved(SEAM_SENDFILE, __real_sys_sendfile(out, in, offset, bytes));
}

int64_t __wrap_sys_splice(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags)
{
	enum seam_call call = ours[out] ? SEAM_FILL : ours[in] ? SEAM_DRAIN : SEAM_SPLICE;

	if (fires(call, &bytes))
		return seam.result;
	return moved(call, __real_sys_splice(in, in_offset, out, out_offset, bytes, flags));
}

int64_t __wrap_sys_copy_file_range(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes)
{
	if (fires(SEAM_RANGE, &bytes))
		return seam.result;
	return moved(SEAM_RANGE, __real_sys_copy_file_range(in, in_offset, out, out_offset, bytes));
}

static int copied(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes)
{
	static unsigned char piece[1 << 20];

	while (bytes) {
		ssize_t n = pread(in, piece, bytes < sizeof piece ? bytes : sizeof piece, (off_t)in_offset);

		if (n <= 0 || pwrite(out, piece, (size_t)n, (off_t)out_offset) != n)
			return -EINVAL;
		in_offset += (uint64_t)n;
		out_offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* A clone takes all it is asked for, or nothing. */
int __wrap_sys_clone_range(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes)
{
	uint64_t uncut = bytes;
	int r;

	if (fires(SEAM_CLONE, &bytes))
		return (int)seam.result;
	if (seam.clone_works)
		r = copied(out, out_offset, in, in_offset, uncut);
	else
		r = __real_sys_clone_range(out, out_offset, in, in_offset, uncut);
	if (!r)
		moved(SEAM_CLONE, (int64_t)uncut);
	return r;
}

int64_t __wrap_sys_read(int fd, void *bytes, uint64_t size)
{
	if (fires(SEAM_READ, &size))
		return seam.result;
	return moved(SEAM_READ, __real_sys_read(fd, bytes, size));
}

int64_t __wrap_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset)
{
	if (fires(SEAM_PREAD, &size))
		return seam.result;
	return moved(SEAM_PREAD, __real_sys_pread(fd, bytes, size, offset));
}

int64_t __wrap_sys_write(int fd, const void *bytes, uint64_t size)
{
	if (fires(SEAM_WRITE, &size))
		return seam.result;
	return moved(SEAM_WRITE, __real_sys_write(fd, bytes, size));
}

int64_t __wrap_sys_pwrite(int fd, const void *bytes, uint64_t size, uint64_t offset)
{
	if (fires(SEAM_PWRITE, &size))
		return seam.result;
	return moved(SEAM_PWRITE, __real_sys_pwrite(fd, bytes, size, offset));
}

int64_t __wrap_sys_recv(int fd, void *bytes, uint64_t size, int flags)
{
	if (fires(SEAM_RECV, &size))
		return seam.result;
	return moved(SEAM_RECV, __real_sys_recv(fd, bytes, size, flags));
}

int64_t __wrap_sys_send(int fd, const void *bytes, uint64_t size, int flags)
{
	if (fires(SEAM_SEND, &size))
		return seam.result;
	return moved(SEAM_SEND, __real_sys_send(fd, bytes, size, flags));
}

int64_t __wrap_sys_seek(int fd, uint64_t offset, int whence)
{
	uint64_t nothing = 0;

	return fires(SEAM_SEEK, &nothing) ? seam.result : __real_sys_seek(fd, offset, whence);
}

int __wrap_sys_truncate(int fd, uint64_t size)
{
	uint64_t nothing = 0;

	return fires(SEAM_TRUNCATE, &nothing) ? (int)seam.result : __real_sys_truncate(fd, size);
}

int __wrap_sys_lengthen(int fd, uint64_t size)
{
	uint64_t nothing = 0;

	return fires(SEAM_LENGTHEN, &nothing) ? (int)seam.result : __real_sys_lengthen(fd, size);
}

int __wrap_sys_punch_hole(int fd, uint64_t offset, uint64_t bytes)
{
	uint64_t nothing = 0;

	return fires(SEAM_PUNCH, &nothing) ? (int)seam.result : __real_sys_punch_hole(fd, offset, bytes);
}

int __wrap_sys_reopen(int fd, int flags)
{
	uint64_t nothing = 0;

	return fires(SEAM_REOPEN, &nothing) ? (int)seam.result : __real_sys_reopen(fd, flags);
}

int __wrap_sys_pipe(int fd[2])
{
	uint64_t nothing = 0;
	int r;

	if (fires(SEAM_PIPE, &nothing))
		return (int)seam.result;
	r = __real_sys_pipe(fd);
	if (!r)
		ours[fd[0]] = ours[fd[1]] = true;
	return r;
}

int64_t __wrap_sys_pipe_size(int fd, uint64_t wanted)
{
	uint64_t nothing = 0;

	return fires(SEAM_PIPE_SIZE, &nothing) ? seam.result : __real_sys_pipe_size(fd, wanted);
}

int __wrap_sys_poll(struct pollfd *fds, unsigned count, int timeout_ms)
{
	uint64_t nothing = 0;

	/* Who has no time only looks. */
	return timeout_ms && fires(SEAM_POLL, &nothing) ? (int)seam.result : __real_sys_poll(fds, count, timeout_ms);
}

void __wrap_sys_close(int fd)
{
	if (fd >= 0)
		ours[fd] = false;
	__real_sys_close(fd);
}
