/* SPDX-License-Identifier: MIT */
/*
 * Faults around holes. They are walked on a private descriptor, made by punching and by a longer file (last-hole.c); each of these
 * may fail, be interrupted, or not exist. Whatever happens, the bytes are right or the error is exact.
 */
#include "descriptors.h"
#include "holed.h"
#include "seam.h"
#include "types.h"

static struct leat_report report;

static const uint32_t offs[] = { 0, ROUTE_BIT(LEAT_ROUTE_COPY_FILE_RANGE), ~0U };	/* by copy_file_range, splice_pipe, copy */

static void interrupted_it_goes_on(void)
{
	static const enum seam_call calls[] = { SEAM_PUNCH, SEAM_LENGTHEN };

	for (unsigned i = 0; i < 6; i++) {
		int from = holed_file(), to = i % 2 ? lab_empty_file() : holed_full_file();

		seam_reset();
		seam_set(calls[i % 2], 0, -EINTR);
		seam.times = 3;
		CHECK_EQ(holed_copy(from, to, offs[i / 2], &report), (int64_t)SIZE);
		CHECK_EQ(seam.fired, 3);
		CHECK_EQ(report.hole_bytes, 3 * PIECE);
		holed_check(to, SIZE);
		close(from);
		close(to);
	}
}

/* A file system that cannot punch gets zeros, and the report does not call them holes. */
static void where_nothing_is_punched_zeros_are_written(void)
{
	static const int errors[] = { -EOPNOTSUPP, -ENOSYS };

	for (unsigned i = 0; i < 6; i++) {
		int from = holed_file(), to = holed_full_file();

		seam_reset();
		seam_set(SEAM_PUNCH, 0, errors[i % 2]);
		seam.times = UINT32_MAX;
		CHECK_EQ(holed_copy(from, to, offs[i / 2], &report), (int64_t)SIZE);
		CHECK(seam.fired > 0);
		holed_check(to, SIZE);
		CHECK_EQ(report.hole_bytes, 0);
		CHECK_EQ(report.route_bytes[LEAT_ROUTE_MEMORY], 3 * PIECE);
		CHECK_EQ(report.bytes, SIZE);
		close(from);
		close(to);
	}
}

static void a_real_error_of_punching_is_final(void)
{
	static const int errors[] = { -ENOSPC, -EIO, -EPERM, -ETXTBSY };

	for (unsigned i = 0; i < 12; i++) {
		int from = holed_file(), to = holed_full_file();

		seam_reset();
		seam_set(SEAM_PUNCH, 0, errors[i % 4]);
		CHECK_EQ(holed_copy(from, to, offs[i / 4], &report), errors[i % 4]);
		CHECK_EQ(report.bytes, PIECE);			/* the data before the first hole */
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		holed_check(to, PIECE);
		seam_reset();
		CHECK_EQ(holed_copy(from, to, offs[i / 4], &report), (int64_t)SIZE);
		holed_check(to, SIZE);
		close(from);
		close(to);
	}
}

/* Hazards 30, 31: no answer, or one that never moves on, is a dense file, noted. */
static void holes_that_cannot_be_known_are_copied(void)
{
	static const struct {
		enum seam_call call;
		int64_t result;
	} rows[] = {
		{ SEAM_REOPEN, -EACCES }, { SEAM_REOPEN, -ENOENT }, { SEAM_REOPEN, -EMFILE }, { SEAM_SEEK, -EINVAL },
		{ SEAM_SEEK, -EOPNOTSUPP }, { SEAM_SEEK, -EIO }, { SEAM_SEEK, 0 },	/* 0: it stays where it is */
	};

	for (unsigned i = 0; i < 3 * sizeof rows / sizeof rows[0]; i++) {
		int from = holed_file(), to = lab_empty_file();
		unsigned descriptors = count_descriptors();

		seam_reset();
		seam_set(rows[i / 3].call, 0, rows[i / 3].result);
		seam.times = UINT32_MAX;
		/* sendfile to a file seeks too: not among these. */
		CHECK_EQ(holed_copy(from, to, offs[i % 3], &report), (int64_t)SIZE);
		CHECK(seam.fired > 0 && seam.fired <= 3);
		CHECK_EQ(report.noted, LEAT_HOLES_UNKNOWN);
		CHECK_EQ(report.hole_bytes, 0);
		CHECK_EQ(count_descriptors(), descriptors);
		holed_check(to, SIZE);
		close(from);
		close(to);
	}
}

/* In the middle the answers turn bad: what was walked stays, the rest is dense. */
static void holes_that_are_lost_on_the_way(void)
{
	int from = holed_file(), to = lab_empty_file();

	seam_reset();
	seam_set(SEAM_SEEK, 0, -EIO);
	seam.skip = 4;
	seam.times = UINT32_MAX;
	CHECK_EQ(holed_copy(from, to, 0, &report), (int64_t)SIZE);
	CHECK(seam.fired > 0);
	CHECK_EQ(report.noted, LEAT_HOLES_UNKNOWN);
	CHECK_EQ(report.hole_bytes, PIECE);
	holed_check(to, SIZE);
	close(from);
	close(to);
}

static const struct test tests[] = {
	TEST(interrupted_it_goes_on),
	TEST(where_nothing_is_punched_zeros_are_written),
	TEST(a_real_error_of_punching_is_final),
	TEST(holes_that_cannot_be_known_are_copied),
	TEST(holes_that_are_lost_on_the_way),
};
TEST_MAIN(tests)
