/* SPDX-License-Identifier: MIT */
/*
 * progress.c: do the counts and offsets the calls give back agree with what the receiver gets, also when a call ends
 * early: full socket, signal, reset, size limit?
 *
 * Hazards 16, 21, 22. Decides that wrappers are charged by the call's result (invariants 2 and 4) and that positive
 * progress wins: the error is met on the next call.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (16 << 20)

static const struct fact facts[] = {
	{ "progress-sendfile-eagain", "exact", "22: sendfile until EAGAIN: results = offset = bytes the peer gets" },
	{ "progress-sendfile-eagain-unix", "exact", "22: the same, Unix socket" },
	{ "progress-sendfile-eagain-pipe", "exact", "22: the same, pipe" },
	{ "progress-sendfile-signal", "exact", "21: a blocking sendfile ended by a signal after progress: short count, no error" },
	{ "progress-sendfile-signal-before", "EINTR", "21: and before any progress" },
	{ "progress-sendfile-own-offset", "exact", "16: without an offset argument the descriptor's own moves as far" },
	{ "progress-sendfile-leaves-own-offset", "yes", "16: with one it stays: one descriptor serves many transfers" },
	{ "progress-splice-pipe-eagain", "exact", "22: splice from a pipe: FIONREAD afterwards = loaded less accepted" },
	{ "progress-splice-file-offset", "exact", "22: splice from a file: offset = result" },
	{ "progress-copy_file_range-limit", "exact then EFBIG", "22: RLIMIT_FSIZE in the middle: progress first, then the error" },
	{ "progress-sendfile-file-limit", "exact then EFBIG", "22: the same by sendfile" },
	{ "progress-sendfile-reset", NULL, "22: the peer resets in the middle of a blocking sendfile" },
};

static int file;

static const char *yes(bool good)
{
	return good ? "exact" : "OTHERWISE";
}

static void until_eagain(const char *name, int sink, int out)
{
	size_t sum = 0, got = 0, more;
	off_t at = 1000;
	bool good = true;

	fact_nonblock(sink, true);
	for (int i = 0; i < 50; i++) {
		ssize_t n = sendfile(sink, file, &at, 3 << 20);

		if (n > 0)
			sum += (size_t)n;
		good = good && at == 1000 + (off_t)sum && (n > 0 || errno == EAGAIN);
		if (n < 0) {
			got += fact_drain(out);
			fact_sleep_ms(2);
		}
		if (sum > SIZE / 2)
			break;
	}
	for (int i = 0; i < 20 && got < sum; i++) {
		more = fact_drain(out);
		got += more;
		fact_sleep_ms(more ? 1 : 20);
	}
	fact_say(name, "%s", yes(good && got == sum && sum > 65536));
}

static void nonblocking(void)
{
	int pair[2], p[2];

	fact_tcp_pair(pair);
	until_eagain("progress-sendfile-eagain", pair[0], pair[1]);
	close(pair[0]);
	close(pair[1]);
	fact_unix_pair(pair);
	until_eagain("progress-sendfile-eagain-unix", pair[0], pair[1]);
	close(pair[0]);
	close(pair[1]);
	fact_pipe(p);
	until_eagain("progress-sendfile-eagain-pipe", p[1], p[0]);
	close(p[0]);
	close(p[1]);
}

static void drain_all(int sock, size_t *got, size_t want)
{
	for (int i = 0; i < 100 && *got < want; i++) {
		*got += fact_drain(sock);
		fact_sleep_ms(2);
	}
}

static void interrupted(void)
{
	size_t got = 0;
	off_t at = 0;
	int pair[2];
	ssize_t n;

	fact_tcp_pair(pair);
	fact_interrupt(200);
	n = sendfile(pair[0], file, &at, SIZE);
	fact_interrupt(0);
	drain_all(pair[1], &got, n > 0 ? (size_t)n : 0);
	fact_say("progress-sendfile-signal", "%s", yes(n > 0 && n < SIZE && at == n && got == (size_t)n));
	close(pair[0]);
	close(pair[1]);

	fact_unix_pair(pair);
	fact_nonblock(pair[0], true);
	while (sendfile(pair[0], file, &at, 65536) > 0)
		;
	fact_nonblock(pair[0], false);
	fact_interrupt(200);
	n = sendfile(pair[0], file, &at, 65536);
	if (n >= 0)
		fact_note("%zd", n);
	fact_say("progress-sendfile-signal-before", "%s", fact_result(n));
	fact_interrupt(0);
	close(pair[0]);
	close(pair[1]);
}

static void offsets(void)
{
	int pair[2], p[2], left = -1;
	off_t at = 5000;
	ssize_t n;

	fact_tcp_pair(pair);
	lseek(file, 77, SEEK_SET);
	n = sendfile(pair[0], file, &at, 4096);
	fact_say("progress-sendfile-leaves-own-offset", "%s", n == 4096 && lseek(file, 0, SEEK_CUR) == 77 ? "yes" : "no");
	fact_nonblock(pair[0], true);
	n = sendfile(pair[0], file, NULL, SIZE);
	fact_say("progress-sendfile-own-offset", "%s", yes(n > 0 && lseek(file, 0, SEEK_CUR) == 77 + n));
	close(pair[0]);
	close(pair[1]);

	fact_unix_pair(pair);
	fact_nonblock(pair[0], true);
	fact_pipe(p);
	at = 0;
	n = splice(file, &at, p[1], NULL, 65536, 0);
	fact_say("progress-splice-file-offset", "%s", yes(n == 65536 && at == n));
	for (int i = 0; i < 1000 && n >= 0; i++) {
		n = splice(p[0], NULL, pair[0], NULL, 65536, 0);
		if (n >= 0 && splice(file, &at, p[1], NULL, (size_t)n, SPLICE_F_NONBLOCK) != n)
			break;
	}
	if (ioctl(p[0], FIONREAD, &left) < 0)
		fact_die("FIONREAD");
	/* all that left the file is either in the pipe or in the socket */
	fact_say("progress-splice-pipe-eagain", "%s",
		 yes(n < 0 && errno == EAGAIN && (off_t)left + (off_t)fact_drain(pair[1]) == at));
	close(pair[0]);
	close(pair[1]);
	close(p[0]);
	close(p[1]);
}

