/* SPDX-License-Identifier: MIT */
#include "keep.h"
#include "../out.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char acl[] = "system.posix_acl_access";

#define ACL_BYTES (64 << 10)	/* the kernel's most; as much as some threads have of stack */

static int failed(const char *shown, const char *what, int error)
{
	out_error("%s: cannot keep its %s: %s", shown, what, strerror(error));
	return -error;
}

/*
 * A link, FIFO, device or socket is not opened but by O_PATH. No call that follows takes such a descriptor (EBADF), but its link in
 * /proc, which leads to the thing itself and no further.
 */
static const char *by_link(int fd, char path[40])
{
	snprintf(path, 40, "/proc/self/fd/%d", fd);
	return path;
}

/* name NULL: the names of all. */
static ssize_t get_xattr(int fd, const char *name, char *value, size_t size)
{
	ssize_t r = name ? fgetxattr(fd, name, value, size) : flistxattr(fd, value, size);
	char path[40];

	if (r >= 0 || errno != EBADF)
		return r;
	by_link(fd, path);
	return name ? getxattr(path, name, value, size) : listxattr(path, value, size);
}

static int set_xattr(int fd, const char *name, const char *value, size_t size)
{
	int r = fsetxattr(fd, name, value, size, 0);
	char path[40];

	return r < 0 && errno == EBADF ? setxattr(by_link(fd, path), name, value, size, 0) : r;
}

static int remove_xattr(int fd, const char *name)
{
	int r = fremovexattr(fd, name);
	char path[40];

	return r < 0 && errno == EBADF ? removexattr(by_link(fd, path), name) : r;
}

static int set_mode(int fd, mode_t mode)
{
	int r = fchmod(fd, mode);
	char path[40];

	return r < 0 && errno == EBADF ? chmod(by_link(fd, path), mode) : r;
}

static int set_times(int fd, const struct stat *source)
{
	const struct timespec times[] = { source->st_atim, source->st_mtim };
	int r = futimens(fd, times);
	char path[40];

	return r < 0 && errno == EBADF ? utimensat(AT_FDCWD, by_link(fd, path), times, 0) : r;
}

/* A list or a value, as large as it is when it is read; *ret is the caller's to free. Its size, or -errno. */
static ssize_t read_all(int fd, const char *name, char **ret)
{
	for (int tries = 0; tries < 10; tries++) {
		ssize_t size = get_xattr(fd, name, NULL, 0);
		ssize_t got;

		if (size < 0)
			return -errno;
		*ret = malloc((size_t)size + 1);
		if (!*ret)
			return -ENOMEM;
		got = get_xattr(fd, name, *ret, (size_t)size);
		if (got >= 0)
			return got;
		free(*ret);
		*ret = NULL;
		if (errno != ERANGE)	/* it grew in between */
			return -errno;
	}
	return -EAGAIN;
}

static int keep_xattrs(int from, int to, const char *shown)
{
	char *names = NULL, *value = NULL;
	ssize_t size = read_all(from, NULL, &names), length;
	int r = 0;

	if (size == -EOPNOTSUPP)
		return 0;
	if (size < 0)
		return failed(shown, "extended attributes", (int)-size);
	for (char *name = names; name < names + size && !r; name += strlen(name) + 1) {
		length = read_all(from, name, &value);
		if (length == -ENODATA)	/* gone since */
			continue;
		if (length < 0 || set_xattr(to, name, value, (size_t)length) < 0)
			r = failed(shown, name, length < 0 ? (int)-length : errno);
		free(value);
		value = NULL;
	}
	free(names);
	return r;
}

/* The list belongs to the mode, whose bits of the group say with one what it lets others have at most. Without one, what came
 * by the directory's default would let them in. */
