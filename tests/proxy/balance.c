/* SPDX-License-Identifier: MIT */
/* Whose turn it is: each group by itself, in turn by those that are up, whoever is out and whatever is tried again. */
#include "../../cli/proxy/board.c"

#include "../../cli/proxy/balance.c"

#include "check.h"

#include <errno.h>

static const struct balance_rules rules = { .failures = 1, .down_ns = 1000 * LEAT_SECOND };
static const uint64_t now_ns = LEAT_SECOND;

static struct board_address address_of(unsigned host, uint16_t port)
{
	return (struct board_address){ .length = sizeof(struct sockaddr_in),
		.in = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host) } };
}

/* Upstreams with an address each. */
static struct board *new_board(unsigned count)
{
	static uint32_t active[BOARD_UPSTREAMS];
	static struct board board;

	board = (struct board){ .count = count };
	memset(active, 0, sizeof active);
	for (unsigned i = 0; i < count; i++) {
		const struct board_address address = address_of(1, (uint16_t)(i + 1));

		board_write(&board.upstreams[i], &address, 1);
		board.upstreams[i].active = &active[i];
	}
	return &board;
}

static void groups_by_turns(void)
{
	struct board *board = new_board(4);
	unsigned picked[4] = { 0 };

	for (int i = 0; i < 10; i++) {
		picked[balance_pick(board, &rules, 0, 2, 0, now_ns)]++;
		picked[balance_pick(board, &rules, 2, 2, 0, now_ns)]++;
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(picked[i], 5);
}

/* The turns of who is out go to all the others, not to the one behind him. */
static void one_of_them_is_out(int how)
{
	const struct balance_rules by = { .how = how, .failures = 1, .down_ns = 1000 * LEAT_SECOND };

	for (int out = 0; out < 3; out++) {
		struct board *board = new_board(3);
		unsigned picked[3] = { 0 };

		balance_met(board, &by, out, 1, -ECONNREFUSED, now_ns);
		for (int i = 0; i < 30; i++)
			picked[balance_pick(board, &by, 0, 3, 0, now_ns)]++;
		for (int i = 0; i < 3; i++)
			CHECK_EQ(picked[i], i == out ? 0 : 15);
	}
}

static void one_is_out(void)
{
	one_of_them_is_out(BALANCE_ROUND_ROBIN);
	one_of_them_is_out(BALANCE_LEAST);
}

/* One that fails and is never left out: what is tried again goes to the others by turns, and is no turn of its own. */
static void what_is_tried_again(void)
{
	struct board *board = new_board(4);
	unsigned firsts[4] = { 0 }, again[4] = { 0 };

	for (int i = 0; i < 24; i++) {
		int first = balance_pick(board, &rules, 0, 4, 0, now_ns);

		firsts[first]++;
		if (first == 1)
			again[balance_pick(board, &rules, 0, 4, 1 << first, now_ns)]++;
	}
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(firsts[i], 6);
		CHECK_EQ(again[i], i == 1 ? 0 : 2);
	}
}

static void the_least(void)
{
	const struct balance_rules least = { .how = BALANCE_LEAST };
	struct board *board = new_board(3);
	unsigned picked[3] = { 0 };

	*board->upstreams[0].active = 1;
	for (int i = 0; i < 10; i++)
		picked[balance_pick(board, &least, 0, 3, 0, now_ns)]++;
	CHECK_EQ(picked[0], 0);
	CHECK_EQ(picked[1], 5);
	CHECK_EQ(picked[2], 5);
}

static void none_is_left(void)
{
	struct board *board = new_board(3);

	CHECK_EQ(balance_pick(board, &rules, 0, 3, 7, now_ns), -1);
	for (int i = 0; i < 3; i++)
		balance_met(board, &rules, i, 1, -ECONNREFUSED, now_ns);
	CHECK_EQ(balance_pick(board, &rules, 0, 3, 5, now_ns), 1);	/* all are out: all are tried */
	CHECK_EQ(balance_pick(board, &rules, 0, 3, 7, now_ns), -1);
	board->upstreams[2].version++;		/* to a set with no address */
	CHECK_EQ(balance_pick(board, &rules, 2, 1, 0, now_ns), -1);
}

/* Of four of a name one is out: the others by turns, itself only when nothing else is left, and no upstream behind it is asked less. */
static void addresses_by_turns(void)
{
	struct board *board = new_board(2);
	struct board_upstream *up = &board->upstreams[0];
	struct board_address addresses[4], got;
	unsigned times[4] = { 0 };
	uint32_t numbers[BOARD_ADDRESSES];

	for (unsigned i = 0; i < 4; i++)
		addresses[i] = address_of(i, 1);
	board_write(up, addresses, 4);
	CHECK_EQ(board_numbers(up, numbers), 4);
	balance_met(board, &rules, 0, numbers[2], -ETIMEDOUT, now_ns);
	for (int i = 0; i < 30; i++) {
		uint64_t tried = 0;
		uint32_t number = balance_address(board, 0, &tried, now_ns, &got);

		CHECK_EQ(number, numbers[ntohl(got.in.sin_addr.s_addr)]);
		times[ntohl(got.in.sin_addr.s_addr)]++;
		for (int left = 3; left; left--)
			CHECK_EQ(balance_address(board, 0, &tried, now_ns, &got) == numbers[2], left == 1);
		CHECK_EQ(balance_address(board, 0, &tried, now_ns, &got), 0);
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(times[i], i == 2 ? 0 : 10);
	CHECK_EQ(up->refused, 1);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(balance_pick(board, &rules, 0, 2, 0, now_ns), (i + 1) % 2);
	for (int i = 0; i < 4; i++)
		balance_met(board, &rules, 0, numbers[i], -ETIMEDOUT, now_ns);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(balance_pick(board, &rules, 0, 2, 0, now_ns), 1);
}

static const struct test tests[] = {
	TEST(groups_by_turns), TEST(one_is_out), TEST(what_is_tried_again), TEST(the_least), TEST(none_is_left),
	TEST(addresses_by_turns),
};
TEST_MAIN(tests)
