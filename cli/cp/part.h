/* SPDX-License-Identifier: MIT */
/* What is made under a temporary name beside the one that it will have, and what is left there when the program is killed. */
#ifndef CLI_CP_PART_H
#define CLI_CP_PART_H

#include <limits.h>
#include <sys/stat.h>

#define PART_TRIES 10	/* others, who do the same at the same time */

/*
 * ".NAME.leat-part". Where the source's directory, if it is copied with all that is in it, has that name, too, it is what will be
 * copied to there, and ".NAME.leat-part2" to 9 are free instead. source: that directory, or -1. 0; -ENOTUNIQ: it has them all; or -errno.
 */
int part_name(const char *name, int source, char ret[NAME_MAX + 1]);
/*
 * Removes what is left over: a file that nobody writes, or what is of the same kind (S_IFMT) as what shall be made there. What is
 * not ours, or of another kind, stays. 0; -EWOULDBLOCK: another leat is writing it; or -errno.
 */
int part_sweep(int dir, const char *part, mode_t kind);
/* Whether the open file has that name still: nobody has swept it, or given it its own, between opening and locking it. */
int part_is(int dir, const char *part, int fd);
/* What an -errno of these, or of making something there, says of name. The thread's own until it asks again. */
const char *part_why(int error, const char *name, int source);

#endif
