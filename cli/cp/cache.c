/* SPDX-License-Identifier: MIT */
#include "cache.h"

#include <fcntl.h>
#include <unistd.h>

/* Written in the background while the next one is copied; only what is on the disk can be dropped. */
#define WINDOW (UINT64_C(32) << 20)

static void drop(const struct cache *cache, uint64_t at)
{
	posix_fadvise(cache->from, (off_t)(cache->from_at + at), (off_t)WINDOW, POSIX_FADV_DONTNEED);
	sync_file_range(cache->to, (off_t)(cache->to_at + at), (off_t)WINDOW,
			SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
	posix_fadvise(cache->to, (off_t)(cache->to_at + at), (off_t)WINDOW, POSIX_FADV_DONTNEED);
}

static void moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct cache *cache = (struct cache *)wrapper;

	(void)route;
	cache->passed += bytes;
	for (; cache->passed - cache->asked >= WINDOW; cache->asked += WINDOW) {
		sync_file_range(cache->to, (off_t)(cache->to_at + cache->asked), (off_t)WINDOW, SYNC_FILE_RANGE_WRITE);
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

void cache_drop(const struct cache *cache)
{
	posix_fadvise(cache->from, 0, 0, POSIX_FADV_DONTNEED);
	fdatasync(cache->to);
	posix_fadvise(cache->to, 0, 0, POSIX_FADV_DONTNEED);
}
