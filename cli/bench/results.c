/* SPDX-License-Identifier: MIT */
/*
 * The files of --json and --html. Whether they can be written is found out before a minute of measuring, and what that
 * created is removed again when it comes to nothing.
 */
#include "../net.h"
#include "../out.h"
#include "bench.h"
#include "results.h"
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The number of a descriptor we were started with, where the path names one: a pipe there is not opened again. Else -1. */
static int given_descriptor(const char *path)
{
	static const char *const folders[] = { "/dev/fd/", "/proc/self/fd/" };
	char *end;

	if (strcmp(path, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(path, "/dev/stderr") == 0)
		return STDERR_FILENO;
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		const char *number = path + strlen(folders[i]);

		if (strncmp(path, folders[i], strlen(folders[i])) == 0 && *number >= '0' && *number <= '9') {
			long fd = strtol(number, &end, 10);

			return *end || fd > 65535 ? -1 : (int)fd;
		}
	}
	return -1;
}

/* Not for long: without waiting, and nothing in it is touched. fd or -errno. */
static int try_open(struct result *r)
{
	int flags = O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, fd = open(r->path, flags | O_CREAT | O_EXCL, 0666);

	r->created = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(r->path, flags);
	if (fd < 0 && errno == ENOENT)	/* a link that leads to nothing yet */
		fd = open(r->path, flags | O_CREAT, 0666);
	return fd < 0 ? -errno : fd;
}

static int writable(struct result *r)
{
	struct stat st;
	int fd, error = 0;

	r->given = given_descriptor(r->path);
	if (r->given < 0 && stat(r->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISDIR(st.st_mode)) {
		out_error("%s is not a regular file; %s takes one, or /dev/stdout", r->path, r->option);
		return 0;
	}
	fd = r->given < 0 ? try_open(r) : r->given;
	if (fd < 0)
		error = -fd;
	else if (fstat(fd, &st))
		error = errno;
	else if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
		error = EBADF;
	if (fd >= 0 && r->given < 0)
		close(fd);
	if (error) {
		out_error("%s cannot be written: %s", r->path, strerror(error));
		return 0;
	}
	r->regular = S_ISREG(st.st_mode);
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	return 1;
}

static int is_same(const struct result *r, const struct stat *st)
{
	return r->regular && S_ISREG(st->st_mode) && r->dev == st->st_dev && r->ino == st->st_ino;
}

/* Two results in one file would be neither; nor may one fall on what is sent, or on the table. */
static int clashes(const struct bench *b, const struct result *r)
{
	const struct result *first = &b->results[0];
	struct stat st;

	if (r != first && first->path && is_same(first, &(struct stat){ .st_mode = S_IFREG, .st_dev = r->dev, .st_ino = r->ino })) {
		out_error("--json and --html name the same file, %s", r->path);
		return 1;
	}
	if (b->settings.file && stat(b->settings.file, &st) == 0 && is_same(r, &st)) {
		out_error("%s and --file name the same file, %s", r->option, r->path);
		return 1;
	}
	if (r->given < 0 && fstat(STDOUT_FILENO, &st) == 0 && is_same(r, &st)) {
		out_error("%s names the file that standard output goes to, %s", r->option, r->path);
		return 1;
	}
	return 0;
}

int results_check(struct bench *b)
{
	b->results[0] = (struct result){ .option = "--json", .path = b->settings.json, .write = json_write };
	b->results[1] = (struct result){ .option = "--html", .path = b->settings.html, .write = html_write };
	for (int i = 0; i < RESULTS; i++) {
		struct result *r = &b->results[i];

		if (r->path && (!writable(r) || clashes(b, r)))
			return -1;
	}
	return 0;
}

static FILE *open_result(const struct result *r)
{
	int fd, error;
	FILE *f;

	if (r->given >= 0) {
		fflush(stdout);
		fd = fcntl(r->given, F_DUPFD_CLOEXEC, 3);
	} else {
		fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
		if (fd >= 0)
			net_set_blocking(fd, 1);
	}
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f && fd >= 0) {
		error = errno;
		close(fd);
		errno = error;
	}
	return f;
}

int results_write(struct bench *b)
{
	int failed = 0;

	for (int i = 0; i < RESULTS; i++) {
		struct result *r = &b->results[i];
		int error = 0;
		FILE *f;

		if (!r->path)
			continue;
		errno = 0;
		f = open_result(r);
		if (f) {
			r->write(b, f);
			error = fflush(f) || ferror(f);
		}
		if (f && !error && fclose(f) == 0) {
			r->created = 0;
			continue;
		}
		out_error("%s could not be written: %s", r->path, strerror(errno));
		if (f && error)
			fclose(f);
		failed = -1;
	}
	return failed;
}

void results_end(struct bench *b)
{
	for (int i = 0; i < RESULTS; i++) {
		const struct result *r = &b->results[i];
		struct stat st;

		if (r->created && lstat(r->path, &st) == 0 && is_same(r, &st))
			unlink(r->path);
	}
}
