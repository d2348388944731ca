/* SPDX-License-Identifier: MIT */
/* What a loop with thousands of pairs of sockets counts on: few calls to begin and to step, nothing held while idle, and the choice
 * between copy and splice by what comes, not by what is allowed. */
#include "check.h"

#include "helper.h"
#include "leat.h"
#include "sys.h"
#include "types.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define CASE_BYTES (64 * KIB)

static unsigned asked, masked;

int __real_sys_fstat(int fd, struct stat *stat);
int __wrap_sys_fstat(int fd, struct stat *stat);
int __wrap_sys_fstat(int fd, struct stat *stat)
{
	asked++;
	return __real_sys_fstat(fd, stat);
}

int __real_sys_get_flags(int fd);
int __wrap_sys_get_flags(int fd);
int __wrap_sys_get_flags(int fd)
{
	asked++;
	return __real_sys_get_flags(fd);
}

int __real_sys_socket_option(int fd, int level, int option, void *value, unsigned *size);
int __wrap_sys_socket_option(int fd, int level, int option, void *value, unsigned *size);
int __wrap_sys_socket_option(int fd, int level, int option, void *value, unsigned *size)
{
	asked++;
	return __real_sys_socket_option(fd, level, option, value, size);
}

int __real_sys_mask_pipe(void);
int __wrap_sys_mask_pipe(void);
int __wrap_sys_mask_pipe(void)
{
	masked++;
	return __real_sys_mask_pipe();
}

struct pair {			/* in[1] and out[0] are the peers */
	int in[2], out[2];
	struct leat_source source;
	struct leat_sink sink;
	struct leat_transfer transfer;
};

static struct leat_helper helper;
static unsigned char data[CASE_BYTES];

static void open_pair(struct pair *pair)
{
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->in));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair->out));
	leat_from_fd(&pair->source, pair->in[0]);
	leat_to_fd(&pair->sink, pair->out[1]);
}

static void begin_pair(struct pair *pair, const struct leat_options *options)
{
	CHECK_EQ(leat_begin(&pair->transfer, &pair->sink, &pair->source, options), 0);
}

static void send_bytes(struct pair *pair, size_t bytes)
{
	CHECK_EQ(send(pair->in[1], data, bytes, 0), (ssize_t)bytes);
}

/* Until it waits: what takes its time, as under valgrind, is asked to be stepped again. */
static void step_on(struct pair *pair)
{
	int r;

	while ((r = leat_step(&pair->transfer)) == LEAT_AGAIN)
		;
	CHECK_EQ(r, LEAT_WAIT);
}

static void goes_through(struct pair *pair, size_t bytes)
{
	size_t got = 0;

	send_bytes(pair, bytes);
	while (got < bytes) {
		ssize_t n;

		step_on(pair);
		n = recv(pair->out[0], data, sizeof data, 0);
		CHECK(n > 0);
		got += (size_t)n;
	}
	step_on(pair);
}

static void close_pair(struct pair *pair)
{
	leat_close(&pair->source);
	leat_close_sink(&pair->sink);
	for (int i = 0; i < 2; i++) {
		close(pair->in[i]);
		close(pair->out[i]);
	}
}

static void end_pair(struct pair *pair, struct leat_report *report)
{
	leat_end(&pair->transfer, report);
	close_pair(pair);
}

static void an_alike_socket_is_not_asked(void)
{
	struct pair first, second;
	struct leat_report report;

	open_pair(&first);
	open_pair(&second);
	CHECK_EQ(leat_look(&first.source), 0);
	CHECK_EQ(leat_look_sink(&first.sink), 0);
	CHECK(asked > 0);
	asked = 0;
	leat_from_alike(&second.source, second.in[0], &first.source);
	leat_to_alike(&second.sink, second.out[1], &first.sink);
	begin_pair(&second, NULL);
	CHECK_EQ(asked, 0u);
	goes_through(&second, 1000);
	end_pair(&second, &report);
	CHECK_EQ(report.bytes, 1000u);
	CHECK_EQ(report.source_kind, LEAT_KIND_UNIX);
	close_pair(&first);		/* no transfer was begun on it */
}

