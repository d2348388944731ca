/* SPDX-License-Identifier: MIT */
/*
 * change.c: which changes of a file does statx show, and which changes it shows are none of the content.
 *
 * Hazard 12. Decides what source-changed can promise (invariant 10): size, mtime and ctime between begin and the last
 * call. The program states per change which of the three moved.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE 8192

static const struct fact facts[] = {
	{ "change-by-write", "mtime ctime", "12: a write of the same length, one tick later: must be seen" },
	{ "change-by-truncate", "size mtime ctime", "12: ftruncate" },
	{ "change-by-append", "size mtime ctime",
	  "14: appended to, as a log is: times move too, so source-grew cannot be told from a rewrite that also grew" },
	{ "change-within-a-tick", NULL, "10: a write straight after statx; not always: changes inside a tick escape" },
	{ "change-by-mapping-first-store", NULL, "10: first store through a mapping" },
	{ "change-by-mapping-later-store", NULL, "10: a later store to the same page: escapes until it is written back" },
	{ "change-by-mapping-after-msync", NULL, "10: a store after msync" },
	{ "change-by-utimens-restored", NULL, "12: written, then mtime set back: ctime gives it away" },
	{ "change-by-punch-hole", NULL, "12: PUNCH_HOLE, same size" },
	{ "no-change-sendfile", "nothing", "10: being the source of sendfile moves none of them" },
	{ "no-change-clone-source", NULL, "10: being the source of a reflink" },
	{ "no-change-fsync", "nothing", "10: written back to disk: fsync between begin and end" },
	{ "no-change-rename-over", NULL,
	  "12: replaced by rename, the recommended way, while sent; ctime: the last link going away looks like a change" },
	{ "no-change-rename-itself", NULL, "12: the file itself renamed: content untouched" },
	{ "no-change-unlink", NULL, "12: unlinked while sent: content untouched" },
	{ "no-change-link", NULL, "12: a hard link added: content untouched" },
	{ "no-change-chmod", NULL, "12: chmod: content untouched" },
	{ "change-links-tell-rename", "0", "12: stx_nlink after rename over it: ctime alone with fewer links is no change" },
	{ "statx-attributes", NULL, "10: attributes this file system reports: immutable ones are stable sources" },
};

static struct statx before;

static struct statx look(int fd)
{
	struct statx x;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x) < 0)
		fact_die("statx");
	return x;
}

static bool differ(struct statx_timestamp a, struct statx_timestamp b)
{
	return a.tv_sec != b.tv_sec || a.tv_nsec != b.tv_nsec;
}

static const char *moved(int fd)
{
	static char text[64];
	struct statx now = look(fd);

	snprintf(text, sizeof(text), "%s%s%s", now.stx_size != before.stx_size ? " size" : "",
		 differ(now.stx_mtime, before.stx_mtime) ? " mtime" : "",
		 differ(now.stx_ctime, before.stx_ctime) ? " ctime" : "");
	return text[0] ? text + 1 : "nothing";
}

/* a tick of the coarse clock (10 ms at HZ=100) lies between anything before and anything after */
static void start(int fd)
{
	fact_sleep_ms(25);
	before = look(fd);
	fact_sleep_ms(25);
}

static void contents(int fd)
{
	char block[SIZE];
	struct timespec old[2];

	memset(block, 'B', sizeof(block));
	start(fd);
	fact_fill(fd, 'B', SIZE);
	fact_say("change-by-write", "%s", moved(fd));
	start(fd);
	fsync(fd);
	fact_say("no-change-fsync", "%s", moved(fd));
	start(fd);
	fact_fill(fd, 'C', SIZE);
	old[0].tv_nsec = UTIME_OMIT;
	old[1].tv_sec = before.stx_mtime.tv_sec;
	old[1].tv_nsec = before.stx_mtime.tv_nsec;
	if (futimens(fd, old) < 0)
		fact_die("futimens");
	fact_say("change-by-utimens-restored", "%s", moved(fd));
	start(fd);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0)
		fact_skip("change-by-punch-hole", "%s", fact_result(-1));
	else
		fact_say("change-by-punch-hole", "%s", moved(fd));
	start(fd);
	if (ftruncate(fd, 5000) < 0)
		fact_die("ftruncate");
	fact_say("change-by-truncate", "%s", moved(fd));
	start(fd);
	if (pwrite(fd, "more", 4, 5000) != 4)
		fact_die("pwrite");
	fact_say("change-by-append", "%s", moved(fd));
	fact_fill(fd, 'A', SIZE);
}

