/* SPDX-License-Identifier: MIT */
/*
 * The engine in the kernel, as a feed. The kernel side pairs and counts in maps; here, bells are answered (a process came,
 * went, or runs another program; a stack lies ready), and the maps are read when somebody wants to know.
 */
#include "feed_bpf.h"

#include "process.h"

#include "doctor.skel.h"

#include <leat.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GRACE_NS UINT64_C(1000000000)	/* for stacks that wait when the watch is over */
#define IDLE_NS UINT64_C(10000000000)
#define TICK_MS 200		/* how often files are looked at anew, and the pidfds asked */

/* ---- Stacks ---------------------------------------------------------------------------------------------------------------- */

static void want_more(struct feed_bpf *feed, const struct event_snapshot *snapshot, uint64_t at)
{
	struct event_site_key key = { .tgid = snapshot->tgid, .site = snapshot->site };
	struct event_site site = { .taken = 1 };

	if (at <= snapshot->sp || at - snapshot->sp > UINT32_MAX)
		return;
	site.wanted = (uint32_t)(at - snapshot->sp);
	if (bpf_map_update_elem(bpf_map__fd(feed->skeleton->maps.sites), &key, &site, BPF_EXIST) == 0)
		feed->skeleton->bss->site_uses[snapshot->site >> 1 & 65535] = 0;
}

static void pass_on(struct feed_bpf *feed, const struct watched *w, const struct event_snapshot *s)
{
	const struct process *process = w->place == MODEL_NONE ? &w->process : &feed->model->processes[w->place];
	struct feed_stack stack = { .pid = w->pid, .tid = s->tid, .start_ticks = process->start_ticks, .site = s->site, .ip = s->ip,
				    .sp = s->sp };
	uint32_t place = collect_site(&feed->collect, feed->model, w->pid, s->site);
	uint64_t want = 0;

	if (place == MODEL_NONE) {
		feed->dropped_stacks++;
		return;
	}
	memcpy(stack.registers, s->registers, sizeof stack.registers);
	stack.register_count = FEED_REGISTERS_HERE;
	stack.ips = s->ips;
	stack.ip_count = s->ip_count < EVENT_FRAMES ? s->ip_count : EVENT_FRAMES;
	stack.bytes = s->stack;
	stack.bytes_at = s->sp;
	stack.byte_count = s->bytes < EVENT_STACK_BYTES ? s->bytes : EVENT_STACK_BYTES;
	if (s->more_bytes) {
		stack.more = s->more;
		stack.more_at = s->more_at;
		stack.more_count = s->more_bytes < EVENT_STACK_BYTES ? s->more_bytes : EVENT_STACK_BYTES;
	}
	if (feed->options.take_stack(feed->options.take_context, &feed->model->sites[place], &stack, &want) == 1 && !s->more_bytes)
		want_more(feed, s, want);
}

/* Wiped when it was passed on: it holds what was in a stranger's memory. */
static void take_snapshot(struct feed_bpf *feed, uint32_t place)
{
	struct event_snapshot *snapshot = &feed->snapshots[place];
	const struct watched *w;

	if (__atomic_load_n(&feed->skeleton->bss->snapshot_state[place], __ATOMIC_ACQUIRE) != 2)
		return;
	w = watched_find(feed, snapshot->tgid);
	/* Of a program that was replaced by another, the addresses say nothing any more. */
	if (w && feed->options.take_stack && (!w->exec_id || w->exec_id <= snapshot->exec_id))
		pass_on(feed, w, snapshot);
	else
		feed->dropped_stacks++;
	explicit_bzero(snapshot, sizeof *snapshot);
	__atomic_store_n(&feed->skeleton->bss->snapshot_state[place], 0, __ATOMIC_RELEASE);
}

