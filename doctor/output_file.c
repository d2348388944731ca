/* SPDX-License-Identifier: MIT */
/*
 * A report is printed to memory first. Then it becomes a file beside the one it is for, and takes its name. Where that cannot be (a
 * directory of another user's, whose rights are given up by then; a mount; further names) it is written into the file, once the disk
 * has set aside the room.
 */
#include "output_file.h"

#include "cmd.h"
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Opened ---------------------------------------------------------------------------------------------------------------- */

/* One that was there before has the rights it had: nobody who is not to read what is written keeps them. */
static int take_mode(struct output_file *file, mode_t mode)
{
	mode_t without = 0666 & ~mode;
	struct stat facts;

	if (fstat(file->fd, &facts))
		return -errno;
	file->regular = S_ISREG(facts.st_mode);
	if (!file->regular)	/* it was not to be waited for; what is written to it may be */
		return fcntl(file->fd, F_SETFL, 0) ? -errno : 0;
	return (facts.st_mode & without) && fchmod(file->fd, facts.st_mode & 07777 & ~without) ? -errno : 0;
}

static int open_file(struct output_file *file, mode_t mode)
{
	const int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	file->fd = open(file->path, flags | O_CREAT | O_EXCL, mode);
	file->made = file->fd >= 0;
	if (file->fd < 0 && errno == EEXIST)
		file->fd = open(file->path, flags);
	if (file->fd < 0 && errno == ENOENT) {	/* a link may lead where nothing is yet */
		file->fd = open(file->path, flags | O_CREAT, mode);
		file->made = file->fd >= 0;
	}
	return file->fd < 0 ? -errno : 0;
}

int output_file_open(struct output_file *file, const char *path, const char *option, mode_t mode)
{
	struct stat facts;
	int error;

	*file = (struct output_file){ .path = path, .option = option };
	if (!path)
		return 0;
	error = open_file(file, mode);
	file->open = !error;
	error = error ? error : take_mode(file, mode);
	if (!error)
		return 0;
	if (error == -ENXIO && stat(path, &facts) == 0 && S_ISFIFO(facts.st_mode))
		out_error("%s: %s is a FIFO that nobody reads; begin its reader first", option, path);
	else
		out_error("%s: %s cannot be written: %s", option, path, strerror(-error));
	output_file_close(file);
	return EXIT_USAGE;
}

static bool same_file(const struct output_file *a, const struct output_file *b)
{
	struct stat x, y;

	return a->open && b->open && a->regular && b->regular && fstat(a->fd, &x) == 0 && fstat(b->fd, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int output_files_differ(const struct output_file *const *files)
{
	for (unsigned i = 0; files[i]; i++)
		for (unsigned j = i + 1; files[j]; j++)
			if (same_file(files[i], files[j])) {
				out_error("%s and %s both write to %s; take two files", files[i]->option, files[j]->option,
					  files[i]->path);
				return EXIT_USAGE;
			}
	return 0;
}

/* ---- Written --------------------------------------------------------------------------------------------------------------- */

int output_file_begin(struct output_file *file)
{
	file->to = file->regular ? open_memstream(&file->text, &file->bytes) : fdopen(file->fd, "w");
	return file->to ? 0 : -errno;
}

static int write_text(int fd, const struct output_file *file)
{
	for (size_t at = 0; at < file->bytes;) {
		ssize_t n = write(fd, file->text + at, file->bytes - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += (size_t)n;
	}
	return 0;
}

/*
 * Where it is by now, whichever links led to it: its directory as a descriptor, for whoever may rename that must not lead us elsewhere,
 * and its name there. -1: nowhere, or it cannot be known.
 */
static int find(const struct output_file *file, char name[NAME_MAX + 1])
{
	struct stat ours, there;
	char link[32], path[PATH_MAX], *slash;
	ssize_t n;
	int dir;

	snprintf(link, sizeof link, "/proc/self/fd/%d", file->fd);
	n = readlink(link, path, sizeof path - 1);
	if (n <= 0)
		return -1;
	path[n] = 0;
	slash = strrchr(path, '/');
	if (!slash || strlen(slash + 1) > NAME_MAX)
		return -1;
	memcpy(name, slash + 1, strlen(slash + 1) + 1);
	slash[slash == path] = 0;
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && fstat(file->fd, &ours) == 0 && fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		return dir;
	if (dir >= 0)
		close(dir);
	return -1;
}

static bool takes_owner(int fd, const struct stat *old)
{
	struct stat facts;

	return fstat(fd, &facts) == 0 && facts.st_uid == old->st_uid && facts.st_gid == old->st_gid &&
	       fchmod(fd, old->st_mode & 07777) == 0;
}

#define INTO 1		/* it cannot be replaced, but perhaps be written into */

static int replace_in(int dir, const char *name, const struct output_file *file)
{
	char fresh[NAME_MAX + 32];
	struct stat old;
	int fd, error = INTO;

	if (fstat(file->fd, &old) || old.st_nlink != 1)
		return INTO;
	snprintf(fresh, sizeof fresh, "%s.leat-%d", name, (int)getpid());
	fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return INTO;
	if (takes_owner(fd, &old))
		error = write_text(fd, file);
	if (close(fd) && !error)
		error = -errno;
	if (!error && renameat(dir, fresh, dir, name))
		error = INTO;
	if (error)
		unlinkat(dir, fresh, 0);
	return error;
}

static int replace(const struct output_file *file)
{
	char name[NAME_MAX + 1];
	int dir = find(file, name), error = dir < 0 ? INTO : replace_in(dir, name, file);

	if (dir >= 0)
		close(dir);
	return error;
}

/* Room for all of it, or as before. A limit of sizes is not asked about what the file has already. */
static int reserve(const struct output_file *file)
{
	struct rlimit limit;
	struct stat old;
	int error;

	if (fstat(file->fd, &old))
		return -errno;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && file->bytes > limit.rlim_cur)
		return -EFBIG;
	do
		error = file->bytes && fallocate(file->fd, 0, 0, (off_t)file->bytes) ? errno : 0;
	while (error == EINTR);
	if (!error || error == EOPNOTSUPP || error == ENOSYS)
		return 0;
	return ftruncate(file->fd, old.st_size) ? -errno : -error;
}

static int write_into(struct output_file *file, bool *ret_lost)
{
	int error = reserve(file);

	if (error)
		return error;
	error = write_text(file->fd, file);
	if (!error && ftruncate(file->fd, (off_t)file->bytes))
		error = -errno;
	*ret_lost = error && ftruncate(file->fd, 0) == 0;
	return error;
}

int output_file_end(struct output_file *file, int error)
{
	bool lost = false;

	if (file->to && fclose(file->to) && !error)
		error = -errno;
	file->to = NULL;
	if (!error && file->regular) {
		error = replace(file);
		error = error == INTO ? write_into(file, &lost) : error;
	}
	file->made &= error != 0;
	if (error)
		out_error("%s: %s could not be written: %s%s", file->option, file->path, strerror(-error),
			  !file->regular || file->made ? "" : lost ? "; it is empty now" : "; it holds what it did before");
	file->open &= file->regular;	/* else the stream has closed it */
	output_file_close(file);
	return error ? EXIT_BROKEN : 0;
}

void output_file_close(struct output_file *file)
{
	char name[NAME_MAX + 1];
	int dir = file->open && file->made ? find(file, name) : -1;

	if (dir >= 0) {
		unlinkat(dir, name, 0);
		close(dir);
	}
	if (file->open)
		close(file->fd);
	free(file->text);
	file->text = NULL;
	file->open = false;
}
