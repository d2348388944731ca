/* SPDX-License-Identifier: MIT */
/*
 * mover [-c] [-r] [-o ROUTE]... [-b BYTES] [-s] KIND:PATH KIND:PATH: moves a file by leat_copy and prints leat_explain. It is
 * what strace.sh puts faults under: a finished program that sees only leat.h. KIND is file, append, pipe, unix or tcp; for the
 * last three a child of its own stands at the far end and reads or writes PATH.
 *
 * -c policy copy, -r policy require, -o switches a route off, -b buffer of copy, -s steps instead of leat_copy.
 */
#include "leat.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "mover: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof address;
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listening < 0 || fds[1] < 0 || bind(listening, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(listening, 1) < 0 || getsockname(listening, (struct sockaddr *)&address, &size) < 0 ||
	    connect(fds[1], (struct sockaddr *)&address, sizeof address) < 0)
		die("a connection to myself");
	fds[0] = accept(listening, NULL, NULL);
	if (fds[0] < 0)
		die("accept");
	close(listening);
}

static void pair(const char *kind, size_t length, int fds[2])
{
	if (length == 4 && !memcmp(kind, "pipe", 4)) {
		if (pipe(fds) < 0)
			die("pipe");
	} else if (length == 4 && !memcmp(kind, "unix", 4)) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
			die("socketpair");
	} else if (length == 3 && !memcmp(kind, "tcp", 3)) {
		tcp_pair(fds);
	} else {
		fprintf(stderr, "mover: %s is no kind of end\n", kind);
		exit(2);
	}
}

/* The child: everything from in to out, by hand. */
static _Noreturn void carry(int in, int out)
{
	static char bytes[65536];
	ssize_t n;

	while ((n = read(in, bytes, sizeof bytes)) > 0)
		for (ssize_t done = 0; done < n;) {
			ssize_t sent = write(out, bytes + done, (size_t)(n - done));

			if (sent < 0)
				_exit(1);
			done += sent;
		}
	_exit(n < 0);
}

/* Opens KIND:PATH, as the source or as the sink. Our end; *ret_child is who stands at the other, or 0. */
static int open_end(const char *end, int is_sink, pid_t *ret_child)
{
	const char *colon = strchr(end, ':');
	size_t length = colon ? (size_t)(colon - end) : 0;
	int append = length == 6 && !memcmp(end, "append", 6);
	int flags = !is_sink ? O_RDONLY : append ? O_WRONLY | O_CREAT | O_APPEND : O_RDWR | O_CREAT | O_TRUNC;
	int file = colon ? open(colon + 1, flags | O_CLOEXEC, 0600) : -1, fds[2];

	if (file < 0)
		die(end);
	*ret_child = 0;
	if (append || (length == 4 && !memcmp(end, "file", 4)))
		return file;
	pair(end, length, fds);
	*ret_child = fork();
	if (*ret_child < 0)
		die("fork");
	if (*ret_child == 0) {
		close(fds[is_sink]);
		if (is_sink)
			carry(fds[0], file);
		else
			carry(file, fds[1]);
	}
	close(fds[!is_sink]);
	close(file);
	return fds[is_sink];
}

static int64_t step(struct leat_sink *sink, struct leat_source *source, const struct leat_options *options,
		    struct leat_report *report)
{
	struct leat_transfer transfer;
	struct leat_wait wait;
	int r = leat_begin(&transfer, sink, source, options);

	if (r < 0) {
		leat_so_far(&transfer, report);
		return r;
	}
	while ((r = leat_step(&transfer)) > 0) {
		leat_wants(&transfer, &wait);
		if (r == LEAT_WAIT)
			poll(wait.fds, 3, leat_wait_ms(&wait, leat_now_ns()));
	}
	r = leat_end(&transfer, report);
	return r < 0 ? r : (int64_t)report->bytes;
}

static uint32_t route_bit(const char *name)
{
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++)
		if (!strcmp(leat_route_name(route), name))
			return UINT32_C(1) << route;
	fprintf(stderr, "mover: %s is no route\n", name);
	exit(2);
}

static int take_options(int argc, char **argv, struct leat_options *options)
{
	int c, stepped = 0;

	while ((c = getopt(argc, argv, "cro:b:s")) != -1) {
		if (c == 'c')
			options->policy = LEAT_COPY;
		else if (c == 'r')
			options->policy = LEAT_REQUIRE;
		else if (c == 'o')
			options->routes_off |= route_bit(optarg);
		else if (c == 'b')
			options->buffer_bytes = strtoull(optarg, NULL, 10);
		else if (c == 's')
			stepped = 1;
		else
			exit(2);
	}
	if (argc - optind != 2) {
		fputs("usage: mover [-c] [-r] [-o ROUTE]... [-b BYTES] [-s] KIND:PATH KIND:PATH\n", stderr);
		exit(2);
	}
	return stepped;
}

int main(int argc, char **argv)
{
	struct leat_options options = { 0 };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report report;
	pid_t children[2];
	char line[500];
	int64_t n;
	int stepped = take_options(argc, argv, &options), from, to, status, bad = 0;

	alarm(60);
	signal(SIGPIPE, SIG_DFL);
	to = open_end(argv[optind + 1], 1, &children[1]);
	from = open_end(argv[optind], 0, &children[0]);
	if (stepped && ((children[0] && fcntl(from, F_SETFL, O_NONBLOCK) < 0) || (children[1] && fcntl(to, F_SETFL, O_NONBLOCK) < 0)))
		die("O_NONBLOCK");
	leat_from_fd(&source, from);
	leat_to_fd(&sink, to);
	n = stepped ? step(&sink, &source, &options, &report) : leat_copy(&sink, &source, &options, &report);
	puts(leat_explain(&report, line, sizeof line));
	leat_close(&source);
	leat_close_sink(&sink);
	close(from);
	close(to);
	for (int i = 0; i < 2; i++)
		if (children[i] && n >= 0 && (waitpid(children[i], &status, 0) < 0 || status))
			bad = 1;
	return n < 0 || bad ? 1 : 0;
}