static void ticks(int fd)
{
	int seen = 0;

	for (int i = 0; i < 200; i++) {
		before = look(fd);
		if (pwrite(fd, i & 1 ? "x" : "y", 1, 0) != 1)
			fact_die("pwrite");
		seen += strcmp(moved(fd), "nothing") != 0;
	}
	fact_note("%d of 200 writes straight after statx were seen", seen);
	fact_say("change-within-a-tick", "%s", seen == 200 ? "always seen" : "not always seen");
}

static void mappings(int fd)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		fact_die("mmap");
	fsync(fd);
	start(fd);
	((volatile char *)p)[0] = '1';
	fact_say("change-by-mapping-first-store", "%s", moved(fd));
	start(fd);
	((volatile char *)p)[1] = '2';
	fact_say("change-by-mapping-later-store", "%s", moved(fd));
	msync(p, SIZE, MS_SYNC);
	start(fd);
	((volatile char *)p)[2] = '3';
	fact_say("change-by-mapping-after-msync", "%s", moved(fd));
	munmap(p, SIZE);
}

static void harmless(int fd)
{
	int pair[2], clone = fact_file("clone", 0, 0);
	off_t at = 0;

	fact_tcp_pair(pair);
	start(fd);
	if (sendfile(pair[0], fd, &at, SIZE) != SIZE)
		fact_die("sendfile");
	fact_say("no-change-sendfile", "%s", moved(fd));
	start(fd);
	if (ioctl(clone, FICLONE, fd) < 0)
		fact_skip("no-change-clone-source", "%s", fact_result(-1));
	else
		fact_say("no-change-clone-source", "%s", moved(fd));
	start(fd);
	if (fchmod(fd, 0640) < 0)
		fact_die("fchmod");
	fact_say("no-change-chmod", "%s", moved(fd));
	start(fd);
	if (link("f", "f-again") < 0)
		fact_skip("no-change-link", "%s", fact_result(-1));
	else
		fact_say("no-change-link", "%s", moved(fd));
	unlink("f-again");
	start(fd);
	if (rename("f", "f-moved") < 0)
		fact_die("rename");
	fact_say("no-change-rename-itself", "%s", moved(fd));
	close(fact_file("replacement", 'B', SIZE));
	start(fd);
	if (rename("replacement", "f-moved") < 0)
		fact_die("rename");
	fact_say("no-change-rename-over", "%s", moved(fd));
	fact_say("change-links-tell-rename", "%u", look(fd).stx_nlink);
	close(clone);
	close(pair[0]);
	close(pair[1]);
}

static void attributes(int fd)
{
	struct statx x = look(fd);
	char text[100];

	snprintf(text, sizeof(text), "%s%s%s", x.stx_attributes_mask & STATX_ATTR_IMMUTABLE ? " immutable" : "",
		 x.stx_attributes_mask & STATX_ATTR_APPEND ? " append" : "",
		 x.stx_attributes_mask & STATX_ATTR_VERITY ? " verity" : "");
	fact_say("statx-attributes", "%s", text[0] ? text + 1 : "none");
}

static void run_on(void)
{
	int fd = fact_file("f", 'A', SIZE);

	attributes(fd);
	contents(fd);
	ticks(fd);
	mappings(fd);
	harmless(fd);
	close(fd);
	fd = fact_file("gone", 'A', SIZE);
	start(fd);
	unlink("gone");
	fact_say("no-change-unlink", "%s", moved(fd));
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, NULL, run_on);

	return fact_main(argc, argv, &set);
}
