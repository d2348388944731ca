/* SPDX-License-Identifier: MIT */
/*
 * The library leaves the process alone (invariant 11): dead peers on every route without a signal, dispositions and masks as
 * they were, no flag of a descriptor set, every descriptor of its own closed on exec.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"
#include "ends.h"

#define SIZE (12 << 20)

/* ---- F_SETFL, seen by the linker ---- */

static bool in_library;
static unsigned set_flags, other_calls;

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);

int __wrap_fcntl64(int fd, int command, ...)
{
	va_list list;
	void *arg;

	va_start(list, command);
	arg = va_arg(list, void *);	/* as glibc does */
	va_end(list);
	if (in_library) {
		set_flags += command == F_SETFL || command == F_SETFD;
		other_calls++;
	}
	return __real_fcntl64(fd, command, arg);
}

/* ---- Descriptors of ours, seen from a callback ---- */

#define MOST_FDS 256
static struct known {
	int flags;	/* -1: not open */
	ino_t file;
} known[MOST_FDS];
static unsigned fresh_seen, fresh_open_on_exec;

/* By plain system calls: to ask about numbers that others open and close is no race that a sanitizer should know of. */
static struct known know(int fd)
{
	struct known now = { .flags = (int)syscall(SYS_fcntl, fd, F_GETFL) };
	struct stat stat;

	if (now.flags >= 0 && syscall(SYS_fstat, fd, &stat) == 0)
		now.file = stat.st_ino;
	else
		now.flags = -1;		/* a feeder may have closed it just now */
	return now;
}

static void remember_fds(void)
{
	for (int fd = 0; fd < MOST_FDS; fd++)
		known[fd] = know(fd);
	fresh_seen = fresh_open_on_exec = 0;
}

static void look_at_fds(void *arg, const struct leat_event *event)
{
	unsigned fresh = 0;

	for (int fd = 0; fd < MOST_FDS; fd++) {
		struct known now = know(fd);

		/* A feeder that is done closes its end, whose number may then be ours. */
		if (now.flags < 0 || (now.flags == known[fd].flags && now.file == known[fd].file))
			continue;
		fresh++;
		fresh_open_on_exec += !(syscall(SYS_fcntl, fd, F_GETFD) & FD_CLOEXEC);
	}
	fresh_seen = fresh > fresh_seen ? fresh : fresh_seen;
}

/* ---- Every pair ---- */

static void same_mask(const sigset_t *before)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	for (int signal = 1; signal < 32; signal++)
		CHECK_EQ(sigismember(&now, signal), sigismember(before, signal));
}

/* How many descriptors of ours a pair needs while it runs: the pipe's two, a private reopen for each blocking pipe, FIFO or
 * terminal. That they were seen shows that this test sees. */
static unsigned expected_fresh(enum from from, enum to to, bool blocking)
{
	bool source = from == FROM_TCP || from == FROM_UNIX, sink = to == TO_TCP || to == TO_UNIX || to == TO_VIEW;
	bool through_pipe = source && (sink || to == TO_FD || to == TO_FILE || to == TO_PTY);
	unsigned reopened = 0;

	if (blocking)
		reopened = (from == FROM_PIPE || from == FROM_FIFO || from == FROM_PTY) + (to == TO_PIPE || to == TO_PTY);
	return reopened + (through_pipe ? 2 : 0);
}

static void one_pair(enum from from_kind, enum to to_kind, bool blocking)
{
	static struct from_end from;
	static struct to_end to;
	static char note[80];
	struct leat_log log;
	sigset_t before;
	int64_t n;

	snprintf(note, sizeof note, "%s to %s, %s", from_names[from_kind], to_names[to_kind],
		 blocking ? "blocking" : "non-blocking");
	ends_alarm(20, note);
	test_note(note);
	from_make(&from, from_kind, 500000, blocking);
	to_make(&to, to_kind, 500000, blocking);
	leat_wrap_sink(&to.sink, leat_log_init(&log, look_at_fds, NULL));
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	remember_fds();
	in_library = true;
	n = leat_copy(&to.sink, &from.source, NULL, NULL);
	in_library = false;
	CHECK_EQ(n, 500000);
	same_mask(&before);
	CHECK_EQ(set_flags, 0u);
	CHECK_EQ(fresh_open_on_exec, 0u);
	CHECK_EQ(fresh_seen, expected_fresh(from_kind, to_kind, blocking));
	from_close(&from);
	to_close(&to);
}

