/* SPDX-License-Identifier: MIT */
/* The file that is sent, and the directory it and the copies stand in. */
#include "../out.h"
#include "settings.h"
#include "testfile.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SIZE_MIN (16 * MIB)

int scratch_file(const char *dir)
{
	char path[4200];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	/* Not every file system has O_TMPFILE (EOPNOTSUPP), and some kernels say EISDIR. */
	snprintf(path, sizeof path, "%s/leat-bench.XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

/* splitmix64: a word of noise for each place, the same in every run. */
static uint64_t noise_word(uint64_t place)
{
	uint64_t z = (place + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static int write_noise(int fd, uint64_t at, uint64_t length)
{
	size_t chunk = 1 * MIB;
	uint64_t *words = malloc(chunk), end = at + length;
	int error = 0;

	if (!words)
		return -ENOMEM;
	while (at < end && !error) {
		size_t bytes = end - at < chunk ? end - at : chunk, done = 0;

		for (size_t i = 0; i < (bytes + 7) / 8; i++)
			words[i] = noise_word(at / 8 + i);
		while (done < bytes && !error) {
			ssize_t n = pwrite(fd, (char *)words + done, bytes - done, (off_t)(at + done));

			if (n > 0)
				done += (size_t)n;
			else if (n == 0 || errno != EINTR)
				error = n ? -errno : -ENOSPC;
		}
		at += bytes;
	}
	free(words);
	return error;
}

static uint64_t memory_available(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib ? kib * KIB : UINT64_MAX;
}

/* What fits: a third of the free room (the sparse file and a copy want some too), a quarter of the memory, in whole MiB. */
static uint64_t what_fits(const char *dir, const char **ret_short_of)
{
	uint64_t room = UINT64_MAX, memory = memory_available() / 4;
	struct statvfs v;

	if (statvfs(dir, &v) == 0)
		room = (uint64_t)v.f_bavail * v.f_frsize / 3;
	*ret_short_of = room < memory ? "room" : "memory";
	return (room < memory ? room : memory) / MIB * MIB;
}

static int open_given(struct test_file *file, struct settings *settings)
{
	struct stat st;

	file->fd = open(settings->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);	/* a FIFO would wait */
	if (file->fd < 0) {
		out_error("%s cannot be read: %s; give another --file, or none and one is made", settings->file,
			  strerror(errno));
		return -1;
	}
	if (fstat(file->fd, &st) || !S_ISREG(st.st_mode)) {
		out_error("%s is not a regular file; --file needs one", settings->file);
		return -1;
	}
	if ((uint64_t)st.st_size < MIB) {
		out_error("%s has %lld byte%s; --file needs at least 1 MiB to measure anything", settings->file,
			  (long long)st.st_size, st.st_size == 1 ? "" : "s");
		return -1;
	}
	file->size = settings->size = (uint64_t)st.st_size;
	file->mtime = st.st_mtim;
	return 0;
}

int test_file_changed(struct test_file *file, const char *name)
{
	struct stat st;

	if (!name || file->changed)
		return file->changed;
	if (fstat(file->fd, &st))
		return 0;
	if ((uint64_t)st.st_size < file->size)
		out_error("%s became shorter while it was measured: %llu bytes are %lld now", name,
			  (unsigned long long)file->size, (long long)st.st_size);
	else if ((uint64_t)st.st_size > file->size || memcmp(&st.st_mtim, &file->mtime, sizeof st.st_mtim))
		out_error("%s changed while it was measured", name);
	else
		return 0;
	file->changed = 1;
	return 1;
}

static int make(struct test_file *file, struct settings *settings)
{
	char had[32], has[32];
	const char *short_of;
	uint64_t fits = what_fits(file->dir, &short_of);
	int error;

	if (settings->size > fits) {
		out_size(settings->size, had, sizeof had);
		out_size(fits, has, sizeof has);
		if (fits < SIZE_MIN) {
			out_error("%s has no %s for a test file (%s would fit); set TMPDIR to a place that has",
				  file->dir, short_of, has);
			return -1;
		}
		out_error("no %s for a test file of %s in %s: going on with %s", short_of, had, file->dir, has);
		settings->size = fits;
	}
	file->fd = scratch_file(file->dir);
	if (file->fd < 0) {
		out_error("no test file can be made in %s: %s; set TMPDIR to a directory you may write to", file->dir,
			  strerror(-file->fd));
		return -1;
	}
	error = write_noise(file->fd, 0, settings->size);
	if (error) {
		out_error("the test file of %s in %s could not be written: %s; try a smaller --size or another TMPDIR",
			  out_size(settings->size, had, sizeof had), file->dir, strerror(-error));
		return -1;
	}
	/* Begin writing back now: done during the rounds it would be somebody else's CPU time. */
	sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	file->size = settings->size;
	file->generated = 1;
	return 0;
}

void test_dir(struct test_file *file)
{
	const char *dir = getenv("TMPDIR");

	snprintf(file->dir, sizeof file->dir, "%s", dir && *dir ? dir : "/var/tmp");
}

int test_file_make(struct test_file *file, struct settings *settings)
{
	test_dir(file);
	return settings->file ? open_given(file, settings) : make(file, settings);
}

int test_file_sparse(const char *dir, uint64_t size)
{
	int fd = scratch_file(dir), error = 0;
	uint64_t stride = 4 * MIB;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)size))
		error = -errno;
	for (uint64_t at = 0; at < size && !error; at += stride)
		error = write_noise(fd, at, stride / 64 < size - at ? stride / 64 : size - at);
	if (!error)
		return fd;
	close(fd);
	return error;
}

void test_file_warm(const struct test_file *file)
{
	size_t chunk = 1 * MIB;
	char *buffer = malloc(chunk);

	if (file->generated)
		fdatasync(file->fd);
	for (uint64_t at = 0; buffer && at < file->size; at += chunk)
		if (pread(file->fd, buffer, chunk, (off_t)at) <= 0)
			break;
	free(buffer);
}
