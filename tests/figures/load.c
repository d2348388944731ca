/* SPDX-License-Identifier: MIT */
/*
 * load MODE PORT UPSTREAM ...: for tests/figures/proxy, which builds it. One thread that never sleeps is the client of a proxy at
 * PORT and the server behind it at UPSTREAM. Prints one line of JSON.
 *
 *	bulk COUNT BYTES	COUNT connections, one after the other, over which the server sends BYTES; what comes is not copied
 *	ping CONNS REQUESTS	1 KiB there and 1 KiB back, REQUESTS in all, on CONNS connections at a time
 *	short COUNT		as ping, each request on a connection of its own
 *	hold CONNS ACTIVE ROUNDS BYTES	CONNS connections; ACTIVE of them get BYTES each, ROUNDS times. Says "held" when all are
 *				there, and begins when a line comes in; ends when a second one does
 *	splice			no load, but the proxy to compare with: plain splice through a pipe of 1 MiB, edge-triggered
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST 1024
#define HELD_MOST 20000

static int port, upstream, server = -1;
static char buffer[1 << 20];

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static struct sockaddr_in at(int number)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)number), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int open_socket(int number, int listens)
{
	struct sockaddr_in address = at(number);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (listens ? bind(fd, (void *)&address, sizeof address) || listen(fd, 4096) : connect(fd, (void *)&address, sizeof address))
		die(listens ? "listen" : "connect");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int accept_one(void)
{
	int fd;

	while ((fd = accept4(server, NULL, NULL, SOCK_NONBLOCK)) < 0)
		if (errno != EAGAIN)
			die("accept");
	return fd;
}

static void all_of(int fd, size_t bytes)
{
	if (send(fd, buffer, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
		die("send");
}

/* What is there: bytes, 0 at the end, -1 when nothing is. */
static ssize_t take(int fd, size_t most)
{
	ssize_t n = recv(fd, buffer, most, MSG_TRUNC);

	if (n < 0 && errno != EAGAIN)
		die("recv");
	return n;
}

static void bulk(long count, long long bytes)
{
	int file = memfd_create("bulk", 0);
	double began = now();

	if (ftruncate(file, bytes))
		die("memfd");
	for (long long done = 0; done < bytes; done += (long long)sizeof buffer)	/* pages of its own, not of zeros */
		if (pwrite(file, buffer, sizeof buffer, done) < 0)
			die("pwrite");
	began = now();
	for (long i = 0; i < count; i++) {
		int client = open_socket(port, 0), peer = accept_one();
		long long got = 0;
		off_t sent = 0;
		ssize_t n;

		while ((n = take(client, sizeof buffer))) {
			got += n > 0 ? n : 0;
			if (sent < bytes && sendfile(peer, file, &sent, 1 << 20) < 0 && errno != EAGAIN)
				die("sendfile");
			if (sent == bytes && peer >= 0) {
				shutdown(peer, SHUT_WR);
				sent++;
			}
		}
		if (got != bytes)
			die("short");
		close(client);
		close(peer);
	}
	printf("{\"bytes\": %lld, \"seconds\": %.6f}\n", bytes * count, now() - began);
}

static int later(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return a < b ? -1 : a > b;
}

static void report(double *took, long count, double seconds)
{
	qsort(took, (size_t)count, sizeof *took, later);
	printf("{\"requests\": %ld, \"seconds\": %.6f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"most_us\": %.2f}\n", count, seconds,
	       took[count / 2] * 1e6, took[count * 99 / 100] * 1e6, took[count - 1] * 1e6);
}

static void ping(int conns, long requests)
{
	int *client = calloc((size_t)conns, sizeof *client), *peer = calloc((size_t)conns, sizeof *peer);
	double *sent = calloc((size_t)conns, sizeof *sent), *took = calloc((size_t)requests, sizeof *took), began;
	long asked = 0, done = 0;

	for (int i = 0; i < conns; i++) {
		client[i] = open_socket(port, 0);
		peer[i] = accept_one();
	}
	began = now();
	for (int i = 0; i < conns && asked < requests; i++, asked++) {
		sent[i] = now();
		all_of(client[i], REQUEST);
	}
	while (done < requests) {
		for (int i = 0; i < conns; i++) {
			if (take(peer[i], REQUEST) == REQUEST)	/* a request is one segment */
				all_of(peer[i], REQUEST);
			if (take(client[i], REQUEST) != REQUEST)
				continue;
			took[done++] = now() - sent[i];
			if (asked++ >= requests)
				continue;
			sent[i] = now();
			all_of(client[i], REQUEST);
		}
	}
	report(took, done, now() - began);
}

static void one_short(double *took)
{
	double began = now();
	int client = open_socket(port, 0), peer;
	ssize_t n;

	all_of(client, REQUEST);
	peer = accept_one();
	while ((n = take(peer, REQUEST)) < 0)
		;
	all_of(peer, REQUEST);
	shutdown(peer, SHUT_WR);
	while ((n = take(client, REQUEST)))
		;
	close(client);
	while ((n = take(peer, REQUEST)))
		;
	close(peer);
	*took = now() - began;
}