static int on_bell(void *context, void *data, size_t size)
{
	const struct event_bell *bell = data;
	struct feed_bpf *feed = context;
	struct watched *w;

	if (size < sizeof *bell)
		return 0;
	w = bell->kind == EVENT_BEGUN ? NULL : watched_find(feed, bell->tgid);
	switch (bell->kind) {
	case EVENT_BEGUN:
		watched_begun(feed, bell);
		break;
	case EVENT_EXEC:
		if (w)
			watched_changed(feed, w, bell);
		break;
	case EVENT_EXITED:
		if (w)
			watched_ended(feed, w, (int)bell->value);
		break;
	default:
		if (bell->value < EVENT_SNAPSHOTS)
			take_snapshot(feed, bell->value);
	}
	return leat_now_ns() > feed->until_ns ? -EAGAIN : 0;	/* that one counts as answered */
}

/* The ring was full: what it would have said is looked for where it can be seen. */
static void answer_lost_bells(struct feed_bpf *feed)
{
	uint32_t lost = __atomic_load_n(&feed->skeleton->bss->lost_bells, __ATOMIC_ACQUIRE);

	if (lost == feed->lost_bells)
		return;
	feed->lost_bells = lost;
	for (uint32_t i = 0; i < EVENT_SNAPSHOTS; i++)
		take_snapshot(feed, i);
	watched_look(feed);
}

/* ---- The feed -------------------------------------------------------------------------------------------------------------- */

static int map_snapshots(struct feed_bpf *feed)
{
	size_t bytes = EVENT_SNAPSHOTS * sizeof *feed->snapshots, page = (size_t)sysconf(_SC_PAGESIZE);

	bytes = (bytes + page - 1) & ~(page - 1);
	feed->snapshots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(feed->skeleton->maps.snapshots), 0);
	if (feed->snapshots == MAP_FAILED) {
		feed->snapshots = NULL;
		return -errno;
	}
	madvise(feed->snapshots, bytes, MADV_DONTDUMP);
	return 0;
}

static void bpf_close(struct feed *base)
{
	struct feed_bpf *feed = (struct feed_bpf *)base;

	if (!feed)
		return;
	ring_buffer__free(feed->bells);
	if (feed->snapshots) {
		if (feed->skeleton)
			doctor_bpf__detach(feed->skeleton);
		explicit_bzero(feed->snapshots, EVENT_SNAPSHOTS * sizeof *feed->snapshots);
		munmap(feed->snapshots, EVENT_SNAPSHOTS * sizeof *feed->snapshots);
	}
	doctor_bpf__destroy(feed->skeleton);
	watched_free(feed);
	collect_free(&feed->collect);
	free(feed);
}

static int bpf_open(struct feed **ret_feed, const struct feed_options *options, struct feed_error *error)
{
	struct feed_bpf *feed = calloc(1, sizeof *feed);
	int result;

	if (!feed)
		return -ENOMEM;
	feed->feed.ops = &feed_bpf;
	feed->options = *options;
	collect_init(&feed->collect);
	feed->idle_ns = IDLE_NS;
	result = feed_bpf_load(feed, error);
	feed->begin_ns = leat_now_ns();	/* what was before, loading and verifying, nobody watched */
	if (!result)
		result = map_snapshots(feed);
	if (!result) {
		feed->bells = ring_buffer__new(bpf_map__fd(feed->skeleton->maps.bells), on_bell, feed, NULL);
		if (!feed->bells)
			result = -errno;
	}
	if (result)
		bpf_close(&feed->feed);
	else
		*ret_feed = &feed->feed;
	return result;
}

/* ---- Reading the maps ------------------------------------------------------------------------------------------------------ */

static int bpf_poll(struct feed *base, struct model *model, int timeout_ms)
{
	struct feed_bpf *feed = (struct feed_bpf *)base;
	uint64_t until = leat_now_ns() + (uint64_t)timeout_ms * 1000000;
	const struct feed_target *target = &feed->options.target;
	int result = 0;

	feed->model = model;
	feed->until_ns = until;
	do {
		uint64_t now = leat_now_ns();
		int left = now < until ? (int)((until - now + 999999) / 1000000) : 0;

		memset(feed->skeleton->bss->files_known, 0, sizeof feed->skeleton->bss->files_known);
		if (target->cgroup)	/* processes may be moved into it */
			__atomic_fetch_add(&feed->skeleton->data->watch_epoch, 1, __ATOMIC_SEQ_CST);
		answer_lost_bells(feed);
		watched_ask(feed);
		watched_into(feed, model);
		if (!feed->alive && !target->all && !target->cgroup && !target->name) {
			feed->until_ns = UINT64_MAX;
			ring_buffer__consume(feed->bells);
			watched_into(feed, model);
			return FEED_OVER;
		}
		result = ring_buffer__poll(feed->bells, left < TICK_MS ? left : TICK_MS);
		watched_into(feed, model);
		flows_collect_early(feed, model);
	} while (result >= 0 && leat_now_ns() < until && !(feed->options.stop && *feed->options.stop));
	return result < 0 && result != -EINTR && result != -EAGAIN ? result : FEED_GOES_ON;
}

