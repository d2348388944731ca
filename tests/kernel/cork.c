/* SPDX-License-Identifier: MIT */
/*
 * cork.c: what holds back the last bytes on TCP, for how long, and what makes one packet of a header and a file.
 *
 * Hazards 52, 53, 54. Decides that a cork is never held across a return (invariant 15), that SPLICE_F_MORE is set only
 * when more bytes are known to follow, and that a header goes out with MSG_MORE exactly when a body follows.
 * All sockets have TCP_NODELAY: what is held here is held in spite of it. Times fall into classes; the figures are notes.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "tail-sendfile", "at once", "52: sendfile of 100 bytes" },
	{ "tail-sendfile-count-beyond-file", NULL,
	  "52: 1 MiB asked of a file of 100 bytes: held on kernels that mark the last piece as not the last" },
	{ "tail-splice", "at once", "53: splice pipe to TCP without SPLICE_F_MORE" },
	{ "tail-splice-more", NULL, "53: with it: held 200 ms; set only when more bytes are known to follow" },
	{ "tail-splice-more-then-empty-send", NULL, "53: whether an empty send releases what SPLICE_F_MORE held" },
	{ "tail-splice-more-then-nodelay", "at once", "53: setting TCP_NODELAY again releases it: the way out after a guess" },
	{ "tail-msg-more", NULL, "52: send(MSG_MORE) and nothing after it" },
	{ "tail-msg-more-then-nodelay", "at once", "52: TCP_NODELAY set again releases it" },
	{ "tail-cork-held", NULL, "54: TCP_CORK and 100 bytes by sendfile; held: never return to the caller corked" },
	{ "tail-cork-off", "at once", "54: the cork taken off" },
	{ "tail-cork-off-nodelay-kept", "yes", "54: TCP_NODELAY still reads 1 after cork on and off" },
	{ "tail-cork-default-off", "0", "54: getsockopt(TCP_CORK) tells what to restore" },
	{ "segments-header-then-sendfile", NULL, "52: 100 bytes by send, 1000 by sendfile: two packets" },
	{ "segments-header-more-sendfile", "1", "52: the header with MSG_MORE: one packet" },
	{ "segments-corked", "1", "52: both under TCP_CORK: one packet" },
	{ "segments-two-sendfiles", NULL, "52: two parts by sendfile; SPLICE_F_MORE exists for splice only" },
	{ "segments-cork-saves", NULL, "15: 1 MiB by 64 KiB sendfile calls: fewer packets when corked" },
	{ "segments-one-sendfile-moves", NULL, "15: bytes one non-blocking sendfile of 4 MiB moves at least before EAGAIN" },
};

static int file;

/* wait for n bytes; "at once", or the class of the delay */
static const char *arrives(int sock, size_t n, int64_t since)
{
	char *buf = malloc(n);
	size_t got = fact_read(sock, buf, n, 2000);
	int64_t ms = (fact_now_us() - since) / 1000;

	free(buf);
	if (got < n)
		return "never";
	fact_note("%lld ms", (long long)ms);
	if (ms < 100)
		return "at once";
	return ms > 150 && ms < 350 ? "held about 200 ms" : "held otherwise";
}

static void option(int sock, int name, int value)
{
	if (setsockopt(sock, IPPROTO_TCP, name, &value, sizeof(value)) < 0)
		fact_die("setsockopt");
}

static int option_is(int sock, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	if (getsockopt(sock, IPPROTO_TCP, name, &value, &len) < 0)
		fact_die("getsockopt");
	return value;
}

static void by_sendfile(int sock, off_t at, size_t count)
{
	if (sendfile(sock, file, &at, count) <= 0)
		fact_die("sendfile");
}

static void by_splice(int sock, size_t n, unsigned int flags)
{
	int p[2];
	off_t at = 0;

	fact_pipe(p);
	if (splice(file, &at, p[1], NULL, n, 0) != (ssize_t)n || splice(p[0], NULL, sock, NULL, n, flags) != (ssize_t)n)
		fact_die("splice");
	close(p[0]);
	close(p[1]);
}

/* each on a connection of its own; warmed up, so that the first window is not the question */
static void begin(int pair[2])
{
	char buf[2048];

	fact_tcp_pair(pair);
	for (int i = 0; i < 4; i++) {
		by_sendfile(pair[0], 0, sizeof(buf));
		fact_read(pair[1], buf, sizeof(buf), 1000);
	}
	fact_settle(pair[0]);
}

