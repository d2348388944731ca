/* SPDX-License-Identifier: MIT */
/* What symbol.c, symbol_process.c and symbol_jit.c share: a process that is looked into. */
#ifndef DOCTOR_SYMBOL_INSIDE_H
#define DOCTOR_SYMBOL_INSIDE_H

#include "perfmap.h"
#include "symbol.h"
#include "symbol_dwfl.h"

/* What one address means; kept, as stacks of a process share most of theirs. */
struct meaning {
	uint64_t pc;			/* 0: free */
	const struct module *module;
	uint64_t offset;		/* link-time address; of the frame's ip */
	struct place *places;
	enum frame_owner *owners;
	unsigned count;
};

struct symbol {
	uint32_t pid;
	int error;
	struct maps maps;
	struct symbol_dwfl *dwfl;	/* NULL: not asked for yet */
	bool no_dwfl;
	enum runtime runtime;
	char *name, *version, *executable;
	uint32_t parent;
	uint64_t start_ticks;
	bool is_32_bit;
	unsigned readings;		/* of the memory map, so far */
	struct meaning *meanings;	/* by hash of pc */
	unsigned room, used;
	uint64_t spent_ns;		/* of the processor, on names and unwinding */
	struct perfmap jit;
	uint64_t jit_bytes, jit_read_ns;
};

/* symbol_process.c: runtime, version, executable, is_32_bit. */
void symbol_recognize(struct symbol *symbol);
/* A line "name:\tvalue" of /proc/PID/status: the value's words, cut at most bytes; false: there is none. */
bool symbol_status(const struct symbol *symbol, const char *name, char *value, size_t bytes);

/* symbol_jit.c: what the process's perf map says of an address of no file; 0 or 1 places. */
unsigned symbol_jit(struct symbol *symbol, uint64_t pc, struct place *place, enum frame_owner *owner);

#endif
