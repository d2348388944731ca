/* SPDX-License-Identifier: MIT */
/*
 * Where the kernel routes start to pay: the same bytes, 1 B to 64 MiB, to one TCP connection, from memory, by copy and by
 * sendfile, each through leat with every other route switched off. The server is a process on its CPU, this one the wire
 * receiver on the other; before each turn it is waited, untimed, until
 * all of the last one is sent.
 */
#include "../loop.h"
#include "../net.h"
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "receive.h"
#include "settings.h"
#include "shapes.h"
#include "stats.h"
#include "sweep.h"
#include "testfile.h"
#include "units.h"

#include <leat.h>

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const sweep_way_names[SWEEP_WAYS] = { "memory", "copy", "sendfile" };

#define POINTS 14		/* powers of 4 from 1 B */
#define BYTES_MAX (64 * MIB)
#define ROUNDS_MAX 101
#define ROUNDS_DEFAULT 11
#define TURN_MAX 32		/* transfers timed together */
#define TURNS_MAX 16		/* in a round, in turns with the other ways */

struct shared { double ns[POINTS][SWEEP_WAYS][ROUNDS_MAX]; int error, other_route; unsigned rounds; };

struct server { int file, out; unsigned char *memory; };

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t point_bytes(unsigned point)
{
	return UINT64_C(1) << (2 * point) < BYTES_MAX ? UINT64_C(1) << (2 * point) : BYTES_MAX;
}

static enum leat_route route_of(enum sweep_way way)
{
	return way == SWEEP_MEMORY ? LEAT_ROUTE_MEMORY : way == SWEEP_COPY ? LEAT_ROUTE_COPY : LEAT_ROUTE_SENDFILE;
}

/* One transfer by one route; *ret_other: it went another way. */
static int one(struct server *s, enum sweep_way way, uint64_t bytes, int *ret_other)
{
	struct leat_options options = { .routes_off = ~(UINT32_C(1) << route_of(way)), .ignore_changes = 1 };
	struct leat_report report;
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	int error;

	if (way == SWEEP_MEMORY)
		leat_from_memory(&source, s->memory, bytes);
	else
		leat_from_range(&source, s->file, 0, bytes);
	if (way == SWEEP_COPY)
		options.policy = LEAT_COPY;
	leat_to_fd(&sink, s->out);
	error = leat_begin(&transfer, &sink, &source, &options);
	if (error)
		return error;
	loop_run(&transfer, leat_now_ns() + 20 * LEAT_SECOND, NULL, NULL);
	error = leat_end(&transfer, &report);
	*ret_other |= !error && report.route_bytes[route_of(way)] != bytes;
	leat_close(&source);
	leat_close_sink(&sink);
	return error;
}

/* Until TCP has sent everything. Not until all is acknowledged: the last ACK of a turn may be delayed by 40 ms. */
static void wait_until_sent(int fd)
{
	uint64_t until = now_ns() + 10 * LEAT_SECOND;
	int left = 1;

	while (left && now_ns() < until && ioctl(fd, SIOCOUTQNSD, &left) == 0)
		;
}

static double turn(struct server *s, enum sweep_way way, uint64_t bytes, unsigned transfers, struct shared *shared)
{
	uint64_t began;

	wait_until_sent(s->out);
	began = thread_ns();
	for (unsigned i = 0; i < transfers && !shared->error; i++)
		shared->error = one(s, way, bytes, &shared->other_route);
	return (double)(thread_ns() - began);
}

static void one_point(struct server *s, unsigned point, unsigned round, struct shared *shared)
{
	uint64_t bytes = point_bytes(point);
	unsigned transfers = bytes * TURN_MAX > MIB / 2 ? bytes > MIB / 2 ? 1 : (unsigned)(MIB / 2 / bytes) : TURN_MAX;
	unsigned turns = bytes >= 16 * MIB ? 1 : bytes >= 256 * KIB ? 4 : TURNS_MAX;

	for (unsigned t = 0; t < turns; t++)
		for (unsigned step = 0; step < SWEEP_WAYS; step++) {
			enum sweep_way way = (enum sweep_way)((step + t + round) % SWEEP_WAYS);

			shared->ns[point][way][round] += turn(s, way, bytes, transfers, shared) / (turns * transfers);
		}
}

static int prepare(const struct bench *b, int listener, struct server *s)
{
	int one_bit = 1;

	s->file = scratch_file(b->file.dir);
	s->memory = mmap(NULL, BYTES_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->file < 0 || s->memory == MAP_FAILED)
		return s->file < 0 ? s->file : -ENOMEM;
	memset(s->memory, 'l', BYTES_MAX);
	for (uint64_t at = 0; at < BYTES_MAX; at += MIB)
		if (pwrite(s->file, s->memory + at, MIB, (off_t)at) != (ssize_t)MIB)
			return -ENOSPC;
	s->out = net_accept(listener, 5000);
	if (s->out < 0)
		return s->out;
	if (setsockopt(s->out, IPPROTO_TCP, TCP_NODELAY, &one_bit, sizeof one_bit))
		return -errno;
	return net_set_blocking(s->out, 0);
}

static void serve(const struct bench *b, int listener, struct shared *shared)
{
	struct server s;

	pin_to(b->cpu_server);
	shared->error = prepare(b, listener, &s);
	/* One round more than is kept: the first one touches everything for the first time. */
	for (unsigned round = 0; round <= shared->rounds && !shared->error; round++) {
		unsigned slot = round ? round - 1 : 0;

		if (round == 1)
			memset(shared->ns, 0, sizeof shared->ns);
		for (unsigned point = 0; point < POINTS && !shared->error; point++)
			one_point(&s, point, slot, shared);
	}
	_exit(0);
}

static int drive(struct bench *b, struct shared *shared)
{
	int listener = net_listen((uint16_t)b->settings.port, &b->net), status = 0, error;
	struct child child = { .pid = 0 };
	struct intake in;

	if (listener < 0)
		return listener;
	child.port = net_port(listener);
	child.pid = child_fork();
	if (child.pid == 0)
		serve(b, listener, shared);
	close(listener);
	if (child.pid < 0)
		return child.pid;
	pin_to(b->cpu_receiver);
	error = receive(b, &child, FILE_TCP, (enum receiver)b->settings.receiver, 300000, &in);
	if (error)
		kill(child.pid, SIGKILL);
	waitpid(child.pid, &status, 0);
	return shared->error ? shared->error : error ? error : status ? -EPIPE : 0;
}

int sweep_run(struct bench *b)
{
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error;

	if (shared == MAP_FAILED)
		return -1;
	shared->rounds = b->settings.rounds ? (unsigned)b->settings.rounds : ROUNDS_DEFAULT;
	if (shared->rounds > ROUNDS_MAX)
		shared->rounds = ROUNDS_MAX;
	out_progress(&b->out, 1, "sweeping from 1 B to 64 MiB");
	error = drive(b, shared);
	b->sweep = error ? NULL : calloc(1, sizeof *b->sweep);
	if (b->sweep)
		b->sweep->points_count = POINTS;
	for (unsigned point = 0; b->sweep && point < POINTS; point++) {
		b->sweep->points[point].bytes = point_bytes(point);
		for (int way = 0; way < SWEEP_WAYS; way++)
			b->sweep->points[point].cpu_ns[way] = stats_of(shared->ns[point][way], shared->rounds);
	}
	if (shared->other_route)
		bench_note(b, "in the sweep some bytes took another route than the one named");
	if (error && !*b->stop)
		out_error("the sweep failed: %s", leat_strerror(error));
	munmap(shared, sizeof *shared);
	return *b->stop ? 0 : error;
}
