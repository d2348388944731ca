/* SPDX-License-Identifier: MIT */
/* tee by copy, driven by its ops: the three policies against a second sink that is slow, short or broken. */
#include "wrap-drive.h"
#include "wrap/wrap.h"

#include <fcntl.h>

#define SENTINEL 0x77

struct second {			/* a sink that takes what it is told to */
	struct leat_sink sink;
	unsigned char got[1 << 16];
	size_t length;
	uint64_t takes;		/* in all, from here on; then -EAGAIN, or error */
	uint64_t piece;		/* in one call; 0: any */
	int error;
	int calls;
};

static int64_t second_write(void *arg, const void *bytes, size_t length, int more, struct pollfd *wait)
{
	struct second *second = arg;
	uint64_t n = length < second->takes ? length : second->takes;

	second->calls++;
	if (second->piece && n > second->piece)
		n = second->piece;
	if (!n) {
		*wait = (struct pollfd){ .fd = 42, .events = POLLIN };	/* as TLS may */
		return second->error ? second->error : -EAGAIN;
	}
	CHECK(second->length + n <= sizeof second->got);
	memcpy(second->got + second->length, bytes, n);
	second->length += n;
	second->takes -= n;
	return (int64_t)n;
}

static const struct leat_sink_ops second_ops = { .name = "second", .write = second_write };

static struct second second;
static struct leat_tee t;
static unsigned char buffer[64 + 1];

static struct leat_wrapper *start(enum leat_tee_policy policy, size_t size, uint64_t takes)
{
	struct leat_wrapper *w;

	memset(&second, 0, sizeof second);
	memset(buffer, SENTINEL, sizeof buffer);
	second.takes = takes;
	leat_to_callback(&second.sink, &second_ops, &second);
	w = leat_tee_init(&t, &second.sink, policy, size ? buffer : NULL, size);
	CHECK(w == &t.wrapper && w->ops == &tee_ops);
	tell(w, LEAT_EVENT_BEGIN, 1);
	return w;
}

static int finish(struct leat_wrapper *w, struct leat_budget *budget)
{
	*budget = budget_at(0, 1);
	return w->ops->finish(w, budget);
}

static void wait_takes_no_more_than_there_is_room_for(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_WAIT, 10, 4);
	struct leat_budget budget = budget_at(100, 1);

	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 10);
	CHECK_EQ(move(w, "0123456789", 10, 1), 0);
	CHECK_EQ(second.length, 4);
	budget = budget_at(100, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 4);
	CHECK_EQ(move(w, "abcd", 4, 1), 0);
	budget = budget_at(100, 1);
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	CHECK_EQ(budget.wait.fd, 42);
	CHECK_EQ(budget.wait.events, POLLIN);
	budget = budget_at(0, 1);
	CHECK_EQ(ask(w, &budget), 0);	/* nobody wants anything: nothing to wait for */
	second.takes = 3;
	budget = budget_at(100, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 3);
	CHECK_EQ(finish(w, &budget), LEAT_WAIT);
	CHECK_EQ(budget.wait.fd, 42);
	second.takes = 100;
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_EQ(second.length, 14);
	CHECK_BYTES(second.got, "0123456789abcd", 14);
	CHECK_EQ(t.dropped_bytes, 0);
	CHECK_EQ(buffer[10], SENTINEL);
}

/* A frame's header goes whole: room for half of it is none, unless the buffer could never hold it. */
static void wait_honours_at_least(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_WAIT, 10, 0);
	struct leat_budget budget = budget_at(100, 1);

	CHECK_EQ(move(w, "0123", 4, 1), 0);
	budget.at_least = 7;
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	budget = budget_at(100, 1);
	budget.at_least = 6;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 6);
	second.takes = 4;
	budget = budget_at(100, 1);
	budget.at_least = 81;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 10);
}

static void wait_fails_with_the_second(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_WAIT, 10, 3);
	struct leat_budget budget = budget_at(100, 1);

	second.error = -ENOSPC;
	CHECK_EQ(move(w, "0123456", 7, 1), -ENOSPC);
	CHECK_EQ(t.error, -ENOSPC);
	CHECK_EQ(ask(w, &budget), -ENOSPC);
	CHECK_EQ(finish(w, &budget), -ENOSPC);
	end(w, -ENOSPC, 1);
	second.error = 0;		/* the disk has room again: nothing is lost */
	second.takes = 100;
	tell(w, LEAT_EVENT_BEGIN, 2);
	CHECK_EQ(t.error, 0);
	budget = budget_at(100, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 10);
	CHECK_EQ(move(w, "789", 3, 1), 0);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_BYTES(second.got, "0123456789", 10);
	CHECK_EQ(t.dropped_bytes, 0);
}

