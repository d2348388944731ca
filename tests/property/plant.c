/* SPDX-License-Identifier: MIT */
/* Two planted bugs, that the test must find: a limit that one route ignores, and a wrapper charged twice on one route. */
#include "property.h"
#include "flow.h"
#include "route/route.h"
#include "wrap/wrap.h"

/* A limit decides how much of this extent may pass. */
static bool limited(const struct transfer *t, const struct extent *extent)
{
	for (const struct leat_wrapper *w = t->first; w; w = w->down)
		if (w->ops == &limit_ops && ((const struct leat_limit *)w)->left == extent->bytes)
			return true;
	return false;
}

enum flow __real_flow_next(struct transfer *t, struct extent *extent, const struct leat_wrapper **ret_by, int *ret_error);
enum flow __wrap_flow_next(struct transfer *t, struct extent *extent, const struct leat_wrapper **ret_by, int *ret_error);
enum flow __wrap_flow_next(struct transfer *t, struct extent *extent, const struct leat_wrapper **ret_by, int *ret_error)
{
	enum flow flow = __real_flow_next(t, extent, ret_by, ret_error);
	uint64_t left = t->base && t->end != LEAT_UNKNOWN ? t->end - t->base->position : 0;

	if (planted != PLANT_LIMIT || flow != FLOW_READY || extent->origin || extent->data || extent->target ||
	    t->route->id != LEAT_ROUTE_SENDFILE || extent->bytes >= left || !limited(t, extent))
		return flow;
	extent->bytes = left;
	stats->planted++;
	return flow;
}

int __real_charge_extent(struct transfer *t, const struct extent *extent, uint64_t bytes, enum leat_route route,
		       const struct leat_wrapper **ret_by);
int __wrap_charge_extent(struct transfer *t, const struct extent *extent, uint64_t bytes, enum leat_route route,
		       const struct leat_wrapper **ret_by);
int __wrap_charge_extent(struct transfer *t, const struct extent *extent, uint64_t bytes, enum leat_route route,
		       const struct leat_wrapper **ret_by)
{
	int r = __real_charge_extent(t, extent, bytes, route, ret_by);

	if (planted != PLANT_CHARGE || route != LEAT_ROUTE_SPLICE || extent->origin || extent->target)
		return r;
	for (struct leat_wrapper *w = t->first; w; w = w->down)
		if (w->ops->need == LEAT_NEED_COUNTS && w->ops->moved) {
			w->ops->moved(w, bytes, route);
			stats->planted++;
			break;
		}
	return r;
}
