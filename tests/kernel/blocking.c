/* SPDX-License-Identifier: MIT */
/*
 * blocking.c: which calls wait on blocking descriptors, and what a private reopen gives.
 *
 * Hazards 39, 40, 43. Decides that leat_begin wants O_NONBLOCK on sockets and pipes, that leat_copy reopens a blocking
 * pipe privately, and that SPLICE_F_NONBLOCK is never trusted for sockets (invariant 13).
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "nonblock-flag-full-tcp", NULL, "39: SPLICE_F_NONBLOCK to a full blocking TCP socket; waits: the flag is the pipe's" },
	{ "nonblock-flag-full-unix", NULL, "39: the same, Unix socket" },
	{ "nonblock-flag-empty-tcp", NULL, "39: SPLICE_F_NONBLOCK from an empty blocking TCP socket" },
	{ "nonblock-flag-empty-unix", NULL, "39: the same, Unix socket" },
	{ "nonblock-flag-full-pipe", "EAGAIN", "39: from file into a full blocking pipe: here it does work" },
	{ "nonblock-flag-empty-pipe", "EAGAIN", "39: from an empty blocking pipe" },
	{ "sendfile-full-blocking-pipe", "waits", "43: sendfile has no such flag" },
	{ "sendfile-full-nonblock-pipe", "EAGAIN", "43: O_NONBLOCK on the pipe" },
	{ "sendfile-full-nonblock-tcp", "EAGAIN", "13: O_NONBLOCK on the socket" },
	{ "sendfile-full-nonblock-unix", "EAGAIN", "13: the same, Unix" },
	{ "splice-full-nonblock-tcp-without-flag", "EAGAIN", "13: O_NONBLOCK on the socket, no splice flag" },
	{ "splice-holds-pipe", NULL, "13: write with O_NONBLOCK to a pipe that a splice to a full blocking socket reads from; waits: hence "
	  "no such call is left to wait by itself" },
	{ "unsent-low-water", "waits", "13: sendfile of 256 KiB to an empty blocking TCP socket with a TCP_NOTSENT_LOWAT of 64 KiB, while "
	  "nobody reads" },
	{ "unsent-low-water-room", "65536", "13: of no more than the mark leaves: does not wait" },
	{ "reopen-pipe", "works", "40: open(/proc/self/fd/N, O_NONBLOCK): how leat_copy avoids F_SETFL on the caller's pipe" },
	{ "reopen-pipe-original-flags", "unchanged", "40: the caller's own description stays blocking" },
	{ "reopen-pipe-sendfile-full", "EAGAIN", "40: sendfile through the reopened write end" },
	{ "reopen-pipe-splice-empty", "EAGAIN", "40: splice from the reopened read end, without the flag" },
	{ "reopen-pipe-hides-eof", NULL, "44: our own reopened write end keeps readers from seeing the end: close it in time" },
	{ "reopen-pipe-other-user", NULL,
	  "40: after giving up privileges the pipe belongs to another user; refusal: wait with poll, move what fits" },
	{ "reopen-socket", "ENXIO", "40: sockets cannot be reopened: hence the rule of half the room" },
	{ "reopen-pty", NULL, "40: a terminal" },
	{ "reopen-deleted-file", "works", "9: an unlinked file, for walking holes" },
	{ "reopen-file-other-user", "EACCES", "9: file opened before giving up privileges: holes-unknown" },
	{ "nowait-pipe-read-empty", NULL, "40: preadv2(RWF_NOWAIT) on a blocking pipe: a wait-free read without reopening" },
	{ "nowait-pipe-write-full", NULL, "40: pwritev2(RWF_NOWAIT) on a full blocking pipe" },
};

static int source;

/* the answer of a call that was interrupted from 300 ms on */
#define BOUNDED(call)                             \
	({                                        \
		int64_t began = bounded_begin();  \
		ssize_t result = (call);          \
		bounded_end(began, result);       \
	})

static int64_t bounded_begin(void)
{
	fact_interrupt(300);
	return fact_now_us();
}

static const char *bounded_end(int64_t began, ssize_t n)
{
	int error = errno;
	int64_t took = fact_now_us() - began;

	fact_interrupt(0);
	errno = error;
	return took > 250000 ? "waits" : fact_result(n);
}

static ssize_t send_some(int sink)
{
	off_t at = 0;

	return sendfile(sink, source, &at, 65536);
}

