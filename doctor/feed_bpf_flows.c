/* SPDX-License-Identifier: MIT */
/*
 * Flows, from the kernel's table into the model. The table is bounded, and a watch of days sees more flows than it has room for:
 * those of processes that have ended leave it when their last numbers were taken, and where room gets short, those on which
 * nothing was moved for long. What is over in the model is folded (fold.c), so that it stays within bounds, too.
 */
#include "feed_bpf.h"

#include "fold.h"

#include "doctor.skel.h"

#include <leat.h>

#include <bpf/bpf.h>
#include <stdlib.h>

#define EARLY_SITES 4096	/* so many more, with the names of their frames about 8 MiB, or */
#define EARLY_FLOWS 1024	/* so many more flows, or */
#define EARLY_NS UINT64_C(1000000000)	/* so long after: new flows are looked at before the end */
#define OVER_MOST 12288		/* flows that the model keeps apart when they are over: 5 MiB, and their ends 3 MiB */
#define PROCESSES_MOST 16384	/* that it keeps when they have ended */

static void collect_facts_of(struct feed_bpf *feed, struct model *model, const struct event_file_key *key)
{
	uint32_t place = collect_file(&feed->collect, model, key);
	const struct file *file = place == MODEL_NONE ? NULL : &model->files[place];
	struct event_file facts;
	struct event_path path;

	if (!file || key->inode & EVENT_SUMMARY || (!key->sink && file->kind && (file->path || file->peer.family)) ||
	    bpf_map_lookup_elem(bpf_map__fd(feed->skeleton->maps.files), key, &facts))
		return;
	if (bpf_map_lookup_elem(bpf_map__fd(feed->skeleton->maps.paths), key, &path))
		path.bytes = path.cut = 0;
	collect_facts(model, place, &facts, path.bytes ? &path : NULL);
}

/* One turn over the table. */
struct turn {
	struct feed_bpf *feed;
	struct model *model;
	struct unheard *unheard;	/* NULL while more may be heard of */
	bool bells_wait;		/* not all could be answered */
	uint64_t idle_since;		/* flows that moved nothing since then make room; 0: there is enough */
	uint32_t left;			/* the table */
};

/* As the model has it, nothing was moved since the turn before. */
static bool is_idle(const struct turn *turn, const struct event_flow_key *named, const struct event_flow *flow)
{
	const struct flow *before;
	uint32_t place;

	if (flow->last_ns >= turn->idle_since)	/* that is the time of one call in 16 */
		return false;
	place = collect_known_flow(&turn->feed->collect, named);
	before = place == MODEL_NONE ? NULL : &turn->model->flows[place];
	return before && before->bytes == flow->bytes && before->again == flow->again;
}

/*
 * Below a pid namespace of our own a process has a name here only by its bell. That of one whose mark is gone has rung: it may
 * wait still, as the bells of who came in this turn do.
 */
static const struct watched *whose(struct turn *turn, uint32_t tgid)
{
	struct feed_bpf *feed = turn->feed;
	const struct watched *w = watched_find(feed, tgid);

	if (w || !feed->skeleton->bss->namespace_level || !watched_is_over(feed, w, tgid))
		return w;
	turn->bells_wait = ring_buffer__consume(feed->bells) < 0;
	return watched_find(feed, tgid);
}

/* The bell of its process found no room. */
static void nobodys(struct turn *turn, const struct event_flow_key *key, uint64_t bytes, bool over)
{
	struct unheard *unheard = turn->unheard;

	if (over && !turn->bells_wait && !bpf_map_delete_elem(bpf_map__fd(turn->feed->skeleton->maps.flows), key)) {
		turn->left++;
		unheard = &turn->feed->unheard;
	}
	if (!unheard)
		return;
	unheard->flows++;
	unheard->bytes += bytes;
}

/*
 * Of who has ended nothing is counted any more: the kernel side takes his mark away when no thread of him is left that makes
 * calls. Of who goes on a flow may be used again in the moment it leaves, so it is taken out and looked at in one call.
 */
