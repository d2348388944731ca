/* SPDX-License-Identifier: MIT */
#include "holed.h"
#include "types.h"

int holed_file(void)
{
	unsigned char *piece = malloc(PIECE);
	int fd = lab_empty_file();

	CHECK(piece != NULL);
	for (uint64_t at = 0; at < SIZE; at += 2 * PIECE) {
		lab_fill(piece, at, PIECE);
		CHECK_EQ(pwrite(fd, piece, PIECE, (off_t)at), (ssize_t)PIECE);
	}
	free(piece);
	CHECK_CALL(ftruncate(fd, (off_t)SIZE));
	if (lseek(fd, 0, SEEK_HOLE) >= (off_t)SIZE)
		test_skip("the file system of %s keeps no holes", lab_dir());
	CHECK_CALL(lseek(fd, 0, SEEK_SET));
	return fd;
}

int holed_full_file(void)
{
	unsigned char *piece = malloc(SIZE);
	int fd = lab_empty_file();

	CHECK(piece != NULL);
	memset(piece, 0xff, SIZE);
	CHECK_EQ(pwrite(fd, piece, SIZE, 0), (ssize_t)SIZE);
	free(piece);
	return fd;
}

void holed_check(int fd, uint64_t bytes)
{
	unsigned char *got = malloc(PIECE);
	static const unsigned char zeros[PIECE];

	CHECK(got != NULL);
	for (uint64_t at = 0; at < bytes; at += PIECE) {
		uint64_t n = bytes - at < PIECE ? bytes - at : PIECE;

		CHECK_EQ(pread(fd, got, n, (off_t)at), (ssize_t)n);
		if (at / PIECE % 2)
			CHECK_BYTES(got, zeros, n);
		else
			CHECK(lab_differs(got, at, n) < 0);
	}
	free(got);
}

int64_t holed_copy(int from, int to, uint32_t routes_off, struct leat_report *report)
{
	struct leat_options options = { .routes_off = ROUTE_BIT(LEAT_ROUTE_CLONE) | routes_off };
	struct leat_source source;
	struct leat_sink sink;
	int64_t n;

	leat_from_file(&source, from, 0);
	leat_to_file(&sink, to, 0);
	n = leat_copy(&sink, &source, &options, report);
	leat_close(&source);
	leat_close_sink(&sink);
	return n;
}
