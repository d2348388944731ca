/* SPDX-License-Identifier: MIT */
/*
 * probe.c: is a call there at all? Asked with descriptors that cannot be valid: EBADF means the call exists, ENOSYS
 * that the kernel lacks it, EPERM that a sandbox forbids it. Nothing is moved by asking.
 *
 * Hazards 7, 25, 36, 57. This is how leat_features() works, and the only thing remembered for the whole process.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

static const struct fact facts[] = {
	{ "probe-sendfile", "EBADF", "36: sendfile(-1, -1)" },
	{ "probe-sendfile-zero-length", NULL, "36: with length 0: a probe needs no length" },
	{ "probe-splice", "EBADF", "36: splice(-1, -1)" },
	{ "probe-splice-zero-length", NULL, "36: with length 0: 0 tells nothing, so probe with 1" },
	{ "probe-tee", "EBADF", "36: tee(-1, -1)" },
	{ "probe-tee-zero-length", NULL, "36: with length 0" },
	{ "probe-copy_file_range", "EBADF|ENOSYS", "36: copy_file_range(-1, -1)" },
	{ "probe-copy_file_range-zero-length", NULL, "36: with length 0" },
	{ "probe-clone", "EBADF", "36: ioctl(-1, FICLONERANGE): says nothing of the file system" },
	{ "probe-preadv2-nowait", "EBADF", "36: preadv2(-1, RWF_NOWAIT)" },
	{ "probe-cachestat", NULL, "37: cachestat(-1): EBADF from Linux 6.5" },
	{ "probe-statx", "EBADF|ENOSYS", "12: statx(-1)" },
	{ "probe-vmsplice", NULL, "10: vmsplice(-1); never used" },
	{ "probe-memfd", "works", "10: memfd_create" },
	{ "probe-absent-call", "ENOSYS", "36: a call number no kernel has: the control" },
	{ "ktls", NULL, "57: TCP_ULP tls on a connected socket: ENOENT is absent; decide per connection" },
	{ "ktls-unconnected", NULL, "57: on an unconnected socket: says nothing" },
	{ "ulp-unknown", "ENOENT", "57: a ULP nobody has: the control" },
	{ "tcp-notsent-lowat", "works", "15: TCP_NOTSENT_LOWAT" },
	{ "tcp-reno", NULL, "bench: reno can be chosen on a socket: no pacing timers in the figures" },
};

static void calls(void)
{
	char byte;
	struct iovec one = { .iov_base = &byte, .iov_len = 1 };
	struct file_clone_range clone = { .src_fd = -1 };
	uint64_t words[8] = { 0 };
	struct statx stat;
	off_t at = 0;

	fact_say("probe-sendfile", "%s", fact_result(sendfile(-1, -1, &at, 1)));
	fact_say("probe-sendfile-zero-length", "%s", fact_result(sendfile(-1, -1, &at, 0)));
	fact_say("probe-splice", "%s", fact_result(splice(-1, NULL, -1, NULL, 1, 0)));
	fact_say("probe-splice-zero-length", "%s", fact_result(splice(-1, NULL, -1, NULL, 0, 0)));
	fact_say("probe-tee", "%s", fact_result(tee(-1, -1, 1, 0)));
	fact_say("probe-tee-zero-length", "%s", fact_result(tee(-1, -1, 0, 0)));
	fact_say("probe-copy_file_range", "%s",
		 fact_result(syscall(SYS_copy_file_range, -1, NULL, -1, NULL, 1, 0)));
	fact_say("probe-copy_file_range-zero-length", "%s",
		 fact_result(syscall(SYS_copy_file_range, -1, NULL, -1, NULL, 0, 0)));
	fact_say("probe-clone", "%s", fact_result(ioctl(-1, FICLONERANGE, &clone)));
	fact_say("probe-preadv2-nowait", "%s", fact_result(preadv2(-1, &one, 1, 0, RWF_NOWAIT)));
	fact_say("probe-cachestat", "%s", fact_result(syscall(SYS_cachestat, -1, words, words + 2, 0)));
	fact_say("probe-statx", "%s", fact_result(statx(-1, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stat)));
	fact_say("probe-vmsplice", "%s", fact_result(vmsplice(-1, &one, 1, 0)));
	fact_say("probe-memfd", "%s", memfd_create("fact", MFD_CLOEXEC) >= 0 ? "works" : fact_result(-1));
	fact_say("probe-absent-call", "%s", fact_result(syscall(1000, -1)));
}

static void sockets(void)
{
	int pair[2], alone = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), low = 16384;
	ssize_t n;

	fact_tcp_pair(pair);
	n = setsockopt(pair[0], IPPROTO_TCP, TCP_ULP, "no-such", 7);
	fact_say("ulp-unknown", "%s", fact_result(n));
	n = setsockopt(pair[0], IPPROTO_TCP, TCP_ULP, "tls", 3);
	fact_say("ktls", "%s", n < 0 ? fact_result(n) : "available");
	n = setsockopt(alone, IPPROTO_TCP, TCP_ULP, "tls", 3);
	fact_say("ktls-unconnected", "%s", n < 0 ? fact_result(n) : "accepted");
	n = setsockopt(pair[1], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	fact_say("tcp-notsent-lowat", "%s", n < 0 ? fact_result(n) : "works");
	n = setsockopt(pair[1], IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	fact_say("tcp-reno", "%s", n < 0 ? fact_result(n) : "works");
	close(alone);
	close(pair[0]);
	close(pair[1]);
}

static void run(void)
{
	struct utsname name;

	if (uname(&name) == 0)
		fact_note("kernel %s %s", name.release, name.machine);
	calls();
	sockets();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