static void end(int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

static void splices(void)
{
	int pair[2];
	int64_t t;

	begin(pair);
	t = fact_now_us();
	by_splice(pair[0], 100, 0);
	fact_say("tail-splice", "%s", arrives(pair[1], 100, t));
	t = fact_now_us();
	by_splice(pair[0], 100, SPLICE_F_MORE);
	fact_say("tail-splice-more", "%s", arrives(pair[1], 100, t));
	end(pair);
	begin(pair);
	t = fact_now_us();
	by_splice(pair[0], 100, SPLICE_F_MORE);
	send(pair[0], "", 0, 0);
	fact_say("tail-splice-more-then-empty-send", "%s", arrives(pair[1], 100, t));
	end(pair);
	begin(pair);
	t = fact_now_us();
	by_splice(pair[0], 100, SPLICE_F_MORE);
	option(pair[0], TCP_NODELAY, 1);
	fact_say("tail-splice-more-then-nodelay", "%s", arrives(pair[1], 100, t));
	end(pair);
}

static void sendfiles(void)
{
	int pair[2], whole = file;
	int64_t t;

	begin(pair);
	t = fact_now_us();
	by_sendfile(pair[0], 0, 100);
	fact_say("tail-sendfile", "%s", arrives(pair[1], 100, t));
	file = fact_file("short", 'A', 100);
	t = fact_now_us();
	by_sendfile(pair[0], 0, 1 << 20);
	fact_say("tail-sendfile-count-beyond-file", "%s", arrives(pair[1], 100, t));
	close(file);
	file = whole;
	end(pair);
}

static void messages(void)
{
	int pair[2];
	char header[100] = { 0 };
	int64_t t;

	begin(pair);
	t = fact_now_us();
	send(pair[0], header, sizeof(header), MSG_MORE);
	fact_say("tail-msg-more", "%s", arrives(pair[1], 100, t));
	t = fact_now_us();
	send(pair[0], header, sizeof(header), MSG_MORE);
	option(pair[0], TCP_NODELAY, 1);
	fact_say("tail-msg-more-then-nodelay", "%s", arrives(pair[1], 100, t));
	end(pair);
}

static void corks(void)
{
	int pair[2];
	int64_t t;

	begin(pair);
	fact_say("tail-cork-default-off", "%d", option_is(pair[0], TCP_CORK));
	option(pair[0], TCP_CORK, 1);
	t = fact_now_us();
	by_sendfile(pair[0], 0, 100);
	fact_say("tail-cork-held", "%s", arrives(pair[1], 100, t));
	t = fact_now_us();
	by_sendfile(pair[0], 0, 100);
	option(pair[0], TCP_CORK, 0);
	fact_say("tail-cork-off", "%s", arrives(pair[1], 100, t));
	fact_say("tail-cork-off-nodelay-kept", "%s", option_is(pair[0], TCP_NODELAY) == 1 ? "yes" : "no");
	end(pair);
}

static unsigned int packets(int sock)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(sock, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		fact_die("TCP_INFO");
	return info.tcpi_data_segs_out;
}

/* data packets of a header of 100 bytes with these flags and a body of 1000 bytes by sendfile */
static unsigned int header_and_body(int flags, bool cork, bool header_by_sendfile)
{
	char buf[1100] = { 0 };
	unsigned int before;
	int pair[2];

	begin(pair);
	before = packets(pair[0]);
	if (cork)
		option(pair[0], TCP_CORK, 1);
	if (header_by_sendfile)
		by_sendfile(pair[0], 0, 100);
	else
		send(pair[0], buf, 100, flags);
	by_sendfile(pair[0], 0, 1000);
	if (cork)
		option(pair[0], TCP_CORK, 0);
	fact_read(pair[1], buf, sizeof(buf), 1000);
	before = packets(pair[0]) - before;
	end(pair);
	return before;
}

/* data packets of 1 MiB; the receiver drains between calls, so the window never closes */
static unsigned int mebibyte(bool cork)
{
	unsigned int before;
	int pair[2];

	begin(pair);
	before = packets(pair[0]);
	if (cork)
		option(pair[0], TCP_CORK, 1);
	for (int i = 0; i < 16; i++) {
		by_sendfile(pair[0], i * 65536, 65536);
		fact_drain(pair[1]);
	}
	if (cork)
		option(pair[0], TCP_CORK, 0);
	fact_settle(pair[0]);
	before = packets(pair[0]) - before;
	end(pair);
	return before;
}

static void counts(void)
{
	unsigned int plain = mebibyte(false), corked = mebibyte(true);
	int pair[2];
	off_t at = 0;
	ssize_t n;

	fact_say("segments-header-then-sendfile", "%u", header_and_body(0, false, false));
	fact_say("segments-header-more-sendfile", "%u", header_and_body(MSG_MORE, false, false));
	fact_say("segments-corked", "%u", header_and_body(0, true, false));
	fact_say("segments-two-sendfiles", "%u", header_and_body(0, false, true));
	fact_note("1 MiB by 64 KiB calls: %u packets, %u corked", plain, corked);
	fact_say("segments-cork-saves", "%s", corked < plain ? "yes" : "no");
	begin(pair);
	fact_nonblock(pair[0], true);
	n = sendfile(pair[0], file, &at, 4 << 20);
	fact_note("one non-blocking sendfile of 4 MiB moved %zd bytes", n);
	fact_say("segments-one-sendfile-moves", "%s", n > 65536 ? "more than 64 KiB" : "64 KiB or less");
	end(pair);
}

static void run(void)
{
	signal(SIGPIPE, SIG_IGN);
	file = fact_file("file", 'A', 4 << 20);
	sendfiles();
	splices();
	messages();
	corks();
	counts();
	close(file);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
