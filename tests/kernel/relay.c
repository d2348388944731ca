/* SPDX-License-Identifier: MIT */
/*
 * relay.c: what a relay between two streams asks of the kernel: tee(2), FIONREAD, discarding, ends and resets.
 *
 * Hazards 44, 47, 67, 68. Decides where the tee wrapper may use tee(2), how bytes are counted that are certain to
 * come, and that the end is forwarded only after the pipe is empty (invariant 8).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "tee-from-tcp", "both get all", "wrapper tee: tee(2) on a pipe filled from a TCP socket" },
	{ "tee-from-unix", "both get all", "wrapper tee: the same, Unix socket" },
	{ "tee-from-file", NULL, "18: tee(2) on a pipe filled from a file; the pages are the file's: see the next" },
	{ "tee-from-file-after-rewrite", NULL, "18: the file rewritten then; new: tee from files must copy" },
	{ "tee-again-repeats", "yes", "wrapper tee: tee(2) twice without consuming gives the same bytes twice: keep count" },
	{ "tee-into-full-pipe", "EAGAIN", "wrapper tee: a slow second pipe, SPLICE_F_NONBLOCK" },
	{ "tee-into-smaller-pipe", NULL, "wrapper tee: 16 slots into a pipe of 4 slots: short count" },
	{ "fionread-tcp", "10000", "52: bytes certain to come from a TCP socket: what SPLICE_F_MORE may rely on" },
	{ "fionread-unix", "10000", "52: the same, Unix socket" },
	{ "fionread-pipe", "10000", "47: the same, pipe" },
	{ "fionread-tcp-after-fin", NULL, "52: with the peer's end queued behind them" },
	{ "discard-tcp-msg-trunc", "10000", "bench: recv(NULL, MSG_TRUNC) drops bytes on TCP without copying" },
	{ "discard-unix-msg-trunc", NULL, "bench: the same on a Unix stream socket" },
	{ "splice-tcp-after-fin", "0", "44: splice from a TCP socket whose peer has ended: 0" },
	{ "splice-tcp-data-then-fin", "100 then 0", "44: queued bytes come first" },
	{ "splice-tcp-data-then-reset", "100 then ECONNRESET|ECONNRESET then 0",
	  "44: bytes queued before the peer's reset: delivered first, then the error" },
	{ "splice-tcp-urgent", NULL, "44: a byte of urgent data in the stream: splice stops before it" },
	{ "splice-empty-pipe-no-writer", "0", "44: an empty pipe whose writers are gone reads as the end" },
	{ "splice-empty-pipe-writer", "EAGAIN", "44: our own write end open: never the end" },
	{ "half-close-other-way", "works", "67: after the peer's SHUT_WR the other direction goes on" },
	{ "poll-pipe-reader-gone", NULL, "43: poll on a pipe's write end when the reader has gone" },
	{ "poll-tcp-reset-while-idle", NULL, "68: poll with events 0 notices a reset" },
	{ "poll-tcp-fin-while-idle", NULL, "68: poll with events 0 on the peer's FIN alone: ask for POLLRDHUP" },
};

static char block[65536], other[65536];

/* size bytes of a counting pattern through the socket into the pipe */
static void pour(int from, int to, int pipe_in, size_t size)
{
	size_t got = 0;

	for (size_t i = 0; i < size; i++)
		block[i] = (char)(i * 7);
	if (send(from, block, size, 0) != (ssize_t)size)
		fact_die("send");
	while (got < size) {
		ssize_t n = splice(to, NULL, pipe_in, NULL, size - got, 0);

		if (n <= 0)
			fact_die("splice");
		got += (size_t)n;
	}
}

