/* SPDX-License-Identifier: MIT */
/* What the cases did: a run in which something never happened has proved nothing about it. */
#include "property.h"

struct stats *stats;

static unsigned made_count(const struct chain_draft *chain)
{
	unsigned count = 0;

	for (unsigned i = 0; i < chain->count; i++)
		count += !chain->made[i].gone;
	return count;
}

/* Wrappers between the deepest leaf and the end of the source. */
static unsigned source_depth(const struct draft *draft, unsigned index)
{
	const struct node_draft *node = &draft->node[index];
	unsigned deepest = 0;

	for (unsigned i = 0; i < node->parts; i++) {
		unsigned depth = source_depth(draft, node->part[i]);

		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + made_count(&node->chain);
}

static void note_node(const struct node_draft *node)
{
	stats->queues += node->kind == NODE_QUEUE;
	stats->growing += node->kind == NODE_QUEUE && node->first < node->parts;
	stats->views += node->kind == NODE_VIEW;
	stats->blocking += node->kind == NODE_LEAF && node->leaf >= LEAF_TCP && node->blocking;
	stats->sparse += node->kind == NODE_LEAF && node->leaf <= LEAF_RANGE && node->sparse;
}

void stats_note(const struct draft *draft)
{
	unsigned sink_depth = 0;

	for (unsigned i = 0; i < draft->nodes; i++)
		note_node(&draft->node[i]);
	for (unsigned i = 0; i < draft->sinks; i++)
		sink_depth += made_count(&draft->sink_chain[i]);
	for (unsigned i = 0; i < draft->phases; i++)
		stats->way[draft->phase[i].way]++;
	stats->source_depth[source_depth(draft, draft->root)]++;
	stats->sink_depth[sink_depth]++;
	stats->sink_views += draft->sinks - 1;
	stats->blocking += draft->sink >= SINK_TCP && draft->sink <= SINK_PIPE && draft->sink_blocking;
	stats->small_buffers += draft->buffer_class != 0;
	stats->policy[draft->policy]++;
	stats->level += draft->level_triggered;
	stats->helper += draft->helper;
	stats->routes_off += draft->routes_off != 0;
	stats->cases++;
}

/* ---- printing ---- */

struct count {
	const char *name;
	uint64_t count;
};

/* How many of them are 0. */
static int print_counts(const char *what, const struct count *counts, unsigned length, bool strict)
{
	int missing = 0;

	printf("%s:", what);
	for (unsigned i = 0; i < length; i++)
		printf("%s %llu %s", i ? "," : "", (ull)counts[i].count, counts[i].name);
	putchar('\n');
	for (unsigned i = 0; strict && i < length; i++) {
		if (counts[i].count)
			continue;
		printf("NEVER: %s: %s\n", what, counts[i].name);
		missing++;
	}
	return missing;
}

static int print_depth(const char *what, const uint64_t *depth, bool strict)
{
	struct count counts[DEPTH + 1];
	char names[DEPTH + 1][16];

	for (unsigned i = 0; i <= DEPTH; i++) {
		snprintf(names[i], sizeof names[i], "of %u", i);
		counts[i] = (struct count){ names[i], depth[i] };
	}
	return print_counts(what, counts, DEPTH + 1, strict);
}

static int print_made(bool strict)
{
	struct count counts[MADE_KINDS];

	for (unsigned i = 0; i < MADE_KINDS; i++)
		counts[i] = (struct count){ made_name(i), stats->made[i] };
	return print_counts("wrappers that bytes passed", counts, MADE_KINDS, strict);
}

static int print_ends(bool strict)
{
	struct count from[LEAF_KINDS], to[SINK_KINDS];

	for (unsigned i = 0; i < LEAF_KINDS; i++)
		from[i] = (struct count){ leaf_name(i), stats->leaf[i] };
	for (unsigned i = 0; i < SINK_KINDS; i++)
		to[i] = (struct count){ sink_name(i), stats->sink[i] };
	return print_counts("bytes came from", from, LEAF_KINDS, strict) + print_counts("bytes went to", to, SINK_KINDS, strict);
}

static int print_routes(bool strict)
{
	struct count bytes[LEAT_ROUTES];

	for (unsigned i = LEAT_ROUTE_CLONE; i < LEAT_ROUTES; i++)
		bytes[i] = (struct count){ leat_route_name(i), stats->route[i] };
	return print_counts("bytes by route", &bytes[LEAT_ROUTE_CLONE], LEAT_ROUTES - LEAT_ROUTE_CLONE, strict);
}

int stats_print(bool strict)
{
	const struct count stacks[] = {
		{ "queues", stats->queues }, { "that grow while they run", stats->growing }, { "views of a source", stats->views },
		{ "of a sink", stats->sink_views }, { "parts over", stats->parts }, { "sparse files", stats->sparse },
		{ "blocking ends", stats->blocking }, { "with small buffers", stats->small_buffers }, { "helpers", stats->helper },
		{ "level triggered", stats->level }, { "routes off", stats->routes_off }, { "policy auto", stats->policy[LEAT_AUTO] },
		{ "require", stats->policy[LEAT_REQUIRE] }, { "copy", stats->policy[LEAT_COPY] },
	};
	const struct count injected[] = {
		{ "short moves", stats->injected[0] }, { "EAGAIN", stats->injected[1] }, { "EINTR", stats->injected[2] },
		{ "declines", stats->injected[3] }, { "dead sinks", stats->deaths },
	};
	const struct count transfers[] = {
		{ "stepped", stats->way[PHASE_STEP] }, { "by leat_copy", stats->way[PHASE_COPY] }, { "done", stats->done },
		{ "failed", stats->errors }, { "cancelled", stats->cancels }, { "restarted", stats->restarts },
		{ "leat_read", stats->reads }, { "leat_unread", stats->unreads }, { "hole bytes", stats->holes },
		{ "kept bytes", stats->kept }, { "tee(2)", stats->tees }, { "compared with the bare pair", stats->compared },
		{ "of them with clones", stats->compared_clones },
		{ "KiB in all", stats->bytes >> 10 },
	};
	int missing = print_depth("stacks on the source", stats->source_depth, strict) +
		      print_depth("stacks on the sink", stats->sink_depth, strict) + print_made(strict) + print_ends(strict) +
		      print_routes(strict);

	missing += print_counts("stacks with", stacks, sizeof stacks / sizeof *stacks, strict);
	missing += print_counts("injected", injected, sizeof injected / sizeof *injected, strict);
	missing += print_counts("transfers", transfers, sizeof transfers / sizeof *transfers, strict);
	return missing ? 1 : 0;
}
