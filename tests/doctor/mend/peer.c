/* SPDX-License-Identifier: MIT */
/*
 * peer FILE COMMAND...: the world around a patient, outside of what is counted. Sends FILE to whoever connects to MEND_SOURCE,
 * takes what comes to MEND_SINK and compares it with FILE, and runs COMMAND with both ports in its environment. Succeeds when
 * COMMAND does and the sink got FILE, whole, or nothing (MEND_COPY, a file, is the script's to compare).
 * peer FILE --get PORT PATH: asks an HTTP server for PATH ("": takes what comes), and compares the body with FILE.
 * peer FILE --put PORT "": sends FILE there, and waits for the end. Both wait until the port is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *file;
static size_t file_bytes;
static int source, sink;
static int sink_bad;
static size_t sink_bytes;

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int listen_as(const char *name)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof at;
	char port[16];

	check(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof at) && !listen(fd, 8), "listen");
	check(!getsockname(fd, (struct sockaddr *)&at, &length), "getsockname");
	snprintf(port, sizeof port, "%u", ntohs(at.sin_port));
	setenv(name, port, 1);
	return fd;
}

static void send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

static void *give(void *arg)
{
	for (int fd; (fd = accept(source, NULL, NULL)) >= 0; close(fd))
		send_all(fd, file, file_bytes);
	return NULL;
}

/* Compares what comes with FILE from *at on. */
static void take_from(int fd, size_t *at, int *bad)
{
	static char buffer[1 << 18];
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0) {
		if (*at + (size_t)n > file_bytes || memcmp(file + *at, buffer, (size_t)n) != 0)
			*bad = 1;
		*at += (size_t)n;
	}
}

static void *take(void *arg)
{
	int fd = accept(sink, NULL, NULL);

	if (fd >= 0)
		take_from(fd, &sink_bytes, &sink_bad);
	return NULL;
}

static int connect_to(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) }, .sin_port = htons((uint16_t)port) };

	for (int i = 0; i < 200; i++, usleep(50000)) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof at))
			return fd;
		close(fd);
	}
	return -1;
}

static int get(int port, const char *path)
{
	char text[4096], *body;
	size_t have = 0, at;
	int fd = connect_to(port), bad = 0;

	check(fd >= 0, "connect");
	if (*path) {
		snprintf(text, sizeof text, "GET %s HTTP/1.0\r\nHost: x\r\n\r\n", path);
		send_all(fd, text, strlen(text));
	}
	for (ssize_t n = 1; *path && n > 0 && have < sizeof text - 1; have += (size_t)n) {
		n = recv(fd, text + have, sizeof text - 1 - have, 0);
		n = n < 0 ? 0 : n;
		text[have + (size_t)n] = 0;
		body = strstr(text, "\r\n\r\n");
		if (!body)
			continue;
		have += (size_t)n;
		at = have - (size_t)(body + 4 - text);
		bad = at > file_bytes || memcmp(body + 4, file, at) != 0;
		take_from(fd, &at, &bad);
		return bad || at != file_bytes;
	}
	at = 0;
	take_from(fd, &at, &bad);
	return bad || at != file_bytes;
}

static int put(int port)
{
	char end;
	int fd = connect_to(port);

	check(fd >= 0, "connect");
	send_all(fd, file, file_bytes);
	shutdown(fd, SHUT_WR);
	return recv(fd, &end, 1, 0) != 0;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	struct stat st;
	int fd, status;
	pid_t child;

	check(argc > 2, "usage");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && !fstat(fd, &st), argv[1]);
	file_bytes = (size_t)st.st_size;
	file = mmap(NULL, file_bytes, PROT_READ, MAP_SHARED, fd, 0);
	check(file != MAP_FAILED, "mmap");
	if (argc == 5 && !strcmp(argv[2], "--get"))
		return get(atoi(argv[3]), argv[4]);
	if (argc == 5 && !strcmp(argv[2], "--put"))
		return put(atoi(argv[3]));
	source = listen_as("MEND_SOURCE");
	sink = listen_as("MEND_SINK");
	check(!pthread_create(&thread, NULL, give, NULL) && !pthread_create(&thread, NULL, take, NULL), "thread");
	child = fork();
	if (!child) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	check(child > 0 && waitpid(child, &status, 0) == child, "wait");
	shutdown(sink, SHUT_RDWR);	/* wakes one that nobody connected to; a connection is drained to its end */
	pthread_join(thread, NULL);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "peer: the command ended with status %d\n", status);
		return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? 77 : 1;
	}
	if (sink_bytes && (sink_bad || sink_bytes != file_bytes)) {
		fprintf(stderr, "peer: the sink got %zu of %zu bytes%s\n", sink_bytes, file_bytes, sink_bad ? ", others" : "");
		return 1;
	}
	return 0;
}
