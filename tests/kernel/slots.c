/* SPDX-License-Identifier: MIT */
/*
 * slots.c: a pipe is full by slots, not by bytes, and splice's EAGAIN has two causes.
 *
 * Hazards 41, 42. Decides that a pipe object knows its own count, that EAGAIN with a non-empty pipe means "pipe full"
 * (invariant 8), and that readiness is never computed from bytes and capacity.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "pipe-size-default", NULL, "46: read back with F_GETPIPE_SZ; never assumed" },
	{ "pipe-size-asked-100000", NULL, "46: F_SETPIPE_SZ rounds up to a power of two" },
	{ "pipe-size-below-content", "EBUSY", "46: F_SETPIPE_SZ smaller than what the pipe holds" },
	{ "pipe-full-after-file-bytes", NULL, "42: one-byte splices from a file into 64 KiB until EAGAIN: the slots" },
	{ "pipe-full-after-file-bytes-1M", NULL, "42: the same in a 1 MiB pipe" },
	{ "pipe-full-after-unix-bytes", NULL, "42: five-byte messages on a Unix socket until EAGAIN" },
	{ "pipe-full-after-tcp-bytes", NULL, "41: five-byte TCP segments: full far below 64 KiB; full means slots" },
	{ "pipe-full-after-writes", NULL, "42: one-byte writes are merged into pages, unlike splices" },
	{ "splice-eagain-source-empty", "EAGAIN, pipe empty", "41: cause one: wait for the source" },
	{ "splice-eagain-pipe-full", "EAGAIN, pipe holds bytes", "41: cause two: empty the pipe first, source stays ready" },
	{ "pipe-full-pollout", NULL, "41: poll on the full pipe's write end tells the two apart" },
	{ "pipe-pollout-after-half-a-slot", NULL, "42: half of one slot's bytes read: no room yet" },
	{ "pipe-fionread", "exact", "47: FIONREAD agrees with the count kept by the pipe object" },
	{ "pipe-splice-in-blocks-when-full", "EAGAIN", "39: SPLICE_F_NONBLOCK does cover the pipe end" },
};

static int held(int fd)
{
	int n = -1;

	if (ioctl(fd, FIONREAD, &n) < 0)
		fact_die("FIONREAD");
	return n;
}

static bool writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

static void sizes(void)
{
	char page[8192] = { 0 };
	int p[2];

	fact_pipe(p);
	fact_say("pipe-size-default", "%d", fcntl(p[0], F_GETPIPE_SZ));
	fact_say("pipe-size-asked-100000", "%s", fact_result(fcntl(p[0], F_SETPIPE_SZ, 100000)));
	if (write(p[1], page, sizeof(page)) != sizeof(page))
		fact_die("write");
	fact_say("pipe-size-below-content", "%s", fact_result(fcntl(p[0], F_SETPIPE_SZ, 4096)));
	close(p[0]);
	close(p[1]);
}

/* bytes in the pipe when one-byte splices at scattered offsets meet EAGAIN */
static void from_file(const char *name, int size)
{
	int file = fact_file("f", 'A', 65536), p[2], sum = 0;

	fact_pipe(p);
	if (fcntl(p[0], F_SETPIPE_SZ, size) < 0) {
		fact_skip(name, "F_SETPIPE_SZ gave %s", fact_result(-1));
	} else {
		for (;; sum++) {
			off_t at = sum * 100 % 65536;

			if (splice(file, &at, p[1], NULL, 1, SPLICE_F_NONBLOCK) != 1)
				break;
		}
		fact_say(name, "%d", sum);
	}
	close(file);
	close(p[0]);
	close(p[1]);
}

/* splice all there is until EAGAIN; what is left in the socket decides the cause */
static int fill_from_socket(int sock, int pipe_in)
{
	int sum = 0;
	ssize_t n;

	while ((n = splice(sock, NULL, pipe_in, NULL, 65536, SPLICE_F_NONBLOCK)) > 0)
		sum += (int)n;
	return n < 0 && errno == EAGAIN ? sum : -1;
}

static void from_unix(void)
{
	int pair[2], p[2], sum;

	fact_unix_pair(pair);
	fact_pipe(p);
	fact_nonblock(pair[0], true);
	for (int i = 0; i < 100; i++)
		if (send(pair[1], "12345", 5, 0) != 5)
			fact_die("send");
	sum = fill_from_socket(pair[0], p[1]);
	fact_say("pipe-full-after-unix-bytes", "%d of 500", sum);
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void from_tcp(void)
{
	int pair[2], p[2], sum, left;
	char byte[2048];

	fact_tcp_pair(pair);
	fact_pipe(p);
	fact_nonblock(pair[0], true);
	sum = fill_from_socket(pair[0], p[1]);
	fact_say("splice-eagain-source-empty", "%s", sum == 0 && held(p[0]) == 0 ? "EAGAIN, pipe empty" : "otherwise");
	for (int i = 0; i < 1000; i++) {
		if (send(pair[1], "12345", 5, 0) != 5)
			fact_die("send");
		/* one by one: not merged in the sender's queue; most of the time there is nothing to wait for */
		for (int k = 0, unsent = 1; k < 1000 && unsent > 0; k++) {
			if (ioctl(pair[1], SIOCOUTQNSD, &unsent) < 0)
				fact_die("SIOCOUTQNSD");
			if (unsent > 0)
				fact_sleep_ms(1);
		}
	}
	sum = fill_from_socket(pair[0], p[1]);
	left = held(pair[0]);
	fact_note("5-byte TCP segments: pipe of 65536 full with %d bytes, %d left in the socket", sum, left);
	fact_say("pipe-full-after-tcp-bytes", "%s", left > 0 && sum < 5000 ? "far below its size" : "all 5000 went in");
	fact_say("splice-eagain-pipe-full", "%s",
		 left > 0 && held(p[0]) == sum ? "EAGAIN, pipe holds bytes" : "otherwise");
	fact_say("pipe-full-pollout", "%s", writable(p[1]) ? "writable" : "not writable");
	fact_say("pipe-fionread", "%s", held(p[0]) == sum && read(p[0], byte, 1) == 1 && held(p[0]) == sum - 1 ?
		 "exact" : "otherwise");
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void by_write(void)
{
	int file = fact_file("f", 'A', 4096), p[2], sum = 0;
	char half[2048];
	off_t at = 0;

	fact_pipe(p);
	fact_nonblock(p[1], true);
	while (write(p[1], "x", 1) == 1)
		sum++;
	fact_say("pipe-full-after-writes", "%d", sum);
	fact_say("pipe-splice-in-blocks-when-full", "%s",
		 fact_result(splice(file, &at, p[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	if (read(p[0], half, sizeof(half)) != sizeof(half))
		fact_die("read");
	fact_say("pipe-pollout-after-half-a-slot", "%s", writable(p[1]) ? "writable" : "not writable");
	close(file);
	close(p[0]);
	close(p[1]);
}

static void run(void)
{
	sizes();
	from_file("pipe-full-after-file-bytes", 65536);
	from_file("pipe-full-after-file-bytes-1M", 1 << 20);
	from_unix();
	from_tcp();
	by_write();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
