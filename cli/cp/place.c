/* SPDX-License-Identifier: MIT */
#include "place.h"
#include "same.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Splits what path says, seen from the directory that is known so far, into dir and name. */
static int go_to(struct dest *dest, char *path)
{
	char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int from = dest->dir, opened;

	if (strlen(name) > NAME_MAX)
		return dest_failed(dest, "the name", ENAMETOOLONG);
	snprintf(dest->name, sizeof dest->name, "%s", *name ? name : ".");
	if (!slash)
		return 0;
	slash[slash == path] = 0;	/* of "/name" the slash stays */
	opened = openat(from, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (opened < 0)
		return dest_failed(dest, "its directory", errno);
	if (dest->dir_is_ours)
		close(from);
	dest->dir = opened;
	dest->dir_is_ours = 1;
	return 0;
}

/* Links in /proc name what is open, such as a pipe, by no path that could be followed by hand: /dev/stdout, >(...) of a shell. */
static int is_magic(const struct dest *dest)
{
	struct statfs fs;

	return dest->dir_is_ours && fstatfs(dest->dir, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

int place_own_descriptor(const struct dest *dest)
{
	struct stat there, own;
	char *end;
	long number;

	if (!dest->magic || fstat(dest->dir, &there) < 0 || stat("/proc/self/fd", &own) < 0 || !same_file(&there, &own))
		return -1;
	number = strtol(dest->name, &end, 10);
	return *end || number > INT_MAX ? -1 : (int)number;
}

/* What the kernel makes up as it is read is no file that another one could replace: it is told what is written. */
int place_is_generated(const struct dest *dest)
{
	struct statfs fs;

	if (dest->magic || major(dest->was.st_dev) || (dest->dir == AT_FDCWD ? statfs(".", &fs) : fstatfs(dest->dir, &fs)) < 0)
		return 0;
	switch (fs.f_type) {
	case PROC_SUPER_MAGIC: case SYSFS_MAGIC: case DEBUGFS_MAGIC: case TRACEFS_MAGIC: case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC: case SECURITYFS_MAGIC: case BPF_FS_MAGIC: case PSTOREFS_MAGIC: case EFIVARFS_MAGIC:
		return 1;
	default:
		return 0;
	}
}

int place_find(struct dest *dest, int at, const char *path, const struct dest_options *options)
{
	char now[PATH_MAX];

	if (strlen(path) >= sizeof now)
		return dest_failed(dest, "the path", ENAMETOOLONG);
	memcpy(now, path, strlen(path) + 1);
	dest->dir = at;
	for (int links = 0; links < 40; links++) {
		int r = go_to(dest, now);
		ssize_t length;

		if (r < 0 || options->fresh)
			return r;
		dest->exists = fstatat(dest->dir, dest->name, &dest->was, AT_SYMLINK_NOFOLLOW) == 0;
		if (!dest->exists)
			return errno == ENOENT ? 0 : dest_failed(dest, "cannot look at it", errno);
		if (!S_ISLNK(dest->was.st_mode) || options->in_tree)
			return 0;
		dest->magic = is_magic(dest);
		if (dest->magic)
			return fstatat(dest->dir, dest->name, &dest->was, 0) < 0 ? dest_failed(dest, "what it names", errno) : 0;
		length = readlinkat(dest->dir, dest->name, now, sizeof now - 1);
		if (length < 0)
			return dest_failed(dest, "its symbolic link", errno);
		now[length] = 0;
	}
	return dest_failed(dest, "its symbolic links", ELOOP);
}
