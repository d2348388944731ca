/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <fcntl.h>
#include <string.h>

#define BIT(kind)	(UINT32_C(1) << (kind))
#define SOCKETS		(BIT(LEAT_KIND_TCP) | BIT(LEAT_KIND_UNIX) | BIT(LEAT_KIND_STREAM))
#define FILES		(BIT(LEAT_KIND_FILE) | BIT(LEAT_KIND_BLOCK))
#define PIPES		BIT(LEAT_KIND_PIPE)
#define CHARS		(BIT(LEAT_KIND_DEVICE) | BIT(LEAT_KIND_TERMINAL))
#define MADE_UP		(CHARS | BIT(LEAT_KIND_GENERATED))
#define ANY		(~UINT32_C(0))

/* Which pairs a route can serve. The routes are tried in the order of enum leat_route: the first that fits is the best. */
static const struct rule {
	enum leat_route route;
	uint32_t from, to;
} rules[] = {
	{ LEAT_ROUTE_CLONE, BIT(LEAT_KIND_FILE), BIT(LEAT_KIND_FILE) },
	{ LEAT_ROUTE_COPY_FILE_RANGE, BIT(LEAT_KIND_FILE), BIT(LEAT_KIND_FILE) },
	{ LEAT_ROUTE_SENDFILE, FILES, FILES | SOCKETS | CHARS },
	{ LEAT_ROUTE_SPLICE, PIPES, FILES | SOCKETS | PIPES | CHARS },
	{ LEAT_ROUTE_SPLICE, FILES | SOCKETS, PIPES },
	{ LEAT_ROUTE_SPLICE_PIPE, FILES | SOCKETS, FILES | SOCKETS | CHARS },
	{ LEAT_ROUTE_MEMORY, BIT(LEAT_KIND_MEMORY), ANY },
	{ LEAT_ROUTE_COPY, ~BIT(LEAT_KIND_MEMORY), ANY },
};

/* Before it, files came out too short or empty (golang/go#42400, rust-lang/rust#86718; coreutils' limit too, hazard 26). */
#define RANGE_IS_RIGHT KERNEL(5, 3)

/* Shared folders of virtual machines that serve stale pages by sendfile for years (hashicorp/vagrant#351, hazard 19). */
static bool stale_pages(uint32_t fs_magic)
{
	return fs_magic == 0x786f4256 /* vboxsf */ || fs_magic == 0x7c7c6673 /* prl_fs */;
}

static uint32_t fitting(const struct plan_query *q)
{
	uint32_t routes = 0;

	for (unsigned i = 0; i < sizeof rules / sizeof rules[0]; i++)
		if (rules[i].from & BIT(q->source->kind) && rules[i].to & BIT(q->sink->kind))
			routes |= ROUTE_BIT(rules[i].route);
	return routes;
}

/* By reference: what is queued for a socket or pipe is the file's own page. */
static bool by_reference(const struct plan_query *q, enum leat_route route)
{
	return BIT(q->source->kind) & FILES && !(BIT(q->sink->kind) & FILES) && route != LEAT_ROUTE_COPY;
}

/* Why this pair has no kernel route at all, whatever the wrappers want. */
static enum leat_reason pair_reason(const struct plan_query *q)
{
	if (q->source->kind == LEAT_KIND_CALLBACK)
		return q->source_reason ? q->source_reason : LEAT_OPAQUE_SOURCE;
	if (q->sink->kind == LEAT_KIND_CALLBACK)
		return q->sink_reason ? q->sink_reason : LEAT_OPAQUE_SINK;
	if (BIT(q->source->kind) & MADE_UP)
		return LEAT_SRC_GENERATED;
	if (q->sink->kind == LEAT_KIND_DATAGRAM)
		return LEAT_SINK_DATAGRAM;
	return LEAT_OK;
}

