/* SPDX-License-Identifier: MIT */
#include "pipe.h"

#include "helper.h"
#include "sys.h"

#include <errno.h>

/* Below this a pipe is slower than copying; it is also what an unprivileged user within his budget always gets. */
#define PIPE_LEAST_BYTES (64 * KIB)

/*
 * Asks for less and less until the kernel agrees; returns what it gave. EPERM means more than pipe-max-size, or the user's
 * budget (pipe-user-pages-soft) is used up; then even a new pipe may have only two pages.
 */
static uint64_t pipe_enlarge(int fd, uint64_t wanted)
{
	for (;; wanted /= 2) {
		int64_t size;

		if (wanted < PIPE_LEAST_BYTES)
			wanted = PIPE_LEAST_BYTES;
		size = sys_pipe_size(fd, wanted);
		if (size < 0)	/* ENOMEM: it is as it was */
			size = sys_pipe_size(fd, 0);
		if (size >= (int64_t)wanted || wanted == PIPE_LEAST_BYTES)
			return size < 0 ? 0 : (uint64_t)size;
	}
}

static void pipe_shut(struct pipe *pipe)
{
	sys_close(pipe->fd[0]);
	sys_close(pipe->fd[1]);
}

static int pipe_make(struct pipe *pipe, uint64_t wanted)
{
	struct pipe made = { .fd = { -1, -1 } };
	int error = sys_pipe(made.fd);

	if (error)
		return error;
	made.size = pipe_enlarge(made.fd[1], wanted);
	if (made.size < PIPE_LEAST_BYTES) {
		pipe_shut(&made);
		return -ENOBUFS;
	}
	*pipe = made;
	return 0;
}

int pipe_open(struct pipe *pipe, uint64_t bytes, struct leat_helper *pool)
{
	int error;

	*pipe = (struct pipe){ .fd = { -1, -1 } };
	if (pool && helper_take_pipe(pool, pipe)) {
		/* Made small when the budget was short, or for another transfer: one more try, not a ladder of them. */
		if (pipe->size < bytes) {
			int64_t size = sys_pipe_size(pipe->fd[1], bytes);

			if (size > 0)
				pipe->size = (uint64_t)size;
		}
		return 0;
	}
	if (pool && !helper_may_make(pool))
		return -ENOBUFS;
	error = pipe_make(pipe, bytes);
	if (error && pool)
		helper_put_pipe(pool, pipe, false);
	return error;
}

void pipe_close(struct pipe *pipe, struct leat_helper *pool)
{
	/* Two ends of one number: a struct of zeros, never opened. */
	if (pipe->fd[0] < 0 || pipe->fd[0] == pipe->fd[1])
		return;
	if (pool) {
		/* The kernel's own count is the proof; ours being wrong must not show one client's bytes to another. */
		bool empty = pipe->bytes == 0 && sys_readable_bytes(pipe->fd[0]) == 0;

		if (helper_put_pipe(pool, pipe, empty))
			goto out;
	}
	pipe_shut(pipe);
out:
	*pipe = (struct pipe){ .fd = { -1, -1 } };
}
