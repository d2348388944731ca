/* SPDX-License-Identifier: MIT */
/* The C programs leat is compared with: each the shortest loop that does it. */
#include "../net.h"
#include "child.h"
#include "serve.h"
#include "shapes.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALL_MAX ((size_t)0x7ffff000)	/* what the kernel takes in one call */

static int wait_for(int fd, short events, uint64_t until_ns)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now = now_ns();

	if (now >= until_ns || poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) == 0)
		return -ETIMEDOUT;
	return 0;
}

int serve_c_sendfile(struct job *job)
{
	off_t at = 0, end = (off_t)job->size;
	int one = 1, error;

	if (job->shape->arg == BY_CORK && setsockopt(job->out, IPPROTO_TCP, TCP_CORK, &one, sizeof one))
		return -errno;
	if (job->shape->arg == BY_POLL)
		net_set_blocking(job->out, 0);
	while (at < end) {
		ssize_t n = sendfile(job->out, job->file, &at, CALL_MAX);

		error = n > 0 ? 0 : n == 0 ? -EIO : errno != EAGAIN ? -errno : wait_for(job->out, POLLOUT, job->until_ns);
		if (error)
			return error;
		job_between(job);
	}
	job->outcome->bytes = at;
	return 0;
}

int serve_c_copy(struct job *job)
{
	size_t size = job->shape->arg;
	char *buffer = malloc(size);
	int64_t total = 0;
	ssize_t n = -1;

	if (!buffer)
		return -ENOMEM;
	if (lseek(job->file, 0, SEEK_SET) == 0)
		while ((n = read(job->file, buffer, size)) > 0) {
			ssize_t done = 0, m = 0;

			for (; done < n; done += m) {
				m = write(job->out, buffer + done, (size_t)(n - done));
				if (m < 0)
					break;
			}
			if (m < 0)
				break;
			total += n;
			job_between(job);
		}
	if (n)
		total = -errno;
	free(buffer);
	job->outcome->bytes = total;
	return 0;
}

/* A pipe that holds size bytes, if this user may have one so large. */
static int make_pipe(int pipe_fds[2], size_t size, int flags)
{
	if (pipe2(pipe_fds, O_CLOEXEC | flags))
		return -errno;
	if (size > 64 * KIB && fcntl(pipe_fds[1], F_SETPIPE_SZ, (int)size) < 0) {
		int error = -errno;

		close(pipe_fds[0]);
		close(pipe_fds[1]);
		return error;
	}
	return 0;
}

int serve_c_splice(struct job *job)
{
	off_t at = 0, end = (off_t)job->size;
	size_t size = job->shape->arg;
	int p[2], error = make_pipe(p, size, 0);
	ssize_t n, m = 1;

	if (error)
		return error;
	while (at < end && m > 0) {
		n = splice(job->file, &at, p[1], NULL, size, SPLICE_F_MORE);
		for (m = n; n > 0 && m > 0; n -= m)
			m = splice(p[0], NULL, job->out, NULL, (size_t)n, SPLICE_F_MORE);
		job_between(job);
	}
	job->outcome->bytes = m > 0 ? at : m < 0 ? -errno : -EIO;
	close(p[0]);
	close(p[1]);
	return 0;
}

/* Both sockets non-blocking, one pipe, filled and emptied in turn: what an event-driven proxy does for one direction. */
int serve_c_relay(struct job *job)
{
	size_t size = job->shape->arg, held = 0;
	int p[2], error = make_pipe(p, size, O_NONBLOCK);
	int64_t total = 0;
	ssize_t n = 1;

	if (error)
		return error;
	net_set_blocking(job->in, 0);
	net_set_blocking(job->out, 0);
	while (!error) {
		n = held ? splice(p[0], NULL, job->out, NULL, held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE)
			 : splice(job->in, NULL, p[1], NULL, size, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n == 0)
			break;
		if (n < 0 && errno == EAGAIN) {
			error = held ? wait_for(job->out, POLLOUT, job->until_ns) : wait_for(job->in, POLLIN, job->until_ns);
		} else if (n < 0) {
			error = -errno;
		} else if (held) {
			held -= (size_t)n;
			total += n;
			job_between(job);
		} else {
			held = (size_t)n;
		}
	}
	close(p[0]);
	close(p[1]);
	job->outcome->bytes = total;
	return error;
}

int serve_c_copy_file_range(struct job *job)
{
	loff_t from = 0, to = 0;
	ssize_t n = 1;

	while (from < (loff_t)job->size && n > 0) {
		n = copy_file_range(job->file, &from, job->out, &to, GIB, 0);
		if (n > 0)
			job_between(job);
	}
	job->outcome->bytes = n > 0 ? to : n < 0 ? -errno : -EIO;
	return 0;
}
