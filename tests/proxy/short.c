/* SPDX-License-Identifier: MIT */
/*
 * Put before the C library by LD_PRELOAD: what a kernel may do at any time is done often. A splice into a pipe takes a few bytes only,
 * as if the pipe were full by its slots, and calls are interrupted before they have moved anything. How often stands in the
 * file SHORT_COUNTS: two numbers of 64 bits. (A short read or send would be a lie: they say that nothing is left, or no room.)
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHORT, INTERRUPTED, COUNTS };

static uint64_t *counts;
static uint64_t state = 88172645463325252;

static uint64_t dice(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

__attribute__((constructor)) static void open_counts(void)
{
	const char *path = getenv("SHORT_COUNTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (fd < 0)
		abort();
	counts = mmap(NULL, COUNTS * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		abort();
	close(fd);
	state ^= (uint64_t)getpid() << 32;
}

static int interrupted(void)
{
	if (dice() % 16)
		return 0;
	__atomic_add_fetch(&counts[INTERRUPTED], 1, __ATOMIC_RELAXED);
	errno = EINTR;
	return 1;
}

static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

static int is_pipe(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 && S_ISFIFO(stat.st_mode);
}

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t bytes, unsigned flags)
{
	static ssize_t (*next)(int, off64_t *, int, off64_t *, size_t, unsigned);

	next = next ? next : (ssize_t(*)(int, off64_t *, int, off64_t *, size_t, unsigned))real("splice");
	if (from >= 0 && interrupted())		/* on none it is only tried whether there is such a call */
		return -1;
	if (dice() % 4 == 0 && bytes > 1 && is_pipe(to)) {
		bytes = 1 + dice() % (bytes < 20000 ? bytes - 1 : 20000);
		__atomic_add_fetch(&counts[SHORT], 1, __ATOMIC_RELAXED);
	}
	return next(from, from_at, to, to_at, bytes, flags);
}

ssize_t recv(int fd, void *data, size_t bytes, int flags)
{
	static ssize_t (*next)(int, void *, size_t, int);

	next = next ? next : (ssize_t(*)(int, void *, size_t, int))real("recv");
	return interrupted() ? -1 : next(fd, data, bytes, flags);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
	static ssize_t (*next)(int, const void *, size_t, int);

	next = next ? next : (ssize_t(*)(int, const void *, size_t, int))real("send");
	return interrupted() ? -1 : next(fd, data, bytes, flags);
}
