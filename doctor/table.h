/* SPDX-License-Identifier: MIT */
/*
 * A table in memory whose entries begin with their key: open addressing, grows to a bound, forgets nothing one by one. The
 * engines keep processes, threads, sites, files and flows in such. Keys are compared as bytes, so they have no padding.
 */
#ifndef DOCTOR_TABLE_H
#define DOCTOR_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table {
	size_t entry_bytes, key_bytes;
	uint32_t most;
	uint32_t count;		/* what follows is the table's own */
	uint32_t room;
	uint8_t *entries, *used;
};

void table_init(struct table *table, size_t entry_bytes, size_t key_bytes, uint32_t most);
void table_free(struct table *table);
/* Throws all entries away; what they own is the caller's to free before. */
void table_clear(struct table *table);
/* The entry of that key, or NULL. Good until the next table_make. */
void *table_find(const struct table *table, const void *key);
/* The same; a new one is all zero but for its key. NULL: no memory, or `most` are there. */
void *table_make(struct table *table, const void *key);
/* Makes room for so many: none of them will be refused for memory. 0, or -ENOMEM. */
int table_reserve(struct table *table, uint32_t count);
/* For a walk: the next entry from *at on, which begins at 0; NULL: there is no further one. */
void *table_next(const struct table *table, uint32_t *at);

#endif
