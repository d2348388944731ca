/* SPDX-License-Identifier: MIT */
/* leat_read and leat_unread: through the wrappers, waiting or not, before, between and after transfers; and how streams end. */
#include <fcntl.h>
#include <sys/socket.h>

#include "check.h"
#include "ends.h"

#define SIZE 200003

static const unsigned char *content;

static void begin_test(const char *name)
{
	ends_alarm(20, name);
	content = ends_content(4 * SIZE);
}

/* Everything, in pieces of odd sizes. wait: poll for what it wants instead of letting it wait. */
static void read_all(struct from_end *from, bool wait, uint64_t expect)
{
	unsigned char *bytes = malloc(SIZE + 5000);
	struct leat_wait wants;
	uint64_t at = 0;
	int64_t n = 1;

	for (unsigned i = 0; n; i++) {
		n = leat_read(&from->source, bytes + at, 1 + i * 377 % 4999, wait ? &wants : NULL);
		if (n == -EAGAIN && wait) {
			CHECK_GE(poll(wants.fds, 3, leat_wait_ms(&wants, leat_now_ns())), 0);
			continue;
		}
		CHECK_GE(n, 0);
		CHECK_LE(at + (uint64_t)n, expect);
		CHECK_BYTES(bytes + at, from->bytes + at, (size_t)n);
		at += (uint64_t)n;
	}
	CHECK_EQ(at, expect);
	CHECK_EQ(leat_read(&from->source, bytes, 10, wait ? &wants : NULL), 0);	/* and again */
	free(bytes);
}

static void all_kinds_waiting_or_not(void)
{
	struct from_end from;

	begin_test(__func__);
	for (enum from kind = 0; kind < FROM_KINDS; kind++)
		for (int wait = 0; wait < 2; wait++) {
			struct leat_count count;
			const char *what;

			test_note(from_names[kind]);
			from_make(&from, kind, SIZE, !wait);
			leat_wrap(&from.source, leat_count_init(&count));
			read_all(&from, wait, SIZE);
			CHECK_EQ(count.bytes, SIZE);
			what = from_check(&from, SIZE);
			CHECK_SAY(!what, "%s", what);
			from_close(&from);
		}
}

static int sum_update(void *state, const void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		*(uint64_t *)state = *(uint64_t *)state * 31 + ((const unsigned char *)bytes)[i];
	return 0;
}

static unsigned sum_finished;

static int sum_finish(void *state)
{
	sum_finished++;
	return 0;
}

static const struct leat_hash_ops sum_ops = { .name = "sum", .update = sum_update, .finish = sum_finish };

/* What a wrapper sees by leat_read and by a transfer is one stream: read, transfer, read. */
static void a_hash_over_reads_and_transfers(void)
{
	static const enum from kinds[] = { FROM_FILE, FROM_TCP, FROM_PIPE, FROM_MEMORY, FROM_CALLBACK, FROM_QUEUE };
	unsigned char piece[1000];

	begin_test(__func__);
	for (unsigned i = 0; i < 6; i++) {
		uint64_t sum = 0, expect = 0;
		struct leat_hash hash;
		struct leat_limit limit;
		struct leat_sink nothing;
		struct from_end from;

		test_note(from_names[kinds[i]]);
		sum_finished = 0;
		from_make(&from, kinds[i], SIZE, true);
		sum_update(&expect, content, SIZE);
		leat_wrap(&from.source, leat_hash_init(&hash, &sum_ops, &sum));
		CHECK_EQ(leat_read(&from.source, piece, 1000, NULL), 1000);
		leat_to_nothing(&nothing);
		leat_wrap_sink(&nothing, leat_limit_init(&limit, UINT64_MAX));
		CHECK_EQ(leat_copy(&nothing, &from.source, NULL, NULL), SIZE - 1000);
		CHECK(sum == expect);
		CHECK_EQ(sum_finished, 1u);
		CHECK_EQ(leat_read(&from.source, piece, 1000, NULL), 0);
		leat_close_sink(&nothing);
		from_close(&from);
	}
}

/* Sniffing: look at the beginning, put it back, send all. */
static void look_and_put_back(void)
{
	struct from_end from;
	struct to_end to;
	unsigned char piece[512];

	begin_test(__func__);
	for (enum from kind = 0; kind < FROM_KINDS; kind++) {
		struct leat_report report;
		int64_t n;

		if (kind == FROM_PTY || kind == FROM_ZERO)	/* their limits are charged twice then */
			continue;
		test_note(from_names[kind]);
		from_make(&from, kind, SIZE, true);
		to_make(&to, TO_TCP, 2 * SIZE, true);
		n = leat_read(&from.source, piece, sizeof piece, NULL);
		CHECK_GE(n, 1);
		CHECK_BYTES(piece, from.bytes, (size_t)n);
		CHECK_EQ(leat_unread(&from.source, piece, (size_t)n), 0);
		CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, &report), SIZE);
		CHECK_EQ(report.source_bytes, SIZE);
		to_finish(&to, 0);
		CHECK_EQ(to.got_size, SIZE);
		CHECK_BYTES(to.got, from.bytes, SIZE);
		from_close(&from);
		to_close(&to);
	}
}

