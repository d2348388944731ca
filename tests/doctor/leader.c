/* SPDX-License-Identifier: MIT */
/* leader: carries a file into another for ever, by a thread that outlives the first one; for leader.sh. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 16];

static void *carry(void *arg)
{
	int from = open("carried", O_RDONLY), to = open("sink", O_WRONLY | O_CREAT, 0600);

	(void)arg;
	if (from < 0 || to < 0)
		exit(1);
	for (;;) {
		if (pread(from, buffer, sizeof buffer, 0) != sizeof buffer || pwrite(to, buffer, sizeof buffer, 0) < 0)	/* MARK */
			exit(1);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;

	alarm(60);
	if (pthread_create(&thread, NULL, carry, NULL))
		return 1;
	pthread_exit(NULL);
}
