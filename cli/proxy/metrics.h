/* SPDX-License-Identifier: MIT */
/* The board as a page for Prometheus, text format 0.0.4. */
#ifndef CLI_PROXY_METRICS_H
#define CLI_PROXY_METRICS_H

#include <stdio.h>

/* board is a struct board. 0 or -errno. */
int metrics_write(FILE *to, void *board);
/* Of a group of upstreams none of which is up, a line that says so; or NULL. */
const char *metrics_lacks(const void *board);

#endif
