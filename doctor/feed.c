/* SPDX-License-Identifier: MIT */
/* What the feeds share: the sentence of one that cannot begin. */
#include "feed.h"

#include "cmd.h"
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int feed_fail(struct feed_error *error, int status, int result, const char *format, ...)
{
	va_list args;

	error->status = status;
	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return result;
}

int feed_look(pid_t pid, struct process *process, struct feed_error *error)
{
	int result = process_look(pid, process);

	if (result == -ENOEXEC)
		return feed_fail(error, EXIT_USAGE, result,
				 "process %d is a thread of the kernel's: it has no memory to carry bytes through", (int)pid);
	return result ? feed_fail(error, EXIT_GONE, -ESRCH, "there is no process %d", (int)pid) : 0;
}

int feed_open_cgroup(const char *name, struct feed_error *error)
{
	static const char *const tops[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd" };
	bool whole = strncmp(name, tops[0], strlen(tops[0])) == 0;
	char path[4096];
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < (whole ? 1 : sizeof tops / sizeof *tops); i++) {
		snprintf(path, sizeof path, "%s/%s", whole ? "" : tops[i], name + (*name == '/'));
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd >= 0 ? fd : feed_fail(error, EXIT_USAGE, -errno, "there is no cgroup %.300s: %s", name, strerror(errno));
}
