/* SPDX-License-Identifier: MIT */
/* What stands in a directory and is no file of its own: made in one call, under a name that may be taken. */
#ifndef CLI_CP_NODE_H
#define CLI_CP_NODE_H

#include <sys/types.h>

#define NODE_TOLD (-4400)	/* below every -errno: a sentence says it already */
#define NODE_MET (-4401)	/* what has the name is not to be replaced */

struct node {
	const char *target;	/* of a symbolic link */
	int first_dir;		/* of a further name of a file: where its first one is */
	const char *first_name;
	mode_t mode;		/* of a FIFO, socket or device */
	dev_t device;
	int fresh;		/* the directory was made by us: what has the name is not replaced */
	int source_dir;		/* where it is copied from: no temporary name is one that this has */
	/* Gives what was made, and is open by O_PATH, what it shall have; or NULL. 0, or -errno after a sentence: it is removed. */
	int (*finish)(void *arg, int made);
	void *arg;
};

/* Makes it; what has the name is there until it is replaced by what is finished. 0; NODE_TOLD; NODE_MET; or -errno, of which
 * part_why() speaks. */
int node_place(const struct node *node, int dir, const char *name);
/* Opens the directory of a path below root: each step by its name, none by a link. *ret_name: the last name, within path. The
 * descriptor, or -errno. */
int node_below(int root, const char *path, const char **ret_name);

#endif
