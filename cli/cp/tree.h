/* SPDX-License-Identifier: MIT */
/* -r: a directory with all that is in it. */
#ifndef CLI_CP_TREE_H
#define CLI_CP_TREE_H

#include "job.h"

/*
 * from becomes to, which may exist and is then added to. Links are copied as links, special files made anew, names that are
 * one file stay one; nothing below from or to is reached by a symbolic link. The worst of all files.
 */
enum status tree_copy(const struct settings *settings, struct show *show, const struct addr *from, const struct addr *to);

#endif
