/* SPDX-License-Identifier: MIT */
/*
 * Who is watched. The kernel side says by bells who came, went, or runs another program. While many do, some bells find no
 * room; then its own marks, a bit for each process, say who is there.
 */
#include "feed_bpf.h"

#include "fold.h"
#include "process.h"

#include "doctor.skel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIDFDS_MOST 512		/* of further processes the kernel side tells the end */
#define WATCHED_MOST 65536	/* processes, with those that have ended */

static uint64_t *mark_of(struct feed_bpf *feed, uint32_t tgid)
{
	return &feed->skeleton->bss->watched[tgid >> 6 & (sizeof feed->skeleton->bss->watched / 8 - 1)];
}

static bool is_marked(struct feed_bpf *feed, uint32_t tgid)
{
	return __atomic_load_n(mark_of(feed, tgid), __ATOMIC_SEQ_CST) >> (tgid & 63) & 1;
}

/* ---- The table ------------------------------------------------------------------------------------------------------------- */

struct place {
	uint32_t tgid, place;	/* 1 and up */
};

/* Notes where the latest of that number stands. Numbers of who gave up the place fill the table in time: then it is made anew. */
static int note_place(struct feed_bpf *feed, uint32_t place)
{
	struct place *noted = table_make(&feed->places, &feed->watched[place].tgid);

	if (!noted && feed->places.count == feed->places.most) {
		table_clear(&feed->places);
		for (uint32_t i = 0; i < feed->watched_count; i++)
			if (i != place && (noted = table_make(&feed->places, &feed->watched[i].tgid)) &&
			    (!noted->place || !feed->watched[i].exited))
				noted->place = i + 1;
		noted = table_make(&feed->places, &feed->watched[place].tgid);
	}
	if (!noted)
		return -ENOMEM;
	noted->place = place + 1;
	return 0;
}

struct watched *watched_find(struct feed_bpf *feed, uint32_t tgid)
{
	const struct place *noted = table_find(&feed->places, &tgid);

	return noted && feed->watched[noted->place - 1].tgid == tgid ? &feed->watched[noted->place - 1] : NULL;
}

static void forget(struct watched *w)
{
	if (w->pidfd >= 0)
		close(w->pidfd);
	if (w->place == MODEL_NONE)
		model_free_texts(&w->process);
}

void watched_free(struct feed_bpf *feed)
{
	for (uint32_t i = 0; i < feed->watched_count; i++)
		forget(&feed->watched[i]);
	free(feed->watched);
	table_free(&feed->places);
}

/* A place for one more. A watch of days on a whole machine: who has ended gives up his. */
static struct watched *new_place(struct feed_bpf *feed)
{
	struct watched *bigger = feed->watched;

	for (uint32_t i = 0; feed->watched_count == WATCHED_MOST && i < WATCHED_MOST; i++) {
		struct watched *w = &feed->watched[feed->replaced++ % WATCHED_MOST];

		if (!w->exited)
			continue;
		forget(w);
		return w;
	}
	if (feed->watched_count == WATCHED_MOST)
		return NULL;
	if (!feed->watched_count)
		table_init(&feed->places, sizeof(struct place), sizeof(uint32_t), 2 * WATCHED_MOST);
	if (!(feed->watched_count & (feed->watched_count - 1)))
		bigger = reallocarray(feed->watched, feed->watched_count ? feed->watched_count * 2 : 1, sizeof *bigger);
	if (!bigger)
		return NULL;
	feed->watched = bigger;
	return &bigger[feed->watched_count++];
}

/* It stands for whoever has the number now: it must still be the one that was looked at. */
static int open_pidfd(const struct process *process)
{
	int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)process->pid, 0);

	if (pidfd < 0 || process_is_same(process))
		return pidfd;
	close(pidfd);
	return -1;
}

/* Takes process, if it does not fail. */
static struct watched *add(struct feed_bpf *feed, uint32_t tgid, const struct process *process)
{
	struct watched *w = new_place(feed);

	if (!w)
		return NULL;
	*w = (struct watched){ .tgid = tgid, .pid = process->pid, .pidfd = -1, .place = MODEL_NONE, .process = *process };
	if (w - feed->watched < PIDFDS_MOST)
		w->pidfd = open_pidfd(process);
	feed->alive++;
	if (!note_place(feed, (uint32_t)(w - feed->watched)))
		return w;
	w->process = (struct process){ .pid = 0 };
	watched_ended(feed, w, -1);
	return NULL;
}

/* ---- They come and go ------------------------------------------------------------------------------------------------------ */

