/* SPDX-License-Identifier: MIT */
#include "balance.h"

static int is_up(struct board_upstream *up, uint64_t now_ns)
{
	return !BOARD_GET(up->sick) && BOARD_GET(up->down_until_ns) <= now_ns;
}

static int may_be_tried(struct board_upstream *up, uint64_t now_ns, int only_up)
{
	return BOARD_GET(up->count) && (!only_up || is_up(up, now_ns));
}

/* The group [first, first + count), of which those in tried are left out. */
struct group { unsigned first, count; uint64_t tried; };

static int pick(struct board *board, int how, const struct group *group, uint64_t now_ns, int only_up)
{
	uint32_t turn = BOARD_ADD(board->next, 1), least = UINT32_MAX;
	int found = -1;

	for (unsigned i = 0; i < group->count; i++) {
		unsigned number = group->first + (turn + i) % group->count;
		struct board_upstream *up = &board->upstreams[number];
		uint32_t active = how == BALANCE_LEAST ? BOARD_GET(up->active) : 0;

		if (active < least && !(group->tried >> number & 1) && may_be_tried(up, now_ns, only_up)) {
			least = active;
			found = (int)number;
		}
	}
	return found;
}

int balance_pick(struct board *board, const struct balance_rules *rules, unsigned first, unsigned count, uint64_t tried, uint64_t now_ns)
{
	const struct group group = { first, count, tried };
	int found = pick(board, rules->how, &group, now_ns, 1);

	return found >= 0 ? found : pick(board, rules->how, &group, now_ns, 0);
}

/* Of count addresses the first that is not tried, from at on; -1. */
static int untried(uint32_t tried, uint32_t at, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!(tried >> (at + i) % count & 1))
			return (int)((at + i) % count);
	return -1;
}

int balance_address(struct board *board, int upstream, uint32_t *tried, struct board_address *ret_address)
{
	struct board_upstream *up = &board->upstreams[upstream];
	struct board_address addresses[BOARD_ADDRESSES];
	int found = untried(*tried, *tried ? 0 : BOARD_ADD(up->next, 1), board_read(up, addresses));

	if (found < 0)
		return 0;
	*ret_address = addresses[found];
	*tried |= UINT32_C(1) << found;
	return 1;
}

void balance_met(struct board *board, const struct balance_rules *rules, int upstream, int error, uint64_t now_ns)
{
	struct board_upstream *up = &board->upstreams[upstream];

	if (!error) {
		BOARD_SET(up->failures, 0);
		return;
	}
	BOARD_ADD(up->refused, 1);
	if (rules->failures && BOARD_ADD(up->failures, 1) >= rules->failures)
		BOARD_SET(up->down_until_ns, now_ns + rules->down_ns);
}