/* until nothing more was taken for 100 ms: acknowledgements make room, and buffers grow by themselves */
static void fill(int sock)
{
	char block[65536] = { 0 };
	size_t piece = sizeof(block);

	for (int quiet = 0, rounds = 0; quiet < 2 && rounds < 100; rounds++) {
		bool moved = false;

		while (send(sock, block, piece, MSG_DONTWAIT) > 0)
			moved = true;
		piece = piece > 512 ? piece / 2 : 512;
		quiet = moved ? 0 : quiet + 1;
		fact_sleep_ms(50);
	}
}

static const char *splice_into(int sock, unsigned int flags)
{
	const char *answer;
	int p[2];
	off_t at = 0;

	fact_pipe(p);
	if (splice(source, &at, p[1], NULL, 16384, 0) != 16384)
		fact_die("splice");
	answer = BOUNDED(splice(p[0], NULL, sock, NULL, 16384, flags));
	close(p[0]);
	close(p[1]);
	return answer;
}

static void sockets(const char *kind, void (*make)(int[2]))
{
	char name[64];
	int pair[2], p[2];

	make(pair);
	fact_pipe(p);
	snprintf(name, sizeof(name), "nonblock-flag-empty-%s", kind);
	fact_say(name, "%s", BOUNDED(splice(pair[0], NULL, p[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	fill(pair[0]);
	snprintf(name, sizeof(name), "nonblock-flag-full-%s", kind);
	fact_say(name, "%s", splice_into(pair[0], SPLICE_F_NONBLOCK));
	fact_nonblock(pair[0], true);
	snprintf(name, sizeof(name), "sendfile-full-nonblock-%s", kind);
	for (int i = 0; i < 100 && send_some(pair[0]) > 0; i++)
		; /* a zero-window probe may have made room meanwhile */
	fact_say(name, "%s", BOUNDED(send_some(pair[0])));
	if (kind[0] == 't')
		fact_say("splice-full-nonblock-tcp-without-flag", "%s", splice_into(pair[0], 0));
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

struct held { int pipe, sock; };

static void *splice_from(void *arg)
{
	const struct held *held = arg;

	splice(held->pipe, NULL, held->sock, NULL, 16384, 0);
	return NULL;
}

/* The signal that bounds the write does not reach who sleeps for a lock: so the splice ends by its peer's going. */
static void held_pipe(void)
{
	int pair[2], p[2];
	pthread_t thread;
	struct held held;
	char byte = 0;
	int64_t began;

	fact_unix_pair(pair);
	fact_pipe(p);
	fill(pair[0]);
	held = (struct held){ p[0], pair[0] };
	fact_nonblock(p[1], true);
	if (write(p[1], &byte, 1) != 1 || pthread_create(&thread, NULL, splice_from, &held))
		fact_die("a splice in a thread");
	fact_sleep_ms(100);
	if (!fork()) {
		fact_sleep_ms(500);
		shutdown(pair[1], SHUT_RDWR);
		_exit(0);
	}
	began = fact_now_us();
	fact_say("splice-holds-pipe", "%s", write(p[1], &byte, 1) && fact_now_us() - began > 250000 ? "waits" : "goes on");
	shutdown(pair[1], SHUT_RDWR);
	pthread_join(thread, NULL);
	while (wait(NULL) > 0)
		;
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void low_water(void)
{
	int pair[2], mark = 65536, large = fact_file("large", 'B', 262144);
	off_t at = 0;

	fact_tcp_pair(pair);
	if (setsockopt(pair[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT, &mark, sizeof(mark)))
		fact_die("TCP_NOTSENT_LOWAT");
	setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
	fact_say("unsent-low-water-room", "%s", BOUNDED(sendfile(pair[0], source, &at, 65536)));
	fact_say("unsent-low-water", "%s", BOUNDED(sendfile(pair[0], large, &(off_t){ 0 }, 262144)));
	close(pair[0]);
	close(pair[1]);
	close(large);
}

static void pipes(void)
{
	int empty[2], full[2];
	off_t at = 0;

	fact_pipe(empty);
	fact_pipe(full);
	if (send_some(full[1]) != 65536)
		fact_die("sendfile to a pipe");
	fact_say("nonblock-flag-full-pipe", "%s",
		 BOUNDED(splice(source, &at, full[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	fact_say("nonblock-flag-empty-pipe", "%s",
		 BOUNDED(splice(empty[0], NULL, full[1], NULL, 4096, SPLICE_F_NONBLOCK)));
	fact_say("sendfile-full-blocking-pipe", "%s", BOUNDED(send_some(full[1])));
	fact_nonblock(full[1], true);
	fact_say("sendfile-full-nonblock-pipe", "%s", BOUNDED(send_some(full[1])));
	close(empty[0]);
	close(empty[1]);
	close(full[0]);
	close(full[1]);
}

static void reopened_pipe(void)
{
	int p[2], in, out, null = open("/dev/null", O_WRONLY | O_CLOEXEC), other[2];
	char byte;

	fact_pipe(p);
	fact_pipe(other);
	in = fact_reopen(p[1], O_WRONLY | O_NONBLOCK);
	out = fact_reopen(p[0], O_RDONLY | O_NONBLOCK);
	fact_say("reopen-pipe", "%s", in >= 0 && out >= 0 ? "works" : fact_result(-1));
	fact_say("reopen-pipe-original-flags", "%s",
		 (fcntl(p[0], F_GETFL) | fcntl(p[1], F_GETFL)) & O_NONBLOCK ? "changed" : "unchanged");
	fact_say("reopen-pipe-splice-empty", "%s", BOUNDED(splice(out, NULL, other[1], NULL, 4096, 0)));
	if (send_some(in) != 65536)
		fact_die("sendfile to a reopened pipe");
	fact_say("reopen-pipe-sendfile-full", "%s", BOUNDED(send_some(in)));
	if (splice(out, NULL, null, NULL, 1 << 20, 0) != 65536)
		fact_die("splice to /dev/null");
	close(p[1]); /* the caller's write end is gone, ours is not: a reader goes on waiting */
	fact_say("reopen-pipe-hides-eof", "%s", read(out, &byte, 1) < 0 && errno == EAGAIN ? "yes" : "no");
	close(in);
	close(out);
	close(p[0]);
	close(other[0]);
	close(other[1]);
	close(null);
}

static void reopened_others(void)
{
	int pair[2], gone = fact_file("gone", 'A', 100), fd, master;

	fact_tcp_pair(pair);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	fact_say("reopen-socket", "%s", fact_result(fact_reopen(pair[0], O_RDWR | O_NONBLOCK)));
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0) {
		fact_skip("reopen-pty", "no pty");
	} else {
		fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
		fact_say("reopen-pty", "%s",
			 fact_reopen(fd, O_WRONLY | O_NONBLOCK | O_NOCTTY) >= 0 ? "works" : fact_result(-1));
		close(fd);
	}
	unlink("gone");
	fd = fact_reopen(gone, O_RDONLY);
	fact_say("reopen-deleted-file", "%s", fd >= 0 ? "works" : fact_result(-1));
	close(gone);
	close(pair[0]);
	close(pair[1]);
}

struct user {
	int pipe_in, file;
	int pipe_result, file_result; /* 0 or errno */
};

static void try_as_user(void *arg)
{
	struct user *user = arg;

	user->pipe_result = fact_reopen(user->pipe_in, O_WRONLY | O_NONBLOCK) >= 0 ? 0 : errno;
	user->file_result = fact_reopen(user->file, O_RDONLY) >= 0 ? 0 : errno;
}

static void other_user(void)
{
	struct user *user = fact_shared(sizeof(*user));
	int p[2];

	if (geteuid() != 0) {
		fact_skip("reopen-pipe-other-user", "not root");
		fact_skip("reopen-file-other-user", "not root");
		return;
	}
	fact_pipe(p);
	user->pipe_in = p[1];
	user->file = fact_file("private", 'A', 100);
	if (fchmod(user->file, 0600) < 0 || fact_as_user(try_as_user, user) < 0)
		fact_die("become an ordinary user");
	fact_say("reopen-pipe-other-user", "%s", user->pipe_result ? fact_errno(user->pipe_result) : "works");
	fact_say("reopen-file-other-user", "%s", user->file_result ? fact_errno(user->file_result) : "works");
	close(user->file);
	close(p[0]);
	close(p[1]);
}

static void nowait(void)
{
	char block[4096] = { 0 };
	struct iovec one = { .iov_base = block, .iov_len = sizeof(block) };
	int p[2];

	fact_pipe(p);
	fact_say("nowait-pipe-read-empty", "%s", BOUNDED(preadv2(p[0], &one, 1, -1, RWF_NOWAIT)));
	if (send_some(p[1]) != 65536)
		fact_die("sendfile to a pipe");
	fact_say("nowait-pipe-write-full", "%s", BOUNDED(pwritev2(p[1], &one, 1, -1, RWF_NOWAIT)));
	close(p[0]);
	close(p[1]);
}

static void run(void)
{
	signal(SIGPIPE, SIG_IGN);
	source = fact_file("source", 'A', 65536);
	sockets("tcp", fact_tcp_pair);
	sockets("unix", fact_unix_pair);
	pipes();
	held_pipe();
	low_water();
	reopened_pipe();
	reopened_others();
	other_user();
	nowait();
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