static void collect_one(struct turn *turn, const struct event_flow_key *key)
{
	struct feed_bpf *feed = turn->feed;
	const struct watched *w = whose(turn, key->tgid);
	bool over = watched_is_over(feed, w, key->tgid);
	int map = bpf_map__fd(feed->skeleton->maps.flows);
	struct event_flow_key named = *key;
	struct event_flow flow;

	if (bpf_map_lookup_elem(map, key, &flow))
		return;
	if (!w && feed->skeleton->bss->namespace_level) {
		nobodys(turn, key, flow.bytes, over);
		return;
	}
	named.tgid = w ? w->pid : key->tgid;
	if (!over && turn->idle_since && is_idle(turn, &named, &flow))
		over = !bpf_map_lookup_and_delete_elem(map, key, &flow);
	else if (collect_flow(&feed->collect, turn->model, &named, &flow) == MODEL_NONE)
		return;
	else if (over)
		over = !bpf_map_delete_elem(map, key);
	collect_flow(&feed->collect, turn->model, &named, &flow);
	collect_facts_of(feed, turn->model, &(struct event_file_key){ key->from_inode, key->from_device, 0 });
	collect_facts_of(feed, turn->model, &(struct event_file_key){ key->to_inode, key->to_device, 1 });
	if (!over)
		return;
	collect_over(&feed->collect, &named);
	turn->left++;
}

void flows_collect(struct feed_bpf *feed, struct model *model, struct unheard *unheard)
{
	uint32_t *count = &feed->skeleton->bss->flow_count, before = __atomic_load_n(count, __ATOMIC_ACQUIRE);
	int map = bpf_map__fd(feed->skeleton->maps.flows);
	struct turn turn = { .feed = feed, .model = model, .unheard = unheard };
	struct event_flow_key key, next;
	uint64_t now = leat_now_ns();
	bool more = bpf_map_get_next_key(map, NULL, &key) == 0;

	if (before >= feed->skeleton->rodata->exact_flows / 4 * 3 && now > feed->idle_ns)
		turn.idle_since = now - feed->idle_ns;
	for (; more; key = next) {
		more = bpf_map_get_next_key(map, &key, &next) == 0;	/* of one that is gone nobody knows what follows */
		collect_one(&turn, &key);
	}
	__atomic_fetch_sub(count, turn.left, __ATOMIC_ACQ_REL);
	feed->over_flows += turn.left;
	feed->collected_flows = before - turn.left;
	feed->collected_ns = now;
	watched_into(feed, model);	/* bells may have been answered */
}

/* A watch of days sees a great many processes and places that come and go. */
static bool is_crowded(const struct feed_bpf *feed, const struct model *model)
{
	return model->site_count - feed->folded_sites >= EARLY_SITES || model->process_count - feed->folded_processes >= PROCESSES_MOST;
}

static void fold(struct feed_bpf *feed, struct model *model)
{
	struct fold fold = { .most_flows = OVER_MOST / 2, .most_processes = PROCESSES_MOST };
	uint8_t *alive;

	if (feed->over_flows <= OVER_MOST) {
		if (!is_crowded(feed, model))
			return;
		fold.most_flows = OVER_MOST;
	}
	alive = calloc(FOLD_PIDS, 1);
	if (!alive)
		return;
	watched_alive(feed, alive);
	fold.alive = alive;
	model_drop_findings(model);
	if (!fold_model(&feed->collect, model, &fold)) {
		watched_moved(feed, fold.processes);
		feed->over_flows = fold.over;
		feed->folded_sites = model->site_count;
		feed->folded_processes = model->process_count;
	}
	free(fold.processes);
	free(alive);
}

/* The kernel side has less room for files, and much less for their paths, than flows may have ends: what is known of those is
 * taken while it is there. A flow that is known costs two calls, so it is not done at every turn. */
void flows_collect_early(struct feed_bpf *feed, struct model *model)
{
	uint32_t flows = __atomic_load_n(&feed->skeleton->bss->flow_count, __ATOMIC_ACQUIRE), more = flows - feed->collected_flows;
	bool many = more >= EARLY_FLOWS || more >= feed->skeleton->rodata->exact_flows / 8;

	if (!is_crowded(feed, model) && (!more || (!many && leat_now_ns() < feed->collected_ns + EARLY_NS)))
		return;
	flows_collect(feed, model, NULL);
	fold(feed, model);
}
