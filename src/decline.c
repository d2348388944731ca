/* SPDX-License-Identifier: MIT */
#include "decline.h"

#include <errno.h>

#define CLONE	ROUTE_BIT(LEAT_ROUTE_CLONE)
#define RANGE	ROUTE_BIT(LEAT_ROUTE_COPY_FILE_RANGE)
#define SEND	ROUTE_BIT(LEAT_ROUTE_SENDFILE)
#define SPLICE	(ROUTE_BIT(LEAT_ROUTE_SPLICE) | ROUTE_BIT(LEAT_ROUTE_SPLICE_PIPE))
#define ALL	(CLONE | RANGE | SEND | SPLICE)

/*
 * First match wins. "At start only": after progress the same errno is a fault of the data, not of the pair (hazard 25).
 * ENOSPC, EDQUOT, EFBIG of the sink and EIO after progress are never here: they are final (hazard 29).
 */
static const struct decline_row rows[] = {
	{ RANGE, EXDEV, false, LEAT_CROSS_FS },		/* 5.19+: two file systems; procfs on 6.18 (measured) */
	{ CLONE, EXDEV, false, LEAT_CROSS_FS },
	{ CLONE, EOPNOTSUPP, false, LEAT_FS_DENIED },	/* ext4, tmpfs */
	{ CLONE, ENOTTY, false, LEAT_FS_DENIED },	/* file systems without the ioctl */
	{ CLONE, EINVAL, false, LEAT_FS_DENIED },	/* unaligned range, or an end that is no plain file */
	{ CLONE, ETXTBSY, true, LEAT_FS_DENIED },	/* swap file */
	{ RANGE, ETXTBSY, true, LEAT_FS_DENIED },	/* coreutils' list */
	{ RANGE, EBADF, true, LEAT_OUT_APPEND },	/* append-mode sink (measured); flags are looked at first */
	{ RANGE, ENOTTY, true, LEAT_FS_DENIED },	/* coreutils' list */
	{ RANGE, ENOENT, true, LEAT_FS_DENIED },	/* CIFS across shares (coreutils) */
	{ RANGE, EOVERFLOW, false, LEAT_FS_DENIED },	/* near the largest offset (Rust; coreutils on 6.17) */
	{ SEND, EOVERFLOW, false, LEAT_FS_DENIED },
	{ RANGE | SEND, ENODATA, true, LEAT_FS_DENIED },	/* Lustre (python/cpython#139416) */
	{ RANGE | SEND, EIO, true, LEAT_FS_DENIED },	/* CIFS, FUSE (golang/go#42334) */
	{ SEND, ENOTSOCK, true, LEAT_FS_DENIED },	/* libuv's list */
	{ SEND, EXDEV, true, LEAT_CROSS_FS },
	{ SPLICE, EBADF, true, LEAT_FS_DENIED },	/* HAProxy: an end without splice */
	{ RANGE | SEND | SPLICE, EINVAL, false, LEAT_FS_DENIED },	/* the pair has no such operation; append; kTLS record */
	{ RANGE | SEND | SPLICE, EOPNOTSUPP, false, LEAT_FS_DENIED },
	{ ALL, ENOSYS, false, LEAT_SANDBOX },		/* seccomp, gVisor, qemu user mode; the kernels we support have all */
	{ ALL, EPERM, true, LEAT_SANDBOX },		/* seccomp; golang/go#40731 */
	{ ALL, EACCES, true, LEAT_SANDBOX },		/* security modules */
};

bool decline_reason(enum leat_route route, int error, bool moved, enum leat_reason *ret_reason)
{
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!(rows[i].routes & ROUTE_BIT(route)) || -rows[i].error != error)
			continue;
		if (rows[i].at_start_only && moved)
			return false;
		*ret_reason = rows[i].reason;
		return true;
	}
	return false;
}

const struct decline_row *decline_rows(unsigned *ret_count)
{
	*ret_count = sizeof rows / sizeof rows[0];
	return rows;
}
