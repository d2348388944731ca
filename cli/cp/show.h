/* SPDX-License-Identifier: MIT */
/* What a person, or a program, is told of one copy: progress while it runs, the plan before and the report after. */
#ifndef CLI_CP_SHOW_H
#define CLI_CP_SHOW_H

#include "../out.h"
#include "settings.h"
#include "total.h"

#include <leat.h>

#include <pthread.h>

enum show_count { SHOW_FILES, SHOW_DIRECTORIES, SHOW_LINKS /* further names of a file */, SHOW_SPECIAL, SHOW_FAILED, SHOW_COUNTS };

struct show {
	struct out out;
	FILE *to;			/* of plans, reports, hashes and JSON: stderr where stdout is a destination */
	const struct settings *settings;
	uint64_t counts[SHOW_COUNTS];	/* atomic */
	pthread_mutex_t lock;		/* of all below, and of what is printed */
	int live;			/* progress is shown */
	const char *tree;		/* the destination of a directory, or NULL: one file */
	uint64_t bytes, begin_ns, next_ns, moved_ns;	/* of a directory so far */
	struct total *total;		/* what the directory will come to, or NULL */
	uint64_t total_from;		/* of the bytes those of directories before it, less those of it that were there already */
	unsigned results;		/* of --json so far */
	int hash_said;			/* that it costs a copy */
};

struct watch {			/* of one file while it is copied */
	struct show *show;
	const char *from, *to;
	uint64_t bytes;			/* told to the show */
	uint8_t route;			/* that carries the bytes now */
};

struct result {			/* of one file, for --json */
	const char *from, *to;
	int status;			/* enum status */
	const char *error;		/* or NULL */
	const struct leat_report *report;	/* NULL: it did not come to that */
	const char *hash_name, *hash;	/* or NULL */
	uint64_t resumed_bytes;
	int verified;			/* -1: not asked */
};

void show_init(struct show *show, const struct settings *settings, FILE *to);
/* to: a directory that is copied from now on, from path within at; or NULL: that was all of it. */
void show_tree(struct show *show, const char *to, int at, const char *path);
void show_count(struct show *show, enum show_count what);
/* Callbacks of leat_progress and leat_log, with the watch as argument. */
void show_progress(void *watch, const struct leat_progress_state *state);
void show_route(void *watch, const struct leat_event *event);
void show_plan(struct show *show, const char *from, const char *to, const struct leat_report *plan);
void show_result(struct show *show, const struct result *result);
/* Ends what --json has begun. status: of all. */
void show_end(struct show *show, int status);

#endif
