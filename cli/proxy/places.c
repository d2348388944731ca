/* SPDX-License-Identifier: MIT */
#include "places.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static unsigned find(const struct places *places, const char *name, const char *sni)
{
	unsigned free = BOARD_PLACES;

	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		if (places->at[i].users && strcmp(places->at[i].name, name) == 0 && strcasecmp(places->at[i].sni, sni) == 0)
			return i;
		if (!places->at[i].users && free == BOARD_PLACES)
			free = i;
	}
	return free;
}

int places_add(struct places *places, struct board_places *set, const char *name, const char *sni)
{
	unsigned number = find(places, name, sni);

	if (number == BOARD_PLACES)
		return -ENOSPC;
	if (!places->at[number].users++) {
		snprintf(places->at[number].name, sizeof places->at[number].name, "%s", name);
		snprintf(places->at[number].sni, sizeof places->at[number].sni, "%s", sni);
		BOARD_SET(places->counts->upstreams[number].active, 0);	/* who died in the midst of counting may have left one */
	}
	set->at[set->count++] = (uint16_t)number;
	return 0;
}

void places_share(struct places *places, struct board_places *set, const struct board_places *from)
{
	*set = *from;
	for (unsigned i = 0; i < set->count; i++)
		places->at[set->at[i]].users++;
}

void places_leave(struct places *places, struct board_places *set)
{
	for (unsigned i = 0; i < set->count; i++)
		places->at[set->at[i]].users--;
	set->count = 0;
}
