/* SPDX-License-Identifier: MIT */
/* What the feeds share: the sentence of one that cannot begin. */
#include "feed.h"

#include "cmd.h"
#include "process.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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
