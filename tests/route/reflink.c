/* SPDX-License-Identifier: MIT */
/* Clone as a route, and snapshots, on a file system that can share extents. */
#include "descriptors.h"
#include "reflink.h"

#define LONG (224 * BLOCK)

static void whole_file(void)
{
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report plan, report;
	struct leat_count count;
	struct leat_limit limit;
	struct leat_progress;
	int from, to;

	need_fs("xfs", LONG);
	from = file_in("from", content, SIZE);
	for (int wrapped = 0; wrapped < 2; wrapped++) {
		to = file_in("to", "old", 3);
		leat_from_file(&source, from, 0);
		leat_to_file(&sink, to, 0);
		if (wrapped) {
			leat_wrap(&source, leat_count_init(&count));
			leat_wrap_sink(&sink, leat_limit_init(&limit, UINT64_MAX));
		}
		CHECK_EQ(leat_plan(&sink, &source, NULL, &plan), 0);
		CHECK_EQ(plan.route, LEAT_ROUTE_CLONE);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), SIZE);
		CHECK_EQ(report.route, LEAT_ROUTE_CLONE);
		CHECK_EQ(report.route_bytes[LEAT_ROUTE_CLONE], (uint64_t)SIZE);
		CHECK_EQ(report.refused[LEAT_ROUTE_CLONE], LEAT_OK);
		CHECK_GE(shared_bytes(to), 64u * BLOCK);
		CHECK_EQ(lseek(to, 0, SEEK_END), SIZE);
		expect_content(to, 0, content, SIZE);
		if (wrapped)
			CHECK_EQ(count.bytes, (uint64_t)SIZE);
		leat_close(&source);
		leat_close_sink(&sink);
		close(to);
	}
	close(from);
}

/* Offsets, lengths and limits: shared as far as blocks go, never wrong, never past the end. */
static void parts_of_files(void)
{
	struct leat_report report;
	int from, to;

	need_fs("xfs", LONG);
	from = file_in("from", content, SIZE);
	for (unsigned i = 0; i < ROWS; i++) {
		struct leat_source source;
		struct leat_sink sink;
		static char note[30];

		snprintf(note, sizeof note, "row %u", i);
		test_note(note);
		to = file_in("to", content + 50000, OLD);
		leat_from_range(&source, from, rows[i].from, rows[i].length);
		leat_to_file(&sink, to, rows[i].to);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), (int64_t)rows[i].length);
		CHECK_EQ(report.route, rows[i].route);
		expect_content(to, rows[i].to, content + rows[i].from, rows[i].length);
		if (rows[i].to && rows[i].to < OLD)
			expect_content(to, 0, content + 50000, rows[i].to);
		if (rows[i].to + rows[i].length < OLD)
			expect_content(to, rows[i].to + rows[i].length, content + 50000 + rows[i].to + rows[i].length,
				       OLD - rows[i].to - rows[i].length);
		if (rows[i].route == LEAT_ROUTE_CLONE)
			CHECK(shared_bytes(to) > 0);
		close(to);
	}
	close(from);
}

/* A limit inside a block, and a step smaller than one: what clone cannot cut goes on by the next route. */
static void a_limit_inside_a_block(void)
{
	struct leat_options options = { .step_bytes = 1000 };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit limit;
	struct leat_transfer t;
	struct leat_report report;
	int from, to;

	need_fs("xfs", LONG);
	from = file_in("from", content, SIZE);
	to = file_in("to", "", 0);
	leat_from_file(&source, from, 0);
	leat_to_file(&sink, to, 0);
	leat_wrap(&source, leat_limit_init(&limit, 10 * BLOCK + 5));
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, 10u * BLOCK + 5);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_CLONE], 10u * BLOCK);
	expect_content(to, 0, content, 10 * BLOCK + 5);
	CHECK_EQ(lseek(to, 0, SEEK_END), 10 * BLOCK + 5);
	leat_close(&source);
	close(from);
	close(to);
}

