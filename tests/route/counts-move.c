/* SPDX-License-Identifier: MIT */
#include "any-wrapper.h"
#include "counts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE (8 << 20)
#define GIB (UINT64_C(1) << 30)

#define DEPTH 8
enum { WRAPPED = 1, HASH = 2, FRAME = 4, BLOCKING = 8, LOOKED = 16, IMMUTABLE = 32, DEEP = 64, RATE = 128, OWN = 256 };

struct move {
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report report;
	union any_wrapper wrapper[10];
	struct leat_count deep[2 * DEPTH];
	uint64_t events;
};

static void on_log(void *arg, const struct leat_event *event)
{
	++*(uint64_t *)arg;
}

static void on_trace(void *arg, const void *id, const struct leat_event *event)
{
	++*(uint64_t *)arg;
}

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	++*(uint64_t *)arg;
}

static void six_wrappers(struct move *m)
{
	leat_wrap(&m->source, leat_limit_init(&m->wrapper[0].limit, UINT64_MAX));
	leat_wrap(&m->source, leat_count_init(&m->wrapper[1].count));
	leat_wrap(&m->source, leat_log_init(&m->wrapper[2].log, on_log, &m->events));
	leat_wrap(&m->source, leat_trace_init(&m->wrapper[3].trace, m, LEAT_SECOND, on_trace, &m->events));
	leat_wrap_sink(&m->sink, leat_progress_init(&m->wrapper[4].progress, LEAT_SECOND, on_progress, &m->events));
	leat_wrap_sink(&m->sink, leat_deadline_init(&m->wrapper[5].deadline, 60 * LEAT_SECOND, 600 * LEAT_SECOND));
}

static void own_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
}

static const struct leat_wrapper_ops own_ops = { .name = "own", .need = LEAT_NEED_COUNTS, .moved = own_moved };

/* Sixteen counts, half of them on either end; a rate that never limits; one of the user's own. */
static void more_wrappers(struct move *m, unsigned how)
{
	for (unsigned i = 0; how & DEEP && i < DEPTH; i++) {
		leat_wrap(&m->source, leat_count_init(&m->deep[2 * i]));
		leat_wrap_sink(&m->sink, leat_count_init(&m->deep[2 * i + 1]));
	}
	if (how & RATE)
		leat_wrap(&m->source, leat_rate_init(&m->wrapper[8].rate, UINT64_C(1) << 40, GIB));
	m->wrapper[9].wrapper.ops = &own_ops;
	if (how & OWN)
		leat_wrap_sink(&m->sink, &m->wrapper[9].wrapper);
}

/* One call does the whole of it when that is small enough. */
static void begin_to_end(struct move *m)
{
	static struct leat_transfer t;
	int r;

	if (getpgid(COUNTS_BEGIN) >= 0 || leat_begin(&t, &m->sink, &m->source, NULL))
		ends_die("begin");
	r = ends_drive(&t, NULL);
	leat_end(&t, &m->report);
	if (getpgid(COUNTS_END) >= 0 || r)
		ends_die("a small transfer");
}

static void copy(struct move *m, uint64_t expect)
{
	int64_t r;

	if (getpgid(COUNTS_BEGIN) >= 0)
		return;
	r = leat_copy(&m->sink, &m->source, NULL, &m->report);
	if (getpgid(COUNTS_END) >= 0 || r < (int64_t)expect) {
		printf("%s\n", r < 0 ? leat_strerror((int)r) : "short");
		ends_die("a transfer");
	}
}

static void run(struct move *m, unsigned how, uint64_t expect)
{
	if (how & WRAPPED)
		six_wrappers(m);
	more_wrappers(m, how);
	if (how & HASH)
		leat_wrap(&m->source, leat_xxh3_init(&m->wrapper[6].xxh3));
	if (how & FRAME)
		leat_wrap_sink(&m->sink, leat_chunked_init(&m->wrapper[7].frame, 1 << 20));
	if (how & IMMUTABLE)
		leat_promise(&m->source, LEAT_IMMUTABLE);
	if (how & LOOKED) {
		if (leat_look(&m->source) || leat_look_sink(&m->sink))
			ends_die("look");
		begin_to_end(m);
	} else {
		copy(m, expect);
	}
}

