/* SPDX-License-Identifier: MIT */
/* The board as a page for Prometheus, text format 0.0.4. */
#ifndef CLI_PROXY_METRICS_H
#define CLI_PROXY_METRICS_H

#include <stdio.h>

/* board is a struct board. 0 or -errno. */
int metrics_write(FILE *to, void *board);

#endif
