/* SPDX-License-Identifier: MIT */
#include "cache.h"
#include "../out.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Written in the background while the next one is copied; only what is on the disk can be dropped. */
#define WINDOW (UINT64_C(32) << 20)

/* Said of a pipe, socket or device, which has no pages, and by a kernel without the call. */
static int has_no_disk(int error)
{
	return error == ESPIPE || error == EINVAL || error == ENOSYS;
}

static void keep(struct cache *cache, int error)
{
	if (!cache->error && !has_no_disk(error))
		cache->error = -error;
}

/* What the disk did not take is told but once of a descriptor, to the call that waits: no later fsync tells it again. */
static void write_window(struct cache *cache, uint64_t at, unsigned flags)
{
	if (cache->to >= 0 && sync_file_range(cache->to, (off_t)(cache->to_at + at), (off_t)WINDOW, flags) < 0)
		keep(cache, errno);
}

static void drop(struct cache *cache, uint64_t at)
{
	posix_fadvise(cache->from, (off_t)(cache->from_at + at), (off_t)WINDOW, POSIX_FADV_DONTNEED);
	write_window(cache, at, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	posix_fadvise(cache->to, (off_t)(cache->to_at + at), (off_t)WINDOW, POSIX_FADV_DONTNEED);
}

static void moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct cache *cache = (struct cache *)wrapper;

	(void)route;
	cache->passed += bytes;
	for (; cache->passed - cache->asked >= WINDOW; cache->asked += WINDOW) {
		write_window(cache, cache->asked, SYNC_FILE_RANGE_WRITE);
		if (cache->asked)
			drop(cache, cache->asked - WINDOW);
	}
}

struct leat_wrapper *cache_init(struct cache *cache, int from, uint64_t from_at, int to, uint64_t to_at)
{
	static const struct leat_wrapper_ops ops = { .name = "no-cache", .need = LEAT_NEED_COUNTS, .moved = moved };

	*cache = (struct cache){ .from = from, .to = to, .from_at = from_at, .to_at = to_at };
	return leat_wrapper_init(&cache->wrapper, &ops);
}

int cache_flush(struct cache *cache, const char *shown)
{
	int full;

	if (cache->to >= 0 && fdatasync(cache->to) < 0)
		keep(cache, errno);
	if (!cache->error)
		return 0;
	posix_fadvise(cache->to, 0, 0, POSIX_FADV_DONTNEED);	/* a part is compared with the source by what is on the disk */
	full = cache->error == -ENOSPC || cache->error == -EDQUOT;
	out_error("%s: not all of it reached the disk: %s; %s", shown, strerror(-cache->error),
		  full ? "make room there, and copy it again" : "the log of the kernel (dmesg) says more");
	return cache->error;
}

void cache_drop(const struct cache *cache)
{
	posix_fadvise(cache->from, 0, 0, POSIX_FADV_DONTNEED);
	posix_fadvise(cache->to, 0, 0, POSIX_FADV_DONTNEED);
}
