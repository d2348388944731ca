/* SPDX-License-Identifier: MIT */
#include "check.h"
#include "../out.h"
#include "stop.h"

#include <leat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many bytes past the wrapper, which is a hash. 0 or an error. */
static int pass(int fd, uint64_t offset, uint64_t length, struct leat_wrapper *hash)
{
	const struct leat_options options = { .stop = &stop_flag };
	struct leat_source source;
	struct leat_sink sink;
	int64_t r;

	leat_from_range(&source, fd, offset, length);
	leat_to_nothing(&sink);
	leat_wrap(&source, hash);
	r = leat_copy(&sink, &source, &options, NULL);
	leat_close(&source);
	leat_close_sink(&sink);
	return r < 0 ? (int)r : 0;
}

static enum status of_pass(int r, const char *shown)
{
	if (r == -ECANCELED)
		return (enum status)(STATUS_STOPPED + stop_flag);
	if (r < 0)
		out_error("%s: cannot be read back: %s", shown, leat_strerror(r));
	return r < 0 ? STATUS_FAILED : STATUS_OK;
}

enum status check_equal(int from, uint64_t offset, int to, uint64_t length, const char *shown, int *ret_same)
{
	struct leat_xxh3 sent, there;
	int r = pass(from, offset, length, leat_xxh3_init(&sent));

	if (!r)
		r = pass(to, 0, length, leat_xxh3_init(&there));
	*ret_same = !r && leat_xxh3_result(&sent) == leat_xxh3_result(&there);
	return r == LEAT_ESHORT ? STATUS_OK : of_pass(r, shown);
}

enum status check_hash(int fd, uint64_t length, struct leat_wrapper *hash, const char *shown)
{
	return of_pass(pass(fd, 0, length, hash), shown);
}

enum status check_length(int fd, uint64_t length, const char *shown)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size >= length)
		return STATUS_OK;
	out_error("%s: not all of the %llu bytes that were sent are there", shown, (unsigned long long)length);
	return STATUS_DIFFERS;
}

/* What is not read from the disk says nothing of what is on it. */
static enum status let_go(int fd, const char *shown)
{
	if (fdatasync(fd) < 0 && errno != EINVAL) {
		out_error("%s: cannot be written to the disk: %s", shown, strerror(errno));
		return STATUS_DEST;
	}
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return STATUS_OK;
}

static enum status judged(enum status status, int same, const char *shown)
{
	if (status != STATUS_OK || same)
		return status;
	out_error("%s: read back, it is not what was sent", shown);
	return STATUS_DIFFERS;
}

enum status check_same(int from, uint64_t offset, int to, uint64_t length, const char *shown)
{
	enum status status = let_go(to, shown);
	int same = 0;

	if (status == STATUS_OK)
		status = check_equal(from, offset, to, length, shown, &same);
	return judged(status, same, shown);
}

enum status check_sent(uint64_t sent, int to, uint64_t length, const char *shown)
{
	enum status status = let_go(to, shown);
	struct leat_xxh3 there;

	if (status == STATUS_OK)
		status = check_hash(to, length, leat_xxh3_init(&there), shown);
	return judged(status, status == STATUS_OK && leat_xxh3_result(&there) == sent, shown);
}

enum status check_part(struct dest *dest, int from, uint64_t offset, uint64_t whole, const char *shown)
{
	enum status status = STATUS_OK;
	int same = 0;

	if (dest->start <= whole)
		status = check_equal(from, offset, dest->fd, dest->start, shown, &same);
	if (status != STATUS_OK || same)
		return status;
	if (dest->way == DEST_IN_PLACE) {
		out_error("%s: its %llu bytes are not the beginning of the source; nothing was written (without --resume it is "
			  "written anew)", shown, (unsigned long long)dest->start);
		return STATUS_DIFFERS;
	}
	out_error("%s: what an earlier run left is not the beginning of the source; starting anew", shown);
	if (ftruncate(dest->fd, 0) < 0) {
		out_error("%s: %s", shown, strerror(errno));
		return STATUS_DEST;
	}
	dest->start = 0;
	return STATUS_OK;
}
