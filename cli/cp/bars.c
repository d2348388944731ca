/* SPDX-License-Identifier: MIT */
#include "bars.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

struct bar bar_of(int dir, const char *name)
{
	struct bar bar = { 0 };
	unsigned long long all;
	struct statx x;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &x) < 0)
		return bar;
	all = x.stx_attributes & x.stx_attributes_mask;
	bar.letter = all & STATX_ATTR_IMMUTABLE ? 'i' : all & STATX_ATTR_APPEND ? 'a' : 0;
	bar.word = bar.letter == 'i' ? "immutable" : bar.letter ? "append-only" : NULL;
	bar.is_mount = (all & STATX_ATTR_MOUNT_ROOT) != 0;
	return bar;
}