static void unread_more_than_was_read(void)
{
	struct leat_source source, view;
	unsigned char bytes[40];
	size_t at = 0;
	int64_t n;

	begin_test(__func__);
	leat_from_memory(&source, content, 10);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(leat_unread(&source, "0123456789" + 2 * i, 4), 0);
	leat_from_source(&view, &source);
	CHECK_EQ(leat_unread(&view, "ab", 2), 0);
	while ((n = leat_read(&view, bytes + at, sizeof bytes - at, NULL)) > 0)
		at += (size_t)n;
	CHECK_EQ(n, 0);
	CHECK_EQ(at, 24u);
	CHECK_BYTES(bytes, "ab456723450123", 14);
	CHECK_BYTES(bytes + 14, content, 10);
	CHECK_EQ(leat_unread(NULL, "a", 1), -EINVAL);
	CHECK_EQ(leat_unread(&view, NULL, 1), -EINVAL);
	CHECK_EQ(leat_unread(&view, NULL, 0), 0);
	leat_close(&view);
	leat_close(&source);
}

static void unread_while_busy(void)
{
	struct leat_source source;
	struct leat_transfer t;
	struct leat_sink sink;

	begin_test(__func__);
	leat_from_memory(&source, content, 10);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_begin(&t, &sink, &source, NULL), 0);
	CHECK_EQ(leat_unread(&source, "a", 1), LEAT_EWRAPPED);
	CHECK_EQ(leat_read(&source, &t, 1, NULL), LEAT_EWRAPPED);
	CHECK_EQ(leat_end(&t, NULL), -ECANCELED);
	leat_close(&source);
}

static void read_says_what_is_wrong(void)
{
	struct leat_source source;
	struct leat_limit exact;
	char bytes[100];
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	begin_test(__func__);
	CHECK_EQ(leat_read(NULL, bytes, 10, NULL), -EINVAL);
	leat_from_memory(&source, content, 10);
	CHECK_EQ(leat_read(&source, NULL, 10, NULL), -EINVAL);
	CHECK_EQ(leat_read(&source, bytes, 0, NULL), 0);
	leat_from_fd(&source, -1);
	CHECK_EQ(leat_read(&source, bytes, 10, NULL), -EBADF);
	leat_from_fd(&source, fd);
	CHECK_EQ(leat_read(&source, bytes, 10, NULL), -EISDIR);
	close(fd);
	leat_from_fd(&source, fd);
	CHECK_EQ(leat_read(&source, bytes, 10, NULL), -EBADF);
	leat_from_memory(&source, content, 90);
	leat_wrap(&source, leat_limit_init_exact(&exact, 100));
	CHECK_EQ(leat_read(&source, bytes, 60, NULL), 60);
	CHECK_EQ(leat_read(&source, bytes, 60, NULL), 30);
	CHECK_EQ(leat_read(&source, bytes, 60, NULL), LEAT_ESHORT);
	leat_close(&source);
}

static void a_deadline_holds_in_leat_read(void)
{
	struct leat_deadline deadline;
	char bytes[10];
	uint64_t begin;
	int pair[2];

	begin_test(__func__);
	for (int kind = 0; kind < 3; kind++) {
		struct leat_source source;

		if (kind == 2)
			CHECK_CALL(pipe2(pair, O_CLOEXEC));
		else
			ends_pair(kind, pair);
		leat_from_fd(&source, pair[0]);
		leat_wrap(&source, leat_deadline_init(&deadline, LEAT_SECOND / 10, 0));
		begin = leat_now_ns();
		CHECK_EQ(leat_read(&source, bytes, 10, NULL), -ETIMEDOUT);
		CHECK_GE(leat_now_ns() - begin, LEAT_SECOND / 10);
		CHECK_LE(leat_now_ns() - begin, LEAT_SECOND / 2);
		leat_close(&source);
		close(pair[0]);
		close(pair[1]);
	}
}

static void framed_bytes_by_leat_read(void)
{
	unsigned char bytes[200];
	struct leat_source source;
	struct leat_frame frame;
	uint64_t at = 0;
	int64_t n;

	begin_test(__func__);
	leat_from_memory(&source, "abcdefghijklmno", 15);
	leat_wrap(&source, leat_chunked_init(&frame, 7));
	while ((n = leat_read(&source, bytes + at, 1 + at % 3, NULL)) > 0)
		at += (uint64_t)n;
	CHECK_EQ(n, 0);
	CHECK_EQ(at, 35u);
	CHECK_BYTES(bytes, "7\r\nabcdefg\r\n7\r\nhijklmn\r\n1\r\no\r\n0\r\n\r\n", 35);
	leat_close(&source);
}

/* ---- How a stream ends ---- */