static enum leat_reason wrapper_reason(const struct plan_query *q, const char **ret_by)
{
	if (q->change) {
		*ret_by = q->change;
		return LEAT_CHANGES_BYTES;
	}
	if (q->content && !q->kernel_tee) {
		*ret_by = q->content;
		return LEAT_NEEDS_CONTENT;
	}
	return LEAT_OK;
}

/* Why this route, which fits the pair, cannot be taken. */
static enum leat_reason route_reason(const struct plan_query *q, enum leat_route route, const char **ret_by)
{
	enum leat_reason reason;

	/* What the ends forbid comes first: no wrapper closed what was never open. */
	if (q->sink->open_flags & O_APPEND && q->sink->kind != LEAT_KIND_PIPE)	/* sockets and terminals too: EINVAL */
		return LEAT_OUT_APPEND;
	/* sendfile writes at the sink's own offset, which a sink with an explicit one must not move (invariant 9). */
	if (route == LEAT_ROUTE_SENDFILE && BIT(q->sink->kind) & FILES && !q->sink_own_offset)
		return LEAT_NOT_APPLICABLE;
	reason = wrapper_reason(q, ret_by);
	if (reason)
		return reason;
	if (q->content && route != LEAT_ROUTE_SPLICE_PIPE) {	/* tee(2) works on a pipe of ours */
		*ret_by = q->content;
		return LEAT_NEEDS_CONTENT;
	}
	if (q->routes_off & ROUTE_BIT(route) || q->policy == LEAT_COPY)
		return LEAT_DISABLED_BY_USER;
	if (!(q->features & ROUTE_BIT(route)))
		return LEAT_SANDBOX;
	if (route == LEAT_ROUTE_COPY_FILE_RANGE && q->kernel < RANGE_IS_RIGHT)
		return LEAT_KERNEL_TOO_OLD;
	if (stale_pages(q->source->fs_magic) && !(route == LEAT_ROUTE_CLONE || route == LEAT_ROUTE_COPY_FILE_RANGE))
		return LEAT_FS_DENIED;
	if (q->stable && by_reference(q, route))
		return LEAT_UNSTABLE_SOURCE;
	return LEAT_OK;
}

static bool is_stream(const struct leat_facts *facts)
{
	return BIT(facts->kind) & SOCKETS;
}

int plan_make(const struct plan_query *q, struct plan *plan)
{
	enum leat_reason pair = pair_reason(q);
	uint32_t fit = fitting(q);

	memset(plan, 0, sizeof *plan);
	for (int route = LEAT_ROUTE_CLONE; route < LEAT_ROUTES; route++) {
		bool user = route == LEAT_ROUTE_MEMORY || route == LEAT_ROUTE_COPY;
		enum leat_reason reason = user ? LEAT_OK : pair;

		if (!reason && !(fit & ROUTE_BIT(route)))
			reason = route == LEAT_ROUTE_SENDFILE && q->source->kind == LEAT_KIND_PIPE ? LEAT_SRC_PIPE :
												    LEAT_NOT_APPLICABLE;
		else if (!reason && !user)
			reason = route_reason(q, route, &plan->refused_by[route]);
		plan->refused[route] = (uint8_t)reason;
		if (!reason)
			plan->routes[plan->count++] = (uint8_t)route;
	}
	if (q->sink->kind == LEAT_KIND_DATAGRAM && !q->framed)
		return LEAT_EDATAGRAM;
	if (q->policy == LEAT_REQUIRE) {
		if (plan->routes[plan->count - 1] == LEAT_ROUTE_COPY) {
			plan->count--;
			plan->refused[LEAT_ROUTE_COPY] = LEAT_DISABLED_BY_USER;
		}
		return plan->count ? 0 : LEAT_EREFUSED;
	}
	plan->begins_with_copy = q->policy == LEAT_AUTO && plan->routes[0] == LEAT_ROUTE_SPLICE_PIPE && !q->kernel_tee &&
				 is_stream(q->source) && is_stream(q->sink);
	return 0;
}
