/* SPDX-License-Identifier: MIT */
/*
 * A call of leat_copy to a blocking socket that waits by itself in the kernel, as nobody is owed word: signals, a peer that
 * goes, who else uses the pipe that it reads from or the socket, and whose descriptor it was that failed.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>

#include "check.h"
#include "ends.h"

#define SIZE (8 << 20)

static _Atomic int signals;	/* lock-free: the handler and two threads */
static pthread_t main_thread;

#define SIGNALS 3
#ifdef __SANITIZE_THREAD__
#define SIGNALS_HANDLED 1	/* at least: it keeps them for its next call, merged */
#else
#define SIGNALS_HANDLED SIGNALS
#endif

static void on_signal(int signal)
{
	signals++;
}

static void *signal_then_read(void *arg)
{
	for (int i = 0; i < SIGNALS; i++) {
		usleep(30000);
		pthread_kill(main_thread, SIGUSR1);
		/* A second one would be merged with one that still pends. */
		for (int turn = 0; turn < 200 && signals <= i; turn++)
			usleep(10000);
	}
	to_allow(arg, UINT64_MAX);
	return NULL;
}

/* A call that waits by itself is interrupted, and goes on where it was: every byte arrives. */
static void signals_in_a_call_that_waits(void)
{
	static const enum to sinks[] = { TO_TCP, TO_UNIX };
	struct sigaction action = { .sa_handler = on_signal };
	struct leat_report report;
	struct from_end from;
	struct to_end to;
	pthread_t thread;

	main_thread = pthread_self();
	for (unsigned i = 0; i < 4; i++) {
		action.sa_flags = i / 2 ? SA_RESTART : 0;
		sigaction(SIGUSR1, &action, NULL);
		signals = 0;
		ends_alarm(20, to_names[sinks[i % 2]]);
		test_note(to_names[sinks[i % 2]]);
		from_make(&from, FROM_FILE, SIZE, true);
		to_make_slow(&to, sinks[i % 2], SIZE, true, 1000);
		CHECK_EQ(pthread_create(&thread, NULL, signal_then_read, &to), 0);
		CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, &report), SIZE);
		pthread_join(thread, NULL);
		CHECK(signals >= SIGNALS_HANDLED && signals <= SIGNALS);
		CHECK_EQ(report.sink_waits, 0u);
		to_finish(&to, SIZE);
		CHECK_EQ(to.got_size, (uint64_t)SIZE);
		CHECK_BYTES(to.got, from.bytes, SIZE);
		from_close(&from);
		to_close(&to);
	}
}

static void *peer_goes(void *arg)
{
	usleep(60000);
	shutdown(((const struct to_end *)arg)->peer, SHUT_RDWR);
	return NULL;
}

/* A call that waits by itself learns that its peer has gone; SIGPIPE stays where it was. */
static void a_peer_that_goes_while_a_call_waits(void)
{
	struct leat_report report;
	struct from_end from;
	struct to_end to;
	pthread_t thread;
	int64_t r;

	ends_alarm(20, "a peer that goes");
	from_make(&from, FROM_FILE, SIZE, true);
	to_make_slow(&to, TO_UNIX, SIZE, true, 1000);
	CHECK_EQ(pthread_create(&thread, NULL, peer_goes, &to), 0);
	r = leat_copy(&to.sink, &from.source, NULL, &report);
	pthread_join(thread, NULL);
	CHECK_SAY(r == -EPIPE || r == -ECONNRESET, "%s", leat_strerror((int)r));
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	CHECK(report.bytes > 0 && report.bytes < SIZE);
	from_close(&from);
	to_close(&to);
}

/* ---- A pipe of the caller's: one process may feed it and read the socket. ---- */

struct writer {
	int pipe, came_back;
	uint64_t given;
	struct to_end *to;
};

/* Until pipe and socket are full, and both have been for a while. */
static void *write_until_full(void *arg)
{
	static const char bytes[65536];
	struct writer *writer = arg;

	for (int quiet = 0; quiet < 20; quiet++) {
		ssize_t n = write(writer->pipe, bytes, sizeof bytes);

		CHECK(n > 0 || errno == EAGAIN);
		writer->given += n > 0 ? (uint64_t)n : 0;
		quiet = n > 0 ? -1 : quiet;
		usleep(n > 0 ? 0 : 10000);
	}
	__atomic_store_n(&writer->came_back, 1, __ATOMIC_RELEASE);
	close(writer->pipe);
	return NULL;
}

