/* SPDX-License-Identifier: MIT */
/*
 * setup.c: files, pairs of sockets, bounded waits and names of errors for the kernel-fact programs.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME(e) { e, #e }

static const struct {
	int error;
	const char *name;
} errors[] = {
	NAME(EPERM), NAME(ENOENT), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(EBADF), NAME(EAGAIN), NAME(ENOMEM),
	NAME(EACCES), NAME(EFAULT), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV), NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR),
	NAME(EINVAL), NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS),
	NAME(EPIPE), NAME(ERANGE), NAME(ENOSYS), NAME(EOVERFLOW), NAME(ENOTSOCK), NAME(EDESTADDRREQ), NAME(EMSGSIZE),
	NAME(ENOPROTOOPT), NAME(EOPNOTSUPP), NAME(ECONNRESET), NAME(ENOBUFS), NAME(ENOTCONN), NAME(ETIMEDOUT),
	NAME(ECONNREFUSED), NAME(ENODATA), NAME(EDQUOT), NAME(EPROTO), NAME(E2BIG), NAME(ENOEXEC),
};

const char *fact_errno(int error)
{
	static char other[24];

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == error)
			return errors[i].name;
	snprintf(other, sizeof(other), "errno-%d", error);
	return other;
}

const char *fact_result(ssize_t result)
{
	static char slots[8][32];
	static unsigned int next;
	char *slot = slots[next++ % 8];

	if (result < 0)
		snprintf(slot, sizeof(slots[0]), "%s", fact_errno(errno));
	else
		snprintf(slot, sizeof(slots[0]), "%zd", result);
	return slot;
}

void fact_fill(int fd, char byte, size_t size)
{
	char block[65536];

	memset(block, byte, sizeof(block));
	for (size_t at = 0; at < size;) {
		size_t piece = size - at < sizeof(block) ? size - at : sizeof(block);
		ssize_t n = pwrite(fd, block, piece, (off_t)at);

		if (n <= 0)
			fact_die("pwrite");
		at += (size_t)n;
	}
}

int fact_file(const char *name, char byte, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		fact_die(name);
	fact_fill(fd, byte, size);
	return fd;
}

int fact_sparse(const char *name, off_t size)
{
	int fd = fact_file(name, 0, 0);

	if (ftruncate(fd, size) < 0)
		fact_die("ftruncate");
	return fd;
}

void fact_tcp_pair(int ret_pair[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &len) < 0)
		fact_die("listen on loopback");
	ret_pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (ret_pair[0] < 0 || connect(ret_pair[0], (struct sockaddr *)&at, len) < 0)
		fact_die("connect on loopback");
	ret_pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (ret_pair[1] < 0)
		fact_die("accept");
	for (int i = 0; i < 2; i++)
		if (setsockopt(ret_pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
			fact_die("TCP_NODELAY");
	close(listener);
}

void fact_unix_pair(int ret_pair[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_pair) < 0)
		fact_die("socketpair");
}

void fact_pipe(int ret_pipe[2])
{
	if (pipe2(ret_pipe, O_CLOEXEC) < 0)
		fact_die("pipe2");
}

void fact_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		fact_die("F_SETFL");
}

void fact_settle(int sock)
{
	int queued = -1;

	for (int i = 0; i < 200; i++) {
		if (ioctl(sock, SIOCOUTQ, &queued) < 0)
			fact_die("SIOCOUTQ");
		if (queued == 0)
			return;
		fact_sleep_ms(5);
	}
}

int fact_reopen(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

size_t fact_read(int fd, void *buf, size_t size, int limit_ms)
{
	size_t at = 0;

	while (at < size) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, limit_ms) <= 0)
			break;
		n = read(fd, (char *)buf + at, size - at);
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	return at;
}

size_t fact_drain(int fd)
{
	char buf[65536];
	size_t sum = 0, n;

	while ((n = fact_read(fd, buf, sizeof(buf), 0)) > 0)
		sum += n;
	return sum;
}

int64_t fact_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void fact_sleep_ms(int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static void woken(int number)
{
	(void)number;
}

/* repeats: a signal that comes just before the call would be lost, the next one ends it */
void fact_interrupt(int after_ms)
{
	static timer_t timer;
	static bool made;
	struct sigaction action = { .sa_handler = woken };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec when = { 0 };

	if (!made) {
		if (sigaction(SIGUSR1, &action, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
			fact_die("timer_create");
		made = true;
	}
	when.it_value.tv_sec = after_ms / 1000;
	when.it_value.tv_nsec = after_ms % 1000 * 1000000L;
	if (after_ms)
		when.it_interval.tv_nsec = 50 * 1000000L;
	if (timer_settime(timer, 0, &when, NULL) < 0)
		fact_die("timer_settime");
}

void *fact_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		fact_die("mmap");
	return p;
}

int fact_as_user(void (*fn)(void *), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fact_die("fork");
	if (pid == 0) {
		/* an id of our own: the pipe budget of "nobody" may be in use by somebody */
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) < 0 || setresgid(54321, 54321, 54321) < 0 ||
		     setresuid(54321, 54321, 54321) < 0))
			_exit(1);
		fn(arg);
		fflush(stdout);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		fact_die("the child that runs as an ordinary user");
	if (WEXITSTATUS(status) > 1)
		_exit(WEXITSTATUS(status));
	return WEXITSTATUS(status) ? -1 : 0;
}
