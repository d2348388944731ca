/* SPDX-License-Identifier: MIT */
/*
 * generated.c: files whose content the kernel makes while they are read (procfs, sysfs).
 *
 * Hazards 23, 24. Decides that a size of 0 is not "empty", that the first 0 of copy_file_range is confirmed by a
 * one-byte positional read, and which routes the plan offers for a generated source (reason src-generated).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "generated-proc-size", NULL, "24: st_size of /proc/self/status: 0 is not empty" },
	{ "generated-proc-pread", "all", "23: the one-byte confirming read and the copy route work with pread" },
	{ "generated-proc-nowait", NULL, "37: preadv2(RWF_NOWAIT) on it: refusal must not mean cold for ever" },
	{ "generated-proc-sendfile-tcp", "EINVAL|all|some", "24: refusal declines to the next route; never 0" },
	{ "generated-proc-sendfile-pipe", "EINVAL|all|some", "24: the same" },
	{ "generated-proc-splice-pipe", "EINVAL|all|some", "24: the same" },
	{ "generated-proc-copy_file_range", "EXDEV|EINVAL|0|EOPNOTSUPP|all|some",
	  "23: 0 here would make an empty copy: confirm a first 0 by reading a byte" },
	{ "generated-proc-sendfile-file", "EINVAL|all|some", "24: as a file to file route" },
	{ "generated-sys-size", NULL, "24: st_size of a sysfs file is a page, not its length" },
	{ "generated-sys-pread", "all", "24: read until 0" },
	{ "generated-sys-sendfile-tcp", "EINVAL|all|some", "24: as for procfs" },
	{ "generated-sys-splice-pipe", "EINVAL|all|some", "24: as for procfs" },
	{ "generated-sys-copy_file_range", "EXDEV|EINVAL|0|EOPNOTSUPP|all|some", "23: as for procfs" },
};

static size_t whole;

static void say(const char *kind, const char *what, ssize_t n)
{
	char name[64];

	snprintf(name, sizeof(name), "generated-%s-%s", kind, what);
	if (n > 0)
		fact_say(name, "%s", (size_t)n >= whole ? "all" : "some");
	else
		fact_say(name, "%s", fact_result(n));
}

static void files(const char *kind, int fd)
{
	int sink = fact_file("sink", 0, 0);
	int64_t from = 0, to = 0;
	off_t at = 0;
	ssize_t n = syscall(SYS_copy_file_range, fd, &from, sink, &to, 65536, 0);

	say(kind, "copy_file_range", n);
	if (kind[0] == 'p') {
		n = sendfile(sink, fd, &at, 65536);
		say(kind, "sendfile-file", n);
	}
	close(sink);
}

static void streams(const char *kind, int fd)
{
	int pair[2], p[2];
	off_t at = 0;
	ssize_t n;

	fact_tcp_pair(pair);
	fact_pipe(p);
	n = sendfile(pair[0], fd, &at, 65536);
	say(kind, "sendfile-tcp", n);
	if (kind[0] == 'p') {
		at = 0;
		n = sendfile(p[1], fd, &at, 65536);
		say(kind, "sendfile-pipe", n);
		fact_drain(p[0]);
	}
	at = 0;
	n = splice(fd, &at, p[1], NULL, 65536, 0);
	say(kind, "splice-pipe", n);
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static int open_generated(const char *kind, const char *path)
{
	char buf[65536], name[64];
	struct iovec one = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		fact_die(path);
	n = pread(fd, buf, sizeof(buf), 0);
	whole = n > 0 ? (size_t)n : 1;
	snprintf(name, sizeof(name), "generated-%s-size", kind);
	fact_say(name, "%lld", (long long)st.st_size);
	say(kind, "pread", n);
	if (kind[0] == 'p')
		say(kind, "nowait", preadv2(fd, &one, 1, 0, RWF_NOWAIT));
	return fd;
}

static void run(void)
{
	int fd = open_generated("proc", "/proc/self/status");

	if (fd < 0)
		fact_die("/proc/self/status");
	streams("proc", fd);
	close(fd);
	fd = open_generated("sys", "/sys/devices/system/cpu/online");
	if (fd < 0)
		fact_die("/sys/devices/system/cpu/online");
	streams("sys", fd);
	close(fd);
}

static void run_on(void)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	char buf[65536];

	whole = (size_t)pread(fd, buf, sizeof(buf), 0);
	files("proc", fd);
	close(fd);
	fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	whole = (size_t)pread(fd, buf, sizeof(buf), 0);
	files("sys", fd);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, run_on);

	return fact_main(argc, argv, &set);
}
