/* SPDX-License-Identifier: MIT */
/*
 * clone.c: reflink and copy_file_range, within a file system and between two.
 *
 * Hazards 25, 28, 29, 33. Decides the alignment the clone route keeps, which errors of clone and copy_file_range
 * decline (cross-fs, fs-denied), and that overlap in one file is refused before any call.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 262144

static const struct fact facts[] = {
	{ "clone-whole", "0|EOPNOTSUPP|ENOTTY|EINVAL", "25: FICLONERANGE with length 0, the whole file; else declined" },
	{ "clone-blocks", "0|EOPNOTSUPP|ENOTTY|EINVAL", "25: 4096 at 4096" },
	{ "clone-unaligned-offset", "EINVAL|EOPNOTSUPP|ENOTTY", "25: 4096 at 100: offsets must be multiples of the block" },
	{ "clone-unaligned-length", "EINVAL|EOPNOTSUPP|ENOTTY", "25: 100 bytes at 4096: only the last block may be partial" },
	{ "clone-unaligned-tail", "0|EOPNOTSUPP|ENOTTY", "25: the partial last block up to the end of a file of 10000" },
	{ "clone-tail-into-middle", NULL, "25: that partial block into the middle of a longer sink" },
	{ "clone-past-end", NULL, "25: a range that begins at the end" },
	{ "clone-unwritten-source", "same content", "29: source written just now, not on disk: same content" },
	{ "clone-same-file-overlap", "EINVAL|EOPNOTSUPP|ENOTTY", "33: overlap inside one file" },
	{ "clone-into-read-only-descriptor", "EBADF|EOPNOTSUPP|EINVAL", "35: sink not open for writing" },
	{ "copy_file_range-same-fs", "262144|EOPNOTSUPP|EXDEV|EINVAL", "25: within one file system" },
	{ "copy_file_range-shares-extents", NULL, "25: whether that was a reflink (so it is instant, and ENOSPC comes later)" },
	{ "copy_file_range-unaligned", "10000|EOPNOTSUPP|EXDEV|EINVAL", "25: 10000 bytes from 100 to 300" },
	{ "copy_file_range-overlap", "EINVAL|EOPNOTSUPP|EXDEV", "33: overlap inside one file; the plan refuses it first" },
	{ "copy_file_range-same-file-apart", "4096|EOPNOTSUPP|EXDEV|EINVAL", "33: one file, ranges apart" },
	{ "copy_file_range-flags", "EINVAL", "25: a flag that does not exist" },
	{ "sendfile-same-file-overlap", NULL, "33: sendfile does not look: the plan must" },
	{ "copy_file_range-cross", "4096|EXDEV|EINVAL|EOPNOTSUPP", "25: to another file system: cross-fs when refused" },
	{ "clone-cross", "EXDEV|EOPNOTSUPP|EINVAL|ENOTTY", "25: the same by FICLONERANGE" },
	{ "sendfile-cross", "4096", "25: the same by sendfile: the next route after cross-fs" },
};

static ssize_t range(int in, off_t in_at, int out, off_t out_at, size_t len, unsigned int flags)
{
	int64_t a = in_at, b = out_at;

	return syscall(SYS_copy_file_range, in, &a, out, &b, len, flags);
}

static ssize_t clone_range(int in, uint64_t in_at, int out, uint64_t out_at, uint64_t len)
{
	struct file_clone_range r = { .src_fd = in, .src_offset = in_at, .src_length = len, .dest_offset = out_at };

	return ioctl(out, FICLONERANGE, &r);
}

static bool same(int a, int b, size_t size)
{
	static char x[SIZE], y[SIZE];

	return pread(a, x, size, 0) == (ssize_t)size && pread(b, y, size, 0) == (ssize_t)size && memcmp(x, y, size) == 0;
}

static void clones(void)
{
	int in = fact_file("in", 'A', SIZE), out = fact_file("out", 'B', SIZE), tail = fact_file("tail", 'C', 10000);
	int fresh = fact_file("fresh", 'D', SIZE), target = fact_file("target", 0, 0), read_only;
	ssize_t n;

	fsync(in);
	fsync(tail);
	fact_say("clone-whole", "%s", fact_result(clone_range(in, 0, out, 0, 0)));
	fact_say("clone-blocks", "%s", fact_result(clone_range(in, 4096, out, 4096, 4096)));
	fact_say("clone-unaligned-offset", "%s", fact_result(clone_range(in, 100, out, 4096, 4096)));
	fact_say("clone-unaligned-length", "%s", fact_result(clone_range(in, 4096, out, 4096, 100)));
	fact_say("clone-unaligned-tail", "%s", fact_result(clone_range(tail, 8192, target, 8192, 1808)));
	fact_say("clone-tail-into-middle", "%s", fact_result(clone_range(tail, 8192, out, 8192, 1808)));
	fact_say("clone-past-end", "%s", fact_result(clone_range(in, SIZE, out, 0, 4096)));
	fact_say("clone-same-file-overlap", "%s", fact_result(clone_range(in, 0, in, 4096, 8192)));
	fact_fill(fresh, 'E', SIZE);
	n = clone_range(fresh, 0, out, 0, SIZE);
	if (n < 0)
		fact_skip("clone-unwritten-source", "%s", fact_result(n));
	else
		fact_say("clone-unwritten-source", "%s", same(fresh, out, SIZE) ? "same content" : "OTHER CONTENT");
	read_only = open("out", O_RDONLY | O_CLOEXEC);
	fact_say("clone-into-read-only-descriptor", "%s", fact_result(clone_range(in, 0, read_only, 0, 4096)));
	close(read_only);
	close(in);
	close(out);
	close(tail);
	close(fresh);
	close(target);
}

static const char *shared(int fd)
{
	static uint64_t room[(sizeof(struct fiemap) + 4 * sizeof(struct fiemap_extent)) / 8];
	struct fiemap *map = (struct fiemap *)room;

	memset(room, 0, sizeof(room));
	map->fm_length = SIZE;
	map->fm_extent_count = 4;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
		return fact_result(-1);
	return map->fm_mapped_extents > 0 && map->fm_extents[0].fe_flags & FIEMAP_EXTENT_SHARED ? "yes" : "no";
}

static void ranges(void)
{
	int in = fact_file("in", 'A', SIZE), out = fact_file("out", 0, 0);
	char byte = 0;
	off_t at = 0;
	ssize_t n;

	fsync(in);
	n = range(in, 0, out, 0, SIZE, 0);
	fact_say("copy_file_range-same-fs", "%s", fact_result(n));
	fact_say("copy_file_range-shares-extents", "%s", shared(out));
	fact_say("copy_file_range-unaligned", "%s", fact_result(range(in, 100, out, 300, 10000, 0)));
	fact_say("copy_file_range-overlap", "%s", fact_result(range(in, 0, in, 4096, 8192, 0)));
	fact_say("copy_file_range-same-file-apart", "%s", fact_result(range(in, 0, in, 65536, 4096, 0)));
	fact_say("copy_file_range-flags", "%s", fact_result(range(in, 0, out, 0, 4096, 0x8000)));
	/* 'B' at the start runs through the file when each piece overwrites the next source */
	fact_fill(in, 'B', 4096);
	lseek(in, 4096, SEEK_SET);
	n = sendfile(in, in, &at, 16384);
	if (n >= 8192 && pread(in, &byte, 1, 8192) == 1)
		fact_say("sendfile-same-file-overlap", "%s", byte == 'B' ? "runs through" : "as before the call");
	else
		fact_say("sendfile-same-file-overlap", "%s", fact_result(n));
	close(in);
	close(out);
}

