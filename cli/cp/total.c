/* SPDX-License-Identifier: MIT */
#include "total.h"
#include "links.h"

#include <leat.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Counting reads the disk that the copy reads, and takes a descriptor for each level: so there is an end to it. */
#define MOST_NS (10 * LEAT_SECOND)
#define LEVELS 64

struct total {
	const struct settings *settings;
	DIR *open[LEVELS];
	unsigned depth;
	struct links *links;		/* a file of several names is copied once */
	uint64_t until_ns;
	pthread_t thread;
	int ended;			/* all three atomic: nobody asks any more */
	int state;
	uint64_t bytes;
};

/* Goes on in it. What cannot be read is said by the copy. -1: too deep. */
static int enter(struct total *total, int at, const char *path, int flags)
{
	int fd = total->depth < LEVELS ? openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags) : -1;

	if (total->depth == LEVELS)
		return -1;
	total->open[total->depth] = fd < 0 ? NULL : fdopendir(fd);
	if (total->open[total->depth])
		total->depth++;
	else if (fd >= 0)
		close(fd);
	return 0;
}

static void add(struct total *total, const struct stat *st)
{
	const struct settings *s = total->settings;
	uint64_t size = (uint64_t)st->st_size, bytes = size > s->offset ? size - s->offset : 0;

	if (st->st_nlink > 1 && (links_find(total->links, st) || links_add(total->links, st, "") < 0))
		return;
	__atomic_add_fetch(&total->bytes, bytes < s->limit ? bytes : s->limit, __ATOMIC_RELAXED);
}

/* One name of the directory that is open last. -1: too deep. */
static int count(struct total *total)
{
	DIR *dir = total->open[total->depth - 1];
	const struct dirent *entry = readdir(dir);
	struct stat st;

	if (!entry) {
		closedir(dir);
		total->depth--;
	} else if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		   fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		return 0;
	} else if (S_ISDIR(st.st_mode)) {
		return enter(total, dirfd(dir), entry->d_name, O_NOFOLLOW);
	} else if (S_ISREG(st.st_mode)) {
		add(total, &st);
	}
	return 0;
}

static void *run(void *arg)
{
	struct total *total = arg;
	int r = 0;

	while (total->depth && !r && !__atomic_load_n(&total->ended, __ATOMIC_RELAXED))
		r = leat_now_ns() > total->until_ns ? -1 : count(total);
	__atomic_store_n(&total->state, total->depth ? TOTAL_GIVEN_UP : TOTAL_COUNTED, __ATOMIC_RELEASE);
	while (total->depth)
		closedir(total->open[--total->depth]);
	return NULL;
}

struct total *total_begin(int at, const char *path, const struct settings *settings)
{
	struct total *total = calloc(1, sizeof *total);
	sigset_t all, was;
	int r = -1;

	if (!total)
		return NULL;
	total->settings = settings;
	total->links = links_new();
	total->until_ns = leat_now_ns() + MOST_NS;
	if (total->links)
		enter(total, at, path, 0);
	if (total->depth) {
		sigfillset(&all);	/* signals are the first thread's */
		pthread_sigmask(SIG_BLOCK, &all, &was);
		r = pthread_create(&total->thread, NULL, run, total);
		pthread_sigmask(SIG_SETMASK, &was, NULL);
	}
	if (!r)
		return total;
	if (total->depth)
		closedir(total->open[0]);
	links_free(total->links);
	free(total);
	return NULL;
}

enum total_state total_now(const struct total *total, uint64_t *ret_bytes)
{
	enum total_state state = (enum total_state)__atomic_load_n(&total->state, __ATOMIC_ACQUIRE);

	*ret_bytes = __atomic_load_n(&total->bytes, __ATOMIC_RELAXED);
	return state;
}

void total_end(struct total *total)
{
	if (!total)
		return;
	__atomic_store_n(&total->ended, 1, __ATOMIC_RELAXED);
	pthread_join(total->thread, NULL);
	links_free(total->links);
	free(total);
}
