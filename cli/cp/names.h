/* SPDX-License-Identifier: MIT */
/* The names in a directory, read at once, in the order of their inodes: that is how they lie on a disk. */
#ifndef CLI_CP_NAMES_H
#define CLI_CP_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct name { uint64_t inode; size_t at; };

struct names {
	char *text;		/* one after the other, each with its 0 */
	size_t length, room;
	struct name *all;
	size_t count, most, next;
};

/* All but "." and "..". names is all zero before. 0, or -errno with errno set. */
int names_read(struct names *names, int directory);
const char *names_next(struct names *names);	/* NULL: that was all */
void names_free(struct names *names);

#endif
