/* SPDX-License-Identifier: MIT */
/* TCP on the loopback address, with the options the tools set on their own sockets. */
#ifndef CLI_NET_H
#define CLI_NET_H

#include <stdint.h>

struct net_options {
	const char *congestion;	/* or NULL: the system's */
	int mss;		/* TCP_MAXSEG; 0: the system's */
};

/* A listener on 127.0.0.1:port (0: any free one). Accepted sockets inherit the options. Non-blocking. fd or -errno. */
int net_listen(uint16_t port, const struct net_options *options);
/* The port a socket is bound to, 0 when it is none. */
uint16_t net_port(int fd);
/* Waits until a connection is there, at most timeout_ms. A blocking socket, or -errno (-ETIMEDOUT). */
int net_accept(int listener, int timeout_ms);
/* fd or -errno. */
int net_connect(uint16_t port, const struct net_options *options);
int net_set_blocking(int fd, int blocking);
/* The size of the segments that came in, as TCP estimates it; 0 when unknown. */
int net_mss(int fd);

#endif
