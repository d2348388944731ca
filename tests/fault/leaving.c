/* SPDX-License-Identifier: MIT */
/*
 * Peers that leave (hazard 51): one that goes away in the midst of a call has it give what went before, and raise SIGPIPE all the
 * same.
 */
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static struct leat_report report;

/* In a process of its own, with SIGPIPE as it is by default. */
static void survives(void (*body)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	lab_dir();	/* this process removes it at the end; a child would leave it */
	pid = CHECK_CALL(fork());
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		alarm(50);
		body();
		fflush(stdout);
		_exit(0);
	}
	CHECK_CALL(waitpid(pid, &status, 0));
	CHECK_SAY(!WIFSIGNALED(status), "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

static int dying[2];

/* What the kernel does when the reader goes away in the midst of a sendfile: it gives what went before, and raises. */
static void peer_dies(void)
{
	close(dying[0]);
	CHECK_EQ(write(dying[1], "x", 1), -1);
	CHECK_EQ(errno, EPIPE);
}

static void short_call_that_raised(const struct leat_options *options, enum seam_call call)
{
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	int file = lab_file(1 << 20), fds[2], r = 0;
	sigset_t pending;

	seam_reset();
	lab_pair(LAB_UNIX, fds);
	lab_pair(LAB_UNIX, dying);
	CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	leat_from_range(&source, file, 0, 1 << 20);
	leat_to_fd(&sink, fds[1]);
	seam_set(call, 0, 4096);
	seam.on_fire = peer_dies;
	CHECK_EQ(leat_begin(&transfer, &sink, &source, options), 0);
	for (int i = 0; i < 4 && !seam.fired; i++)
		r = leat_step(&transfer);
	CHECK_EQ(seam.fired, 1);
	CHECK_GE(r, LEAT_WAIT);		/* not told of any error */
	CHECK_CALL(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGPIPE));
	leat_end(&transfer, NULL);
	leat_close(&source);
	leat_close_sink(&sink);
	close(dying[1]);
	close(fds[0]);
	close(fds[1]);
	close(file);
}

static void short_calls(void)
{
	struct leat_options level = { .level_triggered = 1 }, in_time = { .step_ns = 1 }, in_bytes = { .step_bytes = 8192 };
	struct leat_options *const ways[] = { &level, &in_time, &in_bytes };

	for (int i = 0; i < 6; i++) {
		ways[i / 2]->routes_off = i % 2 ? ROUTE_BIT(LEAT_ROUTE_SENDFILE) : 0;
		short_call_that_raised(ways[i / 2], i % 2 ? SEAM_DRAIN : SEAM_SENDFILE);
	}
}

static void h51_a_short_call_that_raised_kills_nobody(void)
{
	survives(short_calls);
}

static void *read_some_and_leave(void *arg)
{
	static __thread unsigned char piece[65536];
	static unsigned rounds;
	int fd = *(int *)arg;

	for (unsigned n = 1 + rounds++ % 12; n && read(fd, piece, sizeof piece) > 0;)
		n--;
	close(fd);
	return NULL;
}

static void leaving_readers(void)
{
	int file = lab_file(4 << 20);

	for (int i = 0; i < 2000; i++) {
		struct leat_options options = { .level_triggered = i % 2, .step_ns = i % 2 ? 0 : 1 };
		struct leat_transfer transfer;
		struct leat_source source;
		struct leat_sink sink;
		struct leat_wait wait;
		pthread_t reader;
		int fds[2], r;

		lab_pair(LAB_UNIX, fds);
		CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
		leat_from_file(&source, file, 0);
		leat_to_fd(&sink, fds[1]);
		CHECK_EQ(leat_begin(&transfer, &sink, &source, &options), 0);
		CHECK_EQ(pthread_create(&reader, NULL, read_some_and_leave, &fds[0]), 0);
		while ((r = leat_step(&transfer)) > 0) {
			leat_wants(&transfer, &wait);
			if (r == LEAT_WAIT)
				poll(wait.fds, 3, leat_wait_ms(&wait, leat_now_ns()));
		}
		CHECK(r == -EPIPE || r == -ECONNRESET);
		CHECK_EQ(leat_end(&transfer, NULL), r);
		pthread_join(reader, NULL);
		leat_close(&source);
		leat_close_sink(&sink);
		close(fds[1]);
	}
	close(file);
}

static void h51_readers_that_leave_kill_nobody(void)
{
	survives(leaving_readers);
}

/* The part that is first gives nothing; who looked at it alone would not think of SIGPIPE. */
static void view_on_a_queue(void)
{
	for (int view = 0; view < 3; view++) {
		struct leat_source parts[2], whole, views[2], *source = &whole;
		struct leat_queue queue;
		struct leat_sink sink;
		int fds[2], file = lab_file(100000);

		lab_pair(LAB_UNIX, fds);
		close(fds[0]);
		leat_queue_init(&queue);
		leat_from_memory(&parts[0], "", 0);
		leat_from_file(&parts[1], file, 0);
		CHECK_EQ(leat_queue_add(&queue, &parts[0]), 0);
		CHECK_EQ(leat_queue_add(&queue, &parts[1]), 0);
		leat_queue_end(&queue);
		leat_from_queue(&whole, &queue);
		for (int i = 0; i < view; i++) {
			leat_from_source(&views[i], source);
			source = &views[i];
		}
		leat_to_fd(&sink, fds[1]);
		CHECK_EQ(leat_copy(&sink, source, NULL, &report), -EPIPE);
		CHECK_EQ(report.bytes, 0);
		leat_close(source);
		leat_close_sink(&sink);
		close(fds[1]);
		close(file);
	}
}

static void h51_a_view_on_a_queue_kills_nobody(void)
{
	survives(view_on_a_queue);
}

static const struct test tests[] = {
	TEST(h51_a_short_call_that_raised_kills_nobody), TEST(h51_readers_that_leave_kill_nobody),
	TEST(h51_a_view_on_a_queue_kills_nobody),
};
TEST_MAIN(tests)
