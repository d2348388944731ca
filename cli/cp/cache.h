/* SPDX-License-Identifier: MIT */
/* --no-cache: what was copied leaves the page cache while the copy goes on, so that a large one does not fill it first. */
#ifndef CLI_CP_CACHE_H
#define CLI_CP_CACHE_H

#include <leat.h>

struct cache {
	struct leat_wrapper wrapper;
	int from, to;			/* -1: none that has pages */
	uint64_t from_at, to_at;	/* where the transfer begins */
	uint64_t passed, asked;		/* from there on: moved; asked to be written to the disk */
	int error;			/* the first that the disk told: 0 or -errno */
};

/* A wrapper of the sink. Needs counts only. */
struct leat_wrapper *cache_init(struct cache *cache, int from, uint64_t from_at, int to, uint64_t to_at);
/* Before the file has its name: all of it is on the disk. 0 or -errno after a sentence, also of what failed while it was moved. */
int cache_flush(struct cache *cache, const char *shown);
/* Drops what is left of both files, once all is flushed. */
void cache_drop(const struct cache *cache);

#endif
