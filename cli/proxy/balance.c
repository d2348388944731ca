/* SPDX-License-Identifier: MIT */
#include "balance.h"

static int may_be_tried(const struct board_upstream *up, uint64_t now_ns, int only_up)
{
	return only_up ? board_up(up, 1, now_ns) > 0 : board_addresses(up) > 0;
}

/* The group [first, first + count), of which those in tried are left out. */
struct group { unsigned first, count; uint64_t tried; };

/* Of those that may be taken, all or those with the fewest connections, the one whose turn it is; -1. */
static int pick(const struct board *board, int how, const struct group *group, uint32_t turn, uint64_t now_ns, int only_up)
{
	uint8_t equals[BOARD_UPSTREAMS];
	uint32_t least = UINT32_MAX;
	unsigned count = 0;

	for (unsigned number = group->first; number < group->first + group->count; number++) {
		const struct board_upstream *up = &board->upstreams[number];
		uint32_t active = how == BALANCE_LEAST ? BOARD_GET(*up->active) : 0;

		if (active > least || group->tried >> number & 1 || !may_be_tried(up, now_ns, only_up))
			continue;
		if (active < least)
			count = 0;
		least = active;
		equals[count++] = (uint8_t)number;
	}
	return count ? equals[turn % count] : -1;
}

/* What is tried again is no turn of its own: else who fails would shift the turns of all the others. */
int balance_pick(struct board *board, const struct balance_rules *rules, unsigned first, unsigned count, uint64_t tried, uint64_t now_ns)
{
	const struct group group = { first, count, tried };
	uint32_t *turns = &board->upstreams[first].turns, turn = tried ? BOARD_GET(*turns) : BOARD_ADD(*turns, 1);
	int found = pick(board, rules->how, &group, turn, now_ns, 1);

	return found >= 0 ? found : pick(board, rules->how, &group, turn, now_ns, 0);
}

/* The numbers of those addresses that are not tried, and, with only_up, up. Their count. */
static unsigned untried(const struct board_upstream *up, uint64_t tried, uint64_t now_ns, int only_up, uint32_t numbers[BOARD_ADDRESSES])
{
	unsigned count = board_numbers(up, numbers), left = 0;

	for (unsigned i = 0; i < count; i++)
		if (!(tried >> numbers[i] % BOARD_FATES & 1) && (!only_up || board_address_is_up(up, numbers[i], now_ns)))
			numbers[left++] = numbers[i];
	return left;
}

/* It is looked for again only when the addresses have changed in between. */
uint32_t balance_address(struct board *board, int upstream, uint64_t *tried, uint64_t now_ns, struct board_address *ret_address)
{
	struct board_upstream *up = &board->upstreams[upstream];
	uint32_t turn = *tried ? BOARD_GET(up->next) : BOARD_ADD(up->next, 1), numbers[BOARD_ADDRESSES], number;

	do {
		unsigned count = untried(up, *tried, now_ns, 1, numbers);

		if (!count)
			count = untried(up, *tried, now_ns, 0, numbers);
		if (!count)
			return 0;
		number = numbers[turn % count];
	} while (!board_find(up, number, ret_address));
	*tried |= UINT64_C(1) << number % BOARD_FATES;
	return number;
}

void balance_met(struct board *board, const struct balance_rules *rules, int upstream, uint32_t address, int error, uint64_t now_ns)
{
	struct board_upstream *up = &board->upstreams[upstream];

	if (!error) {
		board_reached(up, address);
		return;
	}
	BOARD_ADD(up->refused, 1);
	board_failed(up, address, rules->failures, now_ns + rules->down_ns);
}
