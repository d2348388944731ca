/* SPDX-License-Identifier: MIT */
/*
 * room.c: does a call no larger than half the room that SO_MEMINFO reports ever wait on a blocking socket that poll
 * called writable?
 *
 * Hazard 39. This is the one rule that lets leat_copy use blocking sockets and keep its deadlines (invariant 13). The
 * reader here stands still or drains in bursts; any call that waits is ended by a signal after 150 ms and counted.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <asm/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

#define FILE_SIZE (8 << 20)
#define ROUNDS 150

static const struct fact facts[] = {
	{ "room-meminfo-tcp", "available", "39: SO_MEMINFO on TCP" },
	{ "room-meminfo-unix", "available", "39: SO_MEMINFO on a Unix socket" },
	{ "room-half-sendfile-tcp", "never waits", "39: half the room by sendfile, sizes from 1 byte up" },
	{ "room-half-sendfile-tcp-small-buffer", "never waits", "39: the same with the smallest SO_SNDBUF" },
	{ "room-half-splice-pages-tcp", "never waits", "39: half the room by splice from a pipe of whole pages" },
	{ "room-half-splice-pages-small-buffer", "never waits", "39: the same with the smallest SO_SNDBUF" },
	{ "room-half-splice-tiny-slots-tcp", NULL, "39: half the room by splice from a pipe of one-byte slots" },
	{ "room-half-splice-tiny-slots-32K-buffer", NULL, "39: the same with SO_SNDBUF giving 32 KiB" },
	{ "room-half-splice-tiny-slots-small-buffer", NULL,
	  "39: the same with the smallest SO_SNDBUF; waits: a slot costs far more room than its bytes" },
	{ "room-priced-splice-tiny-slots-small-buffer", NULL, "39: the cure: at most one slot for 256 bytes of half the room" },
	{ "room-priced-splice-tiny-slots-32K-buffer", NULL, "39: the same with 32 KiB" },
	{ "room-half-sendfile-unix", NULL, "39: half the room by sendfile on a Unix socket" },
	{ "room-half-splice-tiny-slots-unix", NULL, "39: half the room from a pipe of one-byte slots, Unix socket" },
	{ "room-half-splice-tiny-slots-unix-small-buffer", NULL, "39: the same with the smallest SO_SNDBUF" },
	{ "room-priced-splice-tiny-slots-unix-small-buffer", NULL, "39: at most one slot for 256 bytes of half the room" },
	{ "room-whole-sendfile-tcp", NULL, "39: the whole room by sendfile: why it is half" },
	{ "room-double-sendfile-tcp", "waits", "39: control: twice the room must wait, or this test shows nothing" },
	{ "room-double-sendfile-unix", NULL, "39: the same on a Unix socket" },
};

struct trial {
	void (*make)(int[2]);
	int buffer; /* SO_SNDBUF and SO_RCVBUF, 0: the system's */
	int slots;      /* 0: sendfile; else splice from a pipe of slots of this many bytes each */
	int numerator;  /* of the room, over 2 */
	int slot_price; /* at most room / 2 / slot_price slots; 0: no such limit */
};

static int source;