/* A receiver that never copies. */
static void *discard(void *arg)
{
	int fd = *(int *)arg;

	while (recv(fd, NULL, 16 << 20, MSG_TRUNC) > 0)
		;
	return NULL;
}

/* 1 GiB in the page cache of nothing but holes; read once, so that it is there. */
static int gib_file(void)
{
	static char page[1 << 20];
	int fd = ends_file(O_RDWR);

	if (ftruncate(fd, (off_t)GIB) < 0)
		ends_die("a file of 1 GiB");
	for (uint64_t at = 0; at < GIB; at += sizeof page)
		if (pread(fd, page, sizeof page, (off_t)at) != sizeof page)
			ends_die("a file of 1 GiB");
	return fd;
}

static void gib(struct move *m, const char *to, unsigned how)
{
	pthread_t thread;
	int pair[2];

	leat_from_file(&m->source, gib_file(), 0);
	if (!strcmp(to, "null")) {
		leat_to_fd(&m->sink, open("/dev/null", O_WRONLY | O_CLOEXEC));
		run(m, how, GIB);
		return;
	}
	ends_pair(true, pair);
	ends_nonblock(pair[0], !(how & BLOCKING));
	leat_to_fd(&m->sink, pair[0]);
	if (pthread_create(&thread, NULL, discard, &pair[1]))
		ends_die("receiver");
	run(m, how, GIB);
	close(pair[0]);
	pthread_join(thread, NULL);
}

static void *discard_slowly(void *arg)
{
	int fd = *(int *)arg;

	while (recv(fd, NULL, 65536, MSG_TRUNC) > 0)
		usleep(50);
	return NULL;
}

/* 32 MiB to a peer that lets few bytes go at a time. */
static pthread_t to_slow_peer(struct move *m, bool blocking, int pair[2])
{
	int fd = ends_file(O_RDWR), room = 65536;
	pthread_t thread;

	ends_pair(true, pair);
	ends_nonblock(pair[0], !blocking);
	if (setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room))
		ends_die("SO_SNDBUF");
	for (int i = 0; i < 4; i++)
		if (write(fd, ends_content(SIZE), SIZE) != SIZE)
			ends_die("a file of 32 MiB");
	leat_from_file(&m->source, fd, 0);
	leat_to_fd(&m->sink, pair[0]);
	if (pthread_create(&thread, NULL, discard_slowly, &pair[1]))
		ends_die("receiver");
	return thread;
}

/* Who can be told of a wait, or asked after it, is not on the way; or is. */
static void in_calls_that_wait(struct move *m, bool told)
{
	int pair[2];
	pthread_t thread = to_slow_peer(m, true, pair);

	leat_wrap(&m->source, leat_count_init(&m->wrapper[0].count));
	leat_wrap(&m->source, leat_limit_init(&m->wrapper[1].limit, UINT64_MAX));
	if (told)
		leat_wrap_sink(&m->sink, leat_log_init(&m->wrapper[2].log, on_log, &m->events));
	copy(m, 4 * SIZE);
	close(pair[0]);
	pthread_join(thread, NULL);
}

/* Much of what was looked at is still to come when the next call is made. */
static void in_short_calls(struct move *m)
{
	int pair[2], r;
	pthread_t thread = to_slow_peer(m, false, pair);
	static struct leat_transfer t;

	if (getpgid(COUNTS_BEGIN) >= 0 || leat_begin(&t, &m->sink, &m->source, NULL))
		ends_die("begin");
	r = ends_drive(&t, NULL);
	leat_end(&t, &m->report);
	if (getpgid(COUNTS_END) >= 0 || r)
		ends_die("a stepped transfer");
	close(pair[0]);
	pthread_join(thread, NULL);
}

/* Blocks that were never written: no hole, and no reading of the disk either. */
static void gib_to_file(struct move *m, unsigned how)
{
	int from = ends_file(O_RDWR);

	if (posix_fallocate(from, 0, (off_t)GIB))
		ends_die("a file of 1 GiB");
	leat_from_file(&m->source, from, 0);
	leat_to_file(&m->sink, ends_file(O_RDWR), 0);
	run(m, how, GIB);
}

