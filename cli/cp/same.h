/* SPDX-License-Identifier: MIT */
#ifndef CLI_CP_SAME_H
#define CLI_CP_SAME_H

#include <sys/stat.h>

static inline int same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

#endif
