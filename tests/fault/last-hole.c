/* SPDX-License-Identifier: MIT */
/*
 * Faults around the hole at the end of a file, which is made by a longer file: that may fail in the midst, not exist, or be more
 * than a file can have. What is told is what stands there.
 */
#include "holed.h"
#include "seam.h"
#include "types.h"
#include "step.h"

#include <sys/mman.h>

#define NARROW ((uint64_t)100001)	/* not whole blocks */

static struct leat_report report;

static void an_error_of_the_last_hole_is_told(void)
{
	static const int errors[] = { -EFBIG, -EIO };

	for (unsigned i = 0; i < 2; i++) {
		int from = holed_file(), to = lab_empty_file();

		seam_reset();
		seam_set(SEAM_LENGTHEN, 0, errors[i]);
		seam.times = UINT32_MAX;
		CHECK_EQ(holed_copy(from, to, 0, &report), errors[i]);
		CHECK(seam.fired > 0);
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		CHECK_EQ(report.bytes, 5 * PIECE);	/* no byte of the hole is counted */
		CHECK_EQ(report.hole_bytes, 2 * PIECE);
		holed_check(to, 5 * PIECE);
		close(from);
		close(to);
	}
}

static int narrow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	budget->bytes = budget->bytes < NARROW ? budget->bytes : NARROW;
	return 0;
}

static const struct leat_wrapper_ops narrow_ops = { .name = "narrow", .allow = narrow };

static int long_sparse_file(void)
{
	int fd = lab_empty_file();

	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_CALL(ftruncate(fd, (off_t)(3 * GIB)));
	return fd;
}

/* However many pieces the hole at the end goes in: each is in the file before a wrapper or a report has it. */
static void the_last_hole_in_pieces(void)
{
	static const struct {
		bool seen, narrow, inside;
		unsigned skip;
		uint64_t bytes;
	} rows[] = {
		{ true, false, false, 0, 5 * PIECE },		/* by as many zeros as are seen at once */
		{ false, true, false, 0, 5 * PIECE },
		{ false, true, false, 1, 5 * PIECE + NARROW },
		{ true, true, false, 2, 5 * PIECE + 2 * NARROW },
		{ false, false, true, 0, 4096 },		/* what stands there is punched by 1 GiB */
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_options options = { .routes_off = ~0U };
		int from = rows[i].inside ? long_sparse_file() : holed_file();
		int to = rows[i].inside ? holed_full_file() : lab_empty_file();
		struct leat_wrapper wrapper;
		struct leat_transfer transfer;
		struct leat_report midway;
		struct leat_xxh3 xxh3;
		struct leat_count count;
		struct leat_source source;
		struct leat_sink sink;
		struct stat stat;

		leat_from_file(&source, from, 0);
		if (rows[i].seen)
			leat_wrap(&source, leat_xxh3_init(&xxh3));
		if (rows[i].narrow)
			leat_wrap(&source, leat_wrapper_init(&wrapper, &narrow_ops));
		leat_to_file(&sink, to, 0);
		leat_wrap_sink(&sink, leat_count_init(&count));
		seam_reset();
		seam_set(SEAM_LENGTHEN, 0, -EFBIG);
		seam.skip = rows[i].skip;
		seam.times = UINT32_MAX;
		CHECK_EQ(leat_begin(&transfer, &sink, &source, &options), 0);
		(void)step_on(&transfer);
		leat_so_far(&transfer, &midway);
		CHECK_EQ(leat_end(&transfer, &report), -EFBIG);
		CHECK_EQ(report.bytes, rows[i].bytes);
		CHECK_EQ(midway.bytes, report.bytes);
		CHECK_EQ(report.source_bytes, report.bytes);
		CHECK_EQ(count.bytes, report.bytes);
		CHECK_CALL(fstat(to, &stat));
		if (!rows[i].inside)
			CHECK_EQ((uint64_t)stat.st_size, report.bytes);
		leat_close(&source);
		leat_close_sink(&sink);
		close(from);
		close(to);
	}
}

