/* SPDX-License-Identifier: MIT */
/*
 * The walk goes depth first, by descriptors: a directory's are open until all that is in it is done, files on other threads
 * included, and then it gets its mode and times. The limit of descriptors bounds how deep it can be.
 */
#include "tree.h"
#include "../out.h"
#include "dir.h"
#include "keep.h"
#include "links.h"
#include "node.h"
#include "part.h"
#include "same.h"
#include "stop.h"
#include "written.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Files of one directory for one thread of the pool: two that make names in the same directory would wait for each other
 * (20,000 files of 4 KiB by two threads, one by one: 1.4 times the CPU of cp -r). As much as is soon done. */
#define ITEM_BYTES (UINT64_C(1) << 20)
#define ITEM_ROOM 8192

struct item {
	struct dir *dir;
	uint64_t bytes;
	size_t used;
	char names[ITEM_ROOM];	/* one after the other, each with its 0 */
};

static enum status copy_file(struct tree *tree, unsigned thread, const struct dir *dir, const char *name)
{
	char *from_path = dir_path(tree->from_path, dir, name), *to_path = dir_path(tree->to_path, dir, name);
	struct addr from = { .kind = ADDR_FILE, .text = from_path, .path = name, .fd = -1, .at = dir->from, .in_tree = 1 };
	struct addr to = {
		.kind = ADDR_FILE, .text = to_path, .path = name, .fd = -1, .at = dir->to, .in_tree = 1, .fresh = dir->made,
	};
	struct leat_helper *helper = leat_helper_fd(&tree->helpers[thread]) < 0 ? NULL : &tree->helpers[thread];
	enum status status = STATUS_FAILED;

	if (from_path && to_path)
		status = job_copy(tree->settings, tree->show, helper, &from, &to);
	else
		tree_failed(tree, status, dir, name, strerror(ENOMEM));
	free(from_path);
	free(to_path);
	tree_note(tree, status);
	return status;
}

static void work(void *arg, unsigned thread, void *given)
{
	struct tree *tree = arg;
	struct item *item = given;

	for (size_t at = 0; at < item->used && !stop_flag; at += strlen(item->names + at) + 1)
		copy_file(tree, thread, item->dir, item->names + at);
	dir_unref(tree, item->dir);
	free(item);
}

static void give(struct tree *tree)
{
	if (tree->item)
		pool_give(tree->pool, tree->item);
	tree->item = NULL;
}

static void put(struct tree *tree, struct dir *dir, const char *name, uint64_t bytes)
{
	size_t length = strlen(name) + 1;
	struct item *item = tree->item;

	if (item && (item->dir != dir || item->used + length > ITEM_ROOM || item->bytes >= ITEM_BYTES))
		give(tree);
	if (!tree->item) {
		item = malloc(sizeof *item);
		if (!item) {
			tree_failed(tree, STATUS_FAILED, dir, name, strerror(ENOMEM));
			return;
		}
		item->dir = dir;
		item->bytes = item->used = 0;
		__atomic_add_fetch(&dir->refs, 1, __ATOMIC_RELAXED);
		tree->item = item;
	}
	memcpy(item->names + item->used, name, length);
	item->used += length;
	item->bytes += bytes;
}

