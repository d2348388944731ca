/* SPDX-License-Identifier: MIT */
/* Between feed_bpf.c, which takes what the kernel side has gathered, and feed_bpf_load.c, which sets it up. */
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
	int pidfd;		/* -1: none was to be had; the kernel's word tells of its end then */
	bool exited, known;	/* known: stands in the model */
	int status;
	struct process process;	/* until it is known */
};

struct feed_bpf {
	struct feed feed;
	struct feed_options options;
	struct doctor_bpf *skeleton;
	struct ring_buffer *bells;
	struct event_snapshot *snapshots;	/* the kernel's, mapped */
	struct collect collect;
	struct watched *watched;
	uint32_t watched_count, alive;
	uint32_t replaced;		/* where to look next for one to be replaced */
	bool sees_ring;			/* io_uring's requests */
	struct model *model;		/* while bells ring */
	uint64_t until_ns;		/* then poll is to return, with bells still unanswered if there are many */
	uint64_t begin_ns;
};

/* Loads and attaches, watching what the options say; or -errno and a sentence. */
int feed_bpf_load(struct feed_bpf *feed, struct feed_error *ret_error);
/* Processes that are there already: from their numbers in ours to those in the first pid namespace. */
int feed_bpf_watch(struct feed_bpf *feed, uint32_t tgid, const struct process *process);

#endif