/* The blocks that a longer file takes are given back, wherever the pieces end. */
static void the_last_hole_in_pieces_takes_no_room(void)
{
	for (unsigned i = 0; i < 2; i++) {
		int from = holed_file(), to = lab_empty_file();
		struct leat_options options = { .routes_off = ~0U };
		struct leat_wrapper wrapper;
		struct leat_source source;
		struct leat_sink sink;
		struct stat stat;

		CHECK_CALL(ftruncate(from, 0));
		CHECK_CALL(ftruncate(from, (off_t)(SIZE + i)));		/* at the end of a block, or inside of one */
		seam_reset();
		leat_from_file(&source, from, 0);
		leat_wrap(&source, leat_wrapper_init(&wrapper, &narrow_ops));
		leat_to_file(&sink, to, 0);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), (int64_t)(SIZE + i));
		CHECK_CALL(fstat(to, &stat));
		CHECK_LE(stat.st_blocks, 8 * i);
		leat_close(&source);
		leat_close_sink(&sink);
		close(from);
		close(to);
	}
}

/* The disk is full, of data and of the block that a longer file takes. */
static void full_for_longer_files_too(void)
{
	seam.call = SEAM_LENGTHEN;
	seam.after = 0;
	seam.times = UINT32_MAX;
	seam.on_fire = NULL;
}

/* Report, wrappers, the file and both ends agree on what has gone, so that the same ends go on when the fault is gone. */
static void after_a_fault_it_goes_on(void)
{
	static const struct {
		enum seam_call call;
		int error;
		uint64_t after, bytes, limit;
		void (*on_fire)(void);
	} rows[] = {
		{ SEAM_LENGTHEN, -EFBIG, 0, 5 * PIECE, SIZE, NULL },		/* the hole at the end */
		{ SEAM_LENGTHEN, -EIO, 0, 5 * PIECE, SIZE, NULL },
		{ SEAM_PWRITE, -ENOSPC, PIECE, 2 * PIECE, SIZE, full_for_longer_files_too },	/* the data behind a hole */
		{ SEAM_PWRITE, -EDQUOT, PIECE, 2 * PIECE, SIZE, full_for_longer_files_too },
		{ SEAM_LENGTHEN, -EIO, 0, PIECE, PIECE + PIECE / 2, NULL },	/* a limit in a hole */
		{ SEAM_LENGTHEN, -EIO, 0, 5 * PIECE, SIZE - 1, NULL },		/* in the one at the end */
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_options options = { .routes_off = ~0U };
		int from = holed_file(), to = lab_empty_file();
		struct leat_limit limit;
		struct leat_count count;
		struct leat_source source, view;
		struct leat_sink sink;
		struct stat stat;

		leat_from_file(&source, from, 0);
		leat_from_source(&view, &source);
		leat_wrap(&view, leat_limit_init(&limit, rows[i].limit));
		leat_to_file(&sink, to, 0);
		leat_wrap_sink(&sink, leat_count_init(&count));
		seam_reset();
		seam_set(rows[i].call, rows[i].after, rows[i].error);
		seam.times = UINT32_MAX;
		seam.on_fire = rows[i].on_fire;
		CHECK_EQ(leat_copy(&sink, &view, &options, &report), rows[i].error);
		CHECK(seam.fired > 0);
		seam_reset();
		CHECK_EQ(report.bytes, rows[i].bytes);
		CHECK_EQ(report.source_bytes, rows[i].bytes);
		CHECK_CALL(fstat(to, &stat));
		CHECK_EQ((uint64_t)stat.st_size, rows[i].bytes);
		if (rows[i].limit >= SIZE - 1)
			CHECK_EQ(count.bytes, rows[i].bytes);
		leat_close(&view);
		CHECK_EQ(leat_copy(&sink, &source, &options, &report), (int64_t)(SIZE - rows[i].bytes));
		holed_check(to, SIZE);
		leat_close(&source);
		leat_close_sink(&sink);
		close(from);
		close(to);
	}
}

