/* SPDX-License-Identifier: MIT */
/*
 * budget.c: the pipe budget of an ordinary user.
 *
 * Hazard 46. Decides that a pipe's size is read back, that the pool is capped, and that splice_pipe declines with
 * pipe-budget rather than work through a pipe of one or two slots.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST 2000

static const struct fact facts[] = {
	{ "budget-small-pipe-number", NULL, "46: the first pipe of an ordinary user that is smaller than 64 KiB" },
	{ "budget-small-pipe-size", NULL, "46: its size: read it back, decline below a useful one (pipe-budget)" },
	{ "budget-enlarge-within", "1048576", "46: an ordinary user may enlarge to /proc/sys/fs/pipe-max-size" },
	{ "budget-enlarge-beyond", "EPERM", "46: and not beyond" },
	{ "budget-enlarge-exhausted", "EPERM", "46: F_SETPIPE_SZ 64 KiB on the small one" },
	{ "budget-big-pipes", NULL, "46: 1 MiB pipes an ordinary user gets before EPERM: cap the pool below" },
	{ "budget-new-pipe-after-big", NULL, "46: a new pipe's size when the budget went into 1 MiB pipes" },
	{ "budget-small-splice", NULL, "46: 64 KiB asked of splice into that small pipe" },
	{ "budget-root-is-exempt", NULL, "46: root (CAP_SYS_RESOURCE) meets no budget: test as an ordinary user" },
};

struct found {
	int number;
	int size;
	int within, beyond, exhausted; /* result of F_SETPIPE_SZ or -errno */
	int big, after_big;
	int splice;
};

static int resize(int fd, int size)
{
	int n = fcntl(fd, F_SETPIPE_SZ, size);

	return n < 0 ? -errno : n;
}

/* first: one pipe, its limits; then many pipes of the default size; then big ones */
static void as_user(void *arg)
{
	static int pipes[MOST][2];
	struct found *found = arg;
	int source = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), n;
	off_t at = 0;

	fact_pipe(pipes[0]);
	found->within = resize(pipes[0][0], 1 << 20);
	found->beyond = resize(pipes[0][0], 2 << 20);
	close(pipes[0][0]);
	close(pipes[0][1]);
	for (n = 0; n < MOST; n++) {
		if (pipe2(pipes[n], O_CLOEXEC) < 0)
			break;
		if (fcntl(pipes[n][0], F_GETPIPE_SZ) < 65536) {
			found->number = n + 1;
			found->size = fcntl(pipes[n][0], F_GETPIPE_SZ);
			found->exhausted = resize(pipes[n][0], 65536);
			found->splice = (int)splice(source, &at, pipes[n][1], NULL, 65536, SPLICE_F_NONBLOCK);
			n++;
			break;
		}
	}
	while (n > 0) {
		n--;
		close(pipes[n][0]);
		close(pipes[n][1]);
	}
	for (n = 0; n < MOST; n++) {
		if (pipe2(pipes[n], O_CLOEXEC) < 0)
			break;
		found->after_big = fcntl(pipes[n][0], F_GETPIPE_SZ);
		if (resize(pipes[n][0], 1 << 20) < 0)
			break;
		found->big++;
	}
}

static void say_resize(const char *name, int result)
{
	if (result < 0)
		fact_say(name, "%s", fact_errno(-result));
	else
		fact_say(name, "%d", result);
}

static void skip_all(const char *why)
{
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		fact_skip(facts[i].name, "%s", why);
}

static long setting(const char *path)
{
	FILE *f = fopen(path, "re");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* what the kernel asks for, not what user id 0 suggests: a sandbox may have taken the capability away */
static bool may_exceed(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long caps = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps >> CAP_SYS_RESOURCE & 1;
}

static void run(void)
{
	struct rlimit limit;
	struct found *found = fact_shared(sizeof(*found));
	long soft = setting("/proc/sys/fs/pipe-user-pages-soft"), most = setting("/proc/sys/fs/pipe-max-size");
	int p[2];

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 2 * MOST + 16) {
		limit.rlim_cur = 2 * MOST + 16;
		if (limit.rlim_max < limit.rlim_cur && geteuid() == 0)
			limit.rlim_max = limit.rlim_cur;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * MOST + 16) {
		skip_all("RLIMIT_NOFILE is too low");
		return;
	}
	if (soft != 16384 || most != 1 << 20) {
		skip_all("pipe-user-pages-soft or pipe-max-size is not the default");
		return;
	}
	if (fact_as_user(as_user, found) < 0) {
		skip_all("cannot become an ordinary user");
		return;
	}
	fact_say("budget-small-pipe-number", "%d", found->number);
	fact_say("budget-small-pipe-size", "%d", found->size);
	say_resize("budget-enlarge-within", found->within);
	say_resize("budget-enlarge-beyond", found->beyond);
	say_resize("budget-enlarge-exhausted", found->exhausted);
	fact_say("budget-small-splice", "%d", found->splice);
	fact_say("budget-big-pipes", "%d", found->big);
	fact_say("budget-new-pipe-after-big", "%d", found->after_big);
	fact_pipe(p);
	if (may_exceed())
		fact_say("budget-root-is-exempt", "%s", resize(p[0], 2 << 20) == 2 << 20 ? "yes" : "no");
	else
		fact_skip("budget-root-is-exempt", "no CAP_SYS_RESOURCE");
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
