/* SPDX-License-Identifier: MIT */
#include "end.h"
#include "../out.h"
#include "../socket_file.h"
#include "patient.h"
#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 50	/* between looks at flag and clock: a signal that comes behind a look is not seen by the call that waits */

/* Waits for one event: 0, -ETIMEDOUT, -EINTR. */
static int wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd poll_for = { .fd = fd, .events = events };
	int r = 0;

	for (int left = timeout_ms, part; !r && left && !stop_flag; left -= left < 0 ? 0 : part) {
		part = left < 0 || left > LOOK_MS ? LOOK_MS : left;
		r = poll(&poll_for, 1, part);
		if (r < 0 && errno == EINTR)
			r = 0;
	}
	if (stop_flag)
		return -EINTR;
	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

/* Non-blocking connect, so that it can time out; the socket then blocks again. */
static int connect_to(int fd, const struct sockaddr *to, socklen_t size, int timeout_ms)
{
	int error = 0, r;
	socklen_t length = sizeof error;

	if (connect(fd, to, size) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	r = wait_for(fd, POLLOUT, timeout_ms);
	if (r < 0)
		return r;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? -errno : -error;
}

/* Who went away before he was taken was nobody. */
static int take_one(int listener, int timeout_ms)
{
	int r, fd;

	do {
		r = wait_for(listener, POLLIN, timeout_ms);
		if (r < 0)
			return r;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	} while (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR));
	return fd < 0 ? -errno : fd;
}

/* The first that comes; nothing is left of a Unix socket's name. */
static int first_at(int fd, const struct sockaddr *at, socklen_t size, int timeout_ms)
{
	const char *path = at->sa_family == AF_UNIX ? ((const struct sockaddr_un *)(const void *)at)->sun_path : NULL;
	int one = 1, zero = 0, r;
	struct stat is;

	if (!path)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (at->sa_family == AF_INET6)	/* [::] is both families' */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	r = socket_file_bind(fd, at, size);
	if (r < 0)
		return r;
	if (path && lstat(path, &is) < 0)
		path = NULL;
	r = listen(fd, 1) < 0 ? -errno : take_one(fd, timeout_ms);
	if (path)
		socket_file_remove(path, &is);
	return r;
}

/* A socket at this address: connected, or the first that comes. fd or -errno. */
static int socket_at(const struct sockaddr *at, socklen_t size, int listens, int timeout_ms)
{
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return -errno;
	r = listens ? first_at(fd, at, size, timeout_ms) : connect_to(fd, at, size, timeout_ms);
	if (!listens && !r && fcntl(fd, F_SETFL, 0) < 0)
		r = -errno;
	if (!listens && !r)
		return fd;
	close(fd);
	return r;
}

static int open_unix(const struct addr *addr, int timeout_ms)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	memcpy(at.sun_path, addr->path, strlen(addr->path));
	return socket_at((const struct sockaddr *)&at, sizeof at, addr->kind == ADDR_UNIX_LISTEN, timeout_ms);
}

/*
 * Asks for the addresses of a name, which a silent server can draw out for long, in a thread of the C library: so a signal and a
 * timeout are heeded. A question that goes on without us keeps what it is made of until the program ends. 0, -ETIMEDOUT, -EINTR, or
 * -EHOSTUNREACH, which has been said.
 */
static int look_up(const struct addr *addr, const struct addrinfo *hints, int timeout_ms, struct addrinfo **ret_all)
{
	static struct addr asked;
	static struct addrinfo hints_asked;
	static struct gaicb question;
	const struct gaicb *waited[] = { &question };
	int r;

	asked = *addr;
	hints_asked = *hints;
	question = (struct gaicb){
		.ar_name = *asked.host ? asked.host : NULL, .ar_service = asked.port, .ar_request = &hints_asked,
	};
	r = getaddrinfo_a(GAI_NOWAIT, (struct gaicb *[]){ &question }, 1, NULL);
	for (int ms = 0; !r && (r = gai_error(&question)) == EAI_INPROGRESS; ms += LOOK_MS) {
		if (stop_flag || (timeout_ms >= 0 && ms >= timeout_ms))
			return stop_flag ? -EINTR : -ETIMEDOUT;
		/* What it returns when the time is over differs between versions of glibc; the question knows whether it is answered. */
		gai_suspend(waited, 1, &(struct timespec){ .tv_nsec = LOOK_MS * 1000000L });
		r = 0;
	}
	*ret_all = question.ar_result;
	if (!r)
		return 0;
	out_error("%s: %s", addr->text, gai_strerror(r));
	return -EHOSTUNREACH;
}

/* Every address of the name in turn; the last one's error counts. Where it listens, the first that can be listened at. */
static int at_addresses(const struct addr *addr, int family, int timeout_ms)
{
	int listens = addr->kind == ADDR_TCP_LISTEN, fd;
	struct addrinfo hints = {
		.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = listens ? AI_PASSIVE : AI_ADDRCONFIG,
	}, *all = NULL;

	fd = look_up(addr, &hints, timeout_ms, &all);
	if (fd < 0) {
		if (fd == -ETIMEDOUT)
			out_error("%s: cannot find its address: %s", addr->text, strerror(ETIMEDOUT));
		return fd;
	}
	fd = -EADDRNOTAVAIL;
	for (const struct addrinfo *one = all; one && fd < 0 && fd != -EINTR && !(listens && fd == -ETIMEDOUT); one = one->ai_next)
		fd = socket_at(one->ai_addr, one->ai_addrlen, listens, timeout_ms);
	freeaddrinfo(all);
	if (fd < 0 && fd != -EINTR && !(family == AF_INET6 && addr_lacks_family(fd)))
		out_error("%s: cannot %s: %s", addr->text, listens ? "listen and accept" : "connect", strerror(-fd));
	return fd;
}

