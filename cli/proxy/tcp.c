/* SPDX-License-Identifier: MIT */
#include "tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

void tcp_prepare(const struct settings *settings, int fd, int anew)
{
	int one = 1, user_ms = (int)(settings->user_timeout_s * 1000), idle_s = (int)settings->keep_alive_s, alive = idle_s > 0;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (user_ms || anew)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof user_ms);
	if (alive || anew)
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &alive, sizeof alive);
	if (alive)
		setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
}