/* What each processor has counted. */
static int sum_counts(struct feed_bpf *feed, struct event_counts *sum)
{
	int cpus = libbpf_num_possible_cpus();
	size_t bytes = bpf_map__value_size(feed->skeleton->maps.scratches), step = (bytes + 7) & ~(size_t)7;
	uint64_t *to = (uint64_t *)sum;
	uint32_t zero = 0;
	uint8_t *all;
	int result;

	if (cpus < 0)
		return cpus;
	all = malloc(step * (size_t)cpus);
	if (!all)
		return -ENOMEM;
	result = bpf_map_lookup_elem(bpf_map__fd(feed->skeleton->maps.scratches), &zero, all);
	for (int cpu = 0; !result && cpu < cpus; cpu++)
		for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
			to[i] += ((uint64_t *)(all + step * (size_t)cpu))[i];
	free(all);
	return result;
}

/*
 * A program that runs on a processor is not begun once more there. Linux 7 preempts it, and what others call meanwhile on that
 * processor is not seen, whoever they are: the kernel counts that.
 */
static uint64_t missed_calls(const struct feed_bpf *feed)
{
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof info;

	if (bpf_obj_get_info_by_fd(bpf_program__fd(feed->skeleton->progs.doctor_call), &info, &bytes))
		return 0;
	return info.recursion_misses;
}

static int bpf_collect(struct feed *base, struct model *model)
{
	struct feed_bpf *feed = (struct feed_bpf *)base;
	struct event_counts counts = { 0 };
	struct unheard unheard = { 0 };
	int result;

	/* On a busy machine stacks still wait that nobody came to yet, of processes that are still there. */
	feed->model = model;
	feed->until_ns = leat_now_ns() + GRACE_NS;
	ring_buffer__consume(feed->bells);
	result = sum_counts(feed, &counts);
	model->engine = ENGINE_BPF;
	model->begin_ns = feed->begin_ns;
	model->end_ns = feed->end_ns ? feed->end_ns : leat_now_ns();
	model->coverage.sampled_1_in = feed->options.full ? 1 : feed->skeleton->rodata->sampled_mask + 1;
	flows_collect(feed, model, &unheard);
	counts.lost_flow_bytes += feed->unheard.bytes + unheard.bytes;
	counts.no_stack += feed->dropped_stacks;
	for (uint32_t i = 0; feed->end_ns && i < EVENT_SNAPSHOTS; i++)	/* before, they only wait; and what was counted stays so */
		counts.no_stack += __atomic_load_n(&feed->skeleton->bss->snapshot_state[i], __ATOMIC_ACQUIRE) == 2;
	if (!feed->sees_ring)
		counts.uring_blind = counts.uring_calls;
	collect_counts(model, &counts);
	model->coverage.unheard_flows = feed->unheard.flows + unheard.flows;
	model->coverage.missed_calls = missed_calls(feed);
	return result;
}

/* What is called while the last stacks are looked at is not of this watch. */
static void bpf_end(struct feed *base)
{
	struct feed_bpf *feed = (struct feed_bpf *)base;

	doctor_bpf__detach(feed->skeleton);
	feed->end_ns = leat_now_ns();
}

const struct feed_ops feed_bpf = {
	.name = "bpf",
	.open = bpf_open,
	.poll = bpf_poll,
	.collect = bpf_collect,
	.end = bpf_end,
	.close = bpf_close,
};