/* A listener without an address takes both families, where there are both. */
static int open_tcp(const struct addr *addr, int timeout_ms)
{
	int any = addr->kind == ADDR_TCP_LISTEN && !*addr->host;
	int fd = at_addresses(addr, any ? AF_INET6 : AF_UNSPEC, timeout_ms);

	return any && addr_lacks_family(fd) ? at_addresses(addr, AF_INET, timeout_ms) : fd;
}

static int open_descriptor(const struct addr *addr, int fd, int writes)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0) {
		out_error("%s: no such descriptor is open", addr->text);
		return -EBADF;
	}
	if ((flags & O_ACCMODE) == (writes ? O_RDONLY : O_WRONLY)) {
		out_error("%s: it is open for %s only", addr->text, writes ? "reading" : "writing");
		return -EBADF;
	}
	return fd;
}

/*
 * A FIFO to be read opens at once, and is waited for until somebody writes: so a signal and a timeout are heeded. In a tree what
 * has become a FIFO is not waited for; a file that somebody has a lease on is, until he gives it up or the kernel takes it.
 */
static int open_path(const struct addr *addr, int timeout_ms)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (addr->in_tree ? O_NOFOLLOW : 0), fd, r;
	struct stat st;
	int fifo = !addr->in_tree && fstatat(addr->at, addr->path, &st, 0) == 0 && S_ISFIFO(st.st_mode);

	if (fifo || addr->in_tree)
		fd = patient_open(addr->at, addr->path, flags, 0, EWOULDBLOCK, timeout_ms);
	else
		fd = openat(addr->at, addr->path, flags);
	if (fd < 0 || !fifo)
		return fd < 0 ? -errno : fd;
	r = wait_for(fd, POLLIN, timeout_ms);
	if (!r && fcntl(fd, F_SETFL, 0) < 0)
		r = -errno;
	if (r < 0)
		close(fd);
	return r < 0 ? r : fd;
}

static int open_by_kind(struct end *end, int writes, int timeout_ms)
{
	const struct addr *addr = &end->addr;
	int fd;

	switch (addr->kind) {
	case ADDR_STANDARD:
		return open_descriptor(addr, writes ? STDOUT_FILENO : STDIN_FILENO, writes);
	case ADDR_FD:
		return open_descriptor(addr, addr->fd, writes);
	case ADDR_TCP:
	case ADDR_TCP_LISTEN:
		end->ours = end->network = 1;
		return open_tcp(addr, timeout_ms);
	case ADDR_UNIX:
	case ADDR_UNIX_LISTEN:
		end->ours = 1;
		fd = open_unix(addr, timeout_ms);
		break;
	default:
		end->ours = 1;
		fd = open_path(addr, timeout_ms);
	}
	if (fd < 0 && fd != -EINTR)
		out_error("%s: %s", addr->text, strerror(-fd));
	return fd;
}

/* Until all is written, whatever ends the program, SIGKILL too, resets the connection: a FIN would say that this was all. */
static void reset_if_lost(const struct end *end, int on)
{
	const struct linger linger = { .l_onoff = on };

	if (end->network)
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int end_open(struct end *end, int writes, int timeout_ms)
{
	int fd = open_by_kind(end, writes, timeout_ms);

	end->fd = fd < 0 ? -1 : fd;
	if (fd >= 0 && writes)
		reset_if_lost(end, 1);
	return fd < 0 ? fd : 0;
}

static int error_of(int socket)
{
	int error = 0;
	socklen_t length = sizeof error;

	return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? 0 : -error;
}

/* What close does to bytes under way is the kernel's choice, and a reset's: so they are waited for. */
static int drain(int socket, int timeout_ms)
{
	int under_way = 0, before = 0, error = 0;

	for (int ms = 1, waited = 0; ioctl(socket, SIOCOUTQ, &under_way) == 0 && under_way; waited += ms) {
		error = error_of(socket);
		if (error || stop_flag)
			return error ? error : -ECANCELED;
		if (under_way != before)
			waited = 0;
		before = under_way;
		if (timeout_ms >= 0 && waited >= timeout_ms)
			return -ETIMEDOUT;
		nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
		ms = ms < 50 ? ms * 2 : ms;
	}
	return error_of(socket);
}

int end_finish(struct end *end, int timeout_ms, int sync)
{
	if (sync && fsync(end->fd) < 0 && errno != EINVAL)	/* what has no disk */
		return -errno;
	if (!end->ours || end->addr.kind == ADDR_FILE)
		return 0;
	reset_if_lost(end, 0);
	if (shutdown(end->fd, SHUT_WR) < 0)
		return errno == ENOTCONN ? -ECONNRESET : -errno;
	return end->network ? drain(end->fd, timeout_ms) : error_of(end->fd);
}

void end_close(struct end *end)
{
	if (end->fd >= 0 && end->ours)
		close(end->fd);
	end->fd = -1;
}