int feed_bpf_watch(struct feed_bpf *feed, uint32_t tgid, const struct process *process)
{
	struct watched *w = watched_find(feed, tgid);

	if (w && !w->exited) {
		model_free_texts(process);
		return 0;
	}
	w = add(feed, tgid, process);
	if (!w)
		return -ENOMEM;
	if (!process_is_same(&w->process)) {
		w->exited = true;
		feed->alive--;
		return -ESRCH;
	}
	__atomic_fetch_or(mark_of(feed, tgid), UINT64_C(1) << (tgid & 63), __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&feed->skeleton->data->watch_epoch, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/*
 * Of who rang the bell: when it is read, his number may be another's. It is his as long as his mark is there, unless one who has
 * both after him is watched, too: then the ticks differ. -ESRCH: nobody can look at him any more, and *process is what the bell
 * says.
 */
static int look(struct feed_bpf *feed, uint32_t pid, const struct event_bell *bell, struct process *process)
{
	uint64_t start_ticks = bell->born_ns / (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));

	if (!process_look((pid_t)pid, process)) {
		if (is_marked(feed, bell->tgid) && (!bell->born_ns || process->start_ticks == start_ticks))
			return 0;
		model_free_texts(process);
	}
	*process = (struct process){ .pid = pid, .start_ticks = PROCESS_UNSEEN, .exit_status = -1 };
	process->name = strndup(bell->name, sizeof bell->name);
	return -ESRCH;
}

void watched_begun(struct feed_bpf *feed, const struct event_bell *bell)
{
	const struct watched *parent = watched_find(feed, bell->more), *w = watched_find(feed, bell->tgid);
	struct process process;

	if (w && !w->exited)
		return;
	if (look(feed, bell->value, bell, &process) && parent)
		process.parent = parent->pid;
	if (!add(feed, bell->tgid, &process))
		model_free_texts(&process);
}

/* It runs another program now, of another name. */
void watched_changed(struct feed_bpf *feed, struct watched *w, const struct event_bell *bell)
{
	struct process process, *is = w->place == MODEL_NONE ? &w->process : &feed->model->processes[w->place];

	w->exec_id = bell->more;
	look(feed, w->pid, bell, &process);
	process_changed(is, &process);
}

void watched_ended(struct feed_bpf *feed, struct watched *w, int status)
{
	if (w->exited)
		return;
	w->exited = true;
	w->status = status;
	feed->alive--;
	/* When its bell rang the kernel has done that, and the number may be another's by now. */
	if (status < 0)
		__atomic_fetch_and(mark_of(feed, w->tgid), ~(UINT64_C(1) << (w->tgid & 63)), __ATOMIC_SEQ_CST);
}

/* ---- Without bells --------------------------------------------------------------------------------------------------------- */

/* A kernel that misses calls misses ends, too: nobody unmarks them. */
static bool is_over(struct feed_bpf *feed, const struct watched *w)
{
	struct pollfd poll_one = { .fd = w->pidfd, .events = POLLIN };

	if (w->pidfd >= 0)
		return poll(&poll_one, 1, 0) > 0;
	return !is_marked(feed, w->tgid) || (w->pid && kill((pid_t)w->pid, 0) < 0 && errno == ESRCH);
}

/* The bell of an end has rung before the end is to be seen, and says more: so those that wait are answered first. */
void watched_ask(struct feed_bpf *feed)
{
	bool any = false;

	for (uint32_t i = 0; i < feed->watched_count; i++) {
		struct watched *w = &feed->watched[i];

		w->over = !w->exited && is_over(feed, w);
		any |= w->over;
	}
	if (!any || ring_buffer__consume(feed->bells) < 0)
		return;
	for (uint32_t i = 0; i < feed->watched_count; i++)
		if (feed->watched[i].over)
			watched_ended(feed, &feed->watched[i], -1);
}

/* Below a pid namespace of our own the kernel's numbers say nothing here. */
void watched_look(struct feed_bpf *feed)
{
	const uint32_t count = sizeof feed->skeleton->bss->watched * 8;

	if (feed->skeleton->bss->namespace_level)
		return;
	for (uint32_t tgid = 0; tgid < count; tgid++) {
		const struct event_bell bell = { .kind = EVENT_BEGUN, .tgid = tgid, .value = tgid };

		if (!*mark_of(feed, tgid))
			tgid |= 63;
		else if (is_marked(feed, tgid))
			watched_begun(feed, &bell);
	}
}

/* ---- Into the model -------------------------------------------------------------------------------------------------------- */

void watched_into(struct feed_bpf *feed, struct model *model)
{
	for (uint32_t i = 0; i < feed->watched_count; i++) {
		struct watched *w = &feed->watched[i];

		if (w->place == MODEL_NONE && !w->told) {
			w->place = model_add_process(model);
			if (w->place != MODEL_NONE)
				model->processes[w->place] = w->process;
		}
		if (w->place == MODEL_NONE || !w->exited || w->told)
			continue;
		model->processes[w->place].exited = true;
		model->processes[w->place].exit_status = w->status;
		w->told = true;
	}
}

/* ---- Those that are over --------------------------------------------------------------------------------------------------- */

bool watched_is_over(struct feed_bpf *feed, const struct watched *w, uint32_t tgid)
{
	return (!w || w->exited) && !is_marked(feed, tgid);
}

void watched_alive(struct feed_bpf *feed, uint8_t *alive)
{
	for (uint32_t i = 0; i < feed->watched_count; i++)
		if (!watched_is_over(feed, &feed->watched[i], feed->watched[i].tgid))
			alive[feed->watched[i].pid & (FOLD_PIDS - 1)] = 1;
}

void watched_moved(struct feed_bpf *feed, const uint32_t *places)
{
	for (uint32_t i = 0; i < feed->watched_count; i++) {
		struct watched *w = &feed->watched[i];

		if (w->place == MODEL_NONE)
			continue;
		w->place = places[w->place];
		if (w->place == MODEL_NONE)	/* the model has freed what it had of it */
			w->process = (struct process){ .pid = w->pid };
	}
}
