/* SPDX-License-Identifier: MIT */
/*
 * Beyond 2 and 4 GiB, by sparse files: sizes, offsets and counts of 64 bits on every route, and the length that one call
 * moves at most (hazard 20). Islands of data stand where numbers overflow.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include "check.h"
#include "ends.h"

#define GIB (INT64_C(1) << 30)
#define MOST 0x7ffff000	/* of one call */
#define ISLAND 1000

static const int64_t islands[] = {
	0, 12345, MOST - 500, 2 * GIB - 1, 2 * GIB + ISLAND, 4 * GIB - 500, 4 * GIB + 4096, 2 * (int64_t)MOST + 3000,
};
#define ISLANDS (sizeof islands / sizeof islands[0])

static const unsigned char *content;

static void need(uint64_t memory_gib)
{
	struct sysinfo info;

	CHECK_CALL(sysinfo(&info));
	if (info.totalram * info.mem_unit < memory_gib << 30)
		test_skip("needs %llu GiB of memory", (unsigned long long)memory_gib);
}

static int big_file(int64_t size)
{
	int fd = ends_file(O_RDWR);

	content = ends_content(ISLAND * ISLANDS);
	if (ftruncate(fd, size) < 0)
		test_skip("no file of %lld bytes can be made here: %s", (long long)size, strerror(errno));
	for (unsigned i = 0; i < ISLANDS; i++)
		if (islands[i] + ISLAND <= size)
			CHECK_EQ(pwrite(fd, content + i * ISLAND, ISLAND, islands[i]), ISLAND);
	return fd;
}

/* The bytes of [at, at + length) as they must be. */
static void expected(unsigned char *bytes, int64_t at, int64_t length, int64_t size)
{
	memset(bytes, 0, (size_t)length);
	for (unsigned i = 0; i < ISLANDS; i++)
		for (int64_t j = 0; j < ISLAND; j++) {
			int64_t where = islands[i] + j;

			if (islands[i] + ISLAND <= size && where >= at && where < at + length)
				bytes[where - at] = content[(int64_t)i * ISLAND + j];
		}
}

static void check_islands(int fd, int64_t size)
{
	unsigned char got[3 * ISLAND], want[3 * ISLAND];

	for (unsigned i = 0; i < ISLANDS; i++) {
		int64_t at = islands[i] < ISLAND ? 0 : islands[i] - ISLAND, length = 3 * ISLAND;

		if (at + length > size)
			continue;
		expected(want, at, length, size);
		CHECK_EQ(pread(fd, got, (size_t)length, at), length);
		CHECK_BYTES(got, want, (size_t)length);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_END), size);
}

static int64_t allocated(int fd)
{
	struct stat stat;

	CHECK_CALL(fstat(fd, &stat));
	return stat.st_blocks * 512;
}

/* A sparse file must not become dense: 5 GiB would show on any disk. */
static void file_to_file(void)
{
	static const struct {
		enum leat_policy policy;
		bool hash;
	} rows[] = { { LEAT_AUTO, false }, { LEAT_COPY, false }, { LEAT_AUTO, true } };
	int64_t size = 5 * GIB + 12345;
	int from = big_file(size);

	for (unsigned i = 0; i < 3; i++) {
		struct leat_options options = { .policy = rows[i].policy };
		int to = ends_file(O_RDWR);
		struct leat_source source;
		struct leat_sink sink;
		struct leat_count count;
		struct leat_xxh3 hash;
		struct leat_report report;

		ends_alarm(100, "file to file");
		leat_from_file(&source, from, 0);
		leat_to_file(&sink, to, 0);
		leat_wrap(&source, leat_count_init(&count));
		if (rows[i].hash)
			leat_wrap_sink(&sink, leat_xxh3_init(&hash));
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), size);
		CHECK_EQ(count.bytes, (uint64_t)size);
		CHECK_EQ(report.bytes, (uint64_t)size);
		check_islands(to, size);
		if (allocated(from) < GIB) {
			CHECK_GE(report.hole_bytes, (uint64_t)(5 * GIB - 1000000));
			CHECK_LE(allocated(to), allocated(from) + (1 << 20));
		}
		leat_close(&source);
		leat_close_sink(&sink);
		close(to);
	}
	close(from);
}

/* What stands beyond 4 GiB, to beyond 4 GiB, and exactly the most of one call. */
static void ranges(void)
{
	static const struct { int64_t from, length, to; } rows[] = {
		{ 4 * GIB - 700, 1400, 0 },		{ 4 * GIB + 4096, ISLAND, 4 * GIB + 1 },
		{ 2 * GIB - 1, 2 * ISLAND, 6 * GIB - 1000 }, { 0, MOST, 0 }, { 12345, MOST, 5 }, { 0, MOST + INT64_C(1), 0 },
		{ 1, 2 * GIB, 1 },			{ 4096, 4 * GIB, 4096 },
	};
	int64_t size = 5 * GIB;
	int from = big_file(size);
	static unsigned char got[2 * ISLAND], want[2 * ISLAND];

	for (unsigned i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		const __typeof__(rows[0]) *row = &rows[i / 2];
		struct leat_options options = { .policy = i % 2 ? LEAT_COPY : LEAT_AUTO };
		int to = ends_file(O_RDWR);
		struct leat_source source;
		struct leat_sink sink;
		struct leat_report report;

		ends_alarm(100, "ranges");
		leat_from_range(&source, from, (uint64_t)row->from, (uint64_t)row->length);
		leat_to_file(&sink, to, (uint64_t)row->to);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), row->length);
		CHECK_EQ(lseek(to, 0, SEEK_END), row->to + row->length);
		for (unsigned j = 0; j < ISLANDS + 2; j++) {
			int64_t at = j < ISLANDS ? islands[j] - 500 : j == ISLANDS ? row->from : row->from + row->length - 700;
			int64_t n = 2 * ISLAND;

			at = at < row->from ? row->from : at;
			n = at + n > row->from + row->length ? row->from + row->length - at : n;
			if (n <= 0)
				continue;
			expected(want, at, n, size);
			CHECK_EQ(pread(to, got, (size_t)n, row->to + at - row->from), n);
			CHECK_BYTES(got, want, (size_t)n);
		}
		close(to);
	}
	close(from);
}

