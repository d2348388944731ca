/* SPDX-License-Identifier: MIT */
/* What symbol.c and the files that only it uses share: a process that is looked into. */
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
	int error;
	struct maps maps;
	struct symbol_dwfl *dwfl;	/* NULL: not asked for yet */
	bool no_dwfl;
	enum runtime runtime;
	char *name, *version;
	uint32_t parent;
	uint64_t start_ticks;
	bool is_32_bit;
	unsigned readings;		/* of the memory map, so far */
	struct meaning *meanings;	/* by hash of pc */
	unsigned room, used;
	struct meaning passing;		/* of the last address that is not kept */
	uint64_t spent_ns;		/* of the processor, on names and unwinding */
	struct perfmap jit;
	uint64_t jit_bytes, jit_read_ns;
};

#define SPENT_NS_MAX 20000000000u	/* then addresses stay without names: no program may keep us busy for longer */

/* symbol.c: as symbol_open, of a process that is opened already. Takes source in any case. */
int symbol_open_source(struct symbol **ret, const struct source *source);

/* symbol_meaning.c: valid until the next one is asked for; NULL: out of memory. */
const struct meaning *symbol_meaning(struct symbol *symbol, uint64_t pc);
void symbol_forget(struct symbol *symbol);

/* symbol_libdw.c: as symbol_dwfl_places and symbol_dwfl_unwind, which they guard. */
unsigned symbol_libdw_places(struct symbol *symbol, const struct module *module, uint64_t pc, struct place places[PLACES_MAX]);
void symbol_libdw_unwind(struct symbol *symbol, const struct feed_stack *stack, struct unwound *unwound);
void symbol_libdw_end(struct symbol *symbol);

/* symbol_process.c: runtime, version, is_32_bit. */
void symbol_recognize(struct symbol *symbol);

/* symbol_jit.c: what the process's perf map says of an address of no file; 0 or 1 places. */
unsigned symbol_jit(struct symbol *symbol, uint64_t pc, struct place *place, enum frame_owner *owner);

#endif
