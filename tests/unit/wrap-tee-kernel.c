/* SPDX-License-Identifier: MIT */
/* Transfers with a tee. tee(2): a second sink that takes no splice, a wrapper or a sandbox that forbids it, and the reasons in the
 * report. And a second that nobody reads. */
#include "check.h"
#include "descriptors.h"
#include "sys.h"
#include "step.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

static struct leat_tee t;
static unsigned char buffer[64];

/* tee(2), when it is denied. */
static int tee_denied;
int64_t __real_sys_tee(int in, int out, uint64_t bytes, unsigned flags);
int64_t __wrap_sys_tee(int in, int out, uint64_t bytes, unsigned flags);

int64_t __wrap_sys_tee(int in, int out, uint64_t bytes, unsigned flags)
{
	return tee_denied ? -tee_denied : __real_sys_tee(in, out, bytes, flags);
}

/* One transfer of ten bytes from a socket into a file, with a tee to this device or descriptor; then all is closed. */
static int64_t from_socket(int to, struct leat_wrapper *other, struct leat_report *report)
{
	FILE *file = tmpfile();
	struct leat_source source;
	struct leat_sink sink, end;
	int64_t n;
	int fds[2];

	CHECK(file);
	CHECK_CALL(to);
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	CHECK_EQ(write(fds[1], "0123456789", 10), 10);
	close(fds[1]);
	leat_from_fd(&source, fds[0]);
	leat_to_fd(&sink, to);
	leat_wrap(&source, leat_tee_init(&t, &sink, LEAT_TEE_WAIT, buffer, 64));
	if (other)
		leat_wrap(&source, other);
	leat_to_fd(&end, fileno(file));
	n = leat_copy(&end, &source, NULL, report);
	leat_close(&source);
	leat_close_sink(&end);
	close(fds[0]);
	close(to);
	fclose(file);
	return n;
}

/* A device that takes no splice gets it by write, with what write says: the same as by copy. */
static void second_does_not_splice(void)
{
	struct leat_report report;
	struct leat_frame frame;

	for (int copies = 0; copies < 2; copies++) {	/* a frame: no tee(2) */
		struct leat_wrapper *w = copies ? leat_chunked_init(&frame, 0) : NULL;

		CHECK_EQ(from_socket(open("/dev/full", O_WRONLY | O_NONBLOCK | O_CLOEXEC), w, &report), -ENOSPC);
		CHECK_EQ(report.route_calls[LEAT_ROUTE_SPLICE_PIPE] > 0, !copies);
		CHECK_EQ(report.side, LEAT_SIDE_WRAPPER);
		CHECK_STR(report.culprit, "tee");
		CHECK_EQ(t.error, -ENOSPC);
		CHECK_EQ(t.dropped_bytes, 0);
		CHECK_EQ(t.len, copies ? t.len : 10);	/* kept for a second that has room again */
	}
}

/* What closed the route has its name, and its reason. */
static void who_forbids_the_kernels_tee(void)
{
	static const int errors[] = { ENOSYS, EPERM, EINVAL };
	struct leat_report report;
	struct leat_xxh3 hash;

	CHECK_EQ(from_socket(open("/dev/null", O_WRONLY | O_NONBLOCK), NULL, &report), 10);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], 10);
	CHECK_EQ(from_socket(open("/dev/null", O_WRONLY | O_NONBLOCK), leat_xxh3_init(&hash), &report), 10);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_NEEDS_CONTENT);
	CHECK_STR(report.refused_by[LEAT_ROUTE_SPLICE_PIPE], "xxh3");
	CHECK_EQ(from_socket(open("/dev/null", O_WRONLY), NULL, &report), 10);	/* it might wait */
	CHECK_STR(report.refused_by[LEAT_ROUTE_SPLICE_PIPE], "tee");
	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		tee_denied = errors[i];
		CHECK_EQ(from_socket(open("/dev/null", O_WRONLY | O_NONBLOCK), NULL, &report), 10);
		tee_denied = 0;
		CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_SANDBOX);
	}
}

