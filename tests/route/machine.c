/* SPDX-License-Identifier: MIT */
/* What the machine is answerable for: see machine.h. */
#include "machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leat.h"

int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);
int __real_usleep(useconds_t us);
int __wrap_usleep(useconds_t us);

/* A sleep ends a little late on any machine. */
#define GRACE_NS (LEAT_SECOND / 2000)

/* Sleep beyond what was asked, without the wait for a processor at its end: that is in run_delay. */
static _Atomic uint64_t overslept_ns, overslept_main_ns;

static uint64_t run_delay_ns(const char *path)
{
	unsigned long long ran, delayed = 0;
	char text[80];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (n > 0) {
		text[n] = 0;
		if (sscanf(text, "%llu %llu", &ran, &delayed) != 2)
			delayed = 0;
	}
	if (fd >= 0)
		close(fd);
	return delayed;
}

static uint64_t run_delay_here_ns(void)
{
	return run_delay_ns("/proc/thread-self/schedstat");
}

static void slept(uint64_t begin_ns, uint64_t asked_ns, uint64_t delay_before_ns)
{
	uint64_t took_ns = leat_now_ns() - begin_ns, known_ns = asked_ns + run_delay_here_ns() - delay_before_ns;

	if (took_ns <= known_ns + GRACE_NS)
		return;
	overslept_ns += took_ns - known_ns;
	if (gettid() == getpid())
		overslept_main_ns += took_ns - known_ns;
}

/* A poll that ended because something was ready did not oversleep, whatever it took. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
	uint64_t delay_ns = run_delay_here_ns(), begin_ns = leat_now_ns();
	int r = __real_poll(fds, count, ms);

	if (r == 0 && ms >= 0)
		slept(begin_ns, (uint64_t)ms * (LEAT_SECOND / 1000), delay_ns);
	return r;
}

int __wrap_usleep(useconds_t us)
{
	uint64_t delay_ns = run_delay_here_ns(), begin_ns = leat_now_ns();
	int r = __real_usleep(us);

	slept(begin_ns, (uint64_t)us * 1000, delay_ns);
	return r;
}

uint64_t machine_late_main_ns(void)
{
	char path[60];

	snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)getpid());
	return run_delay_ns(path) + overslept_main_ns;
}

uint64_t machine_late_ns(void)
{
	uint64_t late_ns = overslept_ns;
	struct dirent *entry;
	char path[300];
	DIR *all = opendir("/proc/self/task");

	while (all && (entry = readdir(all))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
		late_ns += run_delay_ns(path);
	}
	if (all)
		closedir(all);
	return late_ns;
}

uint64_t machine_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

const char *machine_slowed_by(bool tsan_too)
{
	const char *sanitizer = getenv("SANITIZER");

	return sanitizer && (!strcmp(sanitizer, "valgrind") || (tsan_too && !strcmp(sanitizer, "tsan"))) ? sanitizer : NULL;
}
