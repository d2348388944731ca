/* SPDX-License-Identifier: MIT */
/* The addresses of names: who asks for them may have to wait, so nobody does it who has anything else to do. */
#ifndef CLI_PROXY_NAMES_H
#define CLI_PROXY_NAMES_H

#include "generation.h"

/* Whether the upstream is a name, whose addresses may change. */
int names_is_one(const struct board_upstream *up);
/* Asks for its addresses once, and writes what comes down on the board; what had some keeps them without an answer. Waits for it. 0, or
 * an error of getaddrinfo (with errno), or of a name without an address. */
int names_refresh(struct board_upstream *up);
/*
 * Asks at once for all names that have no address yet, in a process of its own, and waits a moment for it: what is not known then is
 * said, and left to the keeper. SIGTERM and SIGINT end the wait, and are not taken.
 */
void names_begin(struct generation *generation);

#endif
