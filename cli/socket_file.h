/* SPDX-License-Identifier: MIT */
/* The file that a Unix socket is bound to: whose it is, and whether anybody has it still. */
#ifndef CLI_SOCKET_FILE_H
#define CLI_SOCKET_FILE_H

#include <sys/socket.h>
#include <sys/stat.h>

/*
 * Binds; the file that a socket left that is no more, as after SIGKILL, would be in the way for ever, and is removed first. What
 * anybody has bound, listening or not, stays, and is no socket's, or a link, too. 0 or -errno.
 */
int socket_file_bind(int fd, const struct sockaddr *at, socklen_t size);
/* The name is gone, if it is this file's still. */
void socket_file_remove(const char *path, const struct stat *is);

#endif
