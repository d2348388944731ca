/* SPDX-License-Identifier: MIT */
/*
 * sigpipe.c: sendfile and splice raise SIGPIPE, and nothing in the call can prevent it.
 *
 * Hazard 51. Decides that the library blocks SIGPIPE in the calling thread around its calls and takes the pending one
 * away (invariant 11): that works only if the signal is directed to the thread, which is what the library relies on.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "sigpipe-sendfile-tcp-shutdown", NULL, "51: sendfile after our own SHUT_WR" },
	{ "sigpipe-sendfile-tcp-reset", NULL, "51: first sendfile after the peer's reset" },
	{ "sigpipe-sendfile-tcp-reset-again", NULL, "51: the next one" },
	{ "sigpipe-sendfile-unix", NULL, "51: peer of a Unix socket closed" },
	{ "sigpipe-sendfile-pipe", NULL, "51: no reader left" },
	{ "sigpipe-splice-file-pipe", NULL, "51: splice into a pipe without reader" },
	{ "sigpipe-splice-pipe-tcp", NULL, "51: splice to TCP after the reset" },
	{ "sigpipe-splice-pipe-unix", NULL, "51: splice to a Unix socket whose peer closed" },
	{ "sigpipe-tee-pipe", NULL, "51: tee(2) into a pipe without reader" },
	{ "sigpipe-send-nosignal", "EPIPE", "51: the memory route has MSG_NOSIGNAL" },
	{ "sigpipe-blocked-pending-in", "thread", "51: blocked: the signal waits in the thread's own set, not the process's" },
	{ "sigpipe-taken-away", "yes", "51: sigtimedwait(0) removes it; nothing is left when the mask is restored" },
	{ "sigpipe-ignored", "EPIPE", "51: ignored by the host: only the error" },
	{ "sigpipe-order-lost-bytes", NULL, "2: sendfile after the peer closed but before its reset came: accepted" },
};

static volatile sig_atomic_t caught;
static int file;

static void came(int number)
{
	(void)number;
	caught++;
}

static void say(const char *name, ssize_t n)
{
	const char *what = fact_result(n);

	fact_say(name, "%s%s", what, caught ? " + SIGPIPE" : "");
	caught = 0;
}

static ssize_t send_to(int sink)
{
	off_t at = 0;

	return sendfile(sink, file, &at, 4096);
}

static void load(int pipe_in)
{
	off_t at = 0;

	if (splice(file, &at, pipe_in, NULL, 4096, 0) != 4096)
		fact_die("splice");
}

/* the peer closes with our bytes unread: a reset */
static void reset_pair(int pair[2])
{
	fact_tcp_pair(pair);
	send(pair[0], "unread", 6, 0);
	fact_settle(pair[0]);
	close(pair[1]);
	fact_sleep_ms(20);
}

static void tcp(void)
{
	int pair[2], p[2];

	fact_tcp_pair(pair);
	shutdown(pair[0], SHUT_WR);
	say("sigpipe-sendfile-tcp-shutdown", send_to(pair[0]));
	close(pair[0]);
	close(pair[1]);

	fact_tcp_pair(pair);
	close(pair[1]);
	fact_sleep_ms(20);
	say("sigpipe-order-lost-bytes", send_to(pair[0]));
	close(pair[0]);

	reset_pair(pair);
	say("sigpipe-sendfile-tcp-reset", send_to(pair[0]));
	say("sigpipe-sendfile-tcp-reset-again", send_to(pair[0]));
	fact_pipe(p);
	load(p[1]);
	say("sigpipe-splice-pipe-tcp", splice(p[0], NULL, pair[0], NULL, 4096, 0));
	say("sigpipe-send-nosignal", send(pair[0], "x", 1, MSG_NOSIGNAL));
	close(pair[0]);
	close(p[0]);
	close(p[1]);
}

static void others(void)
{
	int pair[2], p[2], q[2];
	off_t at = 0;

	fact_unix_pair(pair);
	close(pair[1]);
	say("sigpipe-sendfile-unix", send_to(pair[0]));
	fact_pipe(p);
	load(p[1]);
	say("sigpipe-splice-pipe-unix", splice(p[0], NULL, pair[0], NULL, 4096, 0));
	close(pair[0]);
	fact_pipe(q);
	close(q[0]);
	say("sigpipe-tee-pipe", tee(p[0], q[1], 4096, 0));
	say("sigpipe-sendfile-pipe", send_to(q[1]));
	say("sigpipe-splice-file-pipe", splice(file, &at, q[1], NULL, 4096, 0));
	close(q[1]);
	close(p[0]);
	close(p[1]);
}

static bool pending(const char *field)
{
	FILE *f = fopen("/proc/thread-self/status", "re");
	unsigned long long set = 0;
	size_t len = strlen(field);
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, field, len) == 0) {
			set = strtoull(line + len, NULL, 16);
			break;
		}
	}
	if (f)
		fclose(f);
	return set >> (SIGPIPE - 1) & 1;
}

static void masked(void)
{
	struct timespec now = { 0 };
	sigset_t set, before;
	bool taken;
	int p[2];

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, &before);
	fact_pipe(p);
	close(p[0]);
	send_to(p[1]);
	fact_say("sigpipe-blocked-pending-in", "%s",
		 pending("SigPnd:") ? "thread" : pending("ShdPnd:") ? "process" : "nothing");
	taken = sigtimedwait(&set, NULL, &now) == SIGPIPE;
	sigprocmask(SIG_SETMASK, &before, NULL);
	fact_say("sigpipe-taken-away", "%s", taken && !caught ? "yes" : "no");
	signal(SIGPIPE, SIG_IGN);
	say("sigpipe-ignored", send_to(p[1]));
	close(p[1]);
}

static void run(void)
{
	struct sigaction action = { .sa_handler = came };

	if (sigaction(SIGPIPE, &action, NULL) < 0)
		fact_die("sigaction");
	file = fact_file("file", 'A', 4096);
	tcp();
	others();
	masked();
	close(file);
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
