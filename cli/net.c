/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static int make_socket(const struct net_options *options)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	if (fd < 0)
		return -errno;
	if (options->congestion && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options->congestion,
					      (socklen_t)strlen(options->congestion)))
		goto fail;
	if (options->mss && setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &options->mss, sizeof options->mss))
		goto fail;
	return fd;
fail:
	error = -errno;
	close(fd);
	return error;
}

int net_listen(uint16_t port, const struct net_options *options)
{
	struct sockaddr_in a = loopback(port);
	int fd = make_socket(options), one = 1, error;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
	    bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 16) == 0 && net_set_blocking(fd, 0) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

uint16_t net_port(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t length = sizeof a;

	return getsockname(fd, (struct sockaddr *)&a, &length) == 0 ? ntohs(a.sin_port) : 0;
}

int net_accept(int listener, int timeout_ms)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 || errno != EAGAIN)
		return fd >= 0 ? fd : -errno;
	if (poll(&p, 1, timeout_ms) <= 0)
		return -ETIMEDOUT;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

int net_connect(uint16_t port, const struct net_options *options)
{
	struct sockaddr_in a = loopback(port);
	int fd = make_socket(options), error;

	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int net_set_blocking(int fd, int blocking)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

int net_mss(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof info;

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 ? (int)info.tcpi_rcv_mss : 0;
}
