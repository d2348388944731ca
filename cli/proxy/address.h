/* SPDX-License-Identifier: MIT */
/* The words LISTEN and UPSTREAM, and the addresses they stand for. */
#ifndef CLI_PROXY_ADDRESS_H
#define CLI_PROXY_ADDRESS_H

#include "../addr.h"
#include "board.h"
#include "settings.h"

/* [ADDRESS]:PORT or HOST:PORT, unix:PATH, and of a listener fd:NUMBER. 0, or -EINVAL after a sentence. text is borrowed. */
int address_parse(const char *text, int listens, struct addr *ret_addr);
/*
 * All that it stands for, of which no more are given than most; this may wait for a name. The count of all, or an error of getaddrinfo
 * (negative).
 */
int address_resolve(const struct addr *addr, int passive, struct board_address *to, unsigned most);
/* Whether it is a name, whose addresses may change. */
int address_is_name(const struct addr *addr);
/* What address_resolve failed by, in words. */
const char *address_why(int error);
/* The address of an upstream, which for --sni stands behind a name; NULL after a sentence. Upstreams of --sni come behind the others. */
const char *address_upstream(const struct settings *settings, unsigned number);

#endif