static void fail_needs_no_buffer_while_second_keeps_up(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_FAIL, 0, 1000);
	struct leat_budget budget = budget_at(LEAT_UNKNOWN, 1);

	second.piece = 3;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, LEAT_UNKNOWN);	/* holds nothing up */
	CHECK_EQ(move(w, "0123456789", 10, 1), 0);
	CHECK_EQ(second.length, 10);
	CHECK_EQ(finish(w, &budget), 0);
}

static void fail_fails_when_the_buffer_overflows(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_FAIL, 8, 2);
	struct leat_budget budget = budget_at(100, 1);

	CHECK_EQ(move(w, "0123456789", 10, 1), 0);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(finish(w, &budget), LEAT_WAIT);	/* slow, but nothing is lost yet */
	CHECK_EQ(budget.wait.fd, 42);
	CHECK_EQ(move(w, "abc", 3, 1), -ENOBUFS);
	CHECK_EQ(t.dropped_bytes, 3);
	CHECK_EQ(t.error, 0);				/* second itself has none */
	CHECK_EQ(buffer[8], SENTINEL);
}

static void fail_fails_with_the_second(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_FAIL, 2, 3);
	struct leat_budget budget = budget_at(100, 1);

	second.error = -EPIPE;
	CHECK_EQ(move(w, "0123456", 7, 1), -EPIPE);
	CHECK_EQ(t.error, -EPIPE);
	CHECK_EQ(t.dropped_bytes, 2);
	CHECK_EQ(ask(w, &budget), -EPIPE);
	CHECK_EQ(finish(w, &budget), -EPIPE);
}

static void drop_never_waits(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_DROP, 4, 3);
	struct leat_budget budget = budget_at(100, 1);

	CHECK_EQ(move(w, "0123456789", 10, 1), 0);
	CHECK_EQ(t.dropped_bytes, 3);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 100);
	second.takes = 6;
	CHECK_EQ(move(w, "abcdefgh", 8, 1), 0);	/* four from the buffer, two of these, four to the buffer */
	CHECK_BYTES(second.got, "0123456ab", 9);
	CHECK_EQ(t.dropped_bytes, 5);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_EQ(t.dropped_bytes, 9);
	CHECK_EQ(second.length + t.dropped_bytes, 18);
	CHECK_EQ(t.error, 0);
}

static void drop_goes_on_without_a_broken_second(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_DROP, 4, 3);
	struct leat_budget budget = budget_at(100, 1);
	int calls;

	CHECK_EQ(move(w, "01234", 5, 1), 0);
	second.error = -EPIPE;
	CHECK_EQ(move(w, "5678", 4, 1), 0);
	CHECK_EQ(t.error, -EPIPE);
	CHECK_EQ(t.dropped_bytes, 6);
	calls = second.calls;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(move(w, "9", 1, 1), 0);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_EQ(second.calls, calls);	/* it is left alone */
	CHECK_EQ(t.dropped_bytes, 7);
	end(w, 0, 1);
	tell(w, LEAT_EVENT_BEGIN, 2);
	second.error = 0;
	second.takes = 10;
	CHECK_EQ(move(w, "ab", 2, 1), 0);
	CHECK_BYTES(second.got, "012ab", 5);
}

/* What a cancel leaves in the buffer goes out first in the next transfer. */
static void buffer_outlives_a_cancel(void)
{
	struct leat_wrapper *w = start(LEAT_TEE_WAIT, 16, 1);
	struct leat_budget budget;

	CHECK_EQ(move(w, "0123", 4, 1), 0);
	end(w, -ECANCELED, 1);
	tell(w, LEAT_EVENT_BEGIN, 2);
	second.takes = 100;
	CHECK_EQ(move(w, "45", 2, 1), 0);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_BYTES(second.got, "012345", 6);
}

/* Any pattern of shorts and EAGAINs: the second gets what passed, in order, less what was counted as dropped. */
static void random_patterns(void)
{
	static unsigned char data[1 << 16];
	uint64_t seed;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 2654435761u >> 24);
	for (seed = 0; seed < 600; seed++) {
		uint64_t s = seed, size = 1 + random_below(&s, 64), sent = 0;
		enum leat_tee_policy policy = seed % 2 ? LEAT_TEE_WAIT : LEAT_TEE_DROP;
		struct leat_wrapper *w = start(policy, size, 0);
		struct leat_budget budget;

		for (int i = 0; i < 300; i++) {
			second.takes = random_below(&s, 3) ? random_below(&s, 100) : 0;
			second.piece = random_below(&s, 20);
			budget = budget_at(1 + random_below(&s, 150), 1);
			if (ask(w, &budget) == 0) {
				CHECK(budget.bytes >= 1 && (policy == LEAT_TEE_DROP || budget.bytes <= size));
				CHECK_EQ(move(w, data + sent, budget.bytes, 1), 0);
				sent += budget.bytes;
			} else {
				CHECK_EQ(policy, LEAT_TEE_WAIT);
			}
			CHECK(t.len <= size && t.off < size);
			CHECK_EQ(second.length + t.len + t.dropped_bytes, sent);
			CHECK_EQ(buffer[size], SENTINEL);
			if (policy == LEAT_TEE_WAIT)
				CHECK_BYTES(second.got, data, second.length);
		}
		second.takes = UINT64_MAX;
		CHECK_EQ(finish(w, &budget), 0);
		CHECK_EQ(second.length + t.dropped_bytes, sent);
		CHECK(policy == LEAT_TEE_DROP || t.dropped_bytes == 0);
	}
}