static void no_flags_set_and_all_closed_on_exec(void)
{
	ends_content(SIZE);
	for (enum from from = 0; from < FROM_KINDS; from++)	/* files that stay are made before anything is looked at */
		for (enum to to = 0; to < TO_KINDS; to++)
			for (int blocking = 0; blocking < 2; blocking++)
				one_pair(from, to, blocking);
	CHECK(other_calls > 100);	/* the wrap is in the way */
}

/* The reopen for holes, the eventfd and the pool of a helper, the pipes of a tee. */
static void helpers_holes_and_tees(void)
{
	struct leat_helper helper;
	struct leat_options options = { .helper = &helper };
	static struct from_end from;
	static struct to_end to, second;
	struct leat_source source;
	struct leat_sink sink;
	struct leat_log log;
	struct leat_tee tee;
	int holed = ends_file(O_RDWR), copy = ends_file(O_RDWR);

	ends_alarm(20, __func__);
	CHECK_CALL(ftruncate(holed, 1 << 20));
	CHECK_EQ(pwrite(holed, "x", 1, 1 << 19), 1);
	leat_from_file(&source, holed, 0);
	leat_to_file(&sink, copy, 0);
	leat_wrap_sink(&sink, leat_log_init(&log, look_at_fds, NULL));
	remember_fds();
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 1 << 20);
	CHECK_EQ(fresh_seen, 1u);
	CHECK_EQ(fresh_open_on_exec, 0u);
	leat_close_sink(&sink);

	from_make(&from, FROM_TCP, 500000, false);
	to_make(&to, TO_TCP, 500000, false);
	to_make(&second, TO_TCP, 500000, false);
	leat_wrap(&from.source, leat_tee_init(&tee, &second.sink, LEAT_TEE_WAIT, malloc(70000), 70000));
	leat_wrap_sink(&to.sink, leat_log_init(&log, look_at_fds, NULL));
	remember_fds();
	in_library = true;
	CHECK_EQ(leat_helper_init(&helper, 4), 0);
	CHECK_EQ(leat_copy(&to.sink, &from.source, &options, NULL), 500000);
	in_library = false;
	CHECK_GE(fresh_seen, 3u);
	CHECK_EQ(fresh_open_on_exec, 0u);
	CHECK_EQ(set_flags, 0u);
	free(tee.buffer);
	from_close(&from);
	to_close(&to);
	to_close(&second);
	leat_helper_end(&helper);
	look_at_fds(NULL, NULL);
	close(holed);
	close(copy);
}

/* ---- Dead peers ---- */

static volatile sig_atomic_t raised;

static void on_pipe(int signal)
{
	raised++;
}

static struct death {
	struct leat_sink sink;
	int fd, peer;
	uint64_t after;
	bool reset;
} death;

