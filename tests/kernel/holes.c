/* SPDX-License-Identifier: MIT */
/*
 * holes.c: finding holes, and which calls keep them.
 *
 * Hazards 9, 31, 32. Decides that holes are walked on a private reopen (invariant 9), that copy_file_range is called
 * for data extents only, and what happens where the reopen is refused (holes-unknown).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (1 << 20)

static const struct fact facts[] = {
	{ "seek-data-moves-offset", NULL, "9: SEEK_DATA moves the descriptor's offset: never on the caller's descriptor" },
	{ "seek-data-on-reopen-moves-original", "no", "9: the reopened description has an offset of its own" },
	{ "seek-data-finds-first", "1048576", "32: 1 MiB hole, 64 KiB data, hole: where data begins" },
	{ "seek-hole-finds-end", "1114112", "32: where it ends" },
	{ "seek-data-in-last-hole", "ENXIO", "32: nothing but hole up to the end" },
	{ "seek-data-at-end", "ENXIO", "32: at the end of the file" },
	{ "seek-data-unwritten-cold", NULL, "32: fallocated, never written: hole or data, both read as zeros" },
	{ "seek-data-dirty", "data", "30: written, not yet on disk: must be data" },
	{ "seek-data-dirty-unwritten", "data", "30: written into a fallocated range, not yet on disk" },
	{ "seek-data-write-only", NULL, "9: on a descriptor opened for writing only" },
	{ "holes-copy_file_range", NULL, "32: 4 MiB hole copied: kept or filled; filled: walk the data extents" },
	{ "holes-sendfile", NULL, "32: the same by sendfile file to file" },
	{ "holes-clone", NULL, "32: the same by FICLONE" },
	{ "holes-copy_file_range-over-old-data", "zeros", "32: where old data stood in the sink the hole must read as zeros" },
	{ "holes-punch-in-sink", NULL, "32: PUNCH_HOLE in the sink, for a hole over old data" },
	{ "holes-extend-by-ftruncate", "hole", "32: a trailing hole is made by ftruncate" },
};

static off_t seek(int fd, off_t at, int whence)
{
	return lseek(fd, at, whence);
}

static long long blocks(int fd)
{
	struct stat st;

	fsync(fd);
	if (fstat(fd, &st) < 0)
		fact_die("fstat");
	return (long long)st.st_blocks * 512;
}

/* 1 MiB hole, 64 KiB data, hole up to 4 MiB */
static int make(void)
{
	int fd = fact_sparse("f", 4 * MIB);
	char block[65536] = { 'A' };

	if (pwrite(fd, block, sizeof(block), MIB) != sizeof(block))
		fact_die("pwrite");
	return fd;
}

static void seeks(void)
{
	int fd = make(), again, out = open("f", O_WRONLY | O_CLOEXEC);

	lseek(fd, 123, SEEK_SET);
	fact_say("seek-data-finds-first", "%s", fact_result(seek(fd, 0, SEEK_DATA)));
	fact_say("seek-data-moves-offset", "%s", lseek(fd, 0, SEEK_CUR) == 123 ? "no" : "yes");
	lseek(fd, 123, SEEK_SET);
	again = fact_reopen(fd, O_RDONLY);
	fact_say("seek-hole-finds-end", "%s", fact_result(seek(again, MIB, SEEK_HOLE)));
	fact_say("seek-data-on-reopen-moves-original", "%s", lseek(fd, 0, SEEK_CUR) == 123 ? "no" : "yes");
	fact_say("seek-data-in-last-hole", "%s", fact_result(seek(again, 2 * MIB, SEEK_DATA)));
	fact_say("seek-data-at-end", "%s", fact_result(seek(again, 4 * MIB, SEEK_DATA)));
	fact_say("seek-data-write-only", "%s", seek(out, 0, SEEK_DATA) == MIB ? "works" : fact_result(-1));
	close(fd);
	close(again);
	close(out);
}

static const char *kind_at_0(int fd)
{
	off_t at = seek(fd, 0, SEEK_DATA);

	return at == 0 ? "data" : at < 0 && errno != ENXIO ? fact_result(-1) : "hole";
}

static void unwritten(void)
{
	int fd = fact_file("u", 'A', 0);
	char block[4096] = { 'A' };

	if (pwrite(fd, block, sizeof(block), 0) != sizeof(block))
		fact_die("pwrite");
	fact_say("seek-data-dirty", "%s", kind_at_0(fd));
	close(fd);
	fd = fact_file("u", 'A', 0);
	if (fallocate(fd, 0, 0, 65536) < 0) {
		fact_skip("seek-data-unwritten-cold", "fallocate gave %s", fact_result(-1));
		fact_skip("seek-data-dirty-unwritten", "no fallocate");
	} else {
		fact_say("seek-data-unwritten-cold", "%s", kind_at_0(fd));
		if (pwrite(fd, block, sizeof(block), 0) != sizeof(block))
			fact_die("pwrite");
		fact_say("seek-data-dirty-unwritten", "%s", kind_at_0(fd));
	}
	close(fd);
}

static ssize_t range(int in, int out, size_t len)
{
	int64_t a = 0, b = 0;

	return syscall(SYS_copy_file_range, in, &a, out, &b, len, 0);
}

static void say_holes(const char *name, ssize_t n, int out)
{
	if (n < 0)
		fact_say(name, "%s", fact_result(n));
	else
		fact_say(name, "%s", blocks(out) < MIB ? "kept" : "filled");
}

static void copies(void)
{
	int fd = make(), out = fact_file("out", 0, 0);
	long long before;
	char byte = 'x';
	off_t at = 0;
	ssize_t n;

	fsync(fd);
	n = range(fd, out, 4 * MIB);
	say_holes("holes-copy_file_range", n, out);
	fact_fill(out, 'B', 4096);
	fsync(out);
	n = range(fd, out, 65536);
	if (n < 0)
		fact_skip("holes-copy_file_range-over-old-data", "copy_file_range gave %s", fact_result(n));
	else
		fact_say("holes-copy_file_range-over-old-data", "%s",
			 pread(out, &byte, 1, 0) == 1 && byte == 0 ? "zeros" : "old data");
	close(out);
	out = fact_file("out", 0, 0);
	n = sendfile(out, fd, &at, 4 * MIB);
	say_holes("holes-sendfile", n, out);
	close(out);
	out = fact_file("out", 0, 0);
	n = ioctl(out, FICLONE, fd);
	say_holes("holes-clone", n, out);
	close(out);
	out = fact_file("out", 'B', 4 * MIB);
	before = blocks(out); /* XFS has some beyond the end */
	n = fallocate(out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * MIB - 4096);
	fact_say("holes-punch-in-sink", "%s",
		 n < 0 ? fact_result(n) : blocks(out) <= before - 3 * MIB ? "frees" : "keeps blocks");
	close(out);
	out = fact_file("out", 'B', 4096);
	if (ftruncate(out, 4 * MIB) < 0)
		fact_die("ftruncate");
	fact_say("holes-extend-by-ftruncate", "%s", blocks(out) < MIB ? "hole" : "blocks");
	close(out);
	close(fd);
}

static void run_on(void)
{
	seeks();
	unwritten();
	copies();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, NULL, run_on);

	return fact_main(argc, argv, &set);
}
