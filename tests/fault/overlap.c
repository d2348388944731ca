/* SPDX-License-Identifier: MIT */
/*
 * Source and sink are one thing: a file, memory or pipe over itself is refused or comes to its end, and never copied for
 * ever (hazard 33); a socket may be both.
 */
#include "lab.h"

#define BYTES ((size_t)300007)

static struct leat_report report;

/* Hazard 33: whatever two descriptors of a file say, it is not copied over itself. */
static void a_file_over_itself_is_refused(void)
{
	static const struct {
		uint64_t from, length, to;
		int64_t n;
	} rows[] = {
		{ 0, 100000, 0, -EINVAL }, { 0, 100000, 50000, -EINVAL }, { 50000, 100000, 0, -EINVAL },
		{ 0, 100000, 99999, -EINVAL }, { 0, 100000, 100000, 100000 }, { 200000, 100000, 0, 100000 },
		{ 0, 0, 0, 0 }, { 299999, 1, 299998, 1 },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int fd = lab_file(300000), again = i % 2 ? dup(fd) : fd;
		unsigned char got[100000];
		struct leat_source source;
		struct leat_sink sink;

		leat_from_range(&source, fd, rows[i].from, rows[i].length);
		leat_to_file(&sink, again, rows[i].to);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), rows[i].n);
		if (rows[i].n < 0) {
			CHECK_EQ(report.bytes, 0);
			CHECK_EQ(report.side, LEAT_SIDE_SINK);
			CHECK_EQ(pread(fd, got, 100000, (off_t)rows[i].to), 100000);	/* not touched */
			CHECK(lab_differs(got, rows[i].to, 100000) < 0);
		} else {
			CHECK_EQ(pread(fd, got, rows[i].length, (off_t)rows[i].to), (ssize_t)rows[i].length);
			CHECK(lab_differs(got, rows[i].from, rows[i].length) < 0);
		}
		leat_close(&source);
		leat_close_sink(&sink);
		close(fd);
		if (again != fd)
			close(again);
	}
}

static void memory_over_itself_is_refused(void)
{
	static const struct {
		size_t from, length, to, room;
		int64_t n;
	} rows[] = {
		{ 0, 100, 0, 100, -EINVAL }, { 0, 100, 50, 100, -EINVAL }, { 50, 100, 0, 100, -EINVAL }, { 0, 100, 99, 1, -EINVAL },
		{ 0, 100, 100, 100, 100 }, { 100, 100, 0, 100, 100 }, { 50, 0, 0, 100, 0 }, { 0, 100, 50, 0, -ENOSPC },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		unsigned char bytes[300], before[300];
		struct leat_source source;
		struct leat_sink sink;

		lab_fill(bytes, 0, sizeof bytes);
		memcpy(before, bytes, sizeof bytes);
		leat_from_memory(&source, bytes + rows[i].from, rows[i].length);
		leat_to_memory(&sink, bytes + rows[i].to, rows[i].room);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), rows[i].n);
		if (rows[i].n > 0)
			CHECK_BYTES(bytes + rows[i].to, before + rows[i].from, rows[i].length);
		else
			CHECK_BYTES(bytes, before, sizeof bytes);
		leat_close(&source);
		leat_close_sink(&sink);
	}
}

/* Growing while it is read, it would never end: the range is that of the begin. */
static void a_file_appended_to_itself_ends(void)
{
	char path[96];
	struct lab_sink to = { .room = 2 * BYTES + 1 };
	struct leat_source source;
	int fd;

	snprintf(path, sizeof path, "%s/self", lab_dir());
	fd = CHECK_CALL(open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600));
	to.fd = lab_file(BYTES);
	leat_from_fd(&source, to.fd);
	leat_to_fd(&to.sink, fd);
	CHECK_EQ(leat_copy(&to.sink, &source, NULL, NULL), (int64_t)BYTES);
	leat_close(&source);
	leat_from_file(&source, fd, 0);
	CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), (int64_t)BYTES);
	CHECK_EQ(report.noted, LEAT_SOURCE_GREW);
	CHECK_EQ(lseek(fd, 0, SEEK_END), (off_t)(2 * BYTES));
	leat_close(&source);
	close(fd);
	close(to.fd);
}

/* What is written would be read, for ever: refused before a byte moves, blocking or not, planned or done. */
static void a_pipe_into_itself_is_refused(void)
{
	for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
		struct leat_source source;
		struct leat_deadline deadline;
		struct leat_sink sink;
		char got[4];
		int fds[2];

		CHECK_CALL(pipe2(fds, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)));
		CHECK_EQ(write(fds[1], "abc", 3), 3);
		leat_from_fd(&source, fds[0]);
		leat_wrap(&source, leat_deadline_init(&deadline, 0, LEAT_SECOND));
		leat_to_fd(&sink, fds[1]);
		CHECK_EQ(leat_plan(&sink, &source, NULL, NULL), -EINVAL);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -EINVAL);
		CHECK_EQ(report.bytes, 0);
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		CHECK_EQ(read(fds[0], got, sizeof got), 3);	/* not touched */
		leat_close(&source);
		leat_close_sink(&sink);
		close(fds[0]);
		close(fds[1]);
	}
}

/* An echo: one socket is both ends, and that is fine. */
static void a_socket_may_be_both_ends(void)
{
	unsigned char got[100];
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit limit;
	int fds[2];

	lab_pair(LAB_UNIX, fds);
	CHECK_EQ(write(fds[1], "echo", 4), 4);
	leat_from_fd(&source, fds[0]);
	leat_to_fd(&sink, fds[0]);
	leat_wrap(&source, leat_limit_init(&limit, 4));
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 4);
	CHECK_EQ(read(fds[1], got, sizeof got), 4);
	CHECK_BYTES(got, "echo", 4);
	leat_close(&source);
	leat_close_sink(&sink);
	close(fds[0]);
	close(fds[1]);
}

static const struct test tests[] = {
	TEST(a_file_over_itself_is_refused),
	TEST(memory_over_itself_is_refused),
	TEST(a_file_appended_to_itself_ends),
	TEST(a_pipe_into_itself_is_refused),
	TEST(a_socket_may_be_both_ends),
};
TEST_MAIN(tests)