/* Reads so much, then is gone. */
static void *die(void *arg)
{
	struct linger reset = { .l_onoff = 1 };
	char buffer[4096];
	uint64_t got = 0;

	while (got < death.after) {
		ssize_t n = read(death.peer, buffer, sizeof buffer);

		if (n <= 0)
			break;
		got += (uint64_t)n;
	}
	if (death.reset)
		setsockopt(death.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(death.peer);
	return NULL;
}

static void open_sink(enum to to, bool blocking)
{
	int pair[2];

	if (to == TO_PIPE) {
		CHECK_CALL(pipe2(pair, O_CLOEXEC));
		death.fd = pair[1];
		death.peer = pair[0];
	} else if (to == TO_PTY) {
		ends_pty(&death.peer, &death.fd);
	} else {
		ends_pair(to == TO_TCP, pair);
		death.fd = pair[0];
		death.peer = pair[1];
	}
	ends_nonblock(death.fd, !blocking);
	leat_to_fd(&death.sink, death.fd);
}

static const struct way {
	enum from from;
	enum to to;
	bool hash, reset;
	enum leat_route route;
} ways[] = {
	{ FROM_FILE, TO_TCP, false, false, LEAT_ROUTE_SENDFILE },   { FROM_FILE, TO_TCP, false, true, LEAT_ROUTE_SENDFILE },
	{ FROM_FILE, TO_UNIX, false, false, LEAT_ROUTE_SENDFILE },  { FROM_FILE, TO_PTY, false, false, LEAT_ROUTE_SENDFILE },
	{ FROM_FILE, TO_PIPE, false, false, LEAT_ROUTE_SPLICE },    { FROM_PIPE, TO_TCP, false, false, LEAT_ROUTE_SPLICE },
	{ FROM_TCP, TO_PIPE, false, false, LEAT_ROUTE_SPLICE },	    { FROM_TCP, TO_TCP, false, true, LEAT_ROUTE_SPLICE_PIPE },
	{ FROM_UNIX, TO_UNIX, false, false, LEAT_ROUTE_SPLICE_PIPE }, { FROM_MEMORY, TO_TCP, false, false, LEAT_ROUTE_MEMORY },
	{ FROM_MEMORY, TO_PIPE, false, false, LEAT_ROUTE_MEMORY },  { FROM_MEMORY, TO_UNIX, false, false, LEAT_ROUTE_MEMORY },
	{ FROM_FILE, TO_TCP, true, false, LEAT_ROUTE_COPY },	    { FROM_FILE, TO_PIPE, true, false, LEAT_ROUTE_COPY },
	{ FROM_CALLBACK, TO_PIPE, false, false, LEAT_ROUTE_COPY },  { FROM_ZERO, TO_UNIX, false, false, LEAT_ROUTE_COPY },
};

static int transfer(struct from_end *from, bool step, struct leat_report *report)
{
	struct leat_transfer t;
	int r;

	if (!step)
		return (int)leat_copy(&death.sink, &from->source, NULL, report);
	CHECK_EQ(leat_begin(&t, &death.sink, &from->source, NULL), 0);
	r = ends_drive(&t, NULL);
	CHECK_EQ(leat_end(&t, report), r);
	return r;
}

static void check_death(const struct way *way, int r, const struct leat_report *report, uint64_t after)
{
	CHECK_SAY(r == -EPIPE || r == -ECONNRESET || (way->to == TO_PTY && r == -EIO), "%s", leat_strerror(r));
	CHECK_EQ(report->error, r);
	CHECK_EQ(report->side, LEAT_SIDE_SINK);
	CHECK_EQ(report->ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_SAY(report->bytes >= after && report->bytes < SIZE, "after %llu bytes", (unsigned long long)report->bytes);
	if (after) {
		CHECK_GE(report->route_bytes[way->route], 1u);
		/* Who writes to a terminal while it is hung up is told EIO; after that it has no operation but write, which says so. */
		CHECK(report->error_route == way->route || (way->to == TO_PTY && report->error_route == LEAT_ROUTE_COPY));
	}
}

static void one_death(const struct way *way, uint64_t after, bool blocking)
{
	static struct from_end from;
	static char note[80];
	struct leat_count count;
	struct leat_xxh3 hash;
	struct leat_report report;
	struct sigaction now;
	sigset_t before, pending;
	pthread_t thread;

	snprintf(note, sizeof note, "%s to %s%s after %llu bytes, %s", from_names[way->from], to_names[way->to],
		 way->hash ? ", hash" : "", (unsigned long long)after, blocking ? "blocking" : "stepped");
	ends_alarm(20, note);
	test_note(note);
	death.after = after;
	death.reset = way->reset;
	from_make(&from, way->from, SIZE, blocking);
	leat_wrap(&from.source, leat_count_init(&count));
	if (way->hash)
		leat_wrap(&from.source, leat_xxh3_init(&hash));
	open_sink(way->to, blocking);
	CHECK_EQ(pthread_create(&thread, NULL, die, NULL), 0);
	if (!after)
		pthread_join(thread, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	check_death(way, transfer(&from, !blocking, &report), &report, after);
	CHECK_EQ(count.bytes, report.bytes);
	if (after)
		pthread_join(thread, NULL);
	CHECK_EQ(raised, 0);
	sigaction(SIGPIPE, NULL, &now);
	CHECK(now.sa_handler == on_pipe);
	sigpending(&pending);
	CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
	same_mask(&before);
	leat_close_sink(&death.sink);
	close(death.fd);
	from_close(&from);
}

static void all_deaths(void)
{
	ends_content(SIZE);
	for (unsigned i = 0; i < 4 * sizeof ways / sizeof ways[0]; i++)
		one_death(&ways[i / 4], i % 4 < 2 ? 0 : 300000, i % 2);
}

static void dead_peers_raise_nothing(void)
{
	struct sigaction action = { .sa_handler = on_pipe }, old;

	sigaction(SIGPIPE, &action, &old);
	raised = 0;
	all_deaths();
	sigaction(SIGPIPE, &old, NULL);
}

/* A program that has blocked the signal itself gets none that it did not have. */
static void dead_peers_of_who_blocks_it(void)
{
	struct sigaction action = { .sa_handler = on_pipe }, old;
	sigset_t pipe, before;

	sigaction(SIGPIPE, &action, &old);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	raised = 0;
	all_deaths();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	CHECK_EQ(raised, 0);
	sigaction(SIGPIPE, &old, NULL);
}

/* One that was pending before is the program's own, and stays. */
static void one_that_was_pending_stays(void)
{
	struct sigaction action = { .sa_handler = on_pipe }, old;
	static struct from_end from;
	sigset_t pipe, before, pending;
	struct leat_report report;

	ends_alarm(20, __func__);
	sigaction(SIGPIPE, &action, &old);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	raised = 0;
	pthread_kill(pthread_self(), SIGPIPE);
	from_make(&from, FROM_FILE, SIZE, true);
	open_sink(TO_UNIX, true);
	close(death.peer);
	CHECK_EQ(leat_copy(&death.sink, &from.source, NULL, &report), -EPIPE);
	sigpending(&pending);
	CHECK_EQ(sigismember(&pending, SIGPIPE), 1);
	CHECK_EQ(raised, 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	CHECK_EQ(raised, 1);
	sigaction(SIGPIPE, &old, NULL);
	close(death.fd);
	from_close(&from);
}

/* ---- A thread with a table of descriptors of its own ---- */

static struct {
	pthread_barrier_t barrier;
	int pipe, sparse, unshared;
	int64_t piped, copied;
	char got[64];
	struct leat_report of_sparse;
} own;

static int temporary(void)
{
	FILE *file = tmpfile();
	int fd = file ? fcntl(fileno(file), F_DUPFD_CLOEXEC, 0) : -1;

	if (file)
		fclose(file);
	return fd;
}

static void *with_a_table_of_its_own(void *arg)
{
	struct leat_source source;
	struct leat_sink sink;
	char data[4096];
	int fds[2], to;

	own.unshared = unshare(CLONE_FILES) == 0;
	memset(data, 'D', sizeof data);
	own.sparse = temporary();
	to = temporary();
	if (pipe(fds) || write(fds[1], "mine", 4) != 4 || close(fds[1]) || pwrite(own.sparse, data, sizeof data, 1 << 20) < 0)
		own.unshared = 0;
	own.pipe = fds[0];
	pthread_barrier_wait(&own.barrier);
	pthread_barrier_wait(&own.barrier);	/* the first thread has something else at these numbers */
	leat_from_fd(&source, own.pipe);
	leat_to_memory(&sink, own.got, sizeof own.got - 1);
	own.piped = leat_copy(&sink, &source, NULL, NULL);
	leat_from_file(&source, own.sparse, 0);
	leat_to_file(&sink, to, 0);
	own.copied = leat_copy(&sink, &source, NULL, &own.of_sparse);
	pread(to, data, sizeof data, 1 << 20);
	own.got[sizeof own.got - 1] = data[0];
	close(own.pipe);
	close(own.sparse);
	close(to);
	return arg;
}

/* What is opened again is the caller's, and not what the first thread of the process has at this number. */
static void a_thread_with_descriptors_of_its_own(void)
{
	pthread_t thread;
	int fds[2], empty;

	ends_alarm(20, __func__);
	CHECK_EQ(pthread_barrier_init(&own.barrier, NULL, 2), 0);
	CHECK_EQ(pthread_create(&thread, NULL, with_a_table_of_its_own, NULL), 0);
	pthread_barrier_wait(&own.barrier);
	CHECK_CALL(pipe2(fds, O_NONBLOCK));
	CHECK_EQ(write(fds[1], "somebody else's", 15), 15);
	empty = CHECK_CALL(temporary());
	CHECK_CALL(ftruncate(empty, 2 << 20));
	fds[0] = CHECK_CALL(fcntl(fds[0], F_DUPFD, 200));
	empty = CHECK_CALL(fcntl(empty, F_DUPFD, 200));
	CHECK_CALL(dup2(fds[0], own.pipe));
	CHECK_CALL(dup2(empty, own.sparse));
	pthread_barrier_wait(&own.barrier);
	pthread_join(thread, NULL);
	if (!own.unshared)
		test_skip("no table of its own: %s", strerror(errno));
	CHECK_EQ(own.piped, 4);
	CHECK_STR(own.got, "mine");
	CHECK_EQ(own.copied, (1 << 20) + 4096);
	CHECK_EQ(own.got[sizeof own.got - 1], 'D');
	CHECK_EQ(own.of_sparse.hole_bytes, 1 << 20);
	close(own.pipe);
	close(own.sparse);
	pthread_barrier_destroy(&own.barrier);
}

static const struct test tests[] = {
	TEST(no_flags_set_and_all_closed_on_exec), TEST(helpers_holes_and_tees), TEST(dead_peers_raise_nothing),
	TEST(dead_peers_of_who_blocks_it), TEST(one_that_was_pending_stays),
	TEST(a_thread_with_descriptors_of_its_own),
};
TEST_MAIN(tests)