static const struct scenario {
	const char *name;
	enum from from;
	enum to to;
	unsigned how;
} scenarios[] = {
	{ "file-tcp", FROM_FILE, TO_TCP, 0 },	    { "file-tcp-hash", FROM_FILE, TO_TCP, HASH },
	{ "file-tcp-frame", FROM_FILE, TO_TCP, FRAME }, { "memory-tcp", FROM_MEMORY, TO_TCP, 0 },
	{ "file-pipe", FROM_FILE, TO_PIPE, 0 },	    { "pipe-tcp", FROM_PIPE, TO_TCP, 0 },
	{ "tcp-tcp", FROM_TCP, TO_TCP, 0 },	    { "file-file", FROM_FILE, TO_FILE, 0 },
};

static bool run_pair(struct move *m, enum from from_kind, enum to to_kind, unsigned how, uint64_t size)
{
	static struct from_end from;
	static struct to_end to;

	from_make(&from, from_kind, size, false);
	to_make(&to, to_kind, 2 * size, false);
	m->source = from.source;
	m->sink = to.sink;
	run(m, how, size);
	to_close(&to);
	from_close(&from);
	return true;
}

const char *const counts_stacks[COUNTS_STACKS] = { "bare", "six", "deep", "rate", "own", "frame", "all", "hash" };
static const unsigned stacks[COUNTS_STACKS] = {
	0, WRAPPED, DEEP, RATE, OWN, FRAME, WRAPPED | DEEP | RATE | OWN | FRAME, WRAPPED | HASH,
};

static bool run_sockets(struct move *m, const char *name)
{
	unsigned from, to, step, stack;

	return sscanf(name, "sockets-%u-%u-%u-%u", &from, &to, &step, &stack) == 4 && stack < COUNTS_STACKS &&
	       run_pair(m, (enum from)from, (enum to)to, stacks[stack] | (step ? LOOKED : 0), COUNTS_SOCKETS_BYTES);
}

static bool run_scenario(struct move *m, const char *name)
{
	static struct to_end to;
	unsigned how = strstr(name, "-wrapped") ? WRAPPED : 0, from_kind, to_kind;

	if (run_sockets(m, name))
		return true;

	for (unsigned i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		if (!strcmp(name, scenarios[i].name))
			return run_pair(m, scenarios[i].from, scenarios[i].to, scenarios[i].how, SIZE);
	if (sscanf(name, "pair-%u-%u", &from_kind, &to_kind) == 2)
		return run_pair(m, (enum from)from_kind, (enum to)to_kind, how, SIZE);
	if (!strcmp(name, "file-null")) {
		leat_from_file(&m->source, ends_file_with(ends_content(SIZE), SIZE, O_RDONLY), 0);
		leat_to_fd(&m->sink, open("/dev/null", O_WRONLY | O_CLOEXEC));
		run(m, 0, SIZE);
	} else if (!strncmp(name, "gib-null", 8)) {
		gib(m, "null", how);
	} else if (!strncmp(name, "gib-tcp-blocking", 16)) {
		gib(m, "tcp", how | BLOCKING);
	} else if (!strncmp(name, "gib-tcp", 7)) {
		gib(m, "tcp", how);
	} else if (!strncmp(name, "calls-that-wait", 15)) {
		in_calls_that_wait(m, strstr(name, "-told"));
	} else if (!strcmp(name, "short-calls")) {
		in_short_calls(m);
	} else if (!strncmp(name, "gib-file", 8)) {
		gib_to_file(m, how);
	} else if (!strncmp(name, "small-", 6)) {
		to_make(&to, TO_TCP, 10000, false);
		m->sink = to.sink;
		leat_from_file(&m->source, ends_file_with(ends_content(4096), 4096, O_RDONLY), 0);
		run(m, WRAPPED | LOOKED | (strcmp(name, "small-immutable") ? 0 : IMMUTABLE), 4096);
		to_close(&to);
	} else {
		return false;
	}
	return true;
}

int counts_move(const char *name, const char *report_path)
{
	static struct move m;
	int fd;

	ends_alarm(90, name);
	ends_content(COUNTS_SOCKETS_BYTES);
	leat_features();	/* once for a process: which calls are there */
	if (!run_scenario(&m, name))
		return 3;
	fd = open(report_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, &m.report, sizeof m.report) != sizeof m.report)
		return 2;
	fflush(stdout);
	exit(0);
}