static void hold(int conns, int active, int rounds, long bytes)
{
	static int client[HELD_MOST], peer[HELD_MOST];
	double began;

	for (int i = 0; i < conns; i++) {
		client[i] = open_socket(port, 0);
		peer[i] = accept_one();
	}
	printf("held\n");
	fflush(stdout);
	if (read(0, buffer, 1) < 0)
		die("read");
	began = now();
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < active; i++) {
			int one = (int)((long)i * conns / active);

			for (long sent = 0, got = 0; got < bytes;) {
				size_t piece = (size_t)(bytes - sent < 65536 ? bytes - sent : 65536);
				ssize_t n = piece ? send(peer[one], buffer, piece, MSG_NOSIGNAL) : 0;

				sent += n > 0 ? n : 0;
				n = take(client[one], sizeof buffer);
				got += n > 0 ? n : 0;
			}
		}
	}
	printf("{\"bytes\": %ld, \"seconds\": %.6f}\n", rounds * active * bytes, now() - began);
	fflush(stdout);
	if (read(0, buffer, 1) < 0)
		die("read");
}

/* ---- The proxy to compare with ---------------------------------------------------------------------------------------------- */

struct way { int from, to, pipe[2], ended, over; size_t held; };
struct pair { struct way ways[2]; struct pair *next; };

static int move(struct way *way)
{
	for (;;) {
		ssize_t n;

		if (!way->held && !way->ended) {
			n = splice(way->from, NULL, way->pipe[1], NULL, 1 << 20, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0)
				return errno == EAGAIN ? 0 : -1;
			way->ended = n == 0;
			way->held = (size_t)n;
		}
		while (way->held) {
			n = splice(way->pipe[0], NULL, way->to, NULL, way->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
			if (n < 0)
				return errno == EAGAIN ? 0 : -1;
			way->held -= (size_t)n;
		}
		if (!way->ended)
			continue;
		if (!way->over)
			shutdown(way->to, SHUT_WR);
		way->over = 1;
		return 0;
	}
}

static void begin(int epoll, int client)
{
	struct sockaddr_in address = at(upstream);
	int to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
	struct pair *pair = calloc(1, sizeof *pair);
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = pair };

	if (connect(to, (void *)&address, sizeof address) && errno != EINPROGRESS)
		die("connect");
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	pair->ways[0] = (struct way){ .from = client, .to = to };
	pair->ways[1] = (struct way){ .from = to, .to = client };
	for (int i = 0; i < 2; i++) {
		if (pipe2(pair->ways[i].pipe, O_NONBLOCK))
			die("pipe");
		fcntl(pair->ways[i].pipe[1], F_SETPIPE_SZ, 1 << 20);
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
	epoll_ctl(epoll, EPOLL_CTL_ADD, to, &event);
}

static void end(struct pair *pair, struct pair **dead)
{
	for (int i = 0; i < 2; i++) {
		close(pair->ways[i].from);
		close(pair->ways[i].pipe[0]);
		close(pair->ways[i].pipe[1]);
		pair->ways[i].over = pair->ways[i].from = -1;
	}
	pair->next = *dead;
	*dead = pair;
}

static void splice_all(void)
{
	int epoll = epoll_create1(0), listener = open_socket(port, 1);
	struct epoll_event events[64], event = { .events = EPOLLIN };

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int count = epoll_wait(epoll, events, 64, -1), client;
		struct pair *dead = NULL;

		for (int i = 0; i < count; i++) {
			struct pair *pair = events[i].data.ptr;

			while (!pair && (client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
				begin(epoll, client);
			if (!pair || pair->ways[0].from < 0)
				continue;
			if (move(&pair->ways[0]) < 0 || move(&pair->ways[1]) < 0 || (pair->ways[0].over && pair->ways[1].over))
				end(pair, &dead);
		}
		while (dead) {
			struct pair *next = dead->next;

			free(dead);
			dead = next;
		}
	}
}

static long number(char **argv, int argc, int place)
{
	if (place >= argc)
		exit(2);
	return atol(argv[place]);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	const char *mode = argc > 3 ? argv[1] : "";

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	port = (int)number(argv, argc, 2);
	upstream = (int)number(argv, argc, 3);
	if (strcmp(mode, "splice") == 0)
		splice_all();
	server = open_socket(upstream, 1);
	if (strcmp(mode, "bulk") == 0) {
		bulk(number(argv, argc, 4), number(argv, argc, 5));
	} else if (strcmp(mode, "ping") == 0) {
		ping((int)number(argv, argc, 4), number(argv, argc, 5));
	} else if (strcmp(mode, "short") == 0) {
		long count = number(argv, argc, 4);
		double *took = calloc((size_t)count, sizeof *took), began = now();

		for (long i = 0; i < count; i++)
			one_short(&took[i]);
		report(took, count, now() - began);
	} else if (strcmp(mode, "hold") == 0) {
		hold((int)number(argv, argc, 4), (int)number(argv, argc, 5), (int)number(argv, argc, 6), number(argv, argc, 7));
	} else {
		return 2;
	}
	return 0;
}
