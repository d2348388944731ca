/* SPDX-License-Identifier: MIT */
/*
 * alias.c: are bytes that sendfile and splice have "moved" copies, or the file's own pages?
 *
 * Hazards 10, 11, 12, 18. Decides the stability property of sources (DESIGN.md invariant 10), what the manual promises
 * about replacing files, and that a hash beside a kernel route is impossible unless the source is stable (invariant 3).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 8192

static const struct fact facts[] = {
	{ "alias-sendfile-tcp", NULL, "10: a rewrite after sendfile to TCP; new: by reference, say so in the report" },
	{ "alias-sendfile-tcp-acked", NULL,
	  "11: the same after SIOCOUTQ said 0; new: all acknowledged is no safe point, so none is promised" },
	{ "alias-sendfile-unix", NULL, "10: the same over a Unix stream socket" },
	{ "alias-sendfile-pipe", NULL, "10: the same, sendfile to a pipe" },
	{ "alias-splice-pipe", NULL, "10: the same, splice file to pipe" },
	{ "alias-splice-pipe-tcp", NULL, "10: the same, file to pipe to TCP" },
	{ "alias-mapped-store", NULL, "10: a store through a mapping after sendfile" },
	{ "alias-read-send", "old", "10: policy copy and stable sources rely on read + send taking a copy" },
	{ "alias-truncate-mid-page", NULL,
	  "12: truncated to 5000 of 8192 queued bytes; zeros of the right length: only statx can notice" },
	{ "alias-truncate-0", NULL, "12: truncated to 0 after sendfile; old: whole pages stay what they were" },
	{ "alias-punch-hole", NULL, "12: 1000 bytes punched out of the first page after sendfile" },
	{ "alias-rename-over", "old", "12: the manual says: replace files by rename, never in place" },
	{ "alias-unlink", "old", "12: an unlinked file goes on being sent" },
	{ "alias-reflink-snapshot", "old", "10: stable sources by reflink snapshot: the original rewritten after sendfile" },
};

/* what the receiver sees as runs: "8192 old", "5000 old 3192 zero" */
static const char *describe(const char *buf, size_t size)
{
	static char text[160];
	size_t at = 0, len = 0;

	if (size == SIZE && memchr(buf, 'B', size) == buf && !memchr(buf, 'A', size) && !memchr(buf, 0, size))
		return "new";
	if (size == SIZE && memchr(buf, 'A', size) == buf && !memchr(buf, 'B', size) && !memchr(buf, 0, size))
		return "old";
	snprintf(text, sizeof(text), "nothing");
	while (at < size && len + 24 < sizeof(text)) {
		size_t run = 1;
		const char *what = buf[at] == 'A' ? "old" : buf[at] == 'B' ? "new" : buf[at] == 0 ? "zero" : "other";

		while (at + run < size && buf[at + run] == buf[at])
			run++;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%zu %s", len ? " " : "", run, what);
		at += run;
	}
	return text;
}

static void rewrite(int fd)
{
	fact_fill(fd, 'B', SIZE);
}

static void truncate_mid(int fd)
{
	if (ftruncate(fd, 5000) < 0)
		fact_die("ftruncate");
}

static void truncate_zero(int fd)
{
	if (ftruncate(fd, 0) < 0)
		fact_die("ftruncate");
}

static void rename_over(int fd)
{
	(void)fd;
	close(fact_file("replacement", 'B', SIZE));
	if (rename("replacement", "f") < 0)
		fact_die("rename");
}

static void unlink_it(int fd)
{
	(void)fd;
	if (unlink("f") < 0)
		fact_die("unlink");
}

static void mapped_store(int fd)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fact_die("mmap");
	memset(p, 'B', SIZE);
	munmap(p, SIZE);
}

/* queue the file's 8 KiB in the sink, change the file, see what arrives */
static void through(const char *name, int sink, int out, void (*change)(int))
{
	int fd = fact_file("f", 'A', SIZE);
	char buf[SIZE] = { 0 };
	off_t at = 0;
	ssize_t n = sendfile(sink, fd, &at, SIZE);

	if (n == SIZE) {
		change(fd);
		fact_say(name, "%s", describe(buf, fact_read(out, buf, SIZE, 1000)));
	} else {
		fact_skip(name, "sendfile gave %s", fact_result(n));
	}
	close(fd);
}

