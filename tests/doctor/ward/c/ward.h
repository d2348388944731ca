/* SPDX-License-Identifier: MIT */
/*
 * What every patient in C and C++ begins and ends with. The runner opens the other side of its ends and names them in the
 * environment: WARD_FROM and WARD_TO (several, with blanks between them), each "file:PATH", "append:PATH", "same:PATH" (for a sink),
 * "tcp:PORT", "unix:PATH" or "fd:N".
 * The patient opens them, says "ready", waits for a line, moves the bytes, says "moved N", and ends when its input does.
 */
#ifndef WARD_H
#define WARD_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define MUST(condition) \
	do { \
		if (!(condition)) { \
			perror(#condition); \
			exit(1); \
		} \
	} while (0)

#define WARD_SINKS 8

struct ward {
	int from, to;		/* to: the first of the sinks */
	int sinks[WARD_SINKS];
	int sink_count;
	uint64_t bytes;		/* of the source, if it is a file */
};

static inline int ward_open(const char *end, int flags)
{
	const char *name = strchr(end, ':') + 1;
	struct sockaddr_in tcp = { .sin_family = AF_INET, .sin_port = 0, .sin_addr = { htonl(INADDR_LOOPBACK) }, .sin_zero = { 0 } };
	struct sockaddr_un unix_at = { .sun_family = AF_UNIX, .sun_path = { 0 } };
	int fd;

	switch (*end) {
	case 't':
		tcp.sin_port = htons((uint16_t)atoi(name));
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&tcp, sizeof tcp));
		break;
	case 'u':
		snprintf(unix_at.sun_path, sizeof unix_at.sun_path, "%s", name);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&unix_at, sizeof unix_at));
		break;
	case 'a':
		fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		MUST(fd >= 0);
		break;
	case 's':	/* the source itself */
		fd = open(name, O_RDWR | O_CLOEXEC);
		MUST(fd >= 0);
		break;
	case 'f':
		fd = end[1] == 'd' ? atoi(name) : open(name, flags | O_CLOEXEC, 0600);
		MUST(fd >= 0);
		break;
	default:
		fprintf(stderr, "no such end: %s\n", end);
		exit(1);
	}
	return fd;
}

/* What a call has left of a vector: one that waits comes back short where a tracer interrupts it. */
static inline void ward_send_rest(int fd, const struct iovec *parts, int count, ssize_t sent)
{
	MUST(sent > 0);
	for (int i = 0; i < count; sent -= (ssize_t)parts[i++].iov_len)
		for (size_t at = sent > 0 ? (size_t)sent : 0; at < parts[i].iov_len;) {
			ssize_t n = write(fd, (const uint8_t *)parts[i].iov_base + at, parts[i].iov_len - at);

			MUST(n > 0);
			at += (size_t)n;
		}
}

static inline void ward_wait(void)
{
	char line[64];

	while (read(STDIN_FILENO, line, sizeof line) < 0)
		MUST(errno == EINTR);
}

static inline void ward_say(const char *what, uint64_t number)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s %llu\n", what, (unsigned long long)number);

	MUST(write(STDOUT_FILENO, line, (size_t)n) == n);
}

static inline void ward_begin(struct ward *ward)
{
	char *all = strdup(getenv("WARD_TO")), *rest = NULL;
	struct stat st;

	ward->from = ward_open(getenv("WARD_FROM"), O_RDONLY);
	ward->sink_count = 0;
	for (char *end = strtok_r(all, " ", &rest); end && ward->sink_count < WARD_SINKS; end = strtok_r(NULL, " ", &rest))
		ward->sinks[ward->sink_count++] = ward_open(end, O_RDWR | O_CREAT | O_TRUNC);
	free(all);
	ward->to = ward->sinks[0];
	MUST(!fstat(ward->from, &st));
	ward->bytes = (uint64_t)st.st_size;
	ward_say("ready", 0);
	ward_wait();
}

static inline void ward_end(struct ward *ward, uint64_t moved)
{
	for (int i = 0; i < ward->sink_count; i++)
		close(ward->sinks[i]);
	ward_say("moved", moved);
	if (!getenv("WARD_HASTY"))
		ward_wait();
}

/* One mode of a program: its name on the command line, and what it does. */
struct ward_mode {
	const char *name;
	uint64_t (*run)(struct ward *ward);
};

static inline int ward_main(int argc, char **argv, const struct ward_mode *modes)
{
	struct ward ward;

	for (; modes->name; modes++)
		if (argc == 2 && !strcmp(modes->name, argv[1])) {
			ward_begin(&ward);
			ward_end(&ward, modes->run(&ward));
			return 0;
		}
	fprintf(stderr, "usage: %s MODE, and there is no such one\n", argv[0]);
	return 2;
}

#endif
