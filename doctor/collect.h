/* SPDX-License-Identifier: MIT */
/*
 * From records (event.h) to the model: finds or makes the place of a file, a site, a flow. Both live engines fill the model
 * by this. Collected again, a thing keeps its place, and its numbers are replaced.
 */
#ifndef DOCTOR_COLLECT_H
#define DOCTOR_COLLECT_H

#include "event.h"

struct collect_table {		/* keys of one size, open addressing */
	uint8_t *keys;
	uint32_t *places;	/* place + 1; 0: free */
	uint32_t room, count;
};

struct collect {		/* all zero to begin with */
	struct collect_table files, sites, flows;
};

/* All: a place in the model's table, or MODEL_NONE when there is no memory. */
uint32_t collect_file(struct collect *collect, struct model *model, const struct event_file_key *key);
uint32_t collect_site(struct collect *collect, struct model *model, uint32_t pid, uint64_t site);
/* key->tgid is the process's number in the doctor's namespace by now. */
uint32_t collect_flow(struct collect *collect, struct model *model, const struct event_flow_key *key,
		      const struct event_flow *flow);
/* What is known of a file by now; path: NULL if it has none. Facts that are there already are not taken away. */
void collect_facts(struct model *model, uint32_t place, const struct event_file *facts, const struct event_path *path);
void collect_counts(struct model *model, const struct event_counts *counts);
void collect_free(struct collect *collect);

#endif
