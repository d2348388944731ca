/* SPDX-License-Identifier: MIT */
/*
 * What libdw knows of a process: the frames of a stack, unwound by call frame information from a copy of it, and the functions,
 * files and lines of an address, inlined ones too. Of the process it reads nothing but its files.
 */
#ifndef DOCTOR_SYMBOL_DWFL_H
#define DOCTOR_SYMBOL_DWFL_H

#include "feed.h"
#include "symbol_maps.h"

#define PLACES_MAX 64			/* functions that are inlined into each other at one address */

struct place {
	char *function, *file;		/* for free(), each may be NULL */
	uint32_t line;
	bool inlined;
};

struct unwound {
	struct unwound_frame {
		uint64_t ip, sp;	/* sp: as it was before the call that made the frame; 0 unknown */
		bool exact;		/* a signal came there: ip is what was to be executed, not what follows a call */
	} frames[MODEL_FRAMES_MAX];
	unsigned count;
	bool complete;			/* the thread's first frame was reached */
	bool again;			/* the last frame is a trampoline: its caller's registers are known */
	bool missed;			/* behind the last frame memory was not there */
	uint64_t want;			/* where on the stack that was; 0: nowhere */
	uint64_t frame_pointer;		/* of the last frame */
};

struct symbol_dwfl;

/* Of what maps know now. `borrows` maps. */
int symbol_dwfl_open(struct symbol_dwfl **ret, struct maps *maps);
void symbol_dwfl_close(struct symbol_dwfl *symbol);

void symbol_dwfl_unwind(struct symbol_dwfl *symbol, const struct feed_stack *stack, struct unwound *unwound);

/* Innermost first; their number, 0 for nothing known. pc is inside the instruction that is meant. */
unsigned symbol_dwfl_places(struct symbol_dwfl *symbol, const struct module *module, uint64_t pc, struct place places[PLACES_MAX]);

/* ---- Shared by the files of it --------------------------------------------------------------------------------------------- */

#include <elfutils/libdwfl.h>

struct symbol_dwfl {
	Dwfl *dwfl;
	struct maps *maps;
	bool attached;
	bool python;			/* its trampolines for perf are stepped over */
	const struct feed_stack *stack;	/* while unwinding */
	struct unwound *unwound;
	uint64_t registers[FEED_REGISTERS];	/* that unwinding begins with */
};

/* The module's DWARF, only if it is all there and belongs to it; NULL. */
Dwarf *symbol_dwfl_dwarf(Dwfl_Module *mod, Dwarf_Addr *ret_bias);
/* The frames of address `pc` of that DWARF, as symbol_dwfl_places. */
unsigned symbol_lines(Dwarf *dwarf, Dwarf_Addr pc, struct place places[PLACES_MAX]);

/* Reads what the stack's pieces hold: false, none of them has all 8 bytes. */
bool symbol_stack_word(const struct feed_stack *stack, uint64_t address, uint64_t *ret_word);

#endif
