/* SPDX-License-Identifier: MIT */
/*
 * The name a TLS client asks for (server_name, RFC 6066), out of its ClientHello, which is only looked at and stays whole for
 * the server. Pure. The bytes are a stranger's.
 */
#ifndef CLI_PROXY_HELLO_H
#define CLI_PROXY_HELLO_H

#include <stddef.h>

#define HELLO_NAME 256		/* a DNS name and its 0 */
#define HELLO_MOST (16384 + 5)	/* bytes of a client's beginning that are looked at */

/*
 * 1: the name is in ret_name, in lower case; or it is empty, for a client that asks for none. 0: more must come. -EPROTO: this is
 * no TLS, or none that can be read. -EMSGSIZE: it is too large.
 */
int hello_name(const unsigned char *bytes, size_t length, char ret_name[HELLO_NAME]);

#endif
