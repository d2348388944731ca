/* SPDX-License-Identifier: MIT */
/* libdw at work on a process: begun when first needed, under the guard, and left alone once a file was cut under it. */
#include "symbol_inside.h"

#include "symbol_guard.h"

static struct symbol_dwfl *dwfl_of(struct symbol *symbol)
{
	if (symbol->spent_ns > SPENT_NS_MAX)
		return NULL;
	if (!symbol->dwfl && !symbol->no_dwfl)
		symbol->no_dwfl = symbol_dwfl_open(&symbol->dwfl, &symbol->maps) != 0;
	return symbol->dwfl;
}

/* What is passed through the guard. */
struct guarded {
	struct symbol *symbol;
	const struct module *module;
	uint64_t pc;
	struct place *places;
	unsigned count;
	const struct feed_stack *stack;
	struct unwound *unwound;
};

/* After a file was cut, libdw is left alone until the memory map changes; what it held is lost with it. */
static bool guard(void (*call)(void *), struct guarded *guarded)
{
	if (!symbol_guard(call, guarded))
		return true;
	guarded->symbol->dwfl = NULL;
	guarded->symbol->no_dwfl = true;
	return false;
}

static void call_places(void *context)
{
	struct guarded *g = context;

	g->count = symbol_dwfl_places(g->symbol->dwfl, g->module, g->pc, g->places);
}

static void call_unwind(void *context)
{
	struct guarded *g = context;

	g->symbol->dwfl->python = g->symbol->runtime == RUNTIME_PYTHON;
	symbol_dwfl_unwind(g->symbol->dwfl, g->stack, g->unwound);
}

unsigned symbol_libdw_places(struct symbol *symbol, const struct module *module, uint64_t pc, struct place places[PLACES_MAX])
{
	struct guarded guarded = { .symbol = symbol, .module = module, .pc = pc, .places = places };

	return dwfl_of(symbol) && guard(call_places, &guarded) ? guarded.count : 0;
}

void symbol_libdw_unwind(struct symbol *symbol, const struct feed_stack *stack, struct unwound *unwound)
{
	struct guarded guarded = { .symbol = symbol, .stack = stack, .unwound = unwound };

	if (dwfl_of(symbol) && !guard(call_unwind, &guarded))
		unwound->count += !unwound->count;
}

void symbol_libdw_end(struct symbol *symbol)
{
	symbol_dwfl_close(symbol->dwfl);
	symbol->dwfl = NULL;
	symbol->no_dwfl = false;
}
