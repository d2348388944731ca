/* SPDX-License-Identifier: MIT */
/*
 * kinds.c: what the calls say to each kind of descriptor.
 *
 * Hazard 35. Decides that both ends are classified by fstat and flags before anything moves, the rows of the decline
 * table, and that datagram sinks are refused (sink-datagram).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "source-directory-sendfile", "EINVAL|EISDIR", "35: the library's own error comes before any call" },
	{ "source-directory-splice", "EINVAL|EISDIR", "35: the same" },
	{ "source-directory-copy_file_range", "EINVAL|EISDIR", "35: the same" },
	{ "source-write-only-sendfile", "EBADF", "35: EBADF is not a closed descriptor: look at the flags" },
	{ "source-write-only-copy_file_range", "EBADF", "35: the same" },
	{ "sink-read-only-sendfile", "EBADF", "35: the same for the sink" },
	{ "sink-read-only-splice", "EBADF", "35: the same" },
	{ "source-path-only-sendfile", "EBADF", "35: a descriptor opened with O_PATH" },
	{ "source-pipe-sendfile", "EINVAL|4096", "35: pipes are splice's; the table declines" },
	{ "source-tcp-sendfile", "EINVAL|4096", "35: sockets need a pipe between; the table declines" },
	{ "source-tcp-splice-tcp", "EINVAL", "35: splice without a pipe at either end" },
	{ "source-file-splice-file", "EINVAL", "35: the same for two files" },
	{ "source-zero-sendfile", NULL, "35: /dev/zero: character devices come and go as splice sources" },
	{ "source-zero-splice", NULL, "35: the same" },
	{ "source-block-device-sendfile", NULL, "35: a block device as source" },
	{ "source-tty-splice", NULL, "35: a terminal as source, with a line waiting" },
	{ "source-eventfd-splice", "EINVAL", "35: descriptors without content" },
	{ "source-fifo-no-writer-splice", NULL, "35: a FIFO nobody writes yet reads as the end: ask poll for POLLHUP" },
	{ "source-fifo-no-writer-poll", NULL, "35: what poll says of it" },
	{ "sink-pty-sendfile", NULL, "35: a terminal as sink" },
	{ "sink-pty-splice", NULL, "35: the same from a pipe" },
	{ "sink-pipe-sendfile", "4096", "35: sendfile to a pipe" },
	{ "sink-null-sendfile", "4096", "35: /dev/null" },
	{ "sink-full-sendfile", NULL, "35: /dev/full" },
	{ "sink-eventfd-sendfile", NULL, "35: an eventfd" },
	{ "sink-epoll-sendfile", "EINVAL", "35: an epoll descriptor" },
	{ "sink-unconnected-tcp-sendfile", NULL, "51: a socket that was never connected; EPIPE comes with SIGPIPE" },
	{ "sink-udp-sendfile", NULL, "35: 8192 bytes: one datagram; so datagram sinks are refused" },
	{ "sink-unix-datagram-sendfile", NULL, "35: the same" },
	{ "sink-unix-seqpacket-sendfile", NULL, "35: the same" },
};

static int source;

static ssize_t send_to(int sink, size_t size)
{
	off_t at = 0;

	return sendfile(sink, source, &at, size);
}

static ssize_t range(int in, int out)
{
	int64_t from = 0, to = 0;

	return syscall(SYS_copy_file_range, in, &from, out, &to, 4096, 0);
}

static void sources_refused(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), sink = fact_file("sink", 0, 0), p[2], pair[2];
	int write_only = open("source", O_WRONLY | O_CLOEXEC), read_only = open("source", O_RDONLY | O_CLOEXEC);
	int path = open("source", O_PATH | O_CLOEXEC);
	off_t at = 0;

	fact_tcp_pair(pair);
	fact_pipe(p);
	fact_say("source-directory-sendfile", "%s", fact_result(sendfile(pair[0], dir, &at, 4096)));
	fact_say("source-directory-splice", "%s", fact_result(splice(dir, &at, p[1], NULL, 4096, 0)));
	fact_say("source-directory-copy_file_range", "%s", fact_result(range(dir, sink)));
	fact_say("source-write-only-sendfile", "%s", fact_result(sendfile(pair[0], write_only, &at, 4096)));
	fact_say("source-write-only-copy_file_range", "%s", fact_result(range(write_only, sink)));
	fact_say("sink-read-only-sendfile", "%s", fact_result(send_to(read_only, 4096)));
	fact_say("source-path-only-sendfile", "%s", fact_result(sendfile(pair[0], path, &at, 4096)));
	if (write(p[1], "abcd", 4) != 4)
		fact_die("write");
	fact_say("sink-read-only-splice", "%s", fact_result(splice(p[0], NULL, read_only, NULL, 4, 0)));
	fact_say("source-pipe-sendfile", "%s", fact_result(sendfile(pair[0], p[0], NULL, 4096)));
	if (write(pair[1], "abcd", 4) != 4)
		fact_die("write");
	fact_say("source-tcp-sendfile", "%s", fact_result(sendfile(sink, pair[0], NULL, 4096)));
	fact_say("source-tcp-splice-tcp", "%s", fact_result(splice(pair[0], NULL, pair[0], NULL, 4, 0)));
	fact_say("source-file-splice-file", "%s", fact_result(splice(source, NULL, sink, NULL, 4096, 0)));
	close(dir);
	close(sink);
	close(write_only);
	close(read_only);
	close(path);
	close(p[0]);
	close(p[1]);
	close(pair[0]);
	close(pair[1]);
}

static int block_device(void)
{
	static const char *const paths[] = { "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0", "/dev/ram0" };
	char byte;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && pread(fd, &byte, 1, 0) == 1)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static void devices(void)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), block = block_device(), pair[2], p[2];
	int event = eventfd(1, EFD_CLOEXEC);
	off_t at = 0;

	fact_tcp_pair(pair);
	fact_pipe(p);
	fact_say("source-zero-sendfile", "%s", fact_result(sendfile(pair[0], zero, NULL, 4096)));
	fact_say("source-zero-splice", "%s", fact_result(splice(zero, NULL, p[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	fact_drain(p[0]);
	fact_say("source-eventfd-splice", "%s",
		 fact_result(splice(event, NULL, p[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	if (block < 0)
		fact_skip("source-block-device-sendfile", "none readable");
	else
		fact_say("source-block-device-sendfile", "%s", fact_result(sendfile(pair[0], block, &at, 4096)));
	if (block >= 0)
		close(block);
	close(zero);
	close(event);
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void terminals(void)
{
	int master, slave, p[2];
	struct termios raw;

	fact_pipe(p);
	if (openpty(&master, &slave, NULL, NULL, NULL) < 0) {
		fact_skip("source-tty-splice", "no pty: %s", fact_result(-1));
		fact_skip("sink-pty-sendfile", "no pty");
		fact_skip("sink-pty-splice", "no pty");
		return;
	}
	if (write(master, "line\n", 5) != 5)
		fact_die("write to a pty");
	fact_interrupt(500);
	fact_say("source-tty-splice", "%s", fact_result(splice(slave, NULL, p[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSANOW, &raw);
	fact_say("sink-pty-sendfile", "%s", fact_result(send_to(slave, 100)));
	fact_drain(master);
	fact_drain(p[0]);
	if (write(p[1], "abcd", 4) != 4)
		fact_die("write");
	fact_say("sink-pty-splice", "%s", fact_result(splice(p[0], NULL, slave, NULL, 4, SPLICE_F_NONBLOCK)));
	fact_interrupt(0);
	close(master);
	close(slave);
	close(p[0]);
	close(p[1]);
}

static void fifo(void)
{
	struct pollfd poll_fd = { .events = POLLIN };
	int p[2], fd;

	if (mkfifo("fifo", 0600) < 0) {
		fact_skip("source-fifo-no-writer-splice", "%s", fact_result(-1));
		fact_skip("source-fifo-no-writer-poll", "no FIFO");
		return;
	}
	fd = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fact_pipe(p);
	fact_say("source-fifo-no-writer-splice", "%s",
		 fact_result(splice(fd, NULL, p[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	poll_fd.fd = fd;
	poll(&poll_fd, 1, 0);
	fact_say("source-fifo-no-writer-poll", "%s%s%s", poll_fd.revents & POLLIN ? "POLLIN " : "",
		 poll_fd.revents & POLLHUP ? "POLLHUP" : "", poll_fd.revents ? "" : "nothing");
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void sinks(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), full = open("/dev/full", O_WRONLY | O_CLOEXEC), p[2];
	int event = eventfd(0, EFD_CLOEXEC), ep = epoll_create1(EPOLL_CLOEXEC);
	int alone = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fact_pipe(p);
	fact_say("sink-pipe-sendfile", "%s", fact_result(send_to(p[1], 4096)));
	fact_say("sink-null-sendfile", "%s", fact_result(send_to(null, 4096)));
	fact_say("sink-full-sendfile", "%s", fact_result(send_to(full, 4096)));
	fact_say("sink-eventfd-sendfile", "%s", fact_result(send_to(event, 8)));
	fact_say("sink-epoll-sendfile", "%s", fact_result(send_to(ep, 8)));
	fact_say("sink-unconnected-tcp-sendfile", "%s", fact_result(send_to(alone, 8)));
	close(null);
	close(full);
	close(event);
	close(ep);
	close(alone);
	close(p[0]);
	close(p[1]);
}

/* how 8192 bytes arrive: one datagram, several, or an error */
static void messages(const char *name, int out, int in)
{
	char buf[16384], text[100];
	size_t len;
	ssize_t n = send_to(out, 8192);

	if (n < 0) {
		fact_say(name, "%s", fact_result(n));
		return;
	}
	len = (size_t)snprintf(text, sizeof(text), "%zd as", n);
	for (int i = 0; i < 4; i++) {
		n = recv(in, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			break;
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %zd", n);
	}
	fact_say(name, "%s", text);
}

static void datagrams(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(name);
	int udp[2], un[2];

	udp[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	udp[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(udp[1], (struct sockaddr *)&name, len) < 0 || getsockname(udp[1], (struct sockaddr *)&name, &len) < 0 ||
	    connect(udp[0], (struct sockaddr *)&name, len) < 0)
		fact_die("UDP on loopback");
	messages("sink-udp-sendfile", udp[0], udp[1]);
	close(udp[0]);
	close(udp[1]);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, un) < 0)
		fact_die("socketpair");
	messages("sink-unix-datagram-sendfile", un[0], un[1]);
	close(un[0]);
	close(un[1]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, un) < 0)
		fact_die("socketpair");
	messages("sink-unix-seqpacket-sendfile", un[0], un[1]);
	close(un[0]);
	close(un[1]);
}

static void run(void)
{
	signal(SIGPIPE, SIG_IGN);
	source = fact_file("source", 'A', 8192);
	sources_refused();
	devices();
	terminals();
	fifo();
	sinks();
	datagrams();
	close(source);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
