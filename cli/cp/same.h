/* SPDX-License-Identifier: MIT */
/* Which file it is, by whatever name. */
#ifndef CLI_CP_SAME_H
#define CLI_CP_SAME_H

#include <sys/stat.h>

struct file_id {
	dev_t dev;
	ino_t ino;
};

static inline struct file_id file_id(const struct stat *st)
{
	return (struct file_id){ st->st_dev, st->st_ino };
}

/* Of two that begin with their file_id: for tsearch. */
static inline int file_id_compare(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static inline int same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

#endif