/* Lets the peer read once the writer came back, or, when it does not, after 10 s: then whoever stands still goes on. */
static void *read_at_last(void *arg)
{
	struct writer *writer = arg;
	int came_back = 0;

	for (int i = 0; i < 1000 && !came_back; i++) {
		usleep(10000);
		came_back = __atomic_load_n(&writer->came_back, __ATOMIC_ACQUIRE);
	}
	to_allow(writer->to, UINT64_MAX);
	return came_back ? writer : NULL;
}

static void who_writes_to_the_pipe_does_not_stand_still(void)
{
	static const enum to sinks[] = { TO_UNIX, TO_TCP };

	for (unsigned i = 0; i < 2; i++) {
		struct to_end to;
		struct writer writer = { .to = &to };
		struct leat_source source;
		struct leat_report report;
		pthread_t writes, reads;
		void *came_back;
		int pair[2];

		ends_alarm(40, to_names[sinks[i]]);
		test_note(to_names[sinks[i]]);
		CHECK_CALL(pipe2(pair, O_CLOEXEC));
		ends_nonblock(pair[1], true);
		writer.pipe = pair[1];
		leat_from_fd(&source, pair[0]);
		to_make_slow(&to, sinks[i], 32 << 20, true, 1000);
		CHECK_EQ(pthread_create(&writes, NULL, write_until_full, &writer), 0);
		CHECK_EQ(pthread_create(&reads, NULL, read_at_last, &writer), 0);
		CHECK(leat_copy(&to.sink, &source, NULL, &report) > 0);
		pthread_join(writes, NULL);
		pthread_join(reads, &came_back);
		CHECK_SAY(came_back, "a write to the pipe, with O_NONBLOCK, came back only when the socket was read");
		CHECK_EQ(report.bytes, writer.given);
		CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE], writer.given);
		leat_close(&source);
		to_finish(&to, report.bytes);
		CHECK_EQ(to.got_size, writer.given);
		to_close(&to);
		close(pair[0]);
	}
}

/* ---- A callback that closes the source, which it may not: whose descriptor it was is told. ---- */

static void close_it(void *arg, const struct leat_event *event)
{
	int *fd = arg;

	if (event->kind != LEAT_EVENT_MOVED || *fd < 0)
		return;
	close(*fd);
	*fd = -1;
}

static void a_source_that_a_callback_closes(void)
{
	struct leat_report report;
	struct leat_log log;
	struct from_end from;
	struct to_end to;

	ends_alarm(20, "a source that is closed");
	from_make(&from, FROM_FILE, SIZE, true);
	to_make(&to, TO_TCP, SIZE, true);
	leat_wrap(&from.source, leat_log_init(&log, close_it, &from.fd));
	CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, &report), -EBADF);
	CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
	CHECK(report.bytes > 0 && report.bytes < SIZE);
	from_close(&from);
	to_close(&to);
}

/* ---- A low water mark, under which somebody else's bytes stand as well. ---- */

static int taken_by_others;	/* so many times */

int64_t __real_sys_unsent_bytes(int fd);
int64_t __wrap_sys_unsent_bytes(int fd);

int64_t __wrap_sys_unsent_bytes(int fd)
{
	if (!taken_by_others)
		return __real_sys_unsent_bytes(fd);
	taken_by_others--;
	return 1 << 20;
}

/* A call of no bytes would look like the end of the source. */
static void another_writer_takes_the_room(void)
{
	struct leat_deadline deadline;	/* somebody is owed word: so the room is asked for */
	struct leat_report report;
	struct from_end from;
	struct to_end to;
	int mark = 65536;

	ends_alarm(20, "another writer");
	from_make(&from, FROM_FILE, SIZE, true);
	to_make(&to, TO_TCP, SIZE, true);
	CHECK_CALL(setsockopt(to.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &mark, sizeof mark));
	leat_wrap_sink(&to.sink, leat_deadline_init(&deadline, 10 * LEAT_SECOND, 0));
	taken_by_others = 3;
	CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, &report), SIZE);
	CHECK_EQ(taken_by_others, 0);
	CHECK_GE(report.sink_waits, 3u);
	to_finish(&to, SIZE);
	CHECK_EQ(to.got_size, (uint64_t)SIZE);
	from_close(&from);
	to_close(&to);
}

static const struct test tests[] = {
	TEST(signals_in_a_call_that_waits), TEST(a_peer_that_goes_while_a_call_waits), TEST(who_writes_to_the_pipe_does_not_stand_still),
	TEST(another_writer_takes_the_room), TEST(a_source_that_a_callback_closes),
};
TEST_MAIN(tests)
