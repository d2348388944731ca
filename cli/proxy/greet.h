/* SPDX-License-Identifier: MIT */
/*
 * What a client says before its upstream is chosen: a PROXY header, which is taken, and a TLS ClientHello, which is looked at
 * and stays. Nothing behind them is taken, so nothing can be overtaken or lost (hazard 5).
 */
#ifndef CLI_PROXY_GREET_H
#define CLI_PROXY_GREET_H

#include "board.h"
#include "header.h"
#include "hello.h"
#include "settings.h"

struct greeting {
	int header_taken;
	struct header header;		/* if taken */
	char name[HELLO_NAME];		/* in lower case; empty: none was asked for */
};

/* 1: all has been said; 0: more must come; -1: it is refused, and *ret_why says why. */
int greet(const struct settings *settings, int client, struct greeting *greeting, const char **ret_why);
/* The group of upstreams for a name: the first of NAME, *.DOMAIN and * that fits, or the default. defaults: so many stand first. */
void greet_group(const struct settings *settings, const char *name, unsigned defaults, unsigned *ret_first, unsigned *ret_count);

#endif
