/* SPDX-License-Identifier: MIT */
/*
 * The other end. The wire receiver neither sleeps nor copies: recv with MSG_TRUNC drops the bytes in the kernel, as a
 * network card would take them away. The ordinary one sleeps in recv and copies 256 KiB at a time, as programs do.
 * For a relay this process is the upstream as well: the wire receiver sends and receives in turns, non-blocking; the
 * ordinary one has a feeding process beside it, on the same CPU.
 */
#include "../net.h"
#include "bench.h"
#include "child.h"
#include "digest.h"
#include "receive.h"
#include "settings.h"
#include "shapes.h"
#include "units.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRUNCATED_BYTES (1 * MIB)	/* asked of one recv that drops what it gets */
#define COPIED_BYTES (256 * KIB)
#define FEED_BYTES (1 * MIB)

struct feeder {		/* what an upstream does */
	int fd, file;
	off_t at, end;
};

/* As much as fits now. 0 or -errno. Closes the socket after the last byte: the relay sees the end. */
static int feed(struct feeder *f)
{
	while (f->fd >= 0) {
		ssize_t n = f->at < f->end ? sendfile(f->fd, f->file, &f->at, FEED_BYTES) : 0;

		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (f->at < f->end)
			return n ? 0 : -EIO;
		close(f->fd);
		f->fd = -1;
	}
	return 0;
}

/* One look at the clock in so many empty calls: a call that finds nothing takes well under a microsecond. */
#define LOOKS 4096

static int spin(int fd, struct feeder *feeder, enum receiver how, uint64_t until_ns, struct intake *in, char *buffer)
{
	int flags = how == RECEIVER_VERIFY ? MSG_DONTWAIT : MSG_DONTWAIT | MSG_TRUNC;
	size_t ask = how == RECEIVER_VERIFY ? COPIED_BYTES : TRUNCATED_BYTES;

	for (;;) {
		ssize_t n = recv(fd, buffer, ask, flags);
		int error = feeder ? feed(feeder) : 0;

		if (error)
			return error;
		in->calls++;
		if (n > 0) {
			in->bytes += (uint64_t)n;
			if (how == RECEIVER_VERIFY)
				digest_update(&in->digest, buffer, (size_t)n);
		} else if (n == 0) {
			return 0;
		} else if (errno != EAGAIN) {
			return -errno;
		} else if (++in->empty_calls % LOOKS == 0 && now_ns() > until_ns) {
			return -ETIMEDOUT;
		}
	}
}

static int take(int fd, enum receiver how, uint64_t until_ns, struct intake *in, char *buffer)
{
	struct timeval patience = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	for (;;) {
		ssize_t n = recv(fd, buffer, COPIED_BYTES, 0);

		in->calls++;
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (now_ns() > until_ns)
			return -ETIMEDOUT;
		if (n < 0)
			continue;
		in->bytes += (uint64_t)n;
		if (how == RECEIVER_VERIFY)
			digest_update(&in->digest, buffer, (size_t)n);
	}
}

static pid_t fork_feeder(struct feeder *f)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		int error = 0;

		while (f->fd >= 0 && !error)
			error = feed(f);
		_exit(error ? 1 : 0);
	}
	close(f->fd);
	f->fd = -1;
	return pid;
}

/* CPU time of the feeder. It ends once the relay took its last byte, or its socket was reset; bounded all the same. */
static uint64_t reap(pid_t pid)
{
	struct rusage u = { 0 };

	for (int i = 0; i < 200; i++) {
		if (wait4(pid, NULL, WNOHANG, &u) != 0)
			goto done;
		usleep(5000);
	}
	kill(pid, SIGKILL);
	wait4(pid, NULL, 0, &u);
done:
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* Takes the relay's own connection to us. */
static int begin_feeding(struct bench *b, struct feeder *f, int blocking)
{
	f->fd = net_accept(b->upstream, 3000);
	if (f->fd < 0)
		return f->fd;
	f->file = b->file.fd;
	f->at = 0;
	f->end = (off_t)b->file.size;
	return net_set_blocking(f->fd, blocking);
}

/* A relay that failed half-way leaves a connection in the queue: it must not be taken for the next one's. */
static void forget_upstream(struct bench *b)
{
	int fd;

	while ((fd = net_accept(b->upstream, 0)) >= 0)
		close(fd);
}

int receive(struct bench *b, const struct child *child, enum direction direction, enum receiver how, int timeout_ms,
	    struct intake *in)
{
	struct feeder feeder = { .fd = -1 };
	char *buffer = malloc(TRUNCATED_BYTES);
	uint64_t began, until_ns;
	pid_t helper = 0;
	int fd, error = 0;

	*in = (struct intake){ 0 };
	digest_init(&in->digest);
	if (direction == TCP_TCP)
		forget_upstream(b);
	began = now_ns();
	until_ns = began + (uint64_t)timeout_ms * 1000000;
	fd = buffer ? net_connect(child->port, &b->net) : -ENOMEM;
	if (fd < 0) {
		free(buffer);
		return fd;
	}
	if (direction == TCP_TCP)
		error = begin_feeding(b, &feeder, how == RECEIVER_ORDINARY);
	if (!error && direction == TCP_TCP && how == RECEIVER_ORDINARY)
		helper = fork_feeder(&feeder);
	if (helper < 0)
		error = helper;
	if (!error && (how == RECEIVER_WIRE || direction == TCP_TCP) && !helper)
		error = spin(fd, direction == TCP_TCP ? &feeder : NULL, how, until_ns, in, buffer);
	else if (!error)
		error = take(fd, how, until_ns, in, buffer);
	in->wall_ns = now_ns() - began;
	in->mss = net_mss(fd);
	close(fd);
	if (feeder.fd >= 0)
		close(feeder.fd);
	if (helper > 0)
		in->helper_cpu_ns = reap(helper);
	free(buffer);
	return error;
}
