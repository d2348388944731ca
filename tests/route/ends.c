/* SPDX-License-Identifier: MIT */
/* What sources and sinks of the route tests share: files, pairs, offsets, and the step loop. */
#include "ends.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static char dir[200];
static pid_t dir_owner;

_Noreturn void ends_die(const char *what)
{
	printf("FAIL set-up: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

static void remove_dir(void)
{
	char path[600];
	struct dirent *entry;
	DIR *all;

	if (getpid() != dir_owner || !(all = opendir(dir)))
		return;
	while ((entry = readdir(all))) {
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	closedir(all);
	rmdir(dir);
}

const char *ends_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (dir_owner)
		return dir;
	snprintf(dir, sizeof dir, "%.150s/leat-route.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(dir))
		ends_die(dir);
	dir_owner = getpid();
	atexit(remove_dir);
	return dir;
}

int ends_file(int flags)
{
	static unsigned number;
	char path[300];
	int fd;

	snprintf(path, sizeof path, "%s/%u", ends_dir(), number++);
	fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		ends_die(path);
	unlink(path);
	return fd;
}

int ends_file_with(const void *bytes, uint64_t size, int flags)
{
	char path[64];
	int writer = ends_file(O_WRONLY), fd;

	if (ends_write_all(writer, bytes, size) != size)
		ends_die("a file's content");
	snprintf(path, sizeof path, "/proc/self/fd/%d", writer);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		ends_die(path);
	close(writer);
	return fd;
}

const unsigned char *ends_content(uint64_t size)
{
	static unsigned char *bytes;
	static uint64_t made;
	uint64_t x = 88172645463325252u;

	if (size <= made)
		return bytes;
	if (bytes)
		ends_die("content grows: ask for the most first");
	bytes = malloc(size + 8);
	if (!bytes)
		ends_die("content");
	for (uint64_t i = 0; i < size; i += 8) {	/* xorshift */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(bytes + i, &x, 8);
	}
	made = size;
	return bytes;
}

void ends_pair(bool tcp, int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof address;
	int one = 1, listener;

	if (!tcp) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
			ends_die("socketpair");
		return;
	}
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || pair[0] < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
	    connect(pair[0], (struct sockaddr *)&address, sizeof address) < 0)
		ends_die("a TCP pair");
	pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (pair[1] < 0)
		ends_die("accept");
	close(listener);
	for (int i = 0; i < 2; i++) {	/* reno has no pacing timer that would make a rate of its own */
		setsockopt(pair[i], IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
		setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	}
}

void ends_pty(int *ret_master, int *ret_slave)
{
	struct termios raw;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		ends_die("a terminal");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &raw) < 0)
		ends_die("a terminal's other end");
	cfmakeraw(&raw);
	if (tcsetattr(slave, TCSANOW, &raw) < 0)
		ends_die("a raw terminal");
	*ret_master = master;
	*ret_slave = slave;
}

void ends_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		ends_die("O_NONBLOCK");
}

bool ends_is_nonblock(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

uint64_t ends_write_all(int fd, const void *bytes, uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		ssize_t n = write(fd, (const char *)bytes + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	return done;
}

static const char *offset_check(int fd, bool own_offset, int64_t before, uint64_t bytes)
{
	if (before >= 0 && lseek(fd, 0, SEEK_CUR) != before + (own_offset ? (int64_t)bytes : 0))
		return own_offset ? "own offset is not after the last byte delivered" : "the descriptor's own offset moved";
	return NULL;
}

const char *from_check(const struct from_end *end, uint64_t bytes)
{
	if (end->fd < 0)
		return NULL;
	if (fcntl(end->fd, F_GETFL) != end->flags)
		return "flags of the source's descriptor changed";
	return offset_check(end->fd, end->own_offset, end->offset, bytes);
}

const char *to_check(const struct to_end *end, uint64_t bytes)
{
	if (end->fd < 0)
		return NULL;
	if (fcntl(end->fd, F_GETFL) != end->flags)
		return "flags of the sink's descriptor changed";
	return offset_check(end->fd, end->own_offset, end->offset, bytes);
}

/* True when there is something to wait for. */
static bool wait_as_wanted(struct leat_transfer *t, int *ret_ready)
{
	struct leat_wait wait;
	bool any = false;

	leat_wants(t, &wait);
	for (int i = 0; i < 3; i++)
		any = any || (wait.fds[i].fd >= 0 && wait.fds[i].events);
	*ret_ready = any || wait.wake_at_ns != LEAT_NEVER ? poll(wait.fds, 3, leat_wait_ms(&wait, leat_now_ns())) : 0;
	return any || wait.wake_at_ns != LEAT_NEVER;
}

int ends_drive(struct leat_transfer *t, uint64_t *ret_idle)
{
	struct leat_report so_far;
	uint64_t bytes = UINT64_MAX, idle = 0;
	int r, ready = 0;

	while ((r = leat_step(t)) > 0) {
		if (r != LEAT_WAIT)
			continue;
		leat_so_far(t, &so_far);
		idle += ready > 0 && so_far.bytes == bytes;
		bytes = so_far.bytes;
		if (!wait_as_wanted(t, &ready))
			return LEAT_ESTUCK;
	}
	if (ret_idle)
		*ret_idle = idle;
	return r;
}

static const char *alarm_what = "";

static void too_long(int signal)
{
	static const char text[] = "FAIL: a call did not return: ";

	if (write(STDOUT_FILENO, text, sizeof text - 1) < 0 || write(STDOUT_FILENO, alarm_what, strlen(alarm_what)) < 0 ||
	    write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

void ends_alarm(unsigned seconds, const char *what)
{
	struct sigaction action = { .sa_handler = too_long };

	alarm_what = what;
	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}