/* The same of a part, whose own report is out by then. */
static void what_a_part_lost_is_taken_back(void)
{
	struct leat_options options = { .routes_off = ~0U };
	int from = holed_file(), to = lab_empty_file();
	struct leat_source part, source;
	struct leat_limit limit;
	struct leat_queue queue;
	struct leat_sink sink;

	leat_from_file(&part, from, 0);
	leat_wrap(&part, leat_limit_init(&limit, PIECE + PIECE / 2));
	leat_queue_init(&queue);
	leat_from_queue(&source, &queue);
	CHECK_EQ(leat_queue_add(&queue, &part), 0);
	leat_queue_end(&queue);
	leat_to_file(&sink, to, 0);
	seam_reset();
	seam_set(SEAM_LENGTHEN, 0, -EIO);
	CHECK_EQ(leat_copy(&sink, &source, &options, &report), -EIO);
	CHECK_EQ(report.bytes, PIECE);
	CHECK_EQ(report.source_bytes, PIECE);
	CHECK_EQ(report.hole_bytes, 0);
	CHECK_EQ(lseek(to, 0, SEEK_END), PIECE);
	leat_close(&source);
	leat_close(&part);
	leat_close_sink(&sink);
	close(from);
	close(to);
}

/* A file system without fallocate is truncated, and one that says so only then is as well. */
static void the_last_hole_where_nothing_lengthens(void)
{
	static const int errors[] = { -EOPNOTSUPP, -ENOSYS };

	for (unsigned i = 0; i < 2; i++) {
		int from = holed_file(), to = lab_empty_file();

		seam_reset();
		seam_set(SEAM_LENGTHEN, 0, errors[i]);
		seam.times = UINT32_MAX;
		CHECK_EQ(holed_copy(from, to, 0, &report), (int64_t)SIZE);
		CHECK(seam.fired > 0);
		CHECK_EQ(report.hole_bytes, 3 * PIECE);
		holed_check(to, SIZE);
		close(from);
		close(to);
	}
}

static int written_behind;

static void somebody_writes_behind(void)
{
	CHECK_EQ(pwrite(written_behind, "behind", 6, (off_t)SIZE), 6);
}

/* Where the file is truncated to be as long, what another transfer wrote behind just now stays. */
static void no_block_and_somebody_behind(void)
{
	int from = holed_file(), to = lab_empty_file();

	written_behind = to;
	seam_reset();
	seam_set(SEAM_LENGTHEN, 0, -ENOSPC);
	seam.on_fire = somebody_writes_behind;
	CHECK_EQ(holed_copy(from, to, 0, &report), (int64_t)SIZE);
	CHECK_EQ(seam.fired, 1);
	CHECK_EQ(lseek(to, 0, SEEK_END), SIZE + 6);
	holed_check(to, SIZE);
	close(from);
	close(to);
}

/* The hole at the end is longer than any file of the sink's file system: what is there is told, and no byte more. */
static void a_last_hole_that_no_file_can_have(void)
{
	const uint64_t size = UINT64_C(1) << 45;
	struct leat_source source;
	struct leat_sink sink;
	struct stat stat;

	for (int own = 0; own < 2; own++) {
		int from = CHECK_CALL(memfd_create("from", MFD_CLOEXEC)), to = lab_empty_file();

		if (ftruncate(to, (off_t)size) == 0)
			test_skip("a file in %s may be as long", lab_dir());
		if (ftruncate(from, (off_t)size) < 0)
			test_skip("no memfd may be as long");
		CHECK_EQ(pwrite(from, "x", 1, 0), 1);
		seam_reset();
		leat_from_file(&source, from, 0);
		if (own)
			leat_to_fd(&sink, to);
		else
			leat_to_file(&sink, to, 0);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -EFBIG);
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		CHECK_CALL(fstat(to, &stat));
		CHECK_EQ(report.bytes, (uint64_t)stat.st_size);
		CHECK_LE(report.hole_bytes, report.bytes);
		if (own)
			CHECK_EQ(lseek(to, 0, SEEK_CUR), (off_t)report.bytes);
		leat_close(&source);
		leat_close_sink(&sink);
		close(from);
		close(to);
	}
}

static const struct test tests[] = {
	TEST(an_error_of_the_last_hole_is_told),
	TEST(the_last_hole_in_pieces), TEST(the_last_hole_in_pieces_takes_no_room),
	TEST(after_a_fault_it_goes_on), TEST(what_a_part_lost_is_taken_back),
	TEST(the_last_hole_where_nothing_lengthens),
	TEST(no_block_and_somebody_behind),
	TEST(a_last_hole_that_no_file_can_have),
};
TEST_MAIN(tests)
