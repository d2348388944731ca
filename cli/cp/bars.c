/* SPDX-License-Identifier: MIT */
#include "bars.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

struct bar bar_of(int dir, const char *name)
{
	struct statx x;
	unsigned long long all;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &x) < 0)
		return (struct bar){ NULL, 0 };
	all = x.stx_attributes & x.stx_attributes_mask;
	return all & STATX_ATTR_IMMUTABLE ? (struct bar){ "immutable", 'i' } :
	       all & STATX_ATTR_APPEND ? (struct bar){ "append-only", 'a' } : (struct bar){ NULL, 0 };
}
