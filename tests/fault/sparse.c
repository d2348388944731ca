/* SPDX-License-Identifier: MIT */
/*
 * Faults around holes, and transfers of nothing. Holes are walked on a private descriptor, made by punching and by a longer
 * file; each of these may fail, be interrupted, or not exist. Whatever happens, the bytes are right or the error is exact.
 */
#include "descriptors.h"
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <sys/mman.h>

#define PIECE ((uint64_t)262144)
#define SIZE (6 * PIECE)		/* data, hole, data, hole, data, hole */
#define NARROW ((uint64_t)100001)	/* not whole blocks */
#define CLONE_OFF ROUTE_BIT(LEAT_ROUTE_CLONE)

static struct leat_report report;

static int sparse_file(void)
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

/* A sink that is as long, and full of other bytes: a hole has to be punched there. */
static int full_file(void)
{
	unsigned char *piece = malloc(SIZE);
	int fd = lab_empty_file();

	CHECK(piece != NULL);
	memset(piece, 0xff, SIZE);
	CHECK_EQ(pwrite(fd, piece, SIZE, 0), (ssize_t)SIZE);
	free(piece);
	return fd;
}

static void check_bytes_of(int fd, uint64_t bytes)
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

/* One copy with the fault that is set; the sink is new or full. */
static int64_t copy(int from, int to, uint32_t off)
{
	struct leat_options options = { .routes_off = CLONE_OFF | off };
	struct leat_source source;
	struct leat_sink sink;
	int64_t n;

	leat_from_file(&source, from, 0);
	leat_to_file(&sink, to, 0);
	n = leat_copy(&sink, &source, &options, &report);
	leat_close(&source);
	leat_close_sink(&sink);
	return n;
}

static const uint32_t offs[] = { 0, ROUTE_BIT(LEAT_ROUTE_COPY_FILE_RANGE), ~0U };	/* by copy_file_range, splice_pipe, copy */

static void interrupted_it_goes_on(void)
{
	static const enum seam_call calls[] = { SEAM_PUNCH, SEAM_LENGTHEN };

	for (unsigned i = 0; i < 6; i++) {
		int from = sparse_file(), to = i % 2 ? lab_empty_file() : full_file();

		seam_reset();
		seam_set(calls[i % 2], 0, -EINTR);
		seam.times = 3;
		CHECK_EQ(copy(from, to, offs[i / 2]), (int64_t)SIZE);
		CHECK_EQ(seam.fired, 3);
		CHECK_EQ(report.hole_bytes, 3 * PIECE);
		check_bytes_of(to, SIZE);
		close(from);
		close(to);
	}
}

/* A file system that cannot punch gets zeros, and the report does not call them holes. */
static void where_nothing_is_punched_zeros_are_written(void)
{
	static const int errors[] = { -EOPNOTSUPP, -ENOSYS };

	for (unsigned i = 0; i < 6; i++) {
		int from = sparse_file(), to = full_file();

		seam_reset();
		seam_set(SEAM_PUNCH, 0, errors[i % 2]);
		seam.times = UINT32_MAX;
		CHECK_EQ(copy(from, to, offs[i / 2]), (int64_t)SIZE);
		CHECK(seam.fired > 0);
		check_bytes_of(to, SIZE);
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
		int from = sparse_file(), to = full_file();

		seam_reset();
		seam_set(SEAM_PUNCH, 0, errors[i % 4]);
		CHECK_EQ(copy(from, to, offs[i / 4]), errors[i % 4]);
		CHECK_EQ(report.bytes, PIECE);			/* the data before the first hole */
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		check_bytes_of(to, PIECE);
		seam_reset();
		CHECK_EQ(copy(from, to, offs[i / 4]), (int64_t)SIZE);
		check_bytes_of(to, SIZE);
		close(from);
		close(to);
	}
}

