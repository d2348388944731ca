/* SPDX-License-Identifier: MIT */
/* What was asked of `leat cp`, and what of it every file is told. */
#ifndef CLI_CP_SETTINGS_H
#define CLI_CP_SETTINGS_H

#include "../opt.h"

#include <stdint.h>
#include <sys/types.h>

enum { REQUIRE_REFLINK, REQUIRE_OFFLOAD, REQUIRE_KERNEL, REQUIRE_NOTHING };
enum { SHOW_ALWAYS, SHOW_AUTO, SHOW_NEVER };
enum { HASH_XXH3, HASH_SHA256, HASH_NONE };
enum { KEEP_MODE = 1, KEEP_TIMES = 2, KEEP_OWNER = 4, KEEP_XATTR = 8 };

struct leat_bucket;
struct written;

struct settings {
	struct opt_words words;		/* SOURCE... DEST */
	int several;			/* sources */
	const char *preserve_words, *tee;
	uint64_t limit, offset, rate, timeout_s, jobs;
	int recursive, explain, json, stable, sync, no_cache, verify, resume, in_place;
	int require, progress, hash;
	unsigned preserve;		/* KEEP_... */
	mode_t mask;			/* the umask */
	struct leat_bucket *bucket;	/* of --rate, all files share it; else NULL */
	struct written *written;	/* of all files, too */
};

#define NO_LIMIT UINT64_MAX

static inline int settings_timeout_ms(const struct settings *settings)
{
	return settings->timeout_s ? (int)(settings->timeout_s * 1000) : -1;
}

#endif
