/* SPDX-License-Identifier: MIT */
/* Which upstream a connection goes to, and what its fate says of that upstream. */
#ifndef CLI_PROXY_BALANCE_H
#define CLI_PROXY_BALANCE_H

#include "board.h"

enum { BALANCE_ROUND_ROBIN, BALANCE_LEAST };

struct balance_rules {
	int how;
	uint64_t failures, down_ns;	/* so many connects that failed in a row take an address out for so long */
};

/* An upstream of the group [first, first + count) that is up, or, when none is, any that is not tried: bits 1 << upstream. Gives
 * its number, or -1 when each is tried or has no address. */
int balance_pick(struct board *board, const struct balance_rules *rules, unsigned first, unsigned count, uint64_t tried, uint64_t now_ns);
/* An address of the upstream that is up, or, when none is, any that is not tried: bits 1 << number % BOARD_FATES, to which it is added.
 * Gives its number, or 0 when none is left. */
uint32_t balance_address(struct board *board, int upstream, uint64_t *tried, uint64_t now_ns, struct board_address *ret_address);
/* A connect to an address of the upstream came to something: an error, or 0. */
void balance_met(struct board *board, const struct balance_rules *rules, int upstream, uint32_t address, int error, uint64_t now_ns);

#endif
