/* SPDX-License-Identifier: MIT */
/*
 * A file system that can share extents: clone as a route, snapshots. The one of TMPDIR when that is XFS or btrfs (as in the
 * guests of tests/vm), else XFS in a file, mounted by a loop device: that needs root and mkfs.xfs.
 */
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "check.h"
#include "descriptors.h"
#include "ends.h"

#define BLOCK 4096
#define SIZE (64 * BLOCK + 77)
#define LONG (224 * BLOCK)

static char mounted[300];
static const unsigned char *content;

static void unmount(void)
{
	if (*mounted && umount2(mounted, MNT_DETACH) == 0)
		rmdir(mounted);
}

/* Mounts a fresh file system, or skips the case. */
static void need_fs(const char *type)
{
	char command[900];
	struct statfs fs;

	ends_alarm(60, type);
	content = ends_content(LONG);
	if (*mounted)
		return;
	CHECK_CALL(statfs(ends_dir(), &fs));
	if (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC) {
		snprintf(mounted, sizeof mounted, "%s", ends_dir());
		return;
	}
	if (geteuid() != 0)
		test_skip("only root may mount a file system");
	if ((uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < UINT64_C(1) << 30)
		test_skip("needs 1 GiB of disk");
	atexit(unmount);	/* before the directory is removed */
	snprintf(mounted, sizeof mounted, "%s/mount", ends_dir());
	snprintf(command, sizeof command, "cd '%s' && mkdir mount && truncate -s 400M image && "
		 "mkfs.%s -q %s image >/dev/null 2>&1 && mount -o loop image mount 2>/dev/null",
		 ends_dir(), type, !strcmp(type, "xfs") ? "-m reflink=1" : "");
	if (system(command) != 0) {
		rmdir(mounted);
		*mounted = 0;
		test_skip("no %s can be made and mounted by a loop device here", type);
	}
}

static int file_in(const char *name, const void *bytes, uint64_t size)
{
	char path[400];
	int fd;

	snprintf(path, sizeof path, "%s/%s", mounted, name);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	CHECK_EQ(ends_write_all(fd, bytes, size), size);
	CHECK_CALL(fsync(fd));
	return fd;
}

/* Bytes of extents that other files share. */
static uint64_t shared_bytes(int fd)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extents[64];
	} all = { .map = { .fm_length = ~0ULL, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 64 } };
	uint64_t bytes = 0;

	CHECK_CALL(ioctl(fd, FS_IOC_FIEMAP, &all));
	for (unsigned i = 0; i < all.map.fm_mapped_extents; i++)
		if (all.extents[i].fe_flags & FIEMAP_EXTENT_SHARED)
			bytes += all.extents[i].fe_length;
	return bytes;
}

static void expect_content(int fd, uint64_t at, const unsigned char *bytes, uint64_t size)
{
	static unsigned char got[SIZE + 100000];

	CHECK_EQ(pread(fd, got, size, (off_t)at), (ssize_t)size);
	CHECK_BYTES(got, bytes, size);
}

static void whole_file(void)
{
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report plan, report;
	struct leat_count count;
	struct leat_limit limit;
	struct leat_progress;
	int from, to;

	need_fs("xfs");
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
	static const struct {
		uint64_t from, length, to;
		enum leat_route route;
	} rows[] = {
		{ 0, 16 * BLOCK, 0, LEAT_ROUTE_CLONE },
		{ 8 * BLOCK, 16 * BLOCK, 3 * BLOCK, LEAT_ROUTE_CLONE },
		{ 60 * BLOCK, SIZE - 60 * BLOCK, 0, LEAT_ROUTE_CLONE },	/* up to the end inside a block */
		{ 60 * BLOCK, SIZE - 60 * BLOCK, 100 * BLOCK, LEAT_ROUTE_CLONE },
		{ 1, 16 * BLOCK, 0, LEAT_ROUTE_COPY_FILE_RANGE },
		{ 0, 16 * BLOCK, 5, LEAT_ROUTE_COPY_FILE_RANGE },
		{ 0, 100, 0, LEAT_ROUTE_COPY_FILE_RANGE },
		{ 0, 16 * BLOCK + 1000, 0, LEAT_ROUTE_CLONE },	/* most of it */
	};
	struct leat_report report;
	int from, to;

	need_fs("xfs");
	from = file_in("from", content, SIZE);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_source source;
		struct leat_sink sink;
		static char note[30];

		snprintf(note, sizeof note, "row %u", i);
		test_note(note);
		to = file_in("to", content + 50000, 30 * BLOCK);
		leat_from_range(&source, from, rows[i].from, rows[i].length);
		leat_to_file(&sink, to, rows[i].to);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), (int64_t)rows[i].length);
		CHECK_EQ(report.route, rows[i].route);
		expect_content(to, rows[i].to, content + rows[i].from, rows[i].length);
		if (rows[i].to && rows[i].to < 30 * BLOCK)
			expect_content(to, 0, content + 50000, rows[i].to);
		if (rows[i].to + rows[i].length < 30 * BLOCK)
			expect_content(to, rows[i].to + rows[i].length, content + 50000 + rows[i].to + rows[i].length,
				       30 * BLOCK - rows[i].to - rows[i].length);
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

	need_fs("xfs");
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

	need_fs("xfs");
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

	need_fs("xfs");
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

	need_fs("xfs");
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
