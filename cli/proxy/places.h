/* SPDX-License-Identifier: MIT */
/*
 * Which upstream has which of the counts of connections that are there: as they outlive a reload, so does their count. The master's
 * alone: workers, who meet strangers, write into the board, and shall not say where he writes.
 */
#ifndef CLI_PROXY_PLACES_H
#define CLI_PROXY_PLACES_H

#include "board.h"

struct places {
	struct board_counts *counts;
	struct {
		char name[300], sni[300];	/* of the upstream that has it */
		unsigned users;			/* generations and processes; 0: it is free */
	} at[BOARD_PLACES];
};

/* Adds a place to the set: the one that the upstream has already, or a free one. 0, or -ENOSPC. */
int places_add(struct places *places, struct board_places *set, const char *name, const char *sni);
/* A process has those of its generation, too. */
void places_share(struct places *places, struct board_places *set, const struct board_places *from);
/* Of a generation or a process that is no more. Empties the set. */
void places_leave(struct places *places, struct board_places *set);

#endif