/* Whether another source was given this name in this run. In a directory that we have made nothing is replaced. */
static int was_met(const struct tree *tree, const struct dir *dir, const char *name, const struct stat *source)
{
	struct stat there;

	return !dir->made && fstatat(dir->to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       written_by(tree->settings->written, &there, source);
}

#define MORE_NAMES (-4300)	/* below every -errno */

/* Whether what has the name has names that the source cannot give it, and so is somebody else's; not when it is first itself. */
static int has_more_names(const struct tree *tree, const struct dir *dir, const char *name, const struct stat *source,
			  const struct node *node)
{
	struct stat there, first;

	return !tree->settings->in_place && fstatat(dir->to, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(there.st_mode) &&
	       there.st_nlink > 1 && there.st_nlink > source->st_nlink &&
	       !(fstatat(node->first_dir, node->first_name, &first, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&there, &first));
}

/* A further name of the file whose first one is at this path below the root's destination. */
static int link_to(const struct tree *tree, const struct dir *dir, const char *name, const struct stat *source, const char *first)
{
	const struct dir *root = dir;
	struct node node = { .first_dir = -1, .fresh = dir->made, .source_dir = dir->from };
	int r;

	while (root->parent)
		root = root->parent;
	node.first_dir = node_below(root->to, first, &node.first_name);
	if (node.first_dir < 0)
		return node.first_dir;
	if (was_met(tree, dir, name, source))
		r = NODE_MET;
	else
		r = has_more_names(tree, dir, name, source, &node) ? MORE_NAMES : node_place(&node, dir->to, name);
	close(node.first_dir);
	return r;
}

/* It has all the names it can have, or its file system gives none a second. */
static int has_no_links(int error)
{
	return error == -EMLINK || error == -EPERM || error == -EOPNOTSUPP || error == -ENOSYS;
}

static int copy_first(struct tree *tree, const struct dir *dir, const char *name, const struct stat *st)
{
	char *path = dir_path("", dir, name);
	int r = path ? 0 : -ENOMEM;

	if (path && copy_file(tree, tree->jobs, dir, name) == STATUS_OK)
		r = links_add(tree->links, st, path + 1);
	free(path);
	return r;
}

/* A name beside the first one of the same file. That one was copied here and now, so it is there. */
static void copy_linked(struct tree *tree, const struct dir *dir, const char *name, const struct stat *st)
{
	const char *first = links_find(tree->links, st);
	int r = first ? link_to(tree, dir, name, st, first) : copy_first(tree, dir, name, st);

	if (first && has_no_links(r))
		copy_file(tree, tree->jobs, dir, name);
	else if (r == MORE_NAMES)
		tree_failed(tree, STATUS_REFUSED, dir, name, "it has more names (hard links) than its source, so it is not replaced; "
			    "remove this one, and copy again");
	else if (r == NODE_MET)
		tree_failed(tree, STATUS_DEST, dir, name, WRITTEN_MET);
	else if (r < 0)
		tree_failed(tree, STATUS_DEST, dir, name, part_why(r, name, dir->from));
	else if (first)
		show_count(tree->show, SHOW_LINKS);
}

/* What is kept of a symbolic link, FIFO, socket or device. */
struct kept {
	const struct tree *tree;
	const struct dir *dir;
	const char *name;
	struct stat is;
	int from;		/* O_PATH; -1: nothing is kept */
};

static int keep_special(void *arg, int made)
{
	const struct kept *kept = arg;
	const struct settings *settings = kept->tree->settings;
	char *shown = dir_path(kept->tree->to_path, kept->dir, kept->name);
	int r = keep_private(kept->from, &kept->is, made, settings->preserve, settings->mask, shown ? shown : kept->name);

	free(shown);
	return r;
}

/* In a directory where it may be met again. */
static void note_special(const struct tree *tree, const struct kept *kept)
{
	struct stat made;

	if ((!kept->dir->made || tree->settings->several) && fstatat(kept->dir->to, kept->name, &made, AT_SYMLINK_NOFOLLOW) == 0)
		written_note(tree->settings->written, &made, &kept->is, kept->name);
}

static void place_special(struct tree *tree, struct kept *kept, const char *target)
{
	mode_t rights = tree->settings->preserve & KEEP_PRIVATE ? 0700 : 0777;
	struct node node = {
		.target = target, .mode = kept->is.st_mode & (S_IFMT | rights), .device = kept->is.st_rdev, .fresh = kept->dir->made,
		.source_dir = kept->dir->from, .finish = kept->from < 0 ? NULL : keep_special, .arg = kept,
	};
	int r = was_met(tree, kept->dir, kept->name, &kept->is) ? NODE_MET : node_place(&node, kept->dir->to, kept->name);

	if (!r) {
		show_count(tree->show, SHOW_SPECIAL);
		note_special(tree, kept);
	} else if (r == NODE_TOLD) {
		show_count(tree->show, SHOW_FAILED);
		tree_note(tree, STATUS_DEST);
	} else {
		tree_failed(tree, STATUS_DEST, kept->dir, kept->name,
			    r == NODE_MET ? WRITTEN_MET : part_why(r, kept->name, kept->dir->from));
	}
}

/* What is read of it is all of one thing, whatever gets its name meanwhile. */
static int open_special(const struct tree *tree, struct kept *kept, const struct stat *is)
{
	kept->is = *is;
	if (!tree->settings->preserve)
		return 0;
	kept->from = openat(kept->dir->from, kept->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (kept->from < 0 || fstat(kept->from, &kept->is) < 0)
		return -errno;
	return (kept->is.st_mode & S_IFMT) == (is->st_mode & S_IFMT) ? 0 : LEAT_ECHANGED;
}

static void copy_special(struct tree *tree, const struct dir *dir, const char *name, const struct stat *is)
{
	struct kept kept = { .tree = tree, .dir = dir, .name = name, .from = -1 };
	char target[PATH_MAX];
	ssize_t length = 0;
	int r = open_special(tree, &kept, is);

	if (!r && S_ISLNK(is->st_mode)) {
		length = kept.from < 0 ? readlinkat(dir->from, name, target, sizeof target - 1) :
					 readlinkat(kept.from, "", target, sizeof target - 1);
		r = length < 0 ? -errno : 0;
	}
	target[length < 0 ? 0 : length] = 0;
	if (r < 0)
		tree_failed(tree, STATUS_SOURCE, dir, name, leat_strerror(r));
	else
		place_special(tree, &kept, S_ISLNK(is->st_mode) ? target : NULL);
	if (kept.from >= 0)
		close(kept.from);
}

/* One name. The directory it is, to go on in; else NULL. */
static struct dir *copy_name(struct tree *tree, struct dir *dir, const char *name)
{
	struct stat st;

	if (fstatat(dir->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		tree_failed(tree, STATUS_SOURCE, dir, name, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		return dir_enter(tree, dir, name);
	else if (!S_ISREG(st.st_mode))
		copy_special(tree, dir, name, &st);
	else if (st.st_nlink > 1)
		copy_linked(tree, dir, name, &st);
	else
		put(tree, dir, name, (uint64_t)st.st_size);
	return NULL;
}

static void walk(struct tree *tree, struct dir *dir)
{
	while (dir) {
		const char *name = stop_flag ? NULL : names_next(&dir->names);
		struct dir *below = name ? copy_name(tree, dir, name) : NULL, *parent = dir->parent;

		if (below) {
			dir = below;
		} else if (!name) {
			give(tree);
			dir_unref(tree, dir);
			dir = parent;
		}
	}
}

static void more_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static unsigned how_many(const struct settings *settings)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return settings->jobs ? (unsigned)settings->jobs : cpus < 1 ? 1 : cpus < 8 ? (unsigned)cpus : 8;
}

enum status tree_copy(const struct settings *settings, struct show *show, const struct addr *from, const struct addr *to)
{
	struct tree tree = {
		.settings = settings, .show = show, .from_path = from->text, .to_path = to->text, .jobs = how_many(settings),
	};
	struct dir *root;

	more_descriptors();
	show_tree(show, to->text, from->at, from->path);
	for (unsigned i = 0; i <= tree.jobs; i++)
		leat_helper_init(&tree.helpers[i], 2);	/* without one a transfer makes its own pipe */
	tree.links = links_new();
	tree.made = written_new();
	tree.pool = pool_open(tree.jobs, work, &tree);
	root = tree.links && tree.made && tree.pool ? dir_new(&tree, NULL, "") : NULL;
	if (root && dir_open(&tree, root, from->at, from->path, to->at, to->path) == 0)
		walk(&tree, root);
	else if (root)
		dir_unref(&tree, root);
	else
		tree_note(&tree, STATUS_FAILED);
	if (tree.pool)
		pool_close(tree.pool);
	for (unsigned i = 0; i <= tree.jobs; i++)
		leat_helper_end(&tree.helpers[i]);
	links_free(tree.links);
	written_free(tree.made);
	out_progress_end();
	show_tree(show, NULL, -1, NULL);
	if (stop_flag)
		tree_note(&tree, (enum status)(STATUS_STOPPED + stop_flag));
	return tree.worst;
}
