/* SPDX-License-Identifier: MIT */
/* The programs of others, strace and go: what they say their version is, and what is wrong with them. */
#include "child.h"
#include "tool.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define NOT_RUN '\001'		/* what the child says when the program did not start; then errno */

static void become(const char *name, const char *argument, int out)
{
	int null = open("/dev/null", O_RDWR);
	char failed[2] = { NOT_RUN };

	setpgid(0, 0);		/* what it starts ends with it */
	dup2(null, STDIN_FILENO);
	dup2(null, STDERR_FILENO);
	dup2(out, STDOUT_FILENO);
	execlp(name, name, argument, (char *)NULL);
	failed[1] = (char)errno;
	_exit(write(STDOUT_FILENO, failed, sizeof failed) != (ssize_t)sizeof failed);
}

/* What comes until the other end is closed. 0, or -ETIMEDOUT. */
static int take(int fd, char *said, size_t size)
{
	uint64_t until_ns = now_ns() + PATIENCE_MS * UINT64_C(1000000), now;
	size_t have = 0;
	ssize_t n = 1;
	char rest[512];

	while (n && (now = now_ns()) < until_ns) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) <= 0)
			continue;
		n = have + 1 < size ? read(fd, said + have, size - 1 - have) : read(fd, rest, sizeof rest);
		if (n > 0 && have + 1 < size)
			have += (size_t)n;
	}
	said[have] = 0;
	return n ? -ETIMEDOUT : 0;
}

const char *tool_end(int status, char *text, size_t size)
{
	if (WIFEXITED(status))
		snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
	else
		snprintf(text, size, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	return text;
}

int tool_says(const char *name, const char *argument, char *said, size_t said_size, char *why, size_t size)
{
	int fd[2], status = 0, error;
	char end[96];
	pid_t pid;

	said[0] = 0;
	error = pipe2(fd, O_CLOEXEC) ? -errno : 0;
	pid = error ? error : child_fork();
	if (pid == 0)
		become(name, argument, fd[1]);
	if (!error)
		close(fd[1]);
	if (pid < 0) {
		if (!error)
			close(fd[0]);
		snprintf(why, size, "`%s` could not be started: %s", name, strerror(-pid));
		return -1;
	}
	error = take(fd[0], said, said_size);
	close(fd[0]);
	/* Also one that has closed its output and goes on. */
	for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += 2) {
		if (error || ms >= PATIENCE_MS) {
			error = -ETIMEDOUT;
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(2000);
	}
	if (error)
		snprintf(why, size, "`%s %s` did not answer within %d s", name, argument, PATIENCE_MS / 1000);
	else if (said[0] == NOT_RUN && said[1] == ENOENT)
		snprintf(why, size, "there is no `%s` on the PATH", name);
	else if (said[0] == NOT_RUN)
		snprintf(why, size, "`%s` cannot be run: %s", name, strerror(said[1]));
	else if (status)
		snprintf(why, size, "`%s %s` %s", name, argument, tool_end(status, end, sizeof end));
	else
		return 0;
	return -1;
}
