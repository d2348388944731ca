/* SPDX-License-Identifier: MIT */
/* What the cases did: a run in which something never happened has proved nothing about it. */
#include "property.h"

static int never(const char *what, const char *name)
{
	printf("NEVER: %s %s\n", what, name);
	return 1;
}

static int all_made(bool strict)
{
	int missing = 0;

	printf("wrappers that bytes passed:");
	for (unsigned i = 0; i < MADE_KINDS; i++)
		printf(" %s %llu", made_name(i), (ull)stats->made[i]);
	putchar('\n');
	for (unsigned i = 0; strict && i < MADE_KINDS; i++)
		missing += stats->made[i] ? 0 : never("bytes passed", made_name(i));
	return missing;
}

static int all_ends(bool strict)
{
	int missing = 0;

	for (unsigned i = 0; strict && i < LEAF_KINDS; i++)
		missing += stats->leaf[i] ? 0 : never("bytes came from", leaf_name(i));
	for (unsigned i = 0; strict && i < SINK_KINDS; i++)
		missing += stats->sink[i] ? 0 : never("bytes went to", sink_name(i));
	printf("bytes by route:");
	for (unsigned i = 1; i < LEAT_ROUTES; i++) {
		printf(" %s %llu", leat_route_name(i), (ull)stats->route[i]);
		/* Not every file system shares extents. */
		if (strict && !stats->route[i] && i != LEAT_ROUTE_CLONE)
			missing += never("bytes went by", leat_route_name(i));
	}
	putchar('\n');
	return missing;
}

int stats_print(bool strict)
{
	const struct { const char *name; uint64_t count; } counts[] = {
		{ "short moves", stats->injected[0] }, { "EAGAIN", stats->injected[1] }, { "EINTR", stats->injected[2] },
		{ "declines", stats->injected[3] }, { "transfers done", stats->done }, { "failed", stats->errors },
		{ "cancelled", stats->cancels }, { "restarted", stats->restarts }, { "dead sinks", stats->deaths },
		{ "leat_read", stats->reads }, { "leat_unread", stats->unreads }, { "parts", stats->parts },
		{ "hole bytes", stats->holes }, { "kept bytes", stats->kept }, { "compared with the bare pair", stats->compared },
	};
	int missing = all_made(strict) + all_ends(strict);

	for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
		printf("%s%s %llu", i ? ", " : "", counts[i].name, (ull)counts[i].count);
		if (strict && !counts[i].count)
			missing += never("\nthere were", counts[i].name);
	}
	printf(", %llu MiB in all\n", (ull)(stats->bytes >> 20));
	return missing ? 1 : 0;
}
