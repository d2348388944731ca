/* SPDX-License-Identifier: MIT */
/*
 * Bursts of ptrace, as a feed: a sample of what the targets do, for who has no rights but over his own processes. When a burst
 * begins, and what becomes of what it saw. The first begins at once, for a command may be short; then they come at longer and
 * longer intervals, up to one in a second.
 */
#include "feed_ptrace.h"

#include "cmd.h"
#include "process.h"

#include <leat.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BURST_NS 900000000	/* that it may last, if the target makes few calls */
#define GAP_IDLE_NS 100000000	/* after that */
#define GAP_FIRST_NS 30000000	/* after one that saw all it was to */
#define GAP_MOST_NS 1000000000
#define FLOWS_MOST 16384
#define SITES_MOST 16384
#define FILES_MOST 16384
#define THREADS_MOST 2048
#define SLICE_NS 100000000	/* of sleep between bursts, until ends are asked for */

static uint64_t ticks_since_boot(void)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * per_second + (uint64_t)now.tv_nsec * per_second / 1000000000;
}

/* ---- Bursts ---------------------------------------------------------------------------------------------------------------- */

/* After one that saw little the next comes soon: whoever makes few calls is not held up by it. */
static void after_burst(struct feed_ptrace *feed)
{
	uint64_t gap = GAP_IDLE_NS;

	if (feed->used_up) {
		feed->gap_ns = !feed->gap_ns ? GAP_FIRST_NS : feed->gap_ns * 2 < GAP_MOST_NS ? feed->gap_ns * 2 : GAP_MOST_NS;
		gap = feed->gap_ns;
	}
	feed->next_ns = leat_now_ns() + gap;
	traced_ask_programs(feed);
}

static void end_burst(struct feed_ptrace *feed)
{
	if (!feed->running)
		return;
	traced_burst_end(feed);
	after_burst(feed);
}

/* False: it goes on, behind this poll. */
static bool await_burst(struct feed_ptrace *feed, uint64_t until_ns)
{
	uint64_t most = feed->burst_begin_ns + BURST_NS;

	if (!feed->running)
		return true;
	if (traced_burst_wait(feed, until_ns < most ? until_ns : most))
		after_burst(feed);
	else if (leat_now_ns() >= most || traced_is_to_stop())
		end_burst(feed);
	return !feed->running;
}

/* It runs another program since it was looked at; nobody may look at it otherwise, if it makes no transfer. */
static void know_program(struct traced_process *p, struct process *is)
{
	struct process now;

	if (p->told == p->program || process_look((pid_t)p->pid, &now))
		return;
	p->told = p->program;
	process_changed(is, &now);
}

/* Who cannot be traced, or has not been yet, is not watched. One that was asked for, and came and went in between, is told of. */
static bool is_target(const struct feed_ptrace *feed, const struct traced_process *p)
{
	return p->taken || (p->exited && !p->refused && !feed->options.target.all);
}

static uint32_t count_untraced(const struct feed_ptrace *feed)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < feed->process_count; i++)
		count += !feed->processes[i].taken && (feed->processes[i].refused || !feed->processes[i].exited);
	return count;
}

/* What was seen of processes goes into the model. */
static void know_processes(struct feed_ptrace *feed, struct model *model)
{
	for (uint32_t i = 0; i < feed->process_count; i++) {
		struct traced_process *p = &feed->processes[i];
		struct process *is;

		if (p->place == MODEL_NONE && is_target(feed, p)) {
			p->place = model_add_process(model);
			if (p->place != MODEL_NONE)
				model->processes[p->place] = p->process;
		}
		if (p->place == MODEL_NONE)
			continue;
		is = &model->processes[p->place];
		if (is->exited)
			continue;
		know_program(p, is);
		is->exited = p->exited;
		if (p->exited)
			is->exit_status = p->status;
	}
}

static void sleep_until(struct feed_ptrace *feed, uint64_t until_ns)
{
	struct pollfd ends[64];
	struct timespec left;
	uint64_t now = leat_now_ns();
	nfds_t count = 0;

	if (until_ns > now + SLICE_NS)
		until_ns = now + SLICE_NS;
	if (until_ns <= now)
		return;
	for (uint32_t i = 0; i < feed->process_count && count < 64; i++)
		if (!feed->processes[i].exited && feed->processes[i].pidfd >= 0)
			ends[count++] = (struct pollfd){ .fd = feed->processes[i].pidfd, .events = POLLIN };
	left = (struct timespec){ .tv_nsec = (long)(until_ns - now) };
	ppoll(ends, count, &left, NULL);
}

/* ---- The feed -------------------------------------------------------------------------------------------------------------- */

static void ptrace_close(struct feed *base)
{
	struct feed_ptrace *feed = (struct feed_ptrace *)base;

	if (!feed)
		return;
	traced_burst_end(feed);
	sem_destroy(&feed->attached);
	traced_stacks_free(feed);
	traced_files_free(feed);
	table_free(&feed->threads);
	table_free(&feed->sites);
	table_free(&feed->flows);
	traced_calls_close(feed);
	traced_forget_all(feed);
	collect_free(&feed->collect);
	free(feed);
}

/* It goes on while the doctor lets its command go. Each process that was asked for by its number must let itself be traced; of
 * others at least one, if there are any. */
