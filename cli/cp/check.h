/* SPDX-License-Identifier: MIT */
/* Whether two files hold the same bytes: read, both, and compared by hash. */
#ifndef CLI_CP_CHECK_H
#define CLI_CP_CHECK_H

#include "dest.h"
#include "status.h"

#include <leat.h>

/* What a sentence says of a copy besides what differs. */
struct sent {
	const char *shown;
	const struct leat_report *report;
	uint64_t start;		/* so many bytes an earlier run sent */
};

/* Whether the first length bytes of to are those of from at offset. Says what cannot be read, of shown. */
enum status check_equal(int from, uint64_t offset, int to, uint64_t length, const char *shown, int *ret_same);
/* The first length bytes, past a hash of the caller's. */
enum status check_hash(int fd, uint64_t length, struct leat_wrapper *hash, const char *shown);
/* A file system that says it has taken so many bytes may not have done so. STATUS_DIFFERS after a sentence. */
enum status check_length(int fd, uint64_t length, const char *shown);
/* As check_equal; to is read from the disk where the file system lets go of its pages. STATUS_DIFFERS after a sentence, with the first
 * byte that does. */
enum status check_same(int from, uint64_t offset, int to, uint64_t length, const struct sent *sent);
/* The same of what cannot be read again: hash is that of all that was sent, XXH3-64. */
enum status check_sent(uint64_t hash, int to, uint64_t length, const struct sent *sent);
/* What is there of a file to be resumed, which will have whole bytes. What cannot be a part of it is started anew, or, in
 * place, refused. */
enum status check_part(struct dest *dest, int from, uint64_t offset, uint64_t whole, const char *shown);

#endif