/* Each part has its tee, and each tee its pipe while the part runs, by steps and when it is cut too. */
static void parts_leave_no_pipes(void)
{
	enum { PARTS = 5 };
	static struct leat_tee tees[PARTS];
	static unsigned char rings[PARTS][64];

	for (int cancel = 0; cancel < 2; cancel++) {
		struct leat_source parts[PARTS], source;
		struct leat_sink seconds[PARTS], end;
		struct leat_queue queue;
		struct leat_transfer transfer;
		struct leat_options options = { .step_bytes = 10 };
		struct leat_report report;
		int fds[PARTS][2], null = CHECK_CALL(open("/dev/null", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
		FILE *file = tmpfile();
		unsigned before, steps = 0;

		CHECK(file);
		leat_queue_init(&queue);
		for (int i = 0; i < PARTS; i++) {
			CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds[i]));
			CHECK_EQ(write(fds[i][1], "0123456789", 10), 10);
			CHECK_CALL(shutdown(fds[i][1], SHUT_WR));
			leat_from_fd(&parts[i], fds[i][0]);
			leat_to_fd(&seconds[i], null);
			leat_wrap(&parts[i], leat_tee_init(&tees[i], &seconds[i], LEAT_TEE_WAIT, rings[i], 64));
			CHECK_EQ(leat_queue_add(&queue, &parts[i]), 0);
		}
		leat_queue_end(&queue);
		leat_from_queue(&source, &queue);
		leat_to_fd(&end, fileno(file));
		before = count_descriptors();
		CHECK_EQ(leat_begin(&transfer, &end, &source, &options), 0);
		while (leat_step(&transfer) > 0 && (!cancel || ++steps < PARTS - 1))
			CHECK_LE(count_descriptors(), before + 5);	/* a pipe of the transfer, one of a tee, the opened sink */
		CHECK_EQ(leat_end(&transfer, &report), cancel ? -ECANCELED : 0);
		CHECK(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE] > 0);	/* by tee(2) */
		leat_close(&source);
		leat_close_sink(&end);
		CHECK_EQ(count_descriptors(), before);
		for (int i = 0; i < PARTS; i++) {
			leat_close(&parts[i]);
			close(fds[i][0]);
			close(fds[i][1]);
		}
		fclose(file);
		close(null);
	}
}

/* ---- A second that nobody reads ---- */

static volatile sig_atomic_t raised;

static void on_pipe(int signal)
{
	raised++;
}

/* A pipe without a reader, as the second of t; raised counts from here. */
static int dead_second(struct leat_sink *second, struct sigaction *old)
{
	struct sigaction action = { .sa_handler = on_pipe };
	int fds[2];

	CHECK_CALL(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	close(fds[0]);
	leat_to_fd(second, fds[1]);
	leat_tee_init(&t, second, LEAT_TEE_DROP, NULL, 0);
	sigaction(SIGPIPE, &action, old);
	raised = 0;
	return fds[1];
}

static void nothing_raised(int fd, const struct sigaction *old)
{
	sigset_t mask;

	CHECK_EQ(t.error, -EPIPE);
	CHECK_EQ(raised, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	CHECK_EQ(sigismember(&mask, SIGPIPE), 0);
	sigaction(SIGPIPE, old, NULL);
	close(fd);
}

/* Of a part that is over before the step is. */
static void a_part_with_a_dead_second(void)
{
	const struct leat_options unhurried = { .step_ns = UINT64_C(60000000000) };	/* one step, however slow */
	struct leat_source parts[2], source;
	struct leat_transfer transfer;
	struct leat_sink second, sink;
	struct leat_queue queue;
	struct sigaction old;
	int fd = dead_second(&second, &old);

	leat_queue_init(&queue);
	for (int i = 0; i < 2; i++) {
		leat_from_memory(&parts[i], "12345", 5);
		CHECK_EQ(leat_queue_add(&queue, &parts[i]), 0);
	}
	leat_wrap(&parts[0], &t.wrapper);
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, &unhurried), 0);
	CHECK_EQ(leat_step(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, NULL), 0);
	leat_close(&source);
	nothing_raised(fd, &old);
}

static int same(struct leat_wrapper *wrapper, struct leat_change *change)
{
	size_t n = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;

	memcpy(change->out, change->in, n);
	change->consumed = change->produced = n;
	return change->last && n == change->in_bytes ? LEAT_END : 0;
}

static int64_t takes_nothing(void *arg, const void *bytes, size_t length, int more, struct pollfd *wait)
{
	return -EAGAIN;
}

/* What a changer has taken is charged, and seen by a tee above it, when the transfer is cancelled: outside any step. */
static void a_cancel_with_a_dead_second(void)
{
	static const struct leat_wrapper_ops same_ops = { .name = "same", .need = LEAT_NEED_CHANGE, .change = same };
	static const struct leat_sink_ops full_ops = { .write = takes_nothing };
	struct leat_transfer transfer;
	struct leat_wrapper changer;
	struct leat_source source;
	struct leat_sink second, sink;
	struct sigaction old;
	int fd = dead_second(&second, &old);

	leat_from_memory(&source, "12345", 5);
	leat_wrap(&source, &t.wrapper);
	leat_wrap(&source, leat_wrapper_init(&changer, &same_ops));
	leat_to_callback(&sink, &full_ops, NULL);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
	CHECK_EQ(step_on(&transfer), LEAT_WAIT);
	CHECK_EQ(t.error, 0);
	CHECK_EQ(leat_end(&transfer, NULL), -ECANCELED);
	leat_close(&source);
	nothing_raised(fd, &old);
}

static const struct test tests[] = {
	TEST(parts_leave_no_pipes),
	TEST(second_does_not_splice),
	TEST(who_forbids_the_kernels_tee),
	TEST(a_part_with_a_dead_second),
	TEST(a_cancel_with_a_dead_second),
};
TEST_MAIN(tests)