/* The bytes of a snapshot go by sendfile, and are those of the beginning whatever becomes of the file. */
static void snapshot(void)
{
	static unsigned char other[SIZE];
	struct leat_options options = { .stable = LEAT_STABLE_SNAPSHOT, .step_bytes = 20000 };
	struct leat_source source;
	struct leat_transfer t;
	struct leat_report report;
	struct to_end to;
	unsigned fds;
	int from, dir;

	need_fs("xfs", LONG);
	dir = CHECK_CALL(open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	from = file_in("from", content, SIZE);
	options.snapshot_dir = dir;
	memset(other, 'x', sizeof other);
	to_make_slow(&to, TO_TCP, SIZE, false, 0);
	fds = count_descriptors();
	leat_from_file(&source, from, 0);
	for (int cancel = 0; cancel < 2; cancel++) {
		CHECK_EQ(leat_begin(&t, &to.sink, &source, &options), 0);
		CHECK_GE(leat_step(&t), LEAT_WAIT);
		if (!cancel)	/* and again from where it stood, with a new snapshot */
			CHECK_EQ(leat_end(&t, &report), -ECANCELED);
	}
	CHECK_EQ(pwrite(from, other, SIZE, 0), SIZE);
	to_allow(&to, SIZE);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.route, LEAT_ROUTE_SENDFILE);
	CHECK_EQ(report.by_reference, 0);
	CHECK_EQ(report.refused[LEAT_ROUTE_SENDFILE], LEAT_OK);
	CHECK_EQ(count_descriptors(), fds);
	to_finish(&to, 0);
	CHECK_EQ(to.got_size, (uint64_t)SIZE);
	CHECK_BYTES(to.got, content, SIZE);
	leat_close(&source);
	to_close(&to);
	close(from);
	close(dir);
}

/* Holes are those of the snapshot: one punched into the file later is none, and one filled later is there. */
static void holes_of_a_snapshot(void)
{
	struct leat_options options = { .stable = LEAT_STABLE_SNAPSHOT, .step_bytes = 8 * BLOCK };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_transfer t;
	struct leat_report report;
	static unsigned char zeros[32 * BLOCK];
	int from, to;

	need_fs("xfs", LONG);
	options.snapshot_dir = CHECK_CALL(open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	from = file_in("from", content, 32 * BLOCK);
	CHECK_EQ(pwrite(from, content + 96 * BLOCK, 32 * BLOCK, 96 * BLOCK), 32 * BLOCK);	/* data, hole, data, hole, data */
	CHECK_EQ(pwrite(from, content + 192 * BLOCK, 32 * BLOCK, 192 * BLOCK), 32 * BLOCK);
	CHECK_CALL(fsync(from));
	to = ends_file(O_RDWR);
	leat_from_file(&source, from, 0);
	leat_to_file(&sink, to, 0);
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK_CALL(fallocate(from, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 96 * BLOCK, 32 * BLOCK));
	CHECK_EQ(pwrite(from, content, 32 * BLOCK, 48 * BLOCK), 32 * BLOCK);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, 224u * BLOCK);
	CHECK_EQ(report.by_reference, 0);
	expect_content(to, 0, content, 32 * BLOCK);
	expect_content(to, 96 * BLOCK, content + 96 * BLOCK, 32 * BLOCK);
	expect_content(to, 192 * BLOCK, content + 192 * BLOCK, 32 * BLOCK);
	expect_content(to, 48 * BLOCK, zeros, 32 * BLOCK);
	leat_close(&source);
	close(options.snapshot_dir);
	close(from);
	close(to);
}

/* Another file system: neither clone nor, since 5.19, copy_file_range; the reason is said, and the bytes go on. */
static void across_file_systems(void)
{
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report report;
	int from, to;

	need_fs("xfs", LONG);
	if (!strcmp(mounted, ends_dir()))
		test_skip("there is one file system alone");
	for (int own = 0; own < 2; own++) {
		from = file_in("from", content, SIZE);
		to = ends_file(O_RDWR);
		leat_from_file(&source, from, 0);
		if (own)
			leat_to_fd(&sink, to);
		else
			leat_to_file(&sink, to, 0);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), SIZE);
		CHECK_EQ(report.refused[LEAT_ROUTE_CLONE], LEAT_CROSS_FS);
		if (report.route != LEAT_ROUTE_COPY_FILE_RANGE) {	/* 5.3 to 5.18 could */
			CHECK_EQ(report.refused[LEAT_ROUTE_COPY_FILE_RANGE], LEAT_CROSS_FS);
			CHECK_EQ(report.route, own ? LEAT_ROUTE_SENDFILE : LEAT_ROUTE_SPLICE_PIPE);
		}
		expect_content(to, 0, content, SIZE);
		close(from);
		close(to);
	}
}

static const struct test tests[] = {
	TEST(whole_file), TEST(parts_of_files), TEST(a_limit_inside_a_block), TEST(snapshot), TEST(holes_of_a_snapshot),
	TEST(across_file_systems),
};
TEST_MAIN(tests)
