/* SPDX-License-Identifier: MIT */
/* --preserve: what belongs to a file besides its bytes. */
#ifndef CLI_CP_KEEP_H
#define CLI_CP_KEEP_H

#include <sys/stat.h>

/* Of the source's to the open file; what: KEEP_..., settings.h. What is no file is open by O_PATH. 0, or -errno after a sentence that
 * names shown. */
int keep_attributes(int from, const struct stat *source, int to, unsigned what, const char *shown);
/* With one of these, what is no file is made for its owner alone, */
#define KEEP_PRIVATE (KEEP_OWNER | KEEP_MODE | KEEP_XATTR)
/* and then given the same, and, where that is not the mode, what a new one may: the source's mode, less mask. */
int keep_private(int from, const struct stat *source, int to, unsigned what, mode_t mask, const char *shown);
/* The access list of name in dir, or none, to the open file that replaces it. 0, or -errno after a sentence. */
int keep_acl(int dir, const char *name, int to, const char *shown);
/* "mode,times": 0 and the bits, or -EINVAL after a sentence. */
int keep_parse(const char *words, unsigned *ret_what);

#endif