static void only_a_socket_that_was_looked_at_serves(void)
{
	struct leat_source looked, source, memory;
	struct leat_sink looked_sink, sink;
	int fds[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
	leat_from_fd(&looked, fds[0]);
	leat_to_fd(&looked_sink, fds[0]);
	leat_from_alike(&source, fds[1], &looked);		/* not yet */
	CHECK_EQ(leat_look(&source), -EINVAL);
	leat_to_alike(&sink, fds[1], &looked_sink);
	CHECK_EQ(leat_look_sink(&sink), -EINVAL);
	CHECK_EQ(leat_look(&looked), 0);
	leat_from_alike(&source, -1, &looked);
	CHECK_EQ(leat_look(&source), -EBADF);
	leat_from_alike(&looked, fds[0], &looked);		/* of itself nothing is left */
	CHECK_EQ(leat_look(&looked), -EINVAL);
	leat_from_memory(&memory, "x", 1);
	leat_from_alike(&source, fds[1], &memory);
	CHECK_EQ(leat_look(&source), -EINVAL);
	leat_to_fd(&looked_sink, null);
	CHECK_EQ(leat_look_sink(&looked_sink), 0);
	leat_to_alike(&sink, fds[1], &looked_sink);
	CHECK_EQ(leat_look_sink(&sink), -EINVAL);
	close(null);
	close(fds[0]);
	close(fds[1]);
}

static void what_is_copied_raises_no_signal(void)
{
	struct pair pair;

	open_pair(&pair);
	begin_pair(&pair, NULL);
	for (int i = 0; i < 10; i++)
		goes_through(&pair, 1000);
	CHECK_EQ(masked, 0u);
	send_bytes(&pair, CASE_BYTES);			/* reads fill up: splice from here on, in the midst of a step */
	CHECK_CALL(close(pair.out[0]));
	while (leat_step(&pair.transfer) >= 0)
		;
	CHECK(masked > 0);
	pair.out[0] = -1;
	end_pair(&pair, NULL);
}

static void an_idle_one_holds_nothing(void)
{
	struct leat_options options = { .helper = &helper };
	struct pair pairs[3];

	CHECK_EQ(leat_helper_init(&helper, 1), 0);	/* one pipe for all */
	for (int i = 0; i < 3; i++) {
		open_pair(&pairs[i]);
		begin_pair(&pairs[i], &options);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++) {
			struct transfer *t = (struct transfer *)&pairs[i].transfer;

			goes_through(&pairs[i], CASE_BYTES);
			CHECK(t->pipe.fd[0] < 0);
			CHECK(!t->buffer.bytes);
		}
	}
	CHECK_EQ(leat_helper_pipes(&helper), 1u);
	for (int i = 0; i < 3; i++) {
		struct leat_report report;

		end_pair(&pairs[i], &report);
		CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_OK);
		CHECK(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE] > CASE_BYTES);
	}
	leat_helper_end(&helper);
}

static uint64_t clock_ns(void *arg)
{
	return *(uint64_t *)arg;
}

static void holds_nothing_while_it_waits_for(const struct pair *pair, enum leat_side side)
{
	const struct transfer *t = (const struct transfer *)&pair->transfer;

	CHECK_EQ(t->waiting, side);
	CHECK(t->pipe.fd[0] < 0);
	CHECK(!t->buffer.bytes);
}

