/* SPDX-License-Identifier: MIT */
/* The files that are served and written. */
#ifndef BENCH_TESTFILE_H
#define BENCH_TESTFILE_H

#include <stdint.h>
#include <time.h>

struct settings;

struct test_file {
	int fd;			/* an unlinked file: nothing is left behind whatever happens */
	uint64_t size;
	int generated, changed;		/* changed: that was said */
	struct timespec mtime;		/* of a given one, when it was opened */
	char dir[4096];
};

/* Sets dir: TMPDIR, or /var/tmp. */
void test_dir(struct test_file *file);
/* Makes the test file, or opens settings.file. 0, or -1 after a sentence. Lowers settings.size when there is no room. */
int test_file_make(struct test_file *file, struct settings *settings);
/* Whether a given file is another one than at the start, by size and time; says so once. */
int test_file_changed(struct test_file *file, const char *name);
/* A sparse file of this size with 1/64 of data. fd, or -errno. */
int test_file_sparse(const char *dir, uint64_t size);
/* Reads it once, so that its pages are in the cache; waits until they are written back. */
void test_file_warm(const struct test_file *file);
/* A new unlinked file in dir. fd or -errno. */
int scratch_file(const char *dir);

#endif
