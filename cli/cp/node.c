/* SPDX-License-Identifier: MIT */
#include "node.h"
#include "dest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make(const struct node *node, int dir, const char *name)
{
	if (node->target)
		return symlinkat(node->target, dir, name);
	if (node->first_name)
		return linkat(node->first_dir, node->first_name, dir, name, 0);
	return mknodat(dir, name, node->mode, node->device);
}

int node_place(const struct node *node, int dir, const char *name)
{
	char temporary[NAME_MAX + 1];
	int r;

	if (make(node, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	dest_temporary(name, temporary);
	unlinkat(dir, temporary, 0);	/* left over */
	if (make(node, dir, temporary) < 0)
		return -errno;
	r = renameat(dir, temporary, dir, name) < 0 ? -errno : 0;
	unlinkat(dir, temporary, 0);	/* of two names of one file rename leaves both */
	return r;
}

int node_below(int root, const char *path, const char **ret_name)
{
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0), next;

	if (at < 0)
		at = -errno;
	for (const char *slash; at >= 0 && (slash = strchr(path, '/')); at = next, path = slash + 1) {
		char name[NAME_MAX + 1];

		snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
		next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			next = -errno;
		close(at);
	}
	*ret_name = path;
	return at;
}
