/* SPDX-License-Identifier: MIT */
/* Whether upstreams can be connected to, by each of their addresses. */
#ifndef CLI_PROXY_HEALTH_H
#define CLI_PROXY_HEALTH_H

#include "board.h"
#include "settings.h"

/* Connects to each once, at the same time, for --connect seconds at most, and writes down on the board what came of it. Blocks. */
void health_check(struct board *board, const struct settings *settings);

#endif
