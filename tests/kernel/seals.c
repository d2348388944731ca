/* SPDX-License-Identifier: MIT */
/*
 * seals.c: sealed memory files as stable sources.
 *
 * Hazards 10, 18. Decides when the library takes a source for sealed without the caller's promise: F_GET_SEALS with
 * write, grow and shrink sealed, and that such a file really cannot change any more.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SIZE 8192

static const struct fact facts[] = {
	{ "seals-memfd", "works", "10: memfd_create(MFD_ALLOW_SEALING), then write, grow and shrink sealed" },
	{ "seals-write-refused", "EPERM", "10: pwrite on it" },
	{ "seals-truncate-refused", "EPERM", "10: ftruncate on it" },
	{ "seals-map-refused", "EPERM", "10: a writable shared mapping of it" },
	{ "seals-punch-refused", "EPERM", "10: PUNCH_HOLE on it" },
	{ "seals-removed", "EPERM|EINVAL", "10: seals cannot be taken back" },
	{ "seals-sendfile", "8192", "10: sendfile from it" },
	{ "seals-while-mapped", "EBUSY", "10: sealing is refused while a writable mapping exists" },
	{ "seals-while-queued", NULL, "10: sealing while its pages stand in a socket queue" },
	{ "seals-future-write-mapping", NULL, "10: F_SEAL_FUTURE_WRITE leaves old mappings writable: not stable" },
	{ "seals-of-file", "EINVAL|nothing sealed", "10: F_GET_SEALS on an ordinary file must not look sealed" },
	{ "seals-nowait", NULL, "37: preadv2(RWF_NOWAIT) is of no use on memory files: ask the file system type first" },
};

static int make(unsigned int seals)
{
	int fd = memfd_create("fact", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	fact_fill(fd, 'A', SIZE);
	if (seals && fcntl(fd, F_ADD_SEALS, seals) < 0)
		return -1;
	return fd;
}

static void sealed(int fd)
{
	int pair[2];
	off_t at = 0;
	void *p;

	fact_tcp_pair(pair);
	fact_say("seals-write-refused", "%s", fact_result(pwrite(fd, "x", 1, 0)));
	fact_say("seals-truncate-refused", "%s", fact_result(ftruncate(fd, 100)));
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fact_say("seals-map-refused", "%s", p == MAP_FAILED ? fact_result(-1) : "mapped");
	fact_say("seals-punch-refused", "%s",
		 fact_result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096)));
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) < 0)
		fact_die("F_SEAL_SEAL");
	fact_say("seals-removed", "%s", fact_result(fcntl(fd, F_ADD_SEALS, 0)));
	fact_say("seals-sendfile", "%s", fact_result(sendfile(pair[0], fd, &at, SIZE)));
	close(pair[0]);
	close(pair[1]);
}

static void busy(void)
{
	int fd = make(0), pair[2];
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	off_t at = 0;
	ssize_t n;

	if (p == MAP_FAILED)
		fact_die("mmap");
	fact_tcp_pair(pair);
	fact_say("seals-while-mapped", "%s", fact_result(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
	n = fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
	p[0] = 'C';
	if (n < 0)
		fact_skip("seals-future-write-mapping", "%s", fact_result(n));
	else
		fact_say("seals-future-write-mapping", "still writes");
	munmap(p, SIZE);
	if (sendfile(pair[0], fd, &at, SIZE) != SIZE)
		fact_die("sendfile");
	fact_say("seals-while-queued", "%s", fact_result(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

static void run(void)
{
	int fd = make(F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	char byte;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };

	if (fd < 0) {
		fact_say("seals-memfd", "%s", fact_result(fd));
		for (size_t i = 1; i < sizeof(facts) / sizeof(facts[0]); i++)
			if (strcmp(facts[i].name, "seals-of-file") != 0)
				fact_skip(facts[i].name, "no memfd");
		return;
	}
	fact_say("seals-memfd", "works");
	fact_say("seals-nowait", "%s", fact_result(preadv2(fd, &one, 1, 0, RWF_NOWAIT)));
	sealed(fd);
	close(fd);
	busy();
}

static void run_on(void)
{
	int fd = fact_file("f", 'A', 100), seals = fcntl(fd, F_GET_SEALS);

	fact_say("seals-of-file", "%s",
		 seals < 0 ? fact_result(-1) : seals & ~F_SEAL_SEAL ? "sealed" : "nothing sealed");
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, run_on);

	return fact_main(argc, argv, &set);
}
