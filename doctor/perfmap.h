/* SPDX-License-Identifier: MIT */
/*
 * The map a JIT compiler writes for perf(1): lines of start, size (hexadecimal) and name. It comes from the process that is
 * watched: at most so many bytes and entries of it are taken, and what is no such line is passed over. Names are Java's
 * (jcmd PID Compiler.perfmap), Node's (--perf-basic-prof), Python's (-X perf), or anybody's.
 */
#ifndef DOCTOR_PERFMAP_H
#define DOCTOR_PERFMAP_H

#include "model.h"

#include <stddef.h>
#include <stdint.h>

#define PERFMAP_BYTES_MAX (64u << 20)
#define PERFMAP_ENTRIES_MAX (1u << 20)

struct perfmap_entry {
	uint64_t start, end;
	uint32_t name, name_bytes;	/* place in the text */
	uint32_t order;			/* of the line: code is written over, and the later one counts */
};

struct perfmap {
	char *text;			/* owned */
	struct perfmap_entry *entries;	/* by address */
	uint32_t count;
};

/* Takes text (malloc'd, length bytes, a zero behind them) in any case. 0, -ENOMEM. All zero before. */
int perfmap_parse(struct perfmap *map, char *text, size_t length);
void perfmap_free(struct perfmap *map);
/* The latest entry that has the address, or NULL. */
const struct perfmap_entry *perfmap_find(const struct perfmap *map, uint64_t address);

/* What a name says. function and file are for free(). -ENOMEM. */
struct perfmap_place {
	char *function, *file;
	uint32_t line;
	enum frame_owner owner;		/* runtime: stubs, builtins, an interpreter's code, and the language's own library */
};
int perfmap_place(const char *name, size_t bytes, struct perfmap_place *ret);

#endif
