/* SPDX-License-Identifier: MIT */
/* A directory of a tree, as it is read and as it is made: open until all that is in it is done, and then given its mode and times. */
#ifndef CLI_CP_DIR_H
#define CLI_CP_DIR_H

#include "names.h"
#include "pool.h"
#include "settings.h"
#include "show.h"
#include "status.h"

#include <leat.h>

#include <sys/stat.h>

struct dir {
	struct dir *parent;
	int from, to;
	struct stat is;			/* of the source */
	int made;			/* by us: its mode is set at the end */
	mode_t lent;			/* rights that it will not have then: without them we could not fill it */
	unsigned refs;			/* the walk, its directories, its files under way */
	struct names names;
	char name[];			/* in its parent; of the root empty */
};

struct tree {
	const struct settings *settings;
	struct show *show;
	struct pool *pool;
	struct links *links;
	struct written *made;		/* directories: two of the source do not become one */
	const char *from_path, *to_path;	/* of the root, to be shown */
	struct stat to_is;		/* the destination's root: not to be copied into itself */
	enum status worst;		/* atomic */
	struct item *item;		/* that is being filled, or NULL */
	unsigned jobs;
	struct leat_helper helpers[POOL_THREADS_MOST + 1];	/* of each thread, and behind them of the walk */
};

void tree_note(struct tree *tree, enum status status);
/* status: STATUS_SOURCE names the source, any other the destination. name: in dir, or "" for dir itself. */
void tree_failed(struct tree *tree, enum status status, const struct dir *dir, const char *name, const char *why);
/* root, the names of the directories and name, if any, with slashes between; to be freed. NULL: no memory. */
char *dir_path(const char *root, const struct dir *dir, const char *name);
/* NULL after a sentence: no memory. */
struct dir *dir_new(struct tree *tree, struct dir *parent, const char *name);
/* Makes to within its parent, or takes what is there; opens both, and reads the names. 0 or -errno after a sentence. */
int dir_open(struct tree *tree, struct dir *dir, int from_at, const char *from, int to_at, const char *to);
/* A new one, open, of that name in its parent; NULL after a sentence. */
struct dir *dir_enter(struct tree *tree, struct dir *parent, const char *name);
/* Who has it no more; the last one finishes it, and then has its parent no more, either. */
void dir_unref(struct tree *tree, struct dir *dir);

#endif
