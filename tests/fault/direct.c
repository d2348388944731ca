/* SPDX-License-Identifier: MIT */
/* Files without the page cache (O_DIRECT): they are read and written by whole blocks, from blocks of memory. */
#include "lab.h"

static struct leat_report report;

static int direct(int file, int mode)
{
	char path[40];
	int fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	fd = open(path, mode | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		test_skip("no O_DIRECT here: %s", strerror(errno));
	return fd;
}

/* Only whole blocks can be read: they are, around what is asked for. */
static void any_part_of_a_file_without_cache(void)
{
	static const struct {
		uint64_t from, length;
	} rows[] = { { 0, 300007 }, { 100, 299907 }, { 4095, 2 }, { 4096, 4096 }, { 300000, 7 }, { 77, 262144 }, { 8191, 5 } };
	int file = lab_file(300007), fd = direct(file, O_RDONLY);

	for (unsigned i = 0; i < 3 * sizeof rows / sizeof rows[0]; i++) {
		struct leat_options options = { .policy = i % 3 ? LEAT_AUTO : LEAT_COPY };
		unsigned char *got = malloc(rows[i / 3].length);
		struct leat_source source;
		struct leat_sink sink;
		int to = lab_empty_file();

		leat_from_range(&source, fd, rows[i / 3].from, rows[i / 3].length);
		if (i % 3 == 2)
			leat_to_memory(&sink, got, rows[i / 3].length);
		else
			leat_to_file(&sink, to, 0);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), (int64_t)rows[i / 3].length);
		if (i % 3 != 2)
			CHECK_EQ(pread(to, got, rows[i / 3].length, 0), (ssize_t)rows[i / 3].length);
		CHECK(lab_differs(got, rows[i / 3].from, rows[i / 3].length) < 0);
		leat_close(&source);
		leat_close_sink(&sink);
		close(to);
		free(got);
	}
	close(fd);
	close(file);
}

/* A sink without cache takes whole blocks, from blocks of memory; a last part of one is its own error. */
static void whole_blocks_to_a_file_without_cache(void)
{
	for (int i = 0; i < 4; i++) {
		struct leat_options options = { .policy = i & 1 ? LEAT_AUTO : LEAT_COPY };
		uint64_t bytes = i & 2 ? 300007 : 73 * 4096;
		int from = lab_file(bytes), to = lab_empty_file(), fd = direct(to, O_WRONLY);
		unsigned char *got = malloc(bytes);
		struct leat_source source;
		struct leat_sink sink;
		int64_t n;

		leat_from_file(&source, from, 0);
		leat_to_file(&sink, fd, 0);
		n = leat_copy(&sink, &source, &options, &report);
		if (n < 0 && i & 2) {
			CHECK_EQ(n, -EINVAL);
			CHECK_EQ(report.side, LEAT_SIDE_SINK);
			CHECK_EQ(report.bytes % 4096, 0);
			CHECK_GE(report.bytes, options.policy == LEAT_COPY ? bytes - bytes % 4096 : 4096);
		} else {
			CHECK_EQ(n, (int64_t)bytes);
		}
		CHECK_EQ(pread(to, got, report.bytes, 0), (ssize_t)report.bytes);
		CHECK(lab_differs(got, 0, report.bytes) < 0);
		leat_close(&source);
		leat_close_sink(&sink);
		close(from);
		close(fd);
		close(to);
		free(got);
	}
}

static const struct test tests[] = {
	TEST(any_part_of_a_file_without_cache),
	TEST(whole_blocks_to_a_file_without_cache),
};
TEST_MAIN(tests)