/* What tee(2) put into the tee's own pipe: n bytes of data. */
static void pipe_in(const void *data, size_t n)
{
	CHECK_EQ(CHECK_CALL(write(t.pipe[1], data, n)), (ssize_t)n);
	t.piped += n;
}

/* tee(2): moved brings from the tee's pipe to second what it takes, the rest into the buffer, in order. */
static void kernel_tee(void)
{
	static unsigned char big[1 << 17], rest[1 << 17];
	struct leat_sink sink;
	struct leat_budget budget = budget_at(100, 1);
	struct leat_wrapper *w;
	size_t got = 0;
	int fds[2];

	CHECK_CALL(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	leat_to_fd(&sink, fds[1]);
	w = leat_tee_init(&t, &sink, LEAT_TEE_WAIT, buffer, 64);
	CHECK_CALL(pipe2(t.pipe, O_NONBLOCK | O_CLOEXEC));
	w->state |= WRAPPER_KERNEL_TEE;
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 64);
	pipe_in("01234567", 8);
	w->ops->moved(w, 3, LEAT_ROUTE_SPLICE_PIPE);
	CHECK_EQ(CHECK_CALL(read(fds[0], big, sizeof big)), 3);
	w->ops->moved(w, 5, LEAT_ROUTE_SPLICE_PIPE);
	w->ops->moved(w, 5, LEAT_ROUTE_COPY);	/* see had those */
	CHECK_EQ(t.piped, 0);
	while (write(fds[1], big, sizeof big) > 0)
		;
	pipe_in("abcd", 4);
	w->ops->moved(w, 4, LEAT_ROUTE_SPLICE_PIPE);
	CHECK_EQ(t.len, 4);
	CHECK_EQ(read(fds[0], rest, 5), 5);
	CHECK_BYTES(rest, "34567", 5);
	while (read(fds[0], rest, sizeof rest) > 0)
		;
	pipe_in("ef", 2);
	w->ops->moved(w, 2, LEAT_ROUTE_SPLICE_PIPE);
	CHECK_EQ(t.len, 0);
	for (ssize_t n; (n = read(fds[0], rest + got, sizeof rest - got)) > 0;)
		got += (size_t)n;
	CHECK_EQ(got, 6);
	CHECK_BYTES(rest, "abcdef", 6);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_EQ(t.dropped_bytes, 0);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(t.pipe[i]);
	}
}

/* Real descriptors: a full pipe is waited for by its own number, a file is written where it stands. */
static void second_is_a_pipe(void)
{
	static unsigned char big[1 << 17];
	struct leat_sink sink;
	struct leat_budget budget = budget_at(LEAT_UNKNOWN, 1);
	struct leat_wrapper *w;
	uint64_t sent = 0, got;
	int fds[2];

	CHECK_CALL(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	leat_to_fd(&sink, fds[1]);
	w = leat_tee_init(&t, &sink, LEAT_TEE_WAIT, buffer, 64);
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_CALL(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	while (ask(w, &budget) == 0) {
		CHECK(budget.bytes > 0 && budget.bytes <= 64);
		CHECK_EQ(move(w, big, budget.bytes, 1), 0);
		sent += budget.bytes;
		budget = budget_at(LEAT_UNKNOWN, 1);
	}
	CHECK_EQ(t.len, 64);
	CHECK_EQ(budget.wait.fd, fds[1]);
	CHECK_EQ(budget.wait.events, POLLOUT);
	got = (uint64_t)CHECK_CALL(read(fds[0], big, sizeof big));
	CHECK_EQ(finish(w, &budget), 0);
	got += (uint64_t)CHECK_CALL(read(fds[0], big, sizeof big));
	CHECK_EQ(got, sent);
	close(fds[0]);
	close(fds[1]);
}

static void second_is_a_file(void)
{
	FILE *file = tmpfile();
	struct leat_sink sink;
	struct leat_budget budget = budget_at(10, 1);
	char got[16] = "";
	struct leat_wrapper *w;

	CHECK(file);
	leat_to_file(&sink, fileno(file), 2);
	w = leat_tee_init(&t, &sink, LEAT_TEE_FAIL, NULL, 0);
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(move(w, "abc", 3, 1), 0);
	CHECK_EQ(move(w, "de", 2, 1), 0);
	CHECK_EQ(finish(w, &budget), 0);
	CHECK_EQ(CHECK_CALL(pread(fileno(file), got, sizeof got, 0)), 7);
	CHECK_BYTES(got, "\0\0abcde", 7);
	CHECK_EQ(CHECK_CALL(lseek(fileno(file), 0, SEEK_CUR)), 0);
	fclose(file);
}

static void second_is_misused(void)
{
	struct leat_sink sink;
	struct leat_budget budget = budget_at(10, 1);
	struct leat_wrapper *w;

	leat_to_fd(&sink, -1);
	w = leat_tee_init(&t, &sink, LEAT_TEE_FAIL, NULL, 0);
	CHECK(w->ops);
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), -EBADF);
	CHECK_EQ(t.error, -EBADF);
	w = leat_tee_init(&t, &sink, LEAT_TEE_DROP, NULL, 0);
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(move(w, "abc", 3, 1), 0);
	CHECK_EQ(t.dropped_bytes, 3);
	CHECK_EQ(t.error, -EBADF);
	CHECK_EQ(finish(w, &budget), 0);
}