static void cross(size_t from, size_t to)
{
	char label[64], path[5000];
	off_t at = 0;
	int in, out;

	if (chdir(fact_dir(from)) < 0)
		fact_die("chdir");
	in = fact_file("in", 'A', 4096);
	snprintf(path, sizeof(path), "%s/out", fact_dir(to));
	out = fact_file(path, 0, 0);
	snprintf(label, sizeof(label), "%s to %s", fact_fs(from), fact_fs(to));
	fact_at(label);
	fact_say("copy_file_range-cross", "%s", fact_result(range(in, 0, out, 0, 4096, 0)));
	fact_say("clone-cross", "%s", fact_result(clone_range(in, 0, out, 0, 4096)));
	fact_say("sendfile-cross", "%s", fact_result(sendfile(out, in, &at, 4096)));
	fact_at(NULL);
	close(in);
	close(out);
}

static void run(void)
{
	for (size_t i = 0; i < fact_dirs(); i++)
		for (size_t k = 0; k < fact_dirs(); k++)
			if (i != k)
				cross(i, k);
	if (fact_dirs() < 2) {
		fact_skip("copy_file_range-cross", "only one file system");
		fact_skip("clone-cross", "only one file system");
		fact_skip("sendfile-cross", "only one file system");
	}
}

static void run_on(void)
{
	clones();
	ranges();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, run_on);

	return fact_main(argc, argv, &set);
}
