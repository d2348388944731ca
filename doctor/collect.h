/* SPDX-License-Identifier: MIT */
/*
 * From records (event.h) to the model: finds or makes the place of a file, a site, a flow. Both live engines fill the model
 * by this. Collected again, a thing keeps its place, and its numbers are replaced.
 */
#ifndef DOCTOR_COLLECT_H
#define DOCTOR_COLLECT_H

#include "event.h"
#include "table.h"

struct collect {
	struct table files, sites, flows;	/* keys, and where in the model it is */
	uint32_t over;		/* counts flows that were said to be over */
};

void collect_init(struct collect *collect);
void collect_free(struct collect *collect);

/* All: a place in the model's table, or MODEL_NONE when there is no memory. */
uint32_t collect_file(struct collect *collect, struct model *model, const struct event_file_key *key);
uint32_t collect_site(struct collect *collect, struct model *model, uint32_t pid, uint64_t site);
/* key->tgid is the process's number in the doctor's namespace by now. */
uint32_t collect_flow(struct collect *collect, struct model *model, const struct event_flow_key *key,
		      const struct event_flow *flow);
/* The place of a flow that is there; else MODEL_NONE. */
uint32_t collect_known_flow(const struct collect *collect, const struct event_flow_key *key);
/* Its numbers are final, and those of the next flow of that key are another's. */
void collect_over(struct collect *collect, const struct event_flow_key *key);
/* Marks, by place, those that are. */
void collect_mark_over(const struct collect *collect, uint8_t *over);
/* What is known of a file by now; path: NULL if it has none. Facts that are there already are not taken away. */
void collect_facts(struct model *model, uint32_t place, const struct event_file *facts, const struct event_path *path);
void collect_counts(struct model *model, const struct event_counts *counts);
/* For places that move: empty tables with room for all and some more files, and then what was in the old ones. Arrays: place
 * before → place now, or MODEL_NONE for what is left out. collect_fresh: 0, or -ENOMEM. */
int collect_fresh(const struct collect *collect, uint32_t more_files, struct collect *ret_fresh);
void collect_moved(struct collect *collect, struct collect *fresh, const uint32_t *files, const uint32_t *sites,
		   const uint32_t *flows);

#endif
