/* SPDX-License-Identifier: MIT */
#include "table.h"
#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, size_t entry_bytes, size_t key_bytes, uint32_t most)
{
	*table = (struct table){ .entry_bytes = entry_bytes, .key_bytes = key_bytes, .most = most };
}

void table_free(struct table *table)
{
	free(table->entries);
	free(table->used);
	table_init(table, table->entry_bytes, table->key_bytes, table->most);
}

void table_clear(struct table *table)
{
	if (table->room)
		memset(table->used, 0, table->room);
	table->count = 0;
}

static uint8_t *entry_at(const struct table *table, uint32_t at)
{
	return table->entries + at * table->entry_bytes;
}

/* The place of the key, or the free one where it belongs. */
static uint32_t place_of(const struct table *table, const void *key)
{
	uint64_t hash = hash_bytes(HASH_FIRST, key, table->key_bytes);
	uint32_t at = (uint32_t)(hash ^ hash >> 32) & (table->room - 1);

	while (table->used[at] && memcmp(entry_at(table, at), key, table->key_bytes) != 0)
		at = (at + 1) & (table->room - 1);
	return at;
}

int table_reserve(struct table *table, uint32_t count)
{
	struct table bigger = *table, before = *table;

	bigger.room = table->room ? table->room : 64;
	while (bigger.room / 2 < count)
		bigger.room *= 2;
	if (bigger.room == table->room)
		return 0;
	bigger.entries = calloc(bigger.room, table->entry_bytes);
	bigger.used = calloc(bigger.room, 1);
	if (!bigger.entries || !bigger.used) {
		free(bigger.entries);
		free(bigger.used);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < table->room; i++) {
		uint32_t at;

		if (!table->used[i])
			continue;
		at = place_of(&bigger, entry_at(table, i));
		memcpy(entry_at(&bigger, at), entry_at(table, i), table->entry_bytes);
		bigger.used[at] = 1;
	}
	*table = bigger;
	free(before.entries);
	free(before.used);
	return 0;
}

void *table_find(const struct table *table, const void *key)
{
	uint32_t at;

	if (!table->count)
		return NULL;
	at = place_of(table, key);
	return table->used[at] ? entry_at(table, at) : NULL;
}

void *table_make(struct table *table, const void *key)
{
	void *entry = table_find(table, key);
	uint32_t at;

	if (entry)
		return entry;
	if (table->count >= table->most || table_reserve(table, table->count + 1))
		return NULL;
	at = place_of(table, key);
	entry = entry_at(table, at);
	memset(entry, 0, table->entry_bytes);
	memcpy(entry, key, table->key_bytes);
	table->used[at] = 1;
	table->count++;
	return entry;
}

void *table_next(const struct table *table, uint32_t *at)
{
	while (*at < table->room)
		if (table->used[(*at)++])
			return entry_at(table, *at - 1);
	return NULL;
}
