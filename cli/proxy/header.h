/* SPDX-License-Identifier: MIT */
/*
 * The header of the PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who the peer of a proxy is. Pure: bytes
 * in, addresses out, and back. The bytes are a stranger's.
 */
#ifndef CLI_PROXY_HEADER_H
#define CLI_PROXY_HEADER_H

#include <stddef.h>
#include <sys/socket.h>

#define HEADER_MOST 4096	/* bytes that are taken, TLVs included; version 1 has at most 107 */
#define HEADER_MADE 232		/* bytes that header_make writes at most */

struct header {
	int local;		/* the proxy itself, or UNKNOWN: from and to are what the socket says */
	struct sockaddr_storage from, to;	/* unless local */
};

/* Bytes of the header at the beginning of what came, 0 when more must come, or -EPROTO for what is none. */
long header_parse(const unsigned char *bytes, size_t length, struct header *ret_header);
/* The header of this version, 1 or 2, for a connection of these addresses; what version 1 cannot say is UNKNOWN. Of no family: the
 * proxy's own. Gives its bytes. */
size_t header_make(int version, const struct sockaddr_storage *from, const struct sockaddr_storage *to,
		   unsigned char out[HEADER_MADE]);

/* An IPv4 address as a socket for both families writes it, ::ffff:192.0.2.1, as what it is. Others stay. */
void header_unmap(struct sockaddr *address);
/* Of one family, if they can be: both as IPv4 if both are, mapped or not; else what is IPv4 as IPv6 writes it. Others stay. */
void header_agree(struct sockaddr_storage *from, struct sockaddr_storage *to);

#endif
