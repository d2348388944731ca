/* SPDX-License-Identifier: MIT */
/*
 * A file system that can share extents: the one of TMPDIR when that is XFS or btrfs (as in the guests of tests/vm), else XFS in
 * a file, mounted by a loop device: that needs root and mkfs.xfs.
 */
#ifndef LEAT_TESTS_ROUTE_REFLINK_H
#define LEAT_TESTS_ROUTE_REFLINK_H

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "check.h"
#include "ends.h"

#define BLOCK 4096
#define SIZE (64 * BLOCK + 77)
#define OLD (30 * BLOCK)	/* what stands in a sink's file before */

static char mounted[300];
static const unsigned char *content;

static void unmount(void)
{
	if (*mounted && umount2(mounted, MNT_DETACH) == 0)
		rmdir(mounted);
}

/* Mounts a fresh file system, or skips the case. content will be of this size, the largest of all cases. */
static inline void need_fs(const char *type, uint64_t size)
{
	char command[900];
	struct statfs fs;

	ends_alarm(60, type);
	content = ends_content(size);
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

static inline int file_in(const char *name, const void *bytes, uint64_t size)
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
static inline uint64_t shared_bytes(int fd)
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

static inline void expect_content(int fd, uint64_t at, const unsigned char *bytes, uint64_t size)
{
	static unsigned char got[SIZE + 100000];

	CHECK_EQ(pread(fd, got, size, (off_t)at), (ssize_t)size);
	CHECK_BYTES(got, bytes, size);
}

/* Parts of a file of SIZE, and where they go in one of OLD. */
static const struct row {
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
#define ROWS (sizeof rows / sizeof rows[0])

#endif
