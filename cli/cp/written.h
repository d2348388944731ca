/* SPDX-License-Identifier: MIT */
/* Which files this run has written, and from what: by another name none is written over the other. */
#ifndef CLI_CP_WRITTEN_H
#define CLI_CP_WRITTEN_H

#include <sys/stat.h>

/* Said where it is not known of what, if of anything of ours: nobody looked. */
#define WRITTEN_MET "it was made just now, from another source whose name is the same there or by somebody else, and is not overwritten"

struct written;

struct written *written_new(void);
/*
 * From any thread, before the first byte: to shall be written from from, which is called text. NULL: it may be; else what another
 * source is called that it is written from already. With no memory left it may not, either.
 */
const char *written_claim(struct written *written, const struct stat *to, const struct stat *from, const char *text);
/* What another source is called that to is from already; NULL: it may be replaced. */
const char *written_by(struct written *written, const struct stat *to, const struct stat *from);
/* It has been made of from. */
void written_note(struct written *written, const struct stat *to, const struct stat *from, const char *text);
void written_free(struct written *written);

#endif
