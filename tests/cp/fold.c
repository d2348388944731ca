/* SPDX-License-Identifier: MIT */
/*
 * Put before the C library by LD_PRELOAD: below the directory FOLD capitals and small letters are the same in a name, as on vfat,
 * exFAT, NTFS, CIFS. With FOLD_NAMED it has no files without a
 * name, and where that is "old" no rename that leaves what is there, either.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

static int is_below(int dir)
{
	const char *fold = getenv("FOLD");
	char self[40], path[PATH_MAX];
	ssize_t n;

	snprintf(self, sizeof self, "/proc/self/fd/%d", dir);
	n = dir < 0 ? -1 : readlink(self, path, sizeof path - 1);
	path[n < 0 ? 0 : n] = 0;
	return fold && strncmp(path, fold, strlen(fold)) == 0;
}

/* path itself, or in small letters in text. */
static const char *folded(int dir, const char *path, char text[PATH_MAX])
{
	size_t length = strlen(path);

	if (!is_below(dir) || length >= PATH_MAX)
		return path;
	for (size_t i = 0; i <= length; i++)
		text[i] = (char)tolower((unsigned char)path[i]);
	return text;
}

/* Both are called so by who is built for large files, as this is: the compiler gives these two that name. */
int openat(int dir, const char *path, int flags, ...)
{
	int (*next)(int, const char *, int, ...) = real("openat64");
	char text[PATH_MAX];
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	if ((flags & O_TMPFILE) == O_TMPFILE && is_below(dir) && getenv("FOLD_NAMED")) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return next(dir, folded(dir, path, text), flags, mode);
}

int fstatat(int dir, const char *path, struct stat *st, int flags)
{
	int (*next)(int, const char *, struct stat *, int) = real("fstatat64");
	char text[PATH_MAX];

	return next(dir, folded(dir, path, text), st, flags);
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	int (*next)(int, const char *, mode_t) = real("mkdirat");
	char text[PATH_MAX];

	return next(dir, folded(dir, path, text), mode);
}

int mknodat(int dir, const char *path, mode_t mode, dev_t device)
{
	int (*next)(int, const char *, mode_t, dev_t) = real("mknodat");
	char text[PATH_MAX];

	return next(dir, folded(dir, path, text), mode, device);
}

int unlinkat(int dir, const char *path, int flags)
{
	int (*next)(int, const char *, int) = real("unlinkat");
	char text[PATH_MAX];

	return next(dir, folded(dir, path, text), flags);
}

int symlinkat(const char *target, int dir, const char *path)
{
	int (*next)(const char *, int, const char *) = real("symlinkat");
	char text[PATH_MAX];

	return next(target, dir, folded(dir, path, text));
}

int linkat(int from, const char *path, int to, const char *name, int flags)
{
	int (*next)(int, const char *, int, const char *, int) = real("linkat");
	char text[PATH_MAX], other[PATH_MAX];

	return next(from, folded(from, path, text), to, folded(to, name, other), flags);
}

int renameat(int from, const char *path, int to, const char *name)
{
	int (*next)(int, const char *, int, const char *) = real("renameat");
	char text[PATH_MAX], other[PATH_MAX];

	return next(from, folded(from, path, text), to, folded(to, name, other));
}

int renameat2(int from, const char *path, int to, const char *name, unsigned flags)
{
	int (*next)(int, const char *, int, const char *, unsigned) = real("renameat2");
	char text[PATH_MAX], other[PATH_MAX];

	if (flags && is_below(to) && getenv("FOLD_NAMED") && !strcmp(getenv("FOLD_NAMED"), "old")) {
		errno = EINVAL;
		return -1;
	}
	return next(from, folded(from, path, text), to, folded(to, name, other), flags);
}
