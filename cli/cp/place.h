/* SPDX-License-Identifier: MIT */
/* Where a name leads: through which links, to what kind of thing. */
#ifndef CLI_CP_PLACE_H
#define CLI_CP_PLACE_H

#include "dest.h"

/* Follows symbolic links to what shall be replaced, and looks at it: dir, name, exists, was and magic. 0, or -errno after a sentence. */
int place_find(struct dest *dest, int at, const char *path, const struct dest_options *options);
/* The descriptor of ours that a link of /proc names, or -1. */
int place_own_descriptor(const struct dest *dest);
int place_is_generated(const struct dest *dest);

#endif