static void say_limit(const char *name, ssize_t first, ssize_t second)
{
	const char *error = fact_result(second);

	fact_say(name, "%s then %s", first == 100000 ? "exact" : fact_result(first), error);
}

static void limits(void)
{
	struct rlimit limit, old;
	int64_t from = 0, to = 0;
	off_t at = 0;
	int out = fact_file("out", 0, 0);
	ssize_t n;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 100000;
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		fact_die("RLIMIT_FSIZE");
	n = syscall(SYS_copy_file_range, file, &from, out, &to, 1 << 20, 0);
	say_limit("progress-copy_file_range-limit", n,
		  syscall(SYS_copy_file_range, file, &from, out, &to, 1 << 20, 0));
	n = sendfile(out, file, &at, 1 << 20);
	say_limit("progress-sendfile-file-limit", n, sendfile(out, file, &at, 1 << 20));
	setrlimit(RLIMIT_FSIZE, &old);
	close(out);
}

/* the peer goes away, with bytes unread, while sendfile waits for room */
static void reset(void)
{
	const char *first;
	off_t at = 0;
	int pair[2];
	pid_t pid;

	fact_tcp_pair(pair);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fact_die("fork");
	if (pid == 0) {
		fact_sleep_ms(300);
		_exit(0);
	}
	close(pair[1]);
	first = sendfile(pair[0], file, &at, SIZE) > 0 ? "short count" : fact_result(-1);
	fact_note("%lld bytes before the reset", (long long)at);
	fact_say("progress-sendfile-reset", "%s then %s", first, fact_result(sendfile(pair[0], file, &at, SIZE)));
	close(pair[0]);
	waitpid(pid, NULL, 0);
}

static void run(void)
{
	signal(SIGPIPE, SIG_IGN);
	file = fact_file("file", 'A', SIZE);
	nonblocking();
	interrupted();
	offsets();
	limits();
	reset();
	close(file);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
