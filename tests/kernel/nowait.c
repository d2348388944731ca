/* SPDX-License-Identifier: MIT */
/*
 * nowait.c: asking whether a range of a file is in memory.
 *
 * Hazard 37. Decides how cold ranges are found (invariant 13): preadv2(RWF_NOWAIT), cachestat where permitted, and
 * what an EAGAIN or EOPNOTSUPP there means.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

#define SIZE 1048576
#define PAGE 4096

static const struct fact facts[] = {
	{ "nowait-cached", NULL, "37: preadv2(RWF_NOWAIT) of 1 MiB in memory; refusal means unknown, not cold" },
	{ "nowait-evicted", NULL, "37: the same after posix_fadvise(DONTNEED): EAGAIN is cold" },
	{ "nowait-evicted-one-byte", NULL, "37: a probe of one byte there" },
	{ "nowait-one-byte-starts-read-ahead", NULL, "37: whether that probe brought pages in by itself" },
	{ "nowait-evicted-later", NULL, "37: asked again 100 ms after the EAGAIN; a count: asking starts read-ahead itself" },
	{ "nowait-willneed-later", NULL, "37: asked again 100 ms after posix_fadvise(WILLNEED) of 1 MiB" },
	{ "nowait-half-cached", NULL, "37: 1 MiB asked, second half evicted: a short count shows where cold begins" },
	{ "nowait-hole", NULL, "37: in a hole never read" },
	{ "nowait-at-end", "0|EAGAIN|EOPNOTSUPP", "37: at the end of the file" },
	{ "evict-works", NULL, "37: pages left in memory after fsync and DONTNEED (by mincore)" },
	{ "cachestat", NULL, "37: cachestat(2) on an own file all in memory; on overlay it says nothing is" },
	{ "cachestat-other-user", NULL, "37: as an ordinary user on another user's readable file" },
};

static char block[SIZE];

static ssize_t ask(int fd, size_t size, off_t at)
{
	struct iovec one = { .iov_base = block, .iov_len = size };

	return preadv2(fd, &one, 1, at, RWF_NOWAIT);
}

struct cstat {
	uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

static long cached_pages(int fd)
{
	struct {
		uint64_t at, len;
	} range = { 0, SIZE };
	struct cstat stat = { 0 };

	if (syscall(SYS_cachestat, fd, &range, &stat, 0) < 0)
		return -1;
	return (long)stat.cached;
}

static int resident(int fd)
{
	unsigned char in_core[SIZE / PAGE];
	void *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	int sum = 0;

	if (p == MAP_FAILED || mincore(p, SIZE, in_core) < 0)
		fact_die("mincore");
	for (size_t i = 0; i < sizeof(in_core); i++)
		sum += in_core[i] & 1;
	munmap(p, SIZE);
	return sum;
}

static void evict(int fd, off_t at, off_t len)
{
	if (fsync(fd) < 0)
		fact_die("fsync");
	posix_fadvise(fd, at, len, POSIX_FADV_DONTNEED);
}

static const char *part(ssize_t n)
{
	return n <= 0 ? fact_result(n) : n == SIZE ? "all" : n == SIZE / 2 ? "half" : n == 1 ? "1" : "some";
}

/*
 * Where asking starts the read-ahead by itself, a fast disk may bring the page before the call looks for it. Then
 * EAGAIN and success are both right, and which of them comes is chance.
 */
static void say_cold(const char *name, const char *answer, const char *cold, bool started)
{
	fact_note("%s: %s", name, answer);
	if (started && (strcmp(answer, "EOPNOTSUPP") != 0))
		fact_say(name, "%s, or read in time", cold);
	else
		fact_say(name, "%s", answer);
}

static void warm(int fd, int hole)
{
	ssize_t n;

	fact_say("nowait-cached", "%s", part(ask(fd, SIZE, 0)));
	fact_say("nowait-at-end", "%s", fact_result(ask(fd, 4096, SIZE)));
	fact_say("nowait-hole", "%s", fact_result(ask(hole, 4096, 0)));
	n = cached_pages(fd);
	if (n < 0)
		fact_say("cachestat", "%s", fact_result(n));
	else
		fact_say("cachestat", "%zd of %d", n, SIZE / PAGE);
}

static void run_on(void)
{
	int fd = fact_file("f", 'A', SIZE), hole = fact_sparse("hole", SIZE);
	const char *one, *whole, *half;
	bool started;
	ssize_t n;

	warm(fd, hole);
	evict(fd, 0, SIZE);
	n = resident(fd);
	fact_say("evict-works", "%s", n == 0 ? "0 left" : n == SIZE / PAGE ? "all left" : "some left");
	one = fact_result(ask(fd, 1, SIZE / 2));
	fact_sleep_ms(100);
	started = resident(fd) > 0 && n == 0;
	fact_note("%d of %d pages in memory 100 ms after a probe of one byte", resident(fd), SIZE / PAGE);
	say_cold("nowait-evicted-one-byte", one, "EAGAIN", started);
	if (n > 0)
		fact_skip("nowait-one-byte-starts-read-ahead", "cannot be evicted");
	else
		fact_say("nowait-one-byte-starts-read-ahead", "%s", started ? "yes" : "no");
	evict(fd, 0, SIZE);
	whole = part(ask(fd, SIZE, 0));
	say_cold("nowait-evicted", whole, "EAGAIN", started);
	fact_sleep_ms(100);
	fact_note("%d of %d pages in memory 100 ms after asking", resident(fd), SIZE / PAGE);
	fact_say("nowait-evicted-later", "%s", part(ask(fd, SIZE, 0)));
	evict(fd, 0, SIZE);
	posix_fadvise(fd, 0, SIZE, POSIX_FADV_WILLNEED);
	fact_sleep_ms(100);
	fact_note("%d of %d pages in memory 100 ms after WILLNEED", resident(fd), SIZE / PAGE);
	fact_say("nowait-willneed-later", "%s", part(ask(fd, SIZE, 0)));
	evict(fd, SIZE / 2, SIZE / 2);
	half = part(ask(fd, SIZE, 0));
	say_cold("nowait-half-cached", half, "half", started);
	close(fd);
	close(hole);
}

struct shared {
	int fd;
	long result;
};

static void as_user(void *arg)
{
	struct shared *s = arg;

	s->result = cached_pages(s->fd) < 0 ? -errno : 0;
}

static void run(void)
{
	struct shared *s = fact_shared(sizeof(*s));
	int fd = fact_file("f", 'A', SIZE);

	if (geteuid() != 0 || fchmod(fd, 0644) < 0) {
		fact_skip("cachestat-other-user", "not root");
	} else {
		s->fd = open("f", O_RDONLY | O_CLOEXEC);
		if (fact_as_user(as_user, s) < 0)
			fact_skip("cachestat-other-user", "cannot become an ordinary user");
		else
			fact_say("cachestat-other-user", "%s", s->result ? fact_errno((int)-s->result) : "works");
	}
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, run_on);

	return fact_main(argc, argv, &set);
}