/* A connection between two requests, and one that may not send just now. */
static void whomever_an_idle_one_waits_for(void)
{
	uint64_t now_ns = 1;
	struct leat_options options = { .helper = &helper, .clock_ns = clock_ns, .clock_arg = &now_ns };
	struct leat_source part;
	struct leat_limit limit;
	struct leat_queue queue;
	struct leat_rate rate;
	struct pair pair;

	CHECK_EQ(leat_helper_init(&helper, 1), 0);
	open_pair(&pair);
	leat_from_fd(&part, pair.in[0]);
	leat_wrap(&part, leat_limit_init(&limit, CASE_BYTES));
	leat_queue_init(&queue);
	leat_from_queue(&pair.source, &queue);
	CHECK_EQ(leat_queue_add(&queue, &part), 0);
	begin_pair(&pair, &options);
	goes_through(&pair, CASE_BYTES);
	holds_nothing_while_it_waits_for(&pair, LEAT_SIDE_CALLER);
	end_pair(&pair, NULL);

	open_pair(&pair);
	leat_wrap(&pair.source, leat_rate_init(&rate, 200000, CASE_BYTES / 2));
	begin_pair(&pair, &options);
	send_bytes(&pair, CASE_BYTES);
	step_on(&pair);
	holds_nothing_while_it_waits_for(&pair, LEAT_SIDE_WRAPPER);
	end_pair(&pair, NULL);
	leat_helper_end(&helper);
}

/* Denied a pipe it copies, but not for good. */
static void who_was_denied_a_pipe_gets_the_next(void)
{
	struct leat_options options = { .helper = &helper };
	struct pair first, second;
	struct leat_report report;
	uint64_t copied;

	CHECK_EQ(leat_helper_init(&helper, 1), 0);
	open_pair(&first);
	begin_pair(&first, &options);
	for (int i = 0; i < 2; i++) {		/* until its peer has no more room: it holds the one pipe */
		while (send(first.in[1], data, sizeof data, MSG_DONTWAIT) > 0)
			;
		step_on(&first);
	}
	open_pair(&second);
	begin_pair(&second, &options);
	goes_through(&second, CASE_BYTES);
	goes_through(&second, CASE_BYTES);
	leat_so_far(&second.transfer, &report);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_PIPE_BUDGET);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], 0u);
	copied = report.route_bytes[LEAT_ROUTE_COPY];
	CHECK_EQ(copied, 2u * CASE_BYTES);
	end_pair(&first, NULL);			/* its pipe is not empty, and closed */
	open_pair(&first);
	begin_pair(&first, &options);
	goes_through(&first, CASE_BYTES);
	goes_through(&second, CASE_BYTES);
	goes_through(&second, CASE_BYTES);
	end_pair(&second, &report);
	CHECK(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE] >= CASE_BYTES);
	CHECK_EQ(report.bytes, 4u * CASE_BYTES);
	end_pair(&first, NULL);
	leat_helper_end(&helper);
}

/* Never a copy: without the pipe that it had, it would have to fail in the midst. */
static void who_may_not_copy_keeps_its_pipe(void)
{
	struct leat_options options = { .helper = &helper }, require = { .helper = &helper, .policy = LEAT_REQUIRE };
	struct pair first, second;
	struct leat_report report;

	CHECK_EQ(leat_helper_init(&helper, 1), 0);
	open_pair(&first);
	begin_pair(&first, &require);
	goes_through(&first, CASE_BYTES);
	open_pair(&second);
	begin_pair(&second, &options);
	for (int i = 0; i < 2; i++) {		/* until its peer has no more room */
		while (send(second.in[1], data, sizeof data, MSG_DONTWAIT) > 0)
			;
		step_on(&second);
	}
	goes_through(&first, CASE_BYTES);
	end_pair(&first, &report);
	CHECK_EQ(report.bytes, 2 * CASE_BYTES);
	end_pair(&second, NULL);
	leat_helper_end(&helper);
}

/* The pipe of the tee has the size of the transfer's, which in the pool another transfer would make larger. */
static void two_pipes_of_a_tee_stay_alike(void)
{
	struct leat_options small = { .helper = &helper, .pipe_bytes = 64 * KIB }, large = { .helper = &helper };
	static unsigned char ring[4096];
	struct leat_sink copy;
	struct leat_tee tee;
	struct leat_report report;
	struct pair teed, other;
	FILE *file = tmpfile();

	CHECK(file);
	CHECK_EQ(leat_helper_init(&helper, 1), 0);
	open_pair(&teed);
	leat_to_fd(&copy, fileno(file));
	leat_wrap(&teed.source, leat_tee_init(&tee, &copy, LEAT_TEE_FAIL, ring, sizeof ring));
	begin_pair(&teed, &small);
	goes_through(&teed, 1000);
	open_pair(&other);
	begin_pair(&other, &large);
	goes_through(&other, CASE_BYTES);
	for (int i = 0; i < 40; i++)		/* more than the slots of 64 KiB */
		send_bytes(&teed, 1000);
	for (size_t got = 0; got < 40000;) {
		ssize_t n;

		step_on(&teed);
		n = recv(teed.out[0], data, sizeof data, 0);
		CHECK(n > 0);
		got += (size_t)n;
	}
	end_pair(&teed, &report);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_OK);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], 41000u);
	CHECK_EQ(lseek(fileno(file), 0, SEEK_END), 41000);
	end_pair(&other, NULL);
	leat_helper_end(&helper);
	fclose(file);
}

