/* SPDX-License-Identifier: MIT */
/* What a worker and a keeper may still do once they have all they need. Anything else is refused by the kernel. */
#ifndef CLI_PROXY_SANDBOX_H
#define CLI_PROXY_SANDBOX_H

#include "board.h"

/* Moves bytes between sockets it accepts, and upstreams it connects to: no file, no port but theirs. 0 or -errno after a sentence. */
int sandbox_worker(const struct board *board);
/* Asks for names as well: reads what the C library needs for that. */
int sandbox_keeper(const struct board *board);

#endif
