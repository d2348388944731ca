/* SPDX-License-Identifier: MIT */
/* How a burst begins: all threads of its targets are seized, also those that begin meanwhile. */
#include "feed_ptrace.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>

#define PROCESSES_MOST 64	/* in one burst; of more, the next takes others */
#define RETRY_EVERY 16	/* bursts, of who would not be traced: a debugger may have let go of it */
#define LISTINGS_MOST 16	/* of a process's threads, until no new one is found */
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)

struct traced_thread *traced_add_thread(struct feed_ptrace *feed, uint32_t tid, uint32_t process)
{
	struct traced_thread *t = table_make(&feed->threads, &tid);

	if (t) {
		memset(t, 0, sizeof *t);
		t->tid = tid;
		t->process = process;
		feed->processes[process].taken = true;
	}
	return t;
}

/*
 * The kernel lets nobody seize a thread of a process that is about to run another program. If that waits in turn for the end of a
 * thread we have seized already, both would wait for ever: so this, too, can be cut short by who waits for the burst.
 */
static int attach_to(uint32_t tid)
{
	int result;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	result = ptrace(PTRACE_SEIZE, (pid_t)tid, 0, OPTIONS) ? -errno : 0;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	return result;
}

int traced_seize(struct feed_ptrace *feed, uint32_t tid, uint32_t process)
{
	const struct traced_thread *known = table_find(&feed->threads, &tid);
	int result;

	if ((known && !known->gone) || feed->threads.count >= TRACED_THREADS_MOST)
		return 0;
	result = attach_to(tid);
	if (result)
		return result == -ESRCH ? 0 : result;
	if (!traced_add_thread(feed, tid, process))
		return 0;	/* it runs on, untraced; the burst's end lets go of it */
	ptrace(PTRACE_INTERRUPT, (pid_t)tid, 0, 0);
	return 1;
}

unsigned traced_list_threads(uint32_t pid, uint32_t tids[TRACED_THREADS_MOST])
{
	const struct dirent *entry;
	unsigned count = 0;
	char path[64];
	DIR *tasks;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/task", pid);
	tasks = opendir(path);
	while (tasks && count < TRACED_THREADS_MOST && (entry = readdir(tasks))) {
		tids[count] = (uint32_t)strtoul(entry->d_name, NULL, 10);
		count += tids[count] != 0;
	}
	if (tasks)
		closedir(tasks);
	return count;
}

int traced_seize_listed(struct feed_ptrace *feed, uint32_t process, int *ret_refused)
{
	uint32_t tids[TRACED_THREADS_MOST];
	unsigned count = traced_list_threads(feed->processes[process].pid, tids);
	int news = 0;

	for (unsigned i = 0; i < count; i++) {
		int result = traced_seize(feed, tids[i], process);

		if (result < 0)
			*ret_refused = -result;
		else
			news += result;
	}
	return news;
}

/* Threads that begin meanwhile are seized by the kernel where their maker is; the others by a further look. */
static bool attach(struct feed_ptrace *feed, uint32_t process)
{
	struct traced_process *p = &feed->processes[process];
	int refused = 0, news, all = 0;

	for (int i = 0; i < LISTINGS_MOST; i++) {
		news = traced_seize_listed(feed, process, &refused);
		all += news;
		if (!news)
			break;
	}
	/* What was seized has its number, and may be another that began since: as soon as that stops, it is let go of. */
	if (all && traced_ask_end(feed, process))
		return false;
	if (all) {
		feed->taken++;
		p->refused = 0;
	} else if (refused) {
		p->refused = feed->refused = refused;
		feed->refused_pid = p->pid;
	}
	return all > 0;
}

void traced_attach_all(struct feed_ptrace *feed)
{
	uint32_t count = feed->process_count, taken = 0;

	feed->taken = 0;
	feed->refused = 0;
	for (uint32_t i = 0; i < count && taken < PROCESSES_MOST; i++) {
		uint32_t place = (feed->turn + i) % count;
		const struct traced_process *p = &feed->processes[place];

		if (p->exited || (p->refused && feed->burst % RETRY_EVERY) || (p->serves_files && taken))
			continue;
		if (!attach(feed, place))
			continue;
		taken++;
		if (taken == PROCESSES_MOST || p->serves_files) {
			feed->turn = place + 1;
			break;
		}
	}
}
