/* SPDX-License-Identifier: MIT */
/* One copy's transfer: the wrappers and options that were asked for, between two ends that are open. */
#ifndef CLI_CP_MOVE_H
#define CLI_CP_MOVE_H

#include "../addr.h"
#include "../sha256.h"
#include "cache.h"
#include "dest.h"
#include "end.h"
#include "second.h"
#include "settings.h"
#include "show.h"
#include "status.h"
#include "stop.h"
#include "why.h"

#include <leat.h>

struct job {
	const struct settings *settings;
	struct show *show;
	struct leat_helper *helper;
	struct watch watch;
	const struct addr *from_addr, *to_addr;
	struct end from, to;		/* to: unless it is a file */
	struct stat source_is;
	uint64_t begin;			/* where in the source file what was asked for begins */
	struct dest dest;
	struct second second;		/* of --tee */
	struct dest_options dest_options;
	int to_file;

	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit section;
	struct leat_rate rate;
	struct leat_deadline deadline;
	struct leat_progress progress;
	struct leat_log log;
	struct cache cache;
	struct leat_xxh3 xxh3, sent;	/* of --hash; of --verify, where the source cannot be read again */
	struct leat_hash hash;
	struct sha256 sha256;
	struct leat_options options;
	struct leat_report report;
	int error;			/* of what was not opened, and then of the report */
	const char *why;		/* a sentence instead, or NULL */
	int moved;			/* report is filled in */
	int complete;			/* of --resume: nothing is left to be moved */
	int hash_after;			/* what is there is hashed, not what passes */
	int snapshot_dir;		/* -1: not open */
	int gone_by;			/* the source cannot be read again */
	int verified;
	char hash_text[SHA256_TEXT_BYTES], why_text[WHY_BYTES];
};

static inline enum status job_stopped(void)
{
	return (enum status)(STATUS_STOPPED + stop_flag);
}

/* Fills in moved, report, error and why; says what went wrong. */
enum status move_bytes(struct job *job);

#endif