static void one_half_closes(bool tcp)
{
	struct leat_source source, back;
	struct leat_report report;
	struct leat_sink sink, answer;
	unsigned char bytes[100];
	int in[2], out[2];

	ends_pair(tcp, in);
	ends_pair(tcp, out);
	CHECK_EQ(send(in[1], content, 5000, 0), 5000);
	shutdown(in[1], SHUT_WR);
	leat_from_fd(&source, in[0]);
	leat_to_fd(&sink, out[0]);
	CHECK_EQ(leat_copy(&sink, &source, NULL, &report), 5000);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_SOURCE);
	CHECK(report.culprit == NULL);
	shutdown(out[0], SHUT_WR);	/* what a proxy does next; the way back stays open */
	CHECK_EQ(recv(out[1], bytes, 1, MSG_WAITALL), 1);
	CHECK_EQ(send(out[1], "answer", 6, MSG_NOSIGNAL), 6);
	shutdown(out[1], SHUT_WR);
	leat_from_fd(&back, out[0]);
	leat_to_fd(&answer, in[0]);
	CHECK_EQ(leat_copy(&answer, &back, NULL, &report), 6);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_SOURCE);
	CHECK_EQ(recv(in[1], bytes, 6, MSG_WAITALL), 6);
	CHECK_BYTES(bytes, "answer", 6);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
}

static void half_close_and_the_way_back(void)
{
	begin_test(__func__);
	one_half_closes(true);
	one_half_closes(false);
}

/* A limit that stands exactly where the stream ends: which of the two is said depends on what is known before. */
static void a_limit_is_not_an_end_of_stream(void)
{
	struct leat_source source;
	struct leat_limit limit;
	struct leat_report report;
	struct leat_sink sink;
	int pair[2];

	begin_test(__func__);
	ends_pair(true, pair);
	CHECK_EQ(send(pair[1], content, 1000, 0), 1000);	/* and stays open: no end is known */
	leat_from_fd(&source, pair[0]);
	leat_to_nothing(&sink);
	leat_wrap_sink(&sink, leat_limit_init(&limit, 1000));
	CHECK_EQ(leat_copy(&sink, &source, NULL, &report), 1000);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_WRAPPER);
	CHECK_STR(report.culprit, "limit");
	close(pair[0]);
	close(pair[1]);
}

/* A reset in the midst of a stream is an error of the source, not its end; what came before is delivered and counted. */
static void a_reset_is_not_an_end(void)
{
	struct linger reset = { .l_onoff = 1 };

	begin_test(__func__);
	for (enum to to_kind = TO_FD; to_kind <= TO_CALLBACK; to_kind++)
		for (int framed = 0; framed < 2; framed++) {
			struct leat_source source;
			struct leat_report report;
			struct leat_frame frame;
			struct to_end to;
			int pair[2];

			test_note(to_names[to_kind]);
			ends_pair(true, pair);
			CHECK_EQ(send(pair[1], content, 3000, 0), 3000);
			setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
			to_make(&to, to_kind, SIZE, true);
			if (framed)
				leat_wrap_sink(&to.sink, leat_chunked_init(&frame, 1000));
			close(pair[1]);
			leat_from_fd(&source, pair[0]);
			CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), -ECONNRESET);
			CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
			CHECK_EQ(report.ended_by, LEAT_ENDED_BY_ERROR);
			to_finish(&to, report.bytes);
			CHECK_EQ(to.got_size, report.bytes);
			leat_close(&source);
			to_close(&to);
			close(pair[0]);
		}
}

/* Of a packet the kernel drops what a read has no room for: what may not pass yet is left where it is. */
static void packets_come_whole(void)
{
	struct leat_options small = { .buffer_bytes = 60, .routes_off = ~0U };

	begin_test(__func__);
	for (int way = 0; way < 4; way++) {
		unsigned char got[600];
		struct leat_source source;
		struct leat_sink sink;
		struct leat_limit limit;
		size_t at = 0;
		int fds[2];
		int64_t n;

		CHECK_CALL(pipe2(fds, way & 2 ? 0 : O_DIRECT));
		for (int i = 0; i < 5; i++)
			CHECK_EQ(write(fds[1], content + i * 100, 100), 100);
		close(fds[1]);
		leat_from_fd(&source, fds[0]);
		leat_to_memory(&sink, got, sizeof got);
		if (way & 1) {
			CHECK_EQ(leat_copy(&sink, &source, &small, NULL), 500);
			at = 500;
		} else {
			leat_wrap_sink(&sink, leat_limit_init(&limit, 130));
			CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 130);
			for (at = 130; at < 500 && (n = leat_read(&source, got + at, 30, NULL)) > 0; at += (size_t)n)
				;
		}
		CHECK_EQ(at, 500);
		CHECK_BYTES(got, content, 500);
		leat_close(&source);
		leat_close_sink(&sink);
		close(fds[0]);
	}
}

static const struct test tests[] = {
	TEST(all_kinds_waiting_or_not), TEST(a_hash_over_reads_and_transfers), TEST(look_and_put_back),
	TEST(unread_more_than_was_read), TEST(unread_while_busy), TEST(read_says_what_is_wrong),
	TEST(a_deadline_holds_in_leat_read), TEST(framed_bytes_by_leat_read), TEST(half_close_and_the_way_back),
	TEST(a_limit_is_not_an_end_of_stream), TEST(a_reset_is_not_an_end),
	TEST(packets_come_whole),
};
TEST_MAIN(tests)
