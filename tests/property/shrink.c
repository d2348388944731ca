/* SPDX-License-Identifier: MIT */
/* Makes a failing draft smaller: one thing after the other is left out, and stays out while it still fails. */
#include "property.h"

#include <time.h>

struct shrinker {
	struct draft *draft;
	uint64_t until_ns, why;
	bool any;
};

static bool try(struct shrinker *s, const struct draft *smaller)
{
	if (leat_now_ns() > s->until_ns || draft_fails(smaller) != s->why)
		return false;
	*s->draft = *smaller;
	return s->any = true;
}

static void chains(struct shrinker *s, struct draft *work, struct chain_draft *chain)
{
	for (unsigned i = 0; i < chain->count; i++) {
		if (chain->made[i].gone)
			continue;
		chain->made[i].gone = true;
		if (!try(s, work))
			chain->made[i].gone = false;
	}
}

static void nodes(struct shrinker *s, struct draft *work)
{
	for (unsigned i = 0; i < work->nodes; i++) {
		struct node_draft *node = &work->node[i];

		if (node->kind != NODE_QUEUE)
			continue;
		for (unsigned k = 0; k < node->parts; k++) {
			struct node_draft *part = &work->node[node->part[k]];

			if (part->gone)
				continue;
			part->gone = true;
			if (!try(s, work))
				part->gone = false;
		}
	}
}

static void sizes(struct shrinker *s, struct draft *work)
{
	for (unsigned i = 0; i < work->nodes; i++) {
		uint64_t was;

		while ((was = work->node[i].size) > 0) {
			work->node[i].size = was / 2;
			if (try(s, work))
				continue;
			work->node[i].size = was;
			break;
		}
	}
}

/* One number of the draft set to value, if it still fails so. */
#define SIMPLER(member, value) \
	do { \
		__auto_type was = work.member; \
		work.member = (value); \
		if (was != work.member && !try(&s, &work)) \
			work.member = was; \
	} while (0)

bool draft_shrink(struct draft *draft)
{
	struct shrinker s = { .draft = draft, .until_ns = leat_now_ns() + 60 * LEAT_SECOND };
	struct draft work = *draft;

	s.why = draft_fails(draft);
	if (!s.why) {
		printf("(alone, it does not fail again)\n");
		return false;
	}
	for (unsigned round = 0; round < 3; round++) {
		SIMPLER(declines, 0);
		SIMPLER(interrupts, 0);
		SIMPLER(agains, 0);
		SIMPLER(shorts, 0);
		SIMPLER(phases, work.phases > 1 ? work.phases - 1 : 1);
		SIMPLER(phase[0].amount, NEVER);
		SIMPLER(helper, false);
		SIMPLER(routes_off, 0);
		SIMPLER(clock_jumps, false);
		SIMPLER(buffer_class, 0);
		SIMPLER(step_bytes, 0);
		SIMPLER(buffer_bytes, 0);
		SIMPLER(pipe_bytes, 0);
		SIMPLER(dies_after, NEVER);
		nodes(&s, &work);
		for (unsigned i = 0; i < work.sinks; i++)
			chains(&s, &work, &work.sink_chain[i]);
		for (unsigned i = 0; i < work.nodes; i++)
			if (!work.node[i].gone)
				chains(&s, &work, &work.node[i].chain);
		sizes(&s, &work);
	}
	return s.any;
}
