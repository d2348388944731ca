/* SPDX-License-Identifier: MIT */
/*
 * peer FILE COMMAND...: the world around a patient, outside of what is counted. Sends FILE to whoever connects to port
 * MEND_SOURCE, and into the descriptors MEND_PIPE_SOURCE and MEND_UNIX_SOURCE; takes what comes to port MEND_SINK, and out of
 * MEND_PIPE_SINK and MEND_UNIX_SINK, and compares it with FILE. Succeeds when COMMAND does and every sink got FILE, whole, or
 * nothing (MEND_COPY, a file, is the script's to compare). MEND_PAUSE_MS: so long nothing is taken at first, and nothing sent
 * in the middle, so that a patient lives long enough to be looked at.
 * peer FILE --get PORT PATH: asks an HTTP server for PATH ("": takes what comes), and compares the body with FILE.
 * peer FILE --put PORT "": sends FILE there, and waits for the end. Both wait until the port is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
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
static int source;

enum { SINK_TCP, SINK_PIPE, SINK_UNIX, SINKS };
static struct sink {
	pthread_t thread;
	int fd, listens, bad;
	size_t bytes;
} sinks[SINKS];

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

static void pause_a_while(void)
{
	const char *ms = getenv("MEND_PAUSE_MS");

	if (ms)
		usleep((useconds_t)atoi(ms) * 1000);
}

static void send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		if (n <= 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

static void send_file(int fd)
{
	send_all(fd, file, file_bytes / 2);
	pause_a_while();
	send_all(fd, file + file_bytes / 2, file_bytes - file_bytes / 2);
}

static void *give(void *arg)
{
	for (int fd; (fd = accept(source, NULL, NULL)) >= 0; close(fd))
		send_file(fd);
	return NULL;
}

/* Compares what comes with FILE from *at on. */
static void take_from(int fd, size_t *at, int *bad)
{
	static char buffer[1 << 18];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof buffer)) > 0) {
		if (*at + (size_t)n > file_bytes || memcmp(file + *at, buffer, (size_t)n) != 0)
			*bad = 1;
		*at += (size_t)n;
	}
}

static void *take(void *arg)
{
	struct sink *sink = arg;
	int fd = sink->listens ? accept(sink->fd, NULL, NULL) : sink->fd;

	pause_a_while();
	if (fd >= 0)
		take_from(fd, &sink->bytes, &sink->bad);
	return NULL;
}

static void *fill(void *arg)
{
	int fd = *(int *)arg;

	send_file(fd);
	close(fd);
	return NULL;
}

/* One end stays here; the other, without O_CLOEXEC, is the command's, which finds it by its number. */
static int hand_over(const char *name, int mine, int theirs)
{
	char number[16];

	check(!fcntl(mine, F_SETFD, FD_CLOEXEC), "fcntl");
	snprintf(number, sizeof number, "%d", theirs);
	setenv(name, number, 1);
	return mine;
}

static int theirs[4];	/* closed here once the command has them: else no end would ever be seen */

static void open_ends(void)
{
	static int fillers[2];
	int in[2], out[2], from[2], to[2];
	pthread_t thread;

	check(!pipe(in) && !pipe(out), "pipe");
	check(!socketpair(AF_UNIX, SOCK_STREAM, 0, from) && !socketpair(AF_UNIX, SOCK_STREAM, 0, to), "socketpair");
	memcpy(theirs, (int[4]){ in[0], out[1], from[1], to[1] }, sizeof theirs);
	fillers[0] = hand_over("MEND_PIPE_SOURCE", in[1], in[0]);
	fillers[1] = hand_over("MEND_UNIX_SOURCE", from[0], from[1]);
	sinks[SINK_PIPE].fd = hand_over("MEND_PIPE_SINK", out[0], out[1]);
	sinks[SINK_UNIX].fd = hand_over("MEND_UNIX_SINK", to[0], to[1]);
	source = listen_as("MEND_SOURCE");
	sinks[SINK_TCP].fd = listen_as("MEND_SINK");
	sinks[SINK_TCP].listens = 1;
	for (int i = 0; i < 2; i++)
		check(!pthread_create(&thread, NULL, fill, &fillers[i]), "thread");
	check(!pthread_create(&thread, NULL, give, NULL), "thread");
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

static int run(char **argv)
{
	pid_t child = fork();
	int status;

	if (!child) {
		execvp(argv[0], argv);
		_exit(127);
	}
	for (int i = 0; i < 4; i++)
		close(theirs[i]);
	for (int i = 0; i < SINKS; i++)
		check(!pthread_create(&sinks[i].thread, NULL, take, &sinks[i]), "thread");
	check(child > 0 && waitpid(child, &status, 0) == child, "wait");
	shutdown(sinks[SINK_TCP].fd, SHUT_RDWR);	/* wakes one that nobody connected to; a connection is drained to its end */
	for (int i = 0; i < SINKS; i++)
		pthread_join(sinks[i].thread, NULL);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	fprintf(stderr, "peer: the command ended with status %d\n", status);
	return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? 77 : 1;
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd, status;

	signal(SIGPIPE, SIG_IGN);
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
	open_ends();
	status = run(argv + 2);
	for (int i = 0; i < SINKS; i++) {
		if (!sinks[i].bytes || (!sinks[i].bad && sinks[i].bytes == file_bytes))
			continue;
		fprintf(stderr, "peer: a sink got %zu of %zu bytes%s\n", sinks[i].bytes, file_bytes, sinks[i].bad ? ", others" : "");
		status = 1;
	}
	return status;
}
