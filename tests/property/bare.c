/* SPDX-License-Identifier: MIT */
/*
 * Invariant 1: wrappers that need nothing, counts or boundaries leave the route alone. The same ends are run again without
 * any wrapper, over the bytes that the wrapped case took, and have to go the same way. Only where nothing was injected: a
 * decline would differ.
 */
#include "property.h"
#include "sys.h"

#define BIT(route) (UINT32_C(1) << (route))

static bool is_stream(const struct draft *draft)
{
	bool from = false;

	for (unsigned i = 0; i < draft->nodes; i++)
		from = from || (draft->node[i].kind == NODE_LEAF && draft->node[i].leaf >= LEAF_TCP);
	return from && (draft->sink == SINK_TCP || draft->sink == SINK_UNIX);
}

static bool fits(const struct world *w)
{
	const struct draft *draft = w->draft;

	return draft_need(draft) <= LEAT_NEED_BOUNDARIES && draft->phases == 1 && !w->result && !w->injected && !w->sink_dead &&
	       draft->dies_after == NEVER;
}

/* Each leaf as a range of the same file, socket, pipe or memory: what crossed its place. */
static void strip(const struct world *w, struct draft *bare)
{
	*bare = *w->draft;
	bare->shorts = bare->agains = bare->interrupts = bare->declines = 0;
	bare->phase[0].amount = NEVER;
	for (unsigned i = 0; i < bare->nodes; i++) {
		struct node_draft *node = &bare->node[i];
		const struct node *was = &w->place[i].node;
		uint64_t size = was->in_to - was->in_from;

		node->chain.count = 0;
		if (node->kind != NODE_LEAF || node->gone)
			continue;
		if (node->leaf <= LEAF_RANGE) {
			node->leaf = LEAF_RANGE;
			node->after += node->size - was->in_to;
			node->offset += was->in_from;
		}
		node->size = size;
		node->fails_after = NEVER;
	}
	for (unsigned i = 0; i < bare->sinks; i++)
		bare->sink_chain[i].count = 0;
}

/* Between files, where the bytes go that cannot be shared. */
static enum leat_route after_clone(const struct draft *draft)
{
	uint32_t off = draft->routes_off | sys_routes_off();

	if (!(off & BIT(LEAT_ROUTE_COPY_FILE_RANGE)))
		return LEAT_ROUTE_COPY_FILE_RANGE;
	if (!(off & BIT(LEAT_ROUTE_SENDFILE)) && draft->sink == SINK_FILE_FD)
		return LEAT_ROUTE_SENDFILE;
	return off & BIT(LEAT_ROUTE_SPLICE_PIPE) ? LEAT_ROUTE_COPY : LEAT_ROUTE_SPLICE_PIPE;
}

/* Frame bytes go by memory, or by copy where that is the route, also when no payload comes; payload_reads tells those apart. */
static uint32_t kernel_routes(uint32_t routes, bool framed, bool unshared, enum leat_route next)
{
	routes &= ~BIT(LEAT_ROUTE_MEMORY);
	if (unshared)
		routes = (routes & ~BIT(LEAT_ROUTE_CLONE)) | BIT(next);
	if (framed)
		routes &= ~BIT(LEAT_ROUTE_COPY);
	return routes;
}

/* Of a stream, what is dropped has to be read; and a frame may have looked into one and then found no room for a piece. */
static bool may_read(const struct world *w)
{
	for (unsigned i = 0; i < w->draft->nodes; i++) {
		const struct place *place = &w->place[i];

		if (place->draft && place->draft->kind == NODE_LEAF && place->draft->leaf >= LEAF_TCP &&
		    (place->node.in_from || !place->node.in_to))
			return true;
	}
	return false;
}

static void compare(const struct world *w, const struct world *bare)
{
	bool framed = draft_count(w->draft, MADE_FRAME) + draft_count(w->draft, MADE_CHUNKED);
	/* Whole blocks are shared: what cuts pieces inside of them sends some by the next route. */
	bool unshared = draft_cuts_blocks(w->draft) && (w->routes | bare->routes) & BIT(LEAT_ROUTE_CLONE);
	enum leat_route next = after_clone(w->draft);

	for (unsigned r = 0; r < LEAT_ROUTES; r++)
		REQUIRE(w->planned.refused[r] == bare->planned.refused[r], "the plan: %s is %s, and %s without wrappers",
			leat_route_name(r), leat_reason_name(w->planned.refused[r]), leat_reason_name(bare->planned.refused[r]));
	REQUIRE(w->planned.route == bare->planned.route, "%s is planned, and %s without wrappers", leat_route_name(w->planned.route),
		leat_route_name(bare->planned.route));
	/* Between two streams, how much was there when it was asked decides between copy and splice. */
	if (is_stream(w->draft) && w->draft->policy == LEAT_AUTO)
		return;
	REQUIRE(kernel_routes(w->routes, framed, unshared, next) == kernel_routes(bare->routes, framed, unshared, next),
		"the routes are 0x%x, and 0x%x without wrappers", w->routes, bare->routes);
	REQUIRE(bare->payload_reads || !w->payload_reads || may_read(w) || (unshared && next == LEAT_ROUTE_COPY),
		"the wrapped case reads payload, the bare one does not");
	if (w->routes & BIT(LEAT_ROUTE_COPY))
		return;
	stats->compared += w->routes != 0;
	stats->compared_clones += !unshared && w->routes & BIT(LEAT_ROUTE_CLONE);
}

void bare_compare(struct world *w)
{
	static struct world bare;
	struct draft draft;

	if (!fits(w))
		return;
	strip(w, &draft);
	world_build(&bare, &draft);
	world_run(&bare);
	/* Policy require: it comes to parts that a limit kept away. */
	REQUIRE(!bare.result || bare.result == LEAT_EREFUSED, "without wrappers it failed: %s", leat_strerror(bare.result));
	if (!bare.result)
		compare(w, &bare);
	world_free(&bare);
	world = w;
}
