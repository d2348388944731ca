/* SPDX-License-Identifier: MIT */
/* The second file, of --tee: the same bytes and holes as the first one, and whole or not at all. */
#ifndef CLI_CP_SECOND_H
#define CLI_CP_SECOND_H

#include "cache.h"
#include "dest.h"
#include "status.h"

#include <leat.h>

struct second {
	struct dest dest;
	struct leat_sink sink;
	struct leat_tee tee;
	struct cache cache;		/* of --no-cache */
	unsigned char *buffer;
	int map;			/* the source once more, to be asked for its holes; -1: it has none, or does not tell */
	uint64_t map_at;		/* where in it the first byte of this file is */
	uint64_t at, hole_end, data_end;	/* in this file: done so far; known to be a hole, and behind it data, up to there */
	uint64_t hole_from;		/* what is not written, and not yet made a hole, begins there and ends at at */
};

/* Nothing is open. */
void second_init(struct second *second);
/* What path names; source: of the file that is read. 0, or as dest_open. */
int second_open(struct second *second, const char *path, const struct stat *source, const struct dest_options *options);
/* The source has holes, and this file will have them where it can; at: where in it the first byte is; length: of this file. */
void second_holes(struct second *second, int source, uint64_t at, uint64_t length, const struct dest_options *options);
/* The wrapper of the source that writes it. */
struct leat_wrapper *second_tee(struct second *second);
/* --no-cache: a wrapper of the sink. */
struct leat_wrapper *second_cache(struct second *second);
/* Before it has its name it is what it shall be, and on the disk if asked. 0, or as dest_open. */
int second_complete(struct second *second, const struct dest_options *options, int no_cache, uint64_t length);
int second_commit(struct second *second, const struct dest_options *options);
void second_close(struct second *second);

#endif