static int first_burst(struct feed_ptrace *feed, struct feed_error *error)
{
	int result = feed->alive ? traced_burst_begin(feed) : 0;

	if (result || !feed->refused || (feed->taken && !feed->options.target.pid_count))
		return result;
	return traced_explain(feed->refused_pid, feed->refused, error);
}

static int ptrace_open(struct feed **ret_feed, const struct feed_options *options, struct feed_error *error)
{
	struct feed_ptrace *feed = calloc(1, sizeof *feed);
	int result;

	if (!feed)
		return -ENOMEM;
	feed->feed.ops = &feed_ptrace;
	feed->options = *options;
	collect_init(&feed->collect);
	feed->begin_ticks = ticks_since_boot();
	sem_init(&feed->attached, 0, 0);
	table_init(&feed->threads, sizeof(struct traced_thread), sizeof(uint32_t), THREADS_MOST);
	table_init(&feed->sites, sizeof(struct traced_site), sizeof(struct event_site_key), SITES_MOST);
	table_init(&feed->files, sizeof(struct traced_file), sizeof(struct event_file_key), FILES_MOST);
	table_init(&feed->flows, sizeof(struct traced_flow), sizeof(struct event_flow_key),
		   options->most_flows ? options->most_flows : FLOWS_MOST);
	result = traced_calls_open(feed);
	if (!result)
		result = traced_begin(feed, error);
	if (!result)
		result = first_burst(feed, error);
	feed->begin_ns = leat_now_ns();
	if (result)
		ptrace_close(&feed->feed);
	else
		*ret_feed = &feed->feed;
	return result;
}

static bool is_over(const struct feed_ptrace *feed)
{
	const struct feed_target *target = &feed->options.target;

	return !feed->alive && !target->all && !target->cgroup && !target->name;
}

/* What bursts have seen goes where it belongs; none is under way. */
static void take(struct feed_ptrace *feed, struct model *model)
{
	traced_ask_ends(feed);
	traced_stacks_pass_on(feed, model);
	know_processes(feed, model);
}

static int next_burst(struct feed_ptrace *feed)
{
	traced_ask_programs(feed);
	traced_discover(feed);
	return feed->alive ? traced_burst_begin(feed) : 0;
}

static bool is_stopped(const struct feed_ptrace *feed)
{
	return feed->options.stop && *feed->options.stop;
}

static int ptrace_poll(struct feed *base, struct model *model, int timeout_ms)
{
	struct feed_ptrace *feed = (struct feed_ptrace *)base;
	uint64_t until = leat_now_ns() + (uint64_t)timeout_ms * 1000000, now;
	int result = 0;

	do {
		if (!await_burst(feed, until))
			return FEED_GOES_ON;
		take(feed, model);
		if (is_over(feed))
			return FEED_OVER;
		now = leat_now_ns();
		if (now >= feed->next_ns)
			result = next_burst(feed);
		else
			sleep_until(feed, feed->next_ns < until ? feed->next_ns : until);
		if (!feed->running && now >= feed->next_ns)
			feed->next_ns = now + GAP_IDLE_NS;	/* nobody is there yet */
	} while (!result && !is_stopped(feed) && leat_now_ns() < until);
	return result ? result : FEED_GOES_ON;
}

/* ---- Into the model -------------------------------------------------------------------------------------------------------- */

static void collect_facts_of(struct feed_ptrace *feed, struct model *model, uint64_t inode, uint32_t device, bool sink)
{
	struct event_file_key key = { .inode = inode, .device = device, .sink = sink };
	const struct traced_file *file = table_find(&feed->files, &key);
	uint32_t place = file ? collect_file(&feed->collect, model, &key) : MODEL_NONE;

	if (place == MODEL_NONE)
		return;
	if (file->path && !model->files[place].path)
		model->files[place].path = strdup(file->path);
	collect_facts(model, place, &file->facts, NULL);
}

static void collect_flows(struct feed_ptrace *feed, struct model *model)
{
	const struct traced_flow *flow;
	uint32_t at = 0;

	while ((flow = table_next(&feed->flows, &at))) {
		const struct event_flow_key *key = &flow->key;

		if (collect_flow(&feed->collect, model, key, &flow->flow) == MODEL_NONE)
			continue;
		collect_facts_of(feed, model, key->from_inode, key->from_device, false);
		collect_facts_of(feed, model, key->to_inode, key->to_device, true);
	}
}

static int ptrace_collect(struct feed *base, struct model *model)
{
	struct feed_ptrace *feed = (struct feed_ptrace *)base;

	end_burst(feed);
	take(feed, model);
	model->engine = ENGINE_PTRACE;
	model->begin_ns = feed->begin_ns;
	model->end_ns = leat_now_ns();
	collect_flows(feed, model);
	collect_counts(model, traced_counts(feed));
	model->coverage.no_stack += feed->no_room;
	model->coverage.sampled_1_in = 1;
	model->coverage.bursts = feed->bursts;
	model->coverage.bursts_seen = feed->bursts_seen;
	model->coverage.untraced = count_untraced(feed);
	return 0;
}

const struct feed_ops feed_ptrace = {
	.name = "ptrace",
	.open = ptrace_open,
	.poll = ptrace_poll,
	.collect = ptrace_collect,
	.close = ptrace_close,
};
