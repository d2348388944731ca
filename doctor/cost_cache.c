/* SPDX-License-Identifier: MIT */
/*
 * The figures of this machine in ${XDG_CACHE_HOME:-~/.cache}/leat/: a recording (record.h) with nothing in it but them, one file
 * for each kernel and processor. Root may run with a user's HOME, so nothing is read or written but in a directory that belongs
 * to who runs this and that nobody else can write to, and never through a link there.
 */
#include "cost.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "hash.h"
#include "record.h"

#define CACHE_BYTES_MOST (256u << 10)	/* of the file: MODEL_CALIBRATIONS_MAX lines take about 30 KiB */

/* x86 has "model name"; arm64 says "CPU part" and "CPU implementer". */
static uint64_t add_processor(uint64_t hash)
{
	static const char *const words[] = { "model name", "CPU implementer", "CPU part" };
	char line[512];
	FILE *f = fopen("/proc/cpuinfo", "re");
	unsigned seen = 0;

	while (f && fgets(line, sizeof line, f))
		for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
			if (strncmp(line, words[i], strlen(words[i])) != 0 || seen & 1u << i)
				continue;
			seen |= 1u << i;
			hash = hash_text(hash, line);
		}
	if (f)
		fclose(f);
	return hash;
}

/* To tell machines from each other: who could forge a hash could write to the file as well. */
static void file_name(char *name, size_t size)
{
	struct utsname kernel = { .release = "" };
	uint64_t hash = HASH_FIRST;

	uname(&kernel);
	hash = hash_text(hash, kernel.release);
	hash = hash_text(hash, kernel.version);
	hash = hash_text(hash, kernel.machine);
	snprintf(name, size, "calibration-%016" PRIx64, add_processor(hash));
}

static bool is_ours(int fd, mode_t type)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & S_IFMT) == type && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
	       (type != S_IFREG || st.st_size <= CACHE_BYTES_MOST);
}

/* A descriptor of the directory, made if there is none and make says so; -1: there is none that can be trusted. */
static int open_dir(bool make)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	char path[4096];
	int parent, fd, n;

	if (cache && *cache == '/')	/* a relative one is to be ignored, says its specification */
		n = snprintf(path, sizeof path, "%s", cache);
	else if (home && *home == '/')
		n = snprintf(path, sizeof path, "%s/.cache", home);
	else
		return -1;
	if (n >= (int)sizeof path)
		return -1;
	if (make)
		(void)mkdir(path, 0700);	/* it is there, or the next call says that it is not */
	parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -1;
	if (is_ours(parent, S_IFDIR) && make)
		(void)mkdirat(parent, "leat", 0700);
	fd = is_ours(parent, S_IFDIR) ? openat(parent, "leat", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
	close(parent);
	if (fd >= 0 && !is_ours(fd, S_IFDIR)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The file, if it is one of ours: a link or a FIFO in its place would not be. */
static FILE *open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *f = fd >= 0 && is_ours(fd, S_IFREG) ? fdopen(fd, "r") : NULL;

	if (!f && fd >= 0)
		close(fd);
	return f;
}

void cost_cache_load(struct model *model)
{
	struct model kept = { .calibration_count = 0 };
	int dir = open_dir(false);
	char name[64];
	FILE *f;

	if (dir < 0)
		return;
	file_name(name, sizeof name);
	f = open_file(dir, name);
	close(dir);
	if (!f)
		return;
	if (!record_read(&kept, f, NULL))
		for (uint32_t i = 0; i < kept.calibration_count; i++) {
			const struct calibration *one = &kept.calibrations[i];
			uint32_t place = cost_figures(model, one) ? MODEL_NONE : model_add_calibration(model);

			if (place != MODEL_NONE)
				model->calibrations[place] = *one;
		}
	fclose(f);
	model_free(&kept);
}

static int write_new(int dir, const char *name, const struct model *model)
{
	/* Only what it borrows of the model is written: nothing of what was watched. */
	struct model kept = { .calibrations = model->calibrations, .calibration_count = model->calibration_count };
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), error;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	error = record_write(&kept, f);
	return fclose(f) || error ? -EIO : 0;
}

void cost_cache_save(const struct model *model)
{
	char name[64], fresh[96];
	int dir = open_dir(true);

	if (dir < 0)
		return;
	file_name(name, sizeof name);
	snprintf(fresh, sizeof fresh, "%s.%d", name, (int)getpid());
	if (write_new(dir, fresh, model) || renameat(dir, fresh, dir, name))
		(void)unlinkat(dir, fresh, 0);
	close(dir);
}
