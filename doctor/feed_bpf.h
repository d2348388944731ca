/* SPDX-License-Identifier: MIT */
/* Between feed_bpf.c, which takes what the kernel side has gathered, feed_bpf_load.c, which sets it up, feed_bpf_flows.c,
 * which takes flows, and feed_bpf_watched.c, which knows the processes. */
#ifndef DOCTOR_FEED_BPF_H
#define DOCTOR_FEED_BPF_H

#include "collect.h"
#include "feed.h"

#include <bpf/libbpf.h>

struct doctor_bpf;

/* A process that is watched, by both its numbers. */
struct watched {
	uint32_t tgid, pid;	/* in the first pid namespace, in ours */
	uint32_t exec_id;	/* of the program that runs there now; 0: as found */
	int pidfd;		/* -1: none was to be had; the kernel's word, its mark or its number tells of its end then */
	bool exited, told;	/* told: the model knows of its end */
	bool over;		/* it seems to have ended, and no bell said so yet */
	int status;
	uint32_t place;		/* in the model; MODEL_NONE: not yet, and it is still: */
	struct process process;
};

/* Flows of processes whose number here nobody knows. */
struct unheard {
	uint64_t flows, bytes;
};

struct feed_bpf {
	struct feed feed;
	struct feed_options options;
	struct doctor_bpf *skeleton;
	struct ring_buffer *bells;
	struct event_snapshot *snapshots;	/* the kernel's, mapped */
	struct collect collect;
	struct watched *watched;
	struct table places;		/* of the watched, by tgid */
	uint32_t watched_count, alive;
	uint32_t lost_bells;		/* as many as were made good */
	uint32_t replaced;		/* where to look next for one to be replaced */
	bool sees_ring;			/* io_uring's requests */
	struct model *model;		/* while bells ring */
	uint64_t until_ns;		/* then poll is to return, with bells still unanswered if there are many */
	uint64_t idle_ns;		/* a flow that moved nothing for so long makes room for another, where that is short */
	uint64_t begin_ns, end_ns;	/* attached, and no more; 0: it still is */
	uint64_t collected_ns;		/* when flows were looked at before the end, and how many there were */
	uint32_t collected_flows, folded_sites, folded_processes;
	uint32_t over_flows;		/* in the model, of processes that have ended, or idle for long */
	struct unheard unheard;		/* those that have left the table */
	uint64_t dropped_stacks;	/* of who is not known here, or has become another program */
};

/* All flows as the kernel side has them now. ret_unheard: adds those of nobody that is known; NULL while more may be heard of.
 * Bells may be answered meanwhile. */
void flows_collect(struct feed_bpf *feed, struct model *model, struct unheard *ret_unheard);
/* The same when it is time for it; then places in the model may move. */
void flows_collect_early(struct feed_bpf *feed, struct model *model);

/* Loads and attaches, watching what the options say; or -errno and a sentence. */
int feed_bpf_load(struct feed_bpf *feed, struct feed_error *ret_error);
/* Processes that are there already: from their numbers in ours to those in the first pid namespace. */
int feed_bpf_watch(struct feed_bpf *feed, uint32_t tgid, const struct process *process);

/* The latest of that number, or NULL; good until the next is begun. */
struct watched *watched_find(struct feed_bpf *feed, uint32_t tgid);
void watched_begun(struct feed_bpf *feed, const struct event_bell *bell);
void watched_changed(struct feed_bpf *feed, struct watched *w, const struct event_bell *bell);
void watched_ended(struct feed_bpf *feed, struct watched *w, int status);
/* Those that have ended without a bell. */
void watched_ask(struct feed_bpf *feed);
/* Those that have begun without a bell. */
void watched_look(struct feed_bpf *feed);
/* Who began since goes into the model; the ends of those that are in it as well. */
void watched_into(struct feed_bpf *feed, struct model *model);
/* Nothing is counted any more for that number; w: whose it is, or NULL. */
bool watched_is_over(struct feed_bpf *feed, const struct watched *w, uint32_t tgid);
/* Marks who is not over, as struct fold has it. */
void watched_alive(struct feed_bpf *feed, uint8_t *alive);
/* Processes have other places in the model, or MODEL_NONE: they are left out. */
void watched_moved(struct feed_bpf *feed, const uint32_t *places);
void watched_free(struct feed_bpf *feed);

#endif