/* What is put around second, or stands on it, after the init would see nothing: it ends the transfer, and says so. */
static void second_is_wrapped_later(void)
{
	static const enum leat_tee_policy policies[] = { LEAT_TEE_WAIT, LEAT_TEE_FAIL, LEAT_TEE_DROP };

	for (int i = 0; i < 6; i++) {
		enum leat_tee_policy policy = policies[i / 2];
		struct leat_wrapper *w = start(policy, 8, 100);
		struct leat_budget budget = budget_at(10, 1);
		struct leat_count count;
		struct leat_sink view;

		if (i % 2)
			leat_to_sink(&view, &second.sink);
		else
			leat_wrap_sink(&second.sink, leat_count_init(&count));
		CHECK_EQ(ask(w, &budget), policy == LEAT_TEE_DROP ? 0 : -EINVAL);
		CHECK_EQ(move(w, "abc", 3, 1), policy == LEAT_TEE_DROP ? 0 : -EINVAL);
		CHECK_EQ(t.error, -EINVAL);
		CHECK_EQ(second.length, 0);
		if (policy == LEAT_TEE_DROP)
			CHECK_EQ(t.dropped_bytes, 3);
		if (i % 2)
			leat_close_sink(&view);
		else
			leat_close_sink(&second.sink);
		if (i % 2) {	/* the next transfer looks again */
			tell(w, LEAT_EVENT_BEGIN, 2);
			CHECK_EQ(move(w, "d", 1, 1), 0);
		}
	}
}

static void null_and_misuse(void)
{
	struct leat_count count;

	CHECK(!leat_tee_init(NULL, &second.sink, LEAT_TEE_WAIT, buffer, 8));
	CHECK(!leat_tee_init(&t, NULL, LEAT_TEE_WAIT, buffer, 8)->ops);
	CHECK(!leat_tee_init(&t, &second.sink, LEAT_TEE_WAIT, NULL, 8)->ops);
	CHECK(!leat_tee_init(&t, &second.sink, LEAT_TEE_WAIT, buffer, 0)->ops);	/* could never take a byte */
	CHECK(!leat_tee_init(&t, &second.sink, (enum leat_tee_policy)7, buffer, 8)->ops);
	CHECK(leat_tee_init(&t, &second.sink, LEAT_TEE_DROP, NULL, 0)->ops == &tee_ops);
	leat_to_callback(&second.sink, &second_ops, &second);
	leat_wrap_sink(&second.sink, leat_count_init(&count));
	CHECK(!leat_tee_init(&t, &second.sink, LEAT_TEE_WAIT, buffer, 8)->ops);	/* second is bare */
}

static const struct test tests[] = {
	TEST(wait_takes_no_more_than_there_is_room_for), TEST(wait_honours_at_least), TEST(wait_fails_with_the_second),
	TEST(fail_needs_no_buffer_while_second_keeps_up), TEST(fail_fails_when_the_buffer_overflows),
	TEST(fail_fails_with_the_second), TEST(drop_never_waits), TEST(drop_goes_on_without_a_broken_second),
	TEST(buffer_outlives_a_cancel), TEST(random_patterns), TEST(kernel_tee), TEST(second_is_a_pipe),
	TEST(second_is_a_file), TEST(second_is_misused), TEST(second_is_wrapped_later),
	TEST(null_and_misuse),
};
TEST_MAIN(tests)
