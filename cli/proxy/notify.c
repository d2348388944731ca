/* SPDX-License-Identifier: MIT */
#include "notify.h"

#include <leat.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PASSED_MOST 128

unsigned notify_passed(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	unsigned long fds;

	if (!pid || !count || strtoul(pid, NULL, 10) != (unsigned long)getpid())
		return 0;
	fds = strtoul(count, NULL, 10);
	return fds > PASSED_MOST ? PASSED_MOST : (unsigned)fds;
}

void notify(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t length = path ? strlen(path) : 0;
	char text[512];
	va_list args;
	int fd, bytes;

	if (length < 2 || length >= sizeof to.sun_path || (*path != '/' && *path != '@'))
		return;
	memcpy(to.sun_path, path, length);
	if (*path == '@')
		to.sun_path[0] = 0;
	va_start(args, format);
	bytes = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (bytes > 0)
		sendto(fd, text, (size_t)bytes < sizeof text ? (size_t)bytes : sizeof text - 1, MSG_NOSIGNAL, (struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}

void notify_reloading(void)
{
	notify("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(leat_now_ns() / 1000));
}
