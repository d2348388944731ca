/* SPDX-License-Identifier: MIT */
#include "part.h"
#include "same.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define SUFFIX ".leat-part"
#define NUMBERS 9

static const char *const numbers[NUMBERS] = { "", "2", "3", "4", "5", "6", "7", "8", "9" };

/* A name too long for the rest gives up its end, and a hash of the whole stands for it. */
static void compose(const char *name, const char *number, char ret[NAME_MAX + 1])
{
	size_t length = strlen(name), most = NAME_MAX - strlen(SUFFIX) - strlen(number) - 1;
	unsigned hash = 5381;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	if (length <= most)
		snprintf(ret, NAME_MAX + 1, ".%s" SUFFIX "%.1s", name, number);
	else
		snprintf(ret, NAME_MAX + 1, ".%.*s%08x" SUFFIX "%.1s", (int)most - 8, name, hash, number);
}

int part_name(const char *name, int source, char ret[NAME_MAX + 1])
{
	struct stat st;

	for (size_t i = 0; i < NUMBERS; i++) {
		compose(name, numbers[i], ret);
		if (source < 0)
			return 0;
		if (fstatat(source, ret, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT || errno == ENAMETOOLONG ? 0 : -errno;
	}
	return -ENOTUNIQ;
}

int part_is(int dir, const char *part, int fd)
{
	struct stat is, named;

	return fstat(fd, &is) == 0 && fstatat(dir, part, &named, AT_SYMLINK_NOFOLLOW) == 0 && same_file(&is, &named);
}

static int is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() || geteuid() == 0;
}

static int drop(int dir, const char *part)
{
	return unlinkat(dir, part, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* A file that another leat is writing is locked. */
static int sweep_file(int dir, const char *part)
{
	int fd = openat(dir, part, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), r = 0;
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_ours(&st))
		;
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		r = -EWOULDBLOCK;
	else if (part_is(dir, part, fd))
		r = drop(dir, part);
	close(fd);
	return r;
}

int part_sweep(int dir, const char *part, mode_t kind)
{
	struct stat st;

	if (fstatat(dir, part, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return sweep_file(dir, part);
	return (st.st_mode & S_IFMT) == kind && is_ours(&st) ? drop(dir, part) : 0;
}

const char *part_why(int error, const char *name, int source)
{
	static __thread char text[2 * NAME_MAX + 200];
	char part[NAME_MAX + 1], last[NAME_MAX + 1];

	switch (error) {
	case -ENOTUNIQ:
		compose(name, numbers[0], part);
		compose(name, numbers[NUMBERS - 1], last);
		snprintf(text, sizeof text, "the source has all its temporary names, %s to %s; rename one of them", part, last);
		return text;
	case -EEXIST:
		part_name(name, source, part);
		snprintf(text, sizeof text, "what has its temporary name, %s, was not left by leat; rename or remove it", part);
		return text;
	case -EWOULDBLOCK:
		return "somebody is copying to it; copy it again when that has ended";
	default:
		return strerror(-error);
	}
}