static void tcp(const char *name, void (*change)(int))
{
	int pair[2];

	fact_tcp_pair(pair);
	through(name, pair[0], pair[1], change);
	close(pair[0]);
	close(pair[1]);
}

static void acked(void)
{
	int pair[2], fd = fact_file("f", 'A', SIZE), queued = -1;
	char buf[SIZE] = { 0 };
	off_t at = 0;

	fact_tcp_pair(pair);
	if (sendfile(pair[0], fd, &at, SIZE) != SIZE)
		fact_die("sendfile");
	fact_settle(pair[0]);
	if (ioctl(pair[0], SIOCOUTQ, &queued) < 0 || queued != 0) {
		fact_skip("alias-sendfile-tcp-acked", "%d bytes never acknowledged", queued);
	} else {
		rewrite(fd);
		fact_say("alias-sendfile-tcp-acked", "%s", describe(buf, fact_read(pair[1], buf, SIZE, 1000)));
	}
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

static void pipes(void)
{
	int p[2], pair[2], fd = fact_file("f", 'A', SIZE);
	char buf[SIZE] = { 0 };
	off_t at = 0;

	fact_pipe(p);
	if (splice(fd, &at, p[1], NULL, SIZE, 0) != SIZE)
		fact_die("splice");
	rewrite(fd);
	fact_say("alias-splice-pipe", "%s", describe(buf, fact_read(p[0], buf, SIZE, 1000)));

	fact_fill(fd, 'A', SIZE);
	fact_tcp_pair(pair);
	at = 0;
	if (splice(fd, &at, p[1], NULL, SIZE, 0) != SIZE || splice(p[0], NULL, pair[0], NULL, SIZE, 0) != SIZE)
		fact_die("splice");
	rewrite(fd);
	fact_say("alias-splice-pipe-tcp", "%s", describe(buf, fact_read(pair[1], buf, SIZE, 1000)));
	close(p[0]);
	close(p[1]);
	close(pair[0]);
	close(pair[1]);
	close(fd);
}

static void pair_of_others(void)
{
	int p[2], pair[2];

	fact_unix_pair(pair);
	through("alias-sendfile-unix", pair[0], pair[1], rewrite);
	fact_pipe(p);
	through("alias-sendfile-pipe", p[1], p[0], rewrite);
	close(p[0]);
	close(p[1]);
	close(pair[0]);
	close(pair[1]);
}

static void copied(void)
{
	int pair[2], fd = fact_file("f", 'A', SIZE);
	char buf[SIZE] = { 0 };

	fact_tcp_pair(pair);
	if (pread(fd, buf, SIZE, 0) != SIZE || send(pair[0], buf, SIZE, 0) != SIZE)
		fact_die("send");
	rewrite(fd);
	fact_say("alias-read-send", "%s", describe(buf, fact_read(pair[1], buf, SIZE, 1000)));
	close(pair[0]);
	close(pair[1]);
	close(fd);
}

static void punch(int fd)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 1000) < 0)
		fact_note("no hole punched: %s", fact_result(-1));
}

static void snapshot(void)
{
	int pair[2], fd = fact_file("f", 'A', SIZE), snap = fact_file("snapshot", 0, 0);
	char buf[SIZE] = { 0 };
	off_t at = 0;

	fact_tcp_pair(pair);
	if (ioctl(snap, FICLONE, fd) < 0) {
		fact_skip("alias-reflink-snapshot", "FICLONE gave %s", fact_result(-1));
	} else if (sendfile(pair[0], snap, &at, SIZE) == SIZE) {
		rewrite(fd);
		fact_say("alias-reflink-snapshot", "%s", describe(buf, fact_read(pair[1], buf, SIZE, 1000)));
	} else {
		fact_die("sendfile from a snapshot");
	}
	close(pair[0]);
	close(pair[1]);
	close(snap);
	close(fd);
}

static void run_on(void)
{
	tcp("alias-sendfile-tcp", rewrite);
	tcp("alias-mapped-store", mapped_store);
	tcp("alias-truncate-mid-page", truncate_mid);
	tcp("alias-truncate-0", truncate_zero);
	tcp("alias-punch-hole", punch);
	tcp("alias-rename-over", rename_over);
	tcp("alias-unlink", unlink_it);
	acked();
	pair_of_others();
	pipes();
	copied();
	snapshot();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, NULL, run_on);

	return fact_main(argc, argv, &set);
}
