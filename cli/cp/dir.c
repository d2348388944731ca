/* SPDX-License-Identifier: MIT */
#include "dir.h"
#include "../out.h"
#include "keep.h"
#include "same.h"
#include "written.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tree_note(struct tree *tree, enum status status)
{
	enum status worst = __atomic_load_n(&tree->worst, __ATOMIC_RELAXED);

	while (status > worst &&
	       !__atomic_compare_exchange_n(&tree->worst, &worst, status, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

char *dir_path(const char *root, const struct dir *dir, const char *name)
{
	size_t length = strlen(root) + strlen(name) + 2;
	char *path, *at;

	for (const struct dir *d = dir; d; d = d->parent)
		length += strlen(d->name) + 1;
	path = malloc(length);
	if (!path)
		return NULL;
	at = path + length - 1;
	*at = 0;
	at -= strlen(name);
	memcpy(at, name, strlen(name));
	for (const struct dir *d = dir; d && d->parent; d = d->parent) {
		size_t own = strlen(d->name);

		if (*at)
			*--at = '/';
		at -= own;
		memcpy(at, d->name, own);
	}
	if (*at)
		*--at = '/';
	at -= strlen(root);
	memcpy(at, root, strlen(root));
	memmove(path, at, strlen(at) + 1);
	return path;
}

void tree_failed(struct tree *tree, enum status status, const struct dir *dir, const char *name, const char *why)
{
	char *path = dir_path(status == STATUS_SOURCE ? tree->from_path : tree->to_path, dir, name);

	out_error("%s: %s", path ? path : name, why);
	show_count(tree->show, SHOW_FAILED);
	tree_note(tree, status);
	free(path);
}

/* Until it is its owner's, a directory is open to nobody else. */
static int is_private(const struct tree *tree)
{
	return tree->settings->preserve & KEEP_OWNER;
}

/* What the umask has taken from us as it was made; where there is a default access list it takes nothing. */
static void lend_rights(struct dir *dir, int at, const char *path, int flags)
{
	int fd = openat(at, path, O_PATH | flags);
	struct stat st;
	char self[40];

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (fd >= 0 && fstat(fd, &st) == 0 && chmod(self, (st.st_mode & 07777) | 0700) == 0)
		dir->lent |= 0700 & ~st.st_mode;
	if (fd >= 0)
		close(fd);
}

/* What mkdir gave it stays, but for the rights that were needed to fill it; or it gets what mkdir would have given it. */
static int set_mode(const struct tree *tree, const struct dir *dir)
{
	mode_t mode = dir->is.st_mode & 01777 & ~tree->settings->mask;
	struct stat now;

	if (!dir->made || (!dir->lent && !is_private(tree)))
		return 0;
	if (fstat(dir->to, &now) < 0)
		return -errno;
	mode = is_private(tree) ? mode | (now.st_mode & 06000) : now.st_mode & 07777 & ~dir->lent;
	return fchmod(dir->to, mode) < 0 ? -errno : 0;
}

static int flush(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int keep(struct tree *tree, const struct dir *dir)
{
	char *shown = tree->settings->preserve ? dir_path(tree->to_path, dir, "") : NULL;
	int r = 0;

	if (tree->settings->preserve)
		r = keep_attributes(dir->from, &dir->is, dir->to, tree->settings->preserve, shown ? shown : dir->name);
	free(shown);
	return r;
}

static void dir_done(struct tree *tree, struct dir *dir)
{
	int kept = keep(tree, dir), r = 0;

	if (kept < 0)
		tree_note(tree, STATUS_DEST);
	if (kept < 0 ? !is_private(tree) : !(tree->settings->preserve & KEEP_MODE))
		r = set_mode(tree, dir);
	if (!r && tree->settings->sync)
		r = flush(dir->to, ".");
	if (!r && tree->settings->sync && !dir->parent)
		r = flush(dir->to, "..");	/* its own name */
	if (r < 0)
		tree_failed(tree, STATUS_DEST, dir, "", strerror(-r));
}

void dir_unref(struct tree *tree, struct dir *dir)
{
	while (dir && __atomic_sub_fetch(&dir->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		struct dir *parent = dir->parent;

		if (dir->to >= 0)
			dir_done(tree, dir);
		if (dir->from >= 0)
			close(dir->from);
		if (dir->to >= 0)
			close(dir->to);
		names_free(&dir->names);
		free(dir);
		dir = parent;
	}
}

static int open_source(struct tree *tree, struct dir *dir, int at, const char *path, int flags)
{
	int r;

	dir->from = openat(at, path, flags);
	r = dir->from < 0 || fstat(dir->from, &dir->is) < 0 ? -errno : names_read(&dir->names, dir->from);
	if (r < 0)
		tree_failed(tree, STATUS_SOURCE, dir, "", strerror(-r));
	return r;
}

/* What is said of it, if what stands there cannot be what it becomes; or NULL. */
static const char *wrong_dest(struct tree *tree, const struct dir *dir)
{
	struct stat to;

	if (fstat(dir->to, &to) < 0)
		return strerror(errno);
	if (!dir->parent)
		tree->to_is = to;
	if (!dir->parent && same_file(&dir->is, &to))
		return "it is the source itself; nothing was copied";
	return written_claim(tree->made, &to, &dir->is, dir->name) ? WRITTEN_MET : NULL;
}

int dir_open(struct tree *tree, struct dir *dir, int from_at, const char *from, int to_at, const char *to)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (dir->parent ? O_NOFOLLOW : 0);
	int r = open_source(tree, dir, from_at, from, flags);
	const char *wrong;

	if (r < 0)
		return r;
	if (dir->parent && same_file(&dir->is, &tree->to_is)) {
		tree_failed(tree, STATUS_SOURCE, dir, "", "it is the destination itself, and is left out");
		return -EINVAL;
	}
	dir->made = mkdirat(to_at, to, is_private(tree) ? 0700 : (dir->is.st_mode & 01777) | 0700) == 0;
	dir->lent = 0700 & ~dir->is.st_mode;
	if (dir->made && tree->settings->mask & 0700)
		lend_rights(dir, to_at, to, flags);
	dir->to = dir->made || errno == EEXIST ? openat(to_at, to, flags) : -1;
	wrong = dir->to < 0 ? strerror(errno) : wrong_dest(tree, dir);
	if (wrong) {
		tree_failed(tree, STATUS_DEST, dir, "", wrong);
		if (dir->to >= 0)	/* another's: it gets nothing of this one, at the end either */
			close(dir->to);
		dir->to = -1;
		return -EINVAL;
	}
	show_count(tree->show, SHOW_DIRECTORIES);
	return 0;
}

struct dir *dir_new(struct tree *tree, struct dir *parent, const char *name)
{
	size_t length = strlen(name) + 1;
	struct dir *dir = calloc(1, sizeof *dir + length);

	if (!dir) {
		tree_failed(tree, STATUS_FAILED, parent, name, strerror(ENOMEM));
		return NULL;
	}
	*dir = (struct dir){ .parent = parent, .from = -1, .to = -1, .refs = 1 };
	memcpy(dir->name, name, length);
	if (parent)
		__atomic_add_fetch(&parent->refs, 1, __ATOMIC_RELAXED);
	return dir;
}

struct dir *dir_enter(struct tree *tree, struct dir *parent, const char *name)
{
	struct dir *dir = dir_new(tree, parent, name);

	if (dir && dir_open(tree, dir, parent->from, name, parent->to, name) < 0) {
		dir_unref(tree, dir);
		return NULL;
	}
	return dir;
}
