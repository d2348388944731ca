/* SPDX-License-Identifier: MIT */
#include "node.h"
#include "part.h"
#include "same.h"

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

static mode_t kind_of(const struct node *node)
{
	return node->target ? S_IFLNK : node->first_name ? S_IFREG : node->mode & S_IFMT;
}

/* Whether it can be what was made under the name just now, and no other thing that somebody has put there to be changed. */
static int is_made(const struct node *node, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind_of(node) && st.st_nlink <= 1;
}

/* -ENOENT: what was made has the name no more. */
static int finish(const struct node *node, int dir, const char *name)
{
	int fd, r;

	if (!node->finish)
		return 0;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!is_made(node, fd))
		r = -ENOENT;
	else
		r = node->finish(node->arg, fd) < 0 ? NODE_TOLD : 0;
	close(fd);
	if (r == NODE_TOLD)
		unlinkat(dir, name, 0);
	return r;
}

/* Of two names of one file rename leaves both. */
static int drop_second(int dir, const char *part, const char *name)
{
	struct stat a, b;

	if (fstatat(dir, part, &a, AT_SYMLINK_NOFOLLOW) < 0 || fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return same_file(&a, &b) && unlinkat(dir, part, 0) < 0 ? -errno : 0;
}

/* -ENOENT: another leat has swept it meanwhile. */
static int replace(const struct node *node, int dir, const char *name, const char *part)
{
	int r = part_sweep(dir, part, kind_of(node));

	if (r < 0)
		return r;
	if (make(node, dir, part) < 0)
		return -errno;
	r = finish(node, dir, part);
	if (r < 0)
		return r;
	if (renameat(dir, part, dir, name) < 0) {
		r = -errno;
		if (r != -ENOENT)
			unlinkat(dir, part, 0);
		return r;
	}
	return node->first_name ? drop_second(dir, part, name) : 0;
}

int node_place(const struct node *node, int dir, const char *name)
{
	char part[NAME_MAX + 1];
	int r;

	if (make(node, dir, name) == 0)
		return finish(node, dir, name);
	if (errno != EEXIST || node->fresh)
		return errno != EEXIST ? -errno : NODE_MET;
	r = part_name(name, node->source_dir, part);
	if (r < 0)
		return r;
	for (int tries = 0; tries < PART_TRIES; tries++) {
		r = replace(node, dir, name, part);
		if (r != -ENOENT)
			break;
	}
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
