/* SPDX-License-Identifier: MIT */
/* All that came from one reading of the configuration: what the workers and the keeper forked for it share, and see. */
#ifndef CLI_PROXY_GENERATION_H
#define CLI_PROXY_GENERATION_H

#include "../exporter.h"
#include "board.h"
#include "listen.h"
#include "log.h"
#include "places.h"
#include "settings.h"

#include <sys/types.h>

struct generation {
	struct settings settings;
	struct board *board;		/* shared by its processes */
	struct places *places;
	struct board_places upstreams;	/* which of them they have */
	struct listeners listeners;
	struct exporter *exporter;	/* for --metrics; or NULL */
	struct log log;
	uid_t uid;			/* of --user; or -1: stay who we are */
	gid_t gid;
};

/*
 * Opens what settings ask for, which are taken over; from before (or NULL) come the sockets that stay. 0, or -errno after a sentence:
 * then before is as it was.
 */
int generation_open(struct generation **ret_generation, struct generation *before, struct settings *settings, struct places *places);
/* Closes what the one after it has not kept, and frees it. Its processes may live on. */
void generation_close(struct generation *generation);
/* In a child, at the beginning: becomes --user. Exits after a sentence when it cannot. */
void generation_settle(struct generation *generation);

#endif