/* A Unix socket's read ends where a descriptor was passed, and no edge tells of what stands behind it. */
static void a_short_read_of_a_unix_socket_is_not_its_last(void)
{
	struct leat_options options = { .level_triggered = 1 };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec part = { .iov_base = data, .iov_len = 100 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	struct pair pair;

	open_pair(&pair);
	begin_pair(&pair, &options);
	memcpy(CMSG_DATA(&control.head), &pair.in[1], sizeof(int));
	CHECK_EQ(sendmsg(pair.in[1], &message, 0), 100);
	send_bytes(&pair, 50);
	step_on(&pair);
	CHECK_EQ(recv(pair.out[0], data, sizeof data, 0), 150);
	end_pair(&pair, NULL);
}

static void a_rate_leaves_splice_alone(void)
{
	uint64_t now_ns = 1;
	struct leat_options options = { .clock_ns = clock_ns, .clock_arg = &now_ns };
	struct leat_report report;
	struct leat_rate rate;
	struct pair pair;

	open_pair(&pair);
	leat_wrap(&pair.source, leat_rate_init(&rate, 200000, 20000));	/* 1000 bytes each 5 ms */
	begin_pair(&pair, &options);
	send_bytes(&pair, CASE_BYTES);
	for (size_t got = 0; got < CASE_BYTES; now_ns += LEAT_SECOND / 200) {
		ssize_t n;

		step_on(&pair);
		n = recv(pair.out[0], data, sizeof data, 0);
		got += n > 0 ? (size_t)n : 0;
	}
	end_pair(&pair, &report);
	CHECK_EQ(report.bytes, (uint64_t)CASE_BYTES);
	CHECK_LE(report.route_bytes[LEAT_ROUTE_COPY], 20000u);
}

static void small_ones_are_copied_again(void)
{
	struct leat_report before, after;
	struct pair pair;

	open_pair(&pair);
	begin_pair(&pair, NULL);
	goes_through(&pair, CASE_BYTES);
	for (int i = 0; i < 8; i++)
		goes_through(&pair, 500);		/* the eighth says that it does not pay */
	leat_so_far(&pair.transfer, &before);
	for (int i = 0; i < 8; i++)
		goes_through(&pair, 500);
	end_pair(&pair, &after);
	CHECK_EQ(after.route_bytes[LEAT_ROUTE_COPY] - before.route_bytes[LEAT_ROUTE_COPY], 4000u);
	CHECK_EQ(after.route_bytes[LEAT_ROUTE_SPLICE_PIPE], before.route_bytes[LEAT_ROUTE_SPLICE_PIPE]);
}

static const struct test tests[] = {
	TEST(an_alike_socket_is_not_asked),
	TEST(only_a_socket_that_was_looked_at_serves),
	TEST(what_is_copied_raises_no_signal),
	TEST(an_idle_one_holds_nothing),
	TEST(whomever_an_idle_one_waits_for),
	TEST(who_was_denied_a_pipe_gets_the_next),
	TEST(who_may_not_copy_keeps_its_pipe),
	TEST(two_pipes_of_a_tee_stay_alike),
	TEST(a_short_read_of_a_unix_socket_is_not_its_last),
	TEST(a_rate_leaves_splice_alone),
	TEST(small_ones_are_copied_again),
};
TEST_MAIN(tests)
