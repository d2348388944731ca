/* SPDX-License-Identifier: MIT */
/*
 * Go's own line table (.gopclntab), which every Go program carries, stripped or not: names, files, lines, and what was
 * inlined where. For the layouts of Go 1.18 to 1.27. It reads the bytes it is given and nothing else; they come from a
 * stranger's file, so every access is checked. Nothing is parsed ahead: a lookup is a binary search and a few short decodes.
 */
#ifndef DOCTOR_GOSYM_H
#define DOCTOR_GOSYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GOSYM_INLINED 64	/* frames of one address */

/* Makes these bytes of the table be there, false: they cannot be had. So a large table is read where it is looked at only. */
typedef bool gosym_fill(void *context, uint64_t at, uint64_t bytes);
/* Reads link-time memory for inline trees, which may lie outside the table: 0, or negative. */
typedef int gosym_read(void *context, uint64_t address, void *to, size_t bytes);

struct gosym {
	const uint8_t *table;		/* borrowed */
	size_t bytes;
	uint64_t text;			/* link-time address that entries are relative to */
	uint32_t functions;
	uint32_t quantum;		/* instructions are multiples of it */
	bool since_1_20;
	uint64_t names, units, files, values, entries;	/* offsets of the parts */
	uint64_t inline_base;		/* what inline trees are relative to; 0: not known, so nothing is expanded */
	gosym_fill *fill;		/* NULL: all bytes are there */
	gosym_read *read;
	void *context;			/* of both */
};

struct gosym_frame {
	const char *function, *file;	/* borrowed from the table; NULL: not there */
	uint32_t line;
	bool inlined;
};

/* Could these be the first bytes of a table, of which `bytes` are there at most? */
#define GOSYM_HEADER_BYTES 72u
bool gosym_is_header(const uint8_t header[GOSYM_HEADER_BYTES], uint64_t bytes);

/* 0, or -ENOENT when the bytes, of which the header has to be there, are no such table. text is what the table itself says: 0
 * since 1.26, and before relocation. */
int gosym_init(struct gosym *gosym, const uint8_t *table, size_t bytes);

/*
 * Finds inline_base among words of the program's moduledata: its place there differs between releases, so each word is tried
 * by decoding inline trees with it. Needs text, read and context. True also when nothing at all was inlined.
 */
bool gosym_find_inline(struct gosym *gosym, const uint64_t *words, unsigned count);

/* The frames at this address, innermost first: their number, 0 when the address is no Go code. */
unsigned gosym_lookup(const struct gosym *gosym, uint64_t pc, struct gosym_frame frames[GOSYM_INLINED]);

/* The address range of Go code. */
bool gosym_range(const struct gosym *gosym, uint64_t *ret_start, uint64_t *ret_end);

/* The file of the first function, in the order of addresses, whose name begins so and whose file is in a directory of that
 * name (with a slash behind it); borrowed. NULL: there is none among the first 65,536. */
const char *gosym_file_of(const struct gosym *gosym, const char *prefix, const char *directory);

#endif