static int keep_list(int from, int to, const char *name, const char *shown)
{
	char *value = NULL;
	ssize_t length = read_all(from, name, &value);
	int error = 0;

	if (length >= 0)
		error = set_xattr(to, name, value, (size_t)length) < 0 ? errno : 0;
	else if (length != -ENODATA && length != -EOPNOTSUPP)
		error = (int)-length;
	else if (get_xattr(to, name, NULL, 0) >= 0 && remove_xattr(to, name) < 0)
		error = errno;
	free(value);
	return error ? failed(shown, "access list", error) : 0;
}

static int keep_mode(int from, const struct stat *source, int to, const char *shown)
{
	int r;

	if (S_ISLNK(source->st_mode))	/* it has none */
		return 0;
	r = keep_list(from, to, acl, shown);
	if (!r && S_ISDIR(source->st_mode))
		r = keep_list(from, to, "system.posix_acl_default", shown);
	if (!r && set_mode(to, source->st_mode & 07777) < 0)
		r = failed(shown, "mode", errno);
	return r;
}

int keep_acl(int dir, const char *name, int to, const char *shown)
{
	char path[NAME_MAX + 40], *value = malloc(ACL_BYTES);
	ssize_t size;
	int r = 0;

	if (!value)
		return failed(shown, "access list", ENOMEM);
	if (dir == AT_FDCWD)
		snprintf(path, sizeof path, "%s", name);
	else
		snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
	size = lgetxattr(path, acl, value, ACL_BYTES);
	if (size >= 0)
		r = fsetxattr(to, acl, value, (size_t)size, 0) < 0 ? failed(shown, "access list", errno) : 0;
	else if (errno == ENODATA)	/* nor one by the directory's default */
		fremovexattr(to, acl);
	free(value);
	return r;
}

/* The owner first: changing it takes the set-user-ID bit away. The times last: all else sets them. */
int keep_attributes(int from, const struct stat *source, int to, unsigned what, const char *shown)
{
	int r = 0;

	if (what & KEEP_OWNER && fchownat(to, "", source->st_uid, source->st_gid, AT_EMPTY_PATH) < 0)
		r = failed(shown, "owner", errno);
	if (!r && what & KEEP_XATTR)
		r = keep_xattrs(from, to, shown);
	if (!r && what & KEEP_MODE)
		r = keep_mode(from, source, to, shown);
	if (!r && what & KEEP_TIMES && set_times(to, source) < 0)
		r = failed(shown, "times", errno);
	return r;
}

/* A list that came as an attribute has said already who has which rights. */
int keep_private(int from, const struct stat *source, int to, unsigned what, mode_t mask, const char *shown)
{
	int r = keep_attributes(from, source, to, what, shown);

	if (r || what & KEEP_MODE || !(what & KEEP_PRIVATE) || S_ISLNK(source->st_mode) ||
	    (what & KEEP_XATTR && get_xattr(from, acl, NULL, 0) >= 0))
		return r;
	return set_mode(to, source->st_mode & 0777 & ~mask) < 0 ? failed(shown, "mode", errno) : 0;
}

int keep_parse(const char *words, unsigned *ret_what)
{
	static const struct { const char *word; unsigned what; } all[] = {
		{ "mode", KEEP_MODE }, { "times", KEEP_TIMES }, { "owner", KEEP_OWNER }, { "xattr", KEEP_XATTR },
		{ "all", KEEP_MODE | KEEP_TIMES | KEEP_OWNER | KEEP_XATTR },
	};

	*ret_what = 0;
	for (;; words++) {
		size_t length = strcspn(words, ","), i = 0;

		while (i < sizeof all / sizeof all[0] && (strlen(all[i].word) != length || memcmp(words, all[i].word, length) != 0))
			i++;
		if (i == sizeof all / sizeof all[0]) {
			out_error("--preserve takes mode, times, owner, xattr and all, with commas between, not `%.*s`", (int)length,
				  words);
			return -EINVAL;
		}
		*ret_what |= all[i].what;
		words += length;
		if (!*words)
			return 0;
	}
}
