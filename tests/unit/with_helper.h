/* SPDX-License-Identifier: MIT */
/* A helper whose system can be slow, short of anything, or wrong; for the two programs that test it. Included once each. */
#ifndef LEAT_TESTS_HELPER_H
#define LEAT_TESTS_HELPER_H

#include "check.h"
#include "descriptors.h"

#include "helper.h"
#include "sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SOON_MS 10000

/* What the system is made to do. A gate stops the worker inside a read until it is opened. */
static struct {
	atomic_bool gate, past;		/* past: the clock stands still, so an idle worker ends at once */
	atomic_int read_error, read_errors;
	atomic_uint reads;
	atomic_ullong read_bytes;
	sem_t entered, opened;
	int eventfd_error, dup_error, thread_error;
	bool no_memory;
} kernel;

int64_t __real_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset);
int64_t __wrap_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset);
int __real_sys_eventfd(void);
int __wrap_sys_eventfd(void);
int __real_sys_dup(int fd);
int __wrap_sys_dup(int fd);
int __real_sys_thread(pthread_t *thread, void *(*body)(void *), void *arg);
int __wrap_sys_thread(pthread_t *thread, void *(*body)(void *), void *arg);
uint64_t __real_sys_now_ns(void);
uint64_t __wrap_sys_now_ns(void);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

int64_t __wrap_sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset)
{
	int64_t n;

	kernel.reads++;
	if (kernel.gate) {
		sem_post(&kernel.entered);
		sem_wait(&kernel.opened);
	}
	if (kernel.read_errors > 0) {
		kernel.read_errors--;
		return kernel.read_error;
	}
	n = __real_sys_pread(fd, bytes, size, offset);
	if (n > 0)
		kernel.read_bytes += (unsigned long long)n;
	return n;
}

int __wrap_sys_eventfd(void)
{
	return kernel.eventfd_error ? kernel.eventfd_error : __real_sys_eventfd();
}

int __wrap_sys_dup(int fd)
{
	return kernel.dup_error ? kernel.dup_error : __real_sys_dup(fd);
}

int __wrap_sys_thread(pthread_t *thread, void *(*body)(void *), void *arg)
{
	return kernel.thread_error ? kernel.thread_error : __real_sys_thread(thread, body, arg);
}

uint64_t __wrap_sys_now_ns(void)
{
	return kernel.past ? 0 : __real_sys_now_ns();
}

void *__wrap_malloc(size_t size)
{
	return kernel.no_memory ? NULL : __real_malloc(size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return kernel.no_memory ? NULL : __real_reallocarray(old, count, size);
}

static struct leat_helper helper;
static struct leat_transfer transfers[5000];

static inline struct transfer *transfer(unsigned i)
{
	return (struct transfer *)&transfers[i];
}

/* The worker's thread, or 0. */
static inline int worker(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	int found = 0;

	CHECK(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[300], name[32] = "";
		FILE *file;

		snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(name, sizeof name, file) && !strcmp(name, "leat-reader\n"))
			found = atoi(entry->d_name);
		fclose(file);
	}
	closedir(dir);
	return found;
}

static inline void wait_for_no_worker(void)
{
	for (int ms = 0; worker(); ms++) {
		CHECK_SAY(ms < SOON_MS, "the worker is still there");
		usleep(1000);
	}
}

static inline void open_gate(void)
{
	kernel.gate = false;
	sem_post(&kernel.opened);
}

static inline void begin(unsigned pipes_max)
{
	if (leat_helper_fd(&helper) >= 0) {	/* left by a case that failed */
		open_gate();
		leat_helper_end(&helper);
	}
	memset(&kernel, 0, sizeof kernel);
	CHECK_CALL(sem_init(&kernel.entered, 0, 0));
	CHECK_CALL(sem_init(&kernel.opened, 0, 0));
	CHECK_EQ(leat_helper_init(&helper, pipes_max), 0);
}

static inline bool readable(int timeout_ms)
{
	struct pollfd fd = { .fd = leat_helper_fd(&helper), .events = POLLIN };

	return CHECK_CALL(poll(&fd, 1, timeout_ms)) == 1;
}

static inline struct transfer *next(void)
{
	return (struct transfer *)leat_helper_next(&helper);
}

/* As a loop does it: waits for the descriptor, takes one. */
static inline struct transfer *wait_next(void)
{
	struct transfer *t;

	while (!(t = next()))
		CHECK_SAY(readable(SOON_MS), "nothing comes out of the helper");
	return t;
}

/* On the disk of the working directory, written through, so that it can be evicted. */
static inline int make_file(uint64_t bytes)
{
	static char block[64 * KIB];
	char path[] = "leat-helper-XXXXXX";
	int fd = CHECK_CALL(mkstemp(path));

	CHECK_CALL(unlink(path));
	for (uint64_t n = 0; n < bytes; n += sizeof block) {
		memset(block, (int)(n >> 16) + 1, sizeof block);
		CHECK_EQ(write(fd, block, sizeof block), (ssize_t)sizeof block);
	}
	return fd;
}

/* Pages of the range that are not in memory. Not by RWF_NOWAIT: at the start of a file that sets off a read of its own. */
static inline unsigned cold_pages(int fd, uint64_t offset, uint64_t bytes)
{
	static unsigned char pages[4096];
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), from = offset / page * page, size = offset + bytes - from;
	unsigned cold = 0, count = (unsigned)((size + page - 1) / page);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)from);

	CHECK(map != MAP_FAILED);
	CHECK(count <= sizeof pages);
	CHECK_CALL(mincore(map, size, pages));
	CHECK_CALL(munmap(map, size));
	for (unsigned i = 0; i < count; i++)
		cold += !(pages[i] & 1);
	return cold;
}

static inline void evict(int fd, uint64_t bytes)
{
	const unsigned pages = (unsigned)(bytes / (uint64_t)sysconf(_SC_PAGESIZE));
	unsigned cold = 0;

	for (int i = 0; i < 10; i++) {
		CHECK_CALL(fsync(fd));
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		cold = cold_pages(fd, 0, bytes);
		if (cold == pages)
			return;
		usleep(10000);
	}
	test_skip("this file system does not evict: %u of %u pages are cold", cold, pages);
}

#endif
