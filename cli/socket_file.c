/* SPDX-License-Identifier: MIT */
#include "socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100
#define LOCK_NAP_MS 10

/* Of two that find the same file left, the second would remove what the first has bound since. Whoever else has the directory
 * locked may keep it for ever, and who may not read it has no lock. -1, or to be closed. */
static int lock_directory(const char *path)
{
	char directory[sizeof((struct sockaddr_un *)0)->sun_path + 1];
	const char *slash = strrchr(path, '/');
	int fd;

	snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK && i < LOCK_TRIES; i++)
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_NAP_MS * 1000000L }, NULL);
	return fd;
}

/* Who has it is not called by a socket of another kind (EPROTOTYPE, or he is of that kind himself): a connection would be the one that
 * he waits for, or be refused by who has bound it and does not listen yet. */
static int is_left(const struct sockaddr *at, socklen_t size)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), gone;

	if (fd < 0)
		return 0;
	gone = connect(fd, at, size) < 0 && errno == ECONNREFUSED;
	close(fd);
	return gone;
}

int socket_file_bind(int fd, const struct sockaddr *at, socklen_t size)
{
	const char *path = ((const struct sockaddr_un *)(const void *)at)->sun_path;
	int r = bind(fd, at, size) < 0 ? -errno : 0, lock;
	struct stat st;

	if (r != -EADDRINUSE || at->sa_family != AF_UNIX || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return r;
	lock = lock_directory(path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && is_left(at, size))
		socket_file_remove(path, &st);
	r = bind(fd, at, size) < 0 ? -errno : 0;
	if (lock >= 0)
		close(lock);
	return r;
}

void socket_file_remove(const char *path, const struct stat *is)
{
	struct stat now;

	if (lstat(path, &now) == 0 && now.st_dev == is->st_dev && now.st_ino == is->st_ino)
		unlink(path);
}