/* ---- Streams ---- */

struct receiver {
	int fd;
	int64_t size, got;
	bool look;	/* at the bytes; else discards them in the kernel */
	const char *wrong;
};

static void look_at(struct receiver *receiver, const unsigned char *bytes, int64_t n)
{
	static unsigned char want[1 << 16];

	for (int64_t at = 0; at < n;) {
		int64_t part = n - at < (int64_t)sizeof want ? n - at : (int64_t)sizeof want;

		expected(want, receiver->got + at, part, receiver->size);
		if (memcmp(bytes + at, want, (size_t)part) != 0)
			receiver->wrong = "other bytes arrived";
		at += part;
	}
}

static void *receive(void *arg)
{
	static unsigned char bytes[1 << 20];
	struct receiver *receiver = arg;
	ssize_t n;

	while ((n = recv(receiver->fd, receiver->look ? bytes : NULL, receiver->look ? sizeof bytes : 64 << 20,
			 receiver->look ? 0 : MSG_TRUNC)) > 0) {
		if (receiver->look)
			look_at(receiver, bytes, n);
		receiver->got += n;
	}
	return NULL;
}

static void to_socket(int64_t size, bool look, const struct leat_options *options, enum leat_route route)
{
	int from = big_file(size), pair[2];
	struct receiver receiver = { .size = size, .look = look };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_count count;
	struct leat_report report;
	pthread_t thread;

	ends_alarm(200, "file to tcp");
	ends_pair(true, pair);
	ends_nonblock(pair[0], true);
	receiver.fd = pair[1];
	CHECK_EQ(pthread_create(&thread, NULL, receive, &receiver), 0);
	leat_from_file(&source, from, 0);
	leat_to_fd(&sink, pair[0]);
	leat_wrap_sink(&sink, leat_count_init(&count));
	CHECK_EQ(leat_copy(&sink, &source, options, &report), size);
	CHECK_EQ(report.route_bytes[route], (uint64_t)size);
	CHECK_EQ(count.bytes, (uint64_t)size);
	leat_close_sink(&sink);
	close(pair[0]);
	pthread_join(thread, NULL);
	CHECK_EQ(receiver.got, size);
	CHECK_SAY(!receiver.wrong, "%s", receiver.wrong);
	close(pair[1]);
	close(from);
}

static void sendfile_to_a_socket(void)
{
	need(8);
	to_socket(4 * GIB + 5 * 4096, false, NULL, LEAT_ROUTE_SENDFILE);
	to_socket(MOST, false, NULL, LEAT_ROUTE_SENDFILE);
}

static void looked_at_by_the_receiver(void)
{
	struct leat_options options = { .routes_off = 1u << LEAT_ROUTE_SENDFILE };

	need(8);
	to_socket(2 * GIB + 10000, true, NULL, LEAT_ROUTE_SENDFILE);
	to_socket(2 * GIB + 10000, true, &options, LEAT_ROUTE_SPLICE_PIPE);
	options.policy = LEAT_COPY;
	to_socket(2 * GIB + 10000, true, &options, LEAT_ROUTE_COPY);
}

static void to_a_device_and_to_nothing(void)
{
	int64_t size = 4 * GIB + 77;
	int from = big_file(size), null = CHECK_CALL(open("/dev/null", O_WRONLY | O_CLOEXEC));

	need(8);
	for (int i = 0; i < 2; i++) {
		struct leat_source source;
		struct leat_sink sink;
		struct leat_report report;

		ends_alarm(100, "to nothing");
		leat_from_file(&source, from, 0);
		if (i)
			leat_to_nothing(&sink);
		else
			leat_to_fd(&sink, null);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), size);
		CHECK_EQ(report.route_bytes[i ? LEAT_ROUTE_COPY : LEAT_ROUTE_SENDFILE], (uint64_t)size);
	}
	close(from);
	close(null);
}

/* Memory that is mapped of nothing: one source of more than 4 GiB. */
static void memory_and_zeros(void)
{
	int64_t size = 4 * GIB + 4321;
	int zero = CHECK_CALL(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit limit;
	struct leat_report report;

	ends_alarm(100, __func__);
	leat_from_fd(&source, zero);
	leat_wrap(&source, leat_limit_init(&limit, (uint64_t)size));
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &source, NULL, &report), size);
	CHECK_EQ(report.bytes, (uint64_t)size);
	leat_close(&source);
	close(zero);
}

static const struct test tests[] = {
	TEST(file_to_file), TEST(ranges), TEST(sendfile_to_a_socket), TEST(looked_at_by_the_receiver),
	TEST(to_a_device_and_to_nothing), TEST(memory_and_zeros),
};
TEST_MAIN(tests)
