/* SPDX-License-Identifier: MIT */
/*
 * A patient of rights.sh and refused.sh, which build it: a loop of read and write, in a function that is called as they say.
 *
 *	copier FROM TO    copies FROM to TO, again and again
 *	copier            at each SIGUSR1 a child copies `block` to `child-sink` and ends; then its number is in `child`
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NAME
#define NAME pump
#endif

__attribute__((noinline)) static long NAME(int from, int to)
{
	static char buffer[65536];
	long n, sum = 0;

	while ((n = read(from, buffer, sizeof buffer)) > 0)
		sum += write(to, buffer, (size_t)n);
	return sum;
}

static int source(const char *path)
{
	return open(path, O_RDONLY);
}

static int sink(const char *path)
{
	return open(path, O_WRONLY | O_CREAT, 0600);
}

static int again_and_again(int from, int to)
{
	while (NAME(from, to) > 0 && lseek(from, 0, SEEK_SET) == 0 && lseek(to, 0, SEEK_SET) == 0)
		usleep(10000);
	return 1;
}

static int in_a_child(void)
{
	pid_t child = fork();
	int status;
	FILE *file;

	if (!child)
		_exit(NAME(source("block"), sink("child-sink")) <= 0);
	file = waitpid(child, &status, 0) == child && status == 0 ? fopen("child", "w") : NULL;
	if (!file)
		return -1;
	fprintf(file, "%d\n", (int)child);
	return fclose(file);
}

int main(int argc, char **argv)
{
	sigset_t set;
	int number;

	if (argc == 3)
		return again_and_again(source(argv[1]), sink(argv[2]));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (sigwait(&set, &number) == 0 && in_a_child() == 0)
		;
	return 1;
}