static void an_error_of_the_last_hole_is_told(void)
{
	static const int errors[] = { -EFBIG, -EIO };

	for (unsigned i = 0; i < 2; i++) {
		int from = sparse_file(), to = lab_empty_file();

		seam_reset();
		seam_set(SEAM_LENGTHEN, 0, errors[i]);
		seam.times = UINT32_MAX;
		CHECK_EQ(copy(from, to, 0), errors[i]);
		CHECK(seam.fired > 0);
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		CHECK_EQ(report.bytes, 5 * PIECE);	/* no byte of the hole is counted */
		CHECK_EQ(report.hole_bytes, 2 * PIECE);
		check_bytes_of(to, 5 * PIECE);
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
		int from = rows[i].inside ? long_sparse_file() : sparse_file();
		int to = rows[i].inside ? full_file() : lab_empty_file();
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
		while (leat_step(&transfer) == LEAT_AGAIN)
			;
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
		int from = sparse_file(), to = lab_empty_file();
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
		int from = sparse_file(), to = lab_empty_file();
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
		check_bytes_of(to, SIZE);
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
	int from = sparse_file(), to = lab_empty_file();
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
		int from = sparse_file(), to = lab_empty_file();

		seam_reset();
		seam_set(SEAM_LENGTHEN, 0, errors[i]);
		seam.times = UINT32_MAX;
		CHECK_EQ(copy(from, to, 0), (int64_t)SIZE);
		CHECK(seam.fired > 0);
		CHECK_EQ(report.hole_bytes, 3 * PIECE);
		check_bytes_of(to, SIZE);
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
	int from = sparse_file(), to = lab_empty_file();

	written_behind = to;
	seam_reset();
	seam_set(SEAM_LENGTHEN, 0, -ENOSPC);
	seam.on_fire = somebody_writes_behind;
	CHECK_EQ(copy(from, to, 0), (int64_t)SIZE);
	CHECK_EQ(seam.fired, 1);
	CHECK_EQ(lseek(to, 0, SEEK_END), SIZE + 6);
	check_bytes_of(to, SIZE);
	close(from);
	close(to);
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
		int from = sparse_file(), to = lab_empty_file();
		unsigned descriptors = count_descriptors();

		seam_reset();
		seam_set(rows[i / 3].call, 0, rows[i / 3].result);
		seam.times = UINT32_MAX;
		/* sendfile to a file seeks too: not among these. */
		CHECK_EQ(copy(from, to, offs[i % 3]), (int64_t)SIZE);
		CHECK(seam.fired > 0 && seam.fired <= 3);
		CHECK_EQ(report.noted, LEAT_HOLES_UNKNOWN);
		CHECK_EQ(report.hole_bytes, 0);
		CHECK_EQ(count_descriptors(), descriptors);
		check_bytes_of(to, SIZE);
		close(from);
		close(to);
	}
}

/* In the middle the answers turn bad: what was walked stays, the rest is dense. */
static void holes_that_are_lost_on_the_way(void)
{
	int from = sparse_file(), to = lab_empty_file();

	seam_reset();
	seam_set(SEAM_SEEK, 0, -EIO);
	seam.skip = 4;
	seam.times = UINT32_MAX;
	CHECK_EQ(copy(from, to, 0), (int64_t)SIZE);
	CHECK(seam.fired > 0);
	CHECK_EQ(report.noted, LEAT_HOLES_UNKNOWN);
	CHECK_EQ(report.hole_bytes, PIECE);
	check_bytes_of(to, SIZE);
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

/* ---- hazard 13: a transfer of nothing makes no transfer call --------------------------------------------------------------- */

static void nothing_makes_no_call(void)
{
	for (unsigned i = 0; i < 6 * LAB_KINDS; i++) {
		struct leat_source source;
		struct leat_limit limit;
		struct lab_sink to;
		int file = i / LAB_KINDS % 3 ? lab_file(1000) : lab_empty_file();

		seam_reset();
		lab_sink_open(&to, (enum lab_kind)(i % LAB_KINDS), 10);
		leat_from_file(&source, file, i / LAB_KINDS % 3 == 1 ? 1000 : 0);
		if (i / LAB_KINDS % 3 == 2)
			leat_wrap(&source, leat_limit_init(&limit, 0));
		if (i / LAB_KINDS >= 3)
			leat_from_range(&source, file, 0, 0);
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), 0);
		CHECK_EQ(report.bytes, 0);
		for (int call = SEAM_CLONE; call <= SEAM_SEND; call++)
			CHECK_SAY(seam.calls[call] == 0, "%s was called", seam_name((enum seam_call)call));
		for (int route = 0; route < LEAT_ROUTES; route++)
			CHECK_EQ(report.route_calls[route], 0);
		lab_sink_finish(&to);
		lab_arrived(&to, 0);
		lab_sink_close(&to);
		leat_close(&source);
		close(file);
	}
}

static const struct test tests[] = {
	TEST(interrupted_it_goes_on),
	TEST(where_nothing_is_punched_zeros_are_written),
	TEST(a_real_error_of_punching_is_final),
	TEST(the_last_hole_in_pieces), TEST(the_last_hole_in_pieces_takes_no_room),
	TEST(an_error_of_the_last_hole_is_told), TEST(after_a_fault_it_goes_on), TEST(what_a_part_lost_is_taken_back),
	TEST(the_last_hole_where_nothing_lengthens),
	TEST(no_block_and_somebody_behind),
	TEST(holes_that_cannot_be_known_are_copied),
	TEST(holes_that_are_lost_on_the_way),
	TEST(a_last_hole_that_no_file_can_have),
	TEST(nothing_makes_no_call),
};
TEST_MAIN(tests)