static void tees(const char *name, void (*make)(int[2]), size_t size)
{
	int pair[2], p[2], q[2];
	bool good;

	make(pair);
	fact_pipe(p);
	fact_pipe(q);
	pour(pair[0], pair[1], p[1], size);
	good = tee(p[0], q[1], size, 0) == (ssize_t)size;
	good = good && fact_read(q[0], other, size, 100) == size && memcmp(block, other, size) == 0;
	good = good && fact_read(p[0], other, size, 100) == size && memcmp(block, other, size) == 0;
	fact_say(name, "%s", good ? "both get all" : "otherwise");
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static void tee_details(void)
{
	int p[2], q[2], file = fact_file("f", 'A', 65536);
	off_t at = 0;
	ssize_t n;

	fact_pipe(p);
	fact_pipe(q);
	if (splice(file, &at, p[1], NULL, 4096, 0) != 4096)
		fact_die("splice");
	fact_say("tee-from-file", "%s", fact_result(tee(p[0], q[1], 4096, 0)));
	fact_fill(file, 'B', 4096);
	fact_read(q[0], other, 4096, 100);
	fact_say("tee-from-file-after-rewrite", "%s", other[0] == 'B' ? "new" : "old");
	n = tee(p[0], q[1], 4096, 0);
	n += tee(p[0], q[1], 4096, 0);
	fact_say("tee-again-repeats", "%s", n == 8192 ? "yes" : "no");
	fact_drain(p[0]);
	fact_drain(q[0]);
	at = 0;
	if (splice(file, &at, p[1], NULL, 65536, 0) != 65536)
		fact_die("splice");
	if (fcntl(q[0], F_SETPIPE_SZ, 16384) != 16384)
		fact_die("F_SETPIPE_SZ");
	fact_say("tee-into-smaller-pipe", "%s", fact_result(tee(p[0], q[1], 65536, SPLICE_F_NONBLOCK)));
	fact_say("tee-into-full-pipe", "%s", fact_result(tee(p[0], q[1], 65536, SPLICE_F_NONBLOCK)));
	close(file);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static int ready(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) < 0 ? -1 : n;
}

static void put(int sock, size_t size)
{
	if (write(sock, block, size) != (ssize_t)size)
		fact_die("write");
	fact_sleep_ms(5);
}

static void counts(void)
{
	int tcp[2], un[2], p[2];

	fact_tcp_pair(tcp);
	fact_unix_pair(un);
	fact_pipe(p);
	put(tcp[0], 10000);
	put(un[0], 10000);
	put(p[1], 10000);
	fact_say("fionread-tcp", "%s", fact_result(ready(tcp[1])));
	fact_say("fionread-unix", "%s", fact_result(ready(un[1])));
	fact_say("fionread-pipe", "%s", fact_result(ready(p[0])));
	shutdown(tcp[0], SHUT_WR);
	fact_sleep_ms(5);
	fact_say("fionread-tcp-after-fin", "%s", fact_result(ready(tcp[1])));
	fact_say("discard-tcp-msg-trunc", "%s",
		 fact_result(recv(tcp[1], NULL, 65536, MSG_TRUNC | MSG_DONTWAIT)));
	fact_say("discard-unix-msg-trunc", "%s",
		 fact_result(recv(un[1], NULL, 65536, MSG_TRUNC | MSG_DONTWAIT)));
	close(tcp[0]);
	close(tcp[1]);
	close(un[0]);
	close(un[1]);
	close(p[0]);
	close(p[1]);
}

static void ends(void)
{
	int pair[2], p[2], first, second;
	const char *again;

	fact_pipe(p);
	fact_say("splice-empty-pipe-writer", "%s",
		 fact_result(splice(p[0], NULL, STDOUT_FILENO, NULL, 1, SPLICE_F_NONBLOCK)));
	fact_tcp_pair(pair);
	put(pair[0], 100);
	shutdown(pair[0], SHUT_WR);
	fact_sleep_ms(5);
	first = (int)splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK);
	second = (int)splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK);
	fact_say("splice-tcp-data-then-fin", "%d then %d", first, second);
	fact_say("splice-tcp-after-fin", "%s",
		 fact_result(splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK)));
	put(pair[1], 50);
	fact_say("half-close-other-way", "%s", fact_read(pair[0], other, 50, 100) == 50 ? "works" : "fails");
	close(pair[0]);
	close(pair[1]);
	fact_tcp_pair(pair);
	put(pair[0], 100);
	put(pair[1], 100);
	close(pair[0]); /* with bytes unread: a reset */
	fact_sleep_ms(20);
	again = fact_result(splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK));
	fact_say("splice-tcp-data-then-reset", "%s then %s", again,
		 fact_result(splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK)));
	close(pair[1]);
	fact_drain(p[0]);
	close(p[1]);
	fact_tcp_pair(pair);
	fact_say("splice-empty-pipe-no-writer", "%s",
		 fact_result(splice(p[0], NULL, pair[0], NULL, 65536, SPLICE_F_NONBLOCK)));
	close(p[0]);
	close(pair[0]);
	close(pair[1]);
}

static void urgent(void)
{
	int pair[2], p[2];
	ssize_t first, second;

	fact_tcp_pair(pair);
	fact_nonblock(pair[1], true);
	fact_pipe(p);
	put(pair[0], 100);
	send(pair[0], "u", 1, MSG_OOB);
	put(pair[0], 50);
	first = splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK);
	second = splice(pair[1], NULL, p[1], NULL, 65536, SPLICE_F_NONBLOCK);
	fact_say("splice-tcp-urgent", "%zd then %s", first, fact_result(second));
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static const char *polled(int fd, short events)
{
	static char text[64];
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, 0);
	snprintf(text, sizeof(text), "%s%s%s", p.revents & POLLOUT ? " POLLOUT" : "",
		 p.revents & POLLERR ? " POLLERR" : "", p.revents & POLLHUP ? " POLLHUP" : "");
	return text[0] ? text + 1 : "nothing";
}

static void polls(void)
{
	int pair[2], p[2];

	fact_pipe(p);
	close(p[0]);
	fact_say("poll-pipe-reader-gone", "%s", polled(p[1], POLLOUT));
	close(p[1]);
	fact_tcp_pair(pair);
	shutdown(pair[0], SHUT_WR);
	fact_sleep_ms(20);
	fact_say("poll-tcp-fin-while-idle", "%s", polled(pair[1], 0));
	put(pair[1], 10);
	close(pair[0]);
	fact_sleep_ms(20);
	fact_say("poll-tcp-reset-while-idle", "%s", polled(pair[1], 0));
	close(pair[1]);
}

static void run(void)
{
	signal(SIGPIPE, SIG_IGN);
	tees("tee-from-tcp", fact_tcp_pair, 20000);
	tees("tee-from-unix", fact_unix_pair, 20000);
	tee_details();
	counts();
	ends();
	urgent();
	polls();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
