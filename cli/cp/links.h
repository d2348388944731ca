/* SPDX-License-Identifier: MIT */
/* Files with several names: where the first of them went. */
#ifndef CLI_CP_LINKS_H
#define CLI_CP_LINKS_H

#include <sys/stat.h>

struct links;

struct links *links_new(void);
const char *links_find(const struct links *links, const struct stat *st);	/* NULL: it is the first */
int links_add(struct links *links, const struct stat *st, const char *path);	/* copies path. 0, -ENOMEM */
void links_free(struct links *links);

#endif