static long room(int sock)
{
	unsigned int info[SK_MEMINFO_VARS];
	socklen_t len = sizeof(info);
	long queued;

	if (getsockopt(sock, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
		return -1;
	queued = info[SK_MEMINFO_WMEM_QUEUED];
	if (info[SK_MEMINFO_WMEM_ALLOC] > queued)
		queued = info[SK_MEMINFO_WMEM_ALLOC];
	return (long)info[SK_MEMINFO_SNDBUF] - queued;
}

static bool writable(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* so many bytes into the pipe, slot by slot; what fitted */
static size_t load(int pipe_in, size_t size, size_t slot)
{
	size_t sum = 0;

	while (sum < size) {
		off_t at = (off_t)(sum * 4099 % (FILE_SIZE - 65536));
		ssize_t n;

		if (slot >= 4096)
			at &= ~4095LL;
		n = splice(source, &at, pipe_in, NULL, size - sum < slot ? size - sum : slot, SPLICE_F_NONBLOCK);
		if (n <= 0)
			break;
		sum += (size_t)n;
	}
	return sum;
}

static long switches(void)
{
	struct rusage used;

	getrusage(RUSAGE_THREAD, &used);
	return used.ru_nvcsw;
}

/* one call; true when it slept and had to be ended by the signal: a busy machine takes processors away without that */
static bool one_call(const struct trial *trial, int sock, int pipe_fds[2], size_t size)
{
	off_t at = 4096 * (int)(size % 97) + (int)(size % 4096);
	int64_t began;
	long slept;

	if (trial->slots) {
		fact_drain(pipe_fds[0]);
		size = load(pipe_fds[1], size, (size_t)trial->slots);
	}
	fact_interrupt(150);
	slept = switches();
	began = fact_now_us();
	if (trial->slots)
		splice(pipe_fds[0], NULL, sock, NULL, size, 0);
	else
		sendfile(sock, source, &at, size);
	fact_interrupt(0);
	return fact_now_us() - began > 140000 && switches() > slept;
}

static unsigned int next(unsigned int *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* bring the socket into some state between empty and nearly full, by sends that never wait */
static void disturb(int sock, int reader, unsigned int *seed)
{
	static char block[262144];
	long left;

	for (int i = 0; i < 1000 && !writable(sock); i++) {
		fact_read(reader, block, 1 + next(seed) % sizeof(block), 0);
		if (next(seed) % 8 == 0)
			fact_drain(reader);
		fact_sleep_ms(1);
	}
	while (next(seed) % 4 && writable(sock)) {
		left = room(sock) / 2;
		if (left > (long)sizeof(block))
			left = sizeof(block);
		send(sock, block, left > 1 ? 1 + next(seed) % (unsigned long)left : 1, MSG_DONTWAIT);
	}
}

static void run_trial(const char *name, const struct trial *trial)
{
	int pair[2], p[2], waited = 0, calls = 0;
	unsigned int seed = 12345;
	long free_bytes, first_wait = 0;
	int64_t until = fact_now_us() + 5000000;

	trial->make(pair);
	fact_pipe(p);
	fcntl(p[0], F_SETPIPE_SZ, 1 << 20);
	if (trial->buffer) {
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &trial->buffer, sizeof(trial->buffer));
		setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &trial->buffer, sizeof(trial->buffer));
	}
	for (int i = 0; i < ROUNDS && waited < 3 && fact_now_us() < until; i++) {
		disturb(pair[0], pair[1], &seed);
		if (!writable(pair[0]))
			continue;
		free_bytes = room(pair[0]) * trial->numerator / 2;
		if (trial->slot_price && free_bytes > free_bytes / trial->slot_price * trial->slots)
			free_bytes = free_bytes / trial->slot_price * trial->slots;
		if (free_bytes < 1)
			free_bytes = 1;
		if (next(&seed) % 2 && trial->numerator == 1)
			free_bytes = 1 + (long)(next(&seed) % (unsigned long)free_bytes);
		calls++;
		if (one_call(trial, pair[0], p, (size_t)free_bytes) && waited++ == 0)
			first_wait = free_bytes;
	}
	fact_note("%s: %d of %d calls waited%s", name, waited, calls, waited ? "; the first" : "");
	if (waited)
		fact_note("waited with %ld bytes asked", first_wait);
	if (calls < 5 && !waited)
		fact_skip(name, "only %d calls", calls);
	else
		fact_say(name, "%s", waited ? "waits" : "never waits");
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void meminfo(const char *name, void (*make)(int[2]))
{
	int pair[2];
	long n;

	make(pair);
	n = room(pair[0]);
	fact_say(name, "%s", n > 0 ? "available" : fact_result(n));
	close(pair[0]);
	close(pair[1]);
}

static void run(void)
{
	static const struct {
		const char *name;
		struct trial trial;
	} trials[] = {
		{ "room-half-sendfile-tcp", { fact_tcp_pair, 0, 0, 1, 0 } },
		{ "room-half-sendfile-tcp-small-buffer", { fact_tcp_pair, 1, 0, 1, 0 } },
		{ "room-half-splice-pages-tcp", { fact_tcp_pair, 0, 4096, 1, 0 } },
		{ "room-half-splice-pages-small-buffer", { fact_tcp_pair, 1, 4096, 1, 0 } },
		{ "room-half-splice-tiny-slots-tcp", { fact_tcp_pair, 0, 1, 1, 0 } },
		{ "room-half-splice-tiny-slots-32K-buffer", { fact_tcp_pair, 16384, 1, 1, 0 } },
		{ "room-half-splice-tiny-slots-small-buffer", { fact_tcp_pair, 1, 1, 1, 0 } },
		{ "room-priced-splice-tiny-slots-small-buffer", { fact_tcp_pair, 1, 1, 1, 256 } },
		{ "room-priced-splice-tiny-slots-32K-buffer", { fact_tcp_pair, 16384, 1, 1, 256 } },
		{ "room-half-sendfile-unix", { fact_unix_pair, 0, 0, 1, 0 } },
		{ "room-half-splice-tiny-slots-unix", { fact_unix_pair, 0, 1, 1, 0 } },
		{ "room-half-splice-tiny-slots-unix-small-buffer", { fact_unix_pair, 1, 1, 1, 0 } },
		{ "room-priced-splice-tiny-slots-unix-small-buffer", { fact_unix_pair, 1, 1, 1, 256 } },
		{ "room-whole-sendfile-tcp", { fact_tcp_pair, 0, 0, 2, 0 } },
		{ "room-double-sendfile-tcp", { fact_tcp_pair, 0, 0, 4, 0 } },
		{ "room-double-sendfile-unix", { fact_unix_pair, 0, 0, 4, 0 } },
	};

	signal(SIGPIPE, SIG_IGN);
	source = fact_file("source", 'A', FILE_SIZE);
	meminfo("room-meminfo-tcp", fact_tcp_pair);
	meminfo("room-meminfo-unix", fact_unix_pair);
	for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++)
		run_trial(trials[i].name, &trials[i].trial);
	close(source);
}

int main(int argc, char **argv)
{
	static struct fact_set set = FACT_SET(facts, run, NULL);

	set.limit_s = 120;
	return fact_main(argc, argv, &set);
}
