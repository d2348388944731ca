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

#define COMPARE_BYTES 16384	/* of each, on the stack of a thread, once they are known to differ */

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

/* As much as is there of size bytes: a file may have become shorter. -1: it cannot be read, or a signal ends it. */
static ssize_t read_at(int fd, char *bytes, size_t size, uint64_t at)
{
	size_t done = 0;
	ssize_t n;

	do {
		n = pread(fd, bytes + done, size - done, (off_t)(at + done));
		done += n > 0 ? (size_t)n : 0;
	} while (!stop_flag && (n > 0 ? done < size : n < 0 && errno == EINTR));
	return n < 0 || stop_flag ? -1 : (ssize_t)done;
}

/* How many bytes of both are the same; length: all are by now, or it cannot be told. */
static uint64_t same_bytes(int from, uint64_t offset, int to, uint64_t length)
{
	char sent[COMPARE_BYTES], there[COMPARE_BYTES];

	for (uint64_t at = 0; at < length;) {
		ssize_t want = length - at < sizeof sent ? (ssize_t)(length - at) : (ssize_t)sizeof sent, i = 0;
		ssize_t a = read_at(from, sent, (size_t)want, offset + at), b = read_at(to, there, (size_t)want, at);

		if (a < 0 || b < 0)
			return length;
		while (i < a && i < b && sent[i] == there[i])
			i++;
		at += (uint64_t)i;
		if (i < want)
			return at;
	}
	return length;
}

/* same: so many bytes, or length where they cannot be compared. */
static enum status differs(const struct sent *sent, uint64_t same, uint64_t length)
{
	const char *route = leat_route_name((enum leat_route)sent->report->route);
	int moved = sent->report->bytes && same >= sent->start;	/* not by an earlier run */

	out_error("%s: read back, it is not what was sent: %s%llu bytes%s%s", sent->shown, same < length ? "it differs after " : "",
		  (unsigned long long)same, moved ? ", by " : "", moved ? route : "");
	return STATUS_DIFFERS;
}

enum status check_same(int from, uint64_t offset, int to, uint64_t length, const struct sent *sent)
{
	enum status status = let_go(to, sent->shown);
	int same = 0;

	if (status == STATUS_OK)
		status = check_equal(from, offset, to, length, sent->shown, &same);
	return status != STATUS_OK || same ? status : differs(sent, same_bytes(from, offset, to, length), length);
}

enum status check_sent(uint64_t hash, int to, uint64_t length, const struct sent *sent)
{
	enum status status = let_go(to, sent->shown);
	struct leat_xxh3 there;

	if (status == STATUS_OK)
		status = check_hash(to, length, leat_xxh3_init(&there), sent->shown);
	return status != STATUS_OK || leat_xxh3_result(&there) == hash ? status : differs(sent, length, length);
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
