/* SPDX-License-Identifier: MIT */
/*
 * A stack becomes addresses, by frame pointers (Go) or by unwinding a copy (all else), and each address becomes the frames that
 * it means (symbol_meaning.c).
 */
#include "symbol_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define READINGS_MAX 64u		/* of the memory map: a JIT compiler changes it all the time */

/* ---- Frames of a site ------------------------------------------------------------------------------------------------------ */

static int copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* One address: a frame for each function that is inlined there, or one without a name. A made-up wrapper gives none. */
static int add_frames(struct symbol *symbol, const struct unwound_frame *from, struct site *site)
{
	uint64_t pc = from->ip && !from->exact ? from->ip - 1 : from->ip;
	const struct meaning *meaning = pc ? symbol_meaning(symbol, pc) : NULL;
	const struct mapping *mapping = maps_find(&symbol->maps, pc);
	unsigned count;
	int error = 0;

	if (!meaning)
		return pc ? -ENOMEM : 0;
	count = meaning->count ? meaning->count : maps_go(mapping, pc) ? 0 : 1;
	if (meaning->module && meaning->module->different)
		site->different_file = true;
	for (unsigned i = 0; i < count; i++) {
		struct frame *frame = model_add_frame(site);

		if (!frame) {
			site->truncated = true;
			return site->frame_count == MODEL_FRAMES_MAX ? 0 : -ENOMEM;
		}
		frame->ip = from->ip;
		frame->sp = from->sp;
		frame->module_offset = meaning->module ? meaning->offset + (from->ip - pc) : 0;
		frame->owner = mapping ? OWNER_RUNTIME : OWNER_UNKNOWN;
		error |= meaning->module ? copy_text(&frame->module, meaning->module->path) : 0;
		if (i >= meaning->count)
			continue;
		frame->owner = meaning->owners[i];
		frame->line = meaning->places[i].line;
		frame->inlined = meaning->places[i].inlined;
		error |= copy_text(&frame->function, meaning->places[i].function);
		error |= copy_text(&frame->file, meaning->places[i].file);
	}
	return error ? -ENOMEM : 0;
}

void symbol_drop_frames(struct site *site)
{
	model_drop_frames(site);
	site->truncated = site->different_file = false;
}

/* ---- Addresses of a stack -------------------------------------------------------------------------------------------------- */

bool symbol_is_go(struct symbol *symbol, uint64_t address)
{
	const struct mapping *mapping = maps_find(&symbol->maps, address);

	if (mapping && mapping->module)
		maps_image(&symbol->maps, mapping->module);
	return maps_go(mapping, address) != NULL;
}

/* A goroutine or thread of Go begins in one of these. */
static bool begins_go(struct symbol *symbol, uint64_t ip)
{
	static const char *const first[] = { "runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.goexit.abi0",
					     "runtime.mstart.abi0", "runtime.rt0_go.abi0" };
	const struct mapping *mapping = maps_find(&symbol->maps, ip - 1);
	struct gosym_frame frames[GOSYM_INLINED];
	const struct symbol_go *go = maps_go(mapping, ip - 1);
	unsigned count = go ? gosym_lookup(&go->gosym, ip - 1 - mapping->module->bias, frames) : 0;

	for (unsigned i = 0; count && i < sizeof first / sizeof first[0]; i++)
		if (frames[count - 1].function && !strcmp(frames[count - 1].function, first[i]))
			return true;
	return false;
}

static void from_walk(struct symbol *symbol, const struct feed_stack *stack, struct unwound *unwound)
{
	memset(unwound, 0, sizeof *unwound);
	while (unwound->count < stack->ip_count && unwound->count < MODEL_FRAMES_MAX) {
		uint64_t ip = stack->ips[unwound->count];

		if (unwound->count && !symbol_is_go(symbol, ip - 1))
			break;
		unwound->frames[unwound->count++].ip = ip;
	}
	unwound->complete = unwound->count && begins_go(symbol, unwound->frames[unwound->count - 1].ip);
}

/* The pointers of Go frames in a copy of the stack: each points to the caller's, and the return address stands above it. */
static void walk_go(struct symbol *symbol, const struct feed_stack *stack, struct unwound *unwound)
{
	uint64_t fp = unwound->frame_pointer, ip, next;

	while (fp && unwound->count < MODEL_FRAMES_MAX) {
		if (!symbol_stack_word(stack, fp, &next) || !symbol_stack_word(stack, fp + 8, &ip)) {
			unwound->want = fp;
			return;
		}
		if (!symbol_is_go(symbol, ip - 1))
			break;
		/* What Go's frames have below them tells them apart: the caller's own pointer, plus the two words there. */
		unwound->frames[unwound->count++] = (struct unwound_frame){ .ip = ip, .sp = next ? next + 16 : 0 };
		fp = next;
	}
	unwound->complete = begins_go(symbol, unwound->frames[unwound->count - 1].ip);
}

/*
 * Go frames below C ones, out of the kernel's walk: C that has frame pointers, or leaves that register alone, leads it there.
 * Taken only if it goes on from where the unwinding ended, or begins in Go, and comes to a goroutine's begin.
 */
static bool follow_walk(struct symbol *symbol, const struct feed_stack *stack, struct unwound *unwound)
{
	uint64_t last = unwound->frames[unwound->count - 1].ip;
	uint32_t at = stack->ip_count, from;

	while (at > 1 && symbol_is_go(symbol, stack->ips[at - 1] - 1))
		at--;
	for (from = at; from < stack->ip_count; from++)
		if (stack->ips[from] == last)
			at = from + 1;
	if (at < 1 || at >= stack->ip_count || !begins_go(symbol, stack->ips[stack->ip_count - 1]))
		return false;
	while (at < stack->ip_count && unwound->count < MODEL_FRAMES_MAX)
		unwound->frames[unwound->count++] = (struct unwound_frame){ .ip = stack->ips[at++] };
	unwound->complete = at == stack->ip_count;
	unwound->want = 0;
	return true;
}

static void unwind(struct symbol *symbol, const struct feed_stack *stack, struct unwound *unwound)
{
	bool go = symbol_is_go(symbol, stack->ip);

	if (go && stack->ip_count) {
		from_walk(symbol, stack, unwound);
		return;
	}
	memset(unwound, 0, sizeof *unwound);
	unwound->frames[0].ip = stack->ip;
	unwound->count = 1;
	if (!stack->register_count)
		return;
	if (go)
		unwound->frame_pointer = stack->registers[FEED_FRAME_POINTER];
	else
		symbol_libdw_unwind(symbol, stack, unwound);
	if (!unwound->complete && symbol_is_go(symbol, unwound->frames[unwound->count - 1].ip - 1) &&
	    (go || !follow_walk(symbol, stack, unwound)))
		walk_go(symbol, stack, unwound);
}

/* A library that was loaded since, or code that was compiled: true when something is new. */
static bool read_again(struct symbol *symbol)
{
	enum maps_change change;

	if (symbol->readings >= READINGS_MAX)
		return false;
	symbol->readings++;
	if (maps_read(&symbol->maps, &change))
		return false;
	if (change != MAPS_MODULES)
		return change == MAPS_ANONYMOUS;
	symbol_libdw_end(symbol);
	symbol_forget(symbol);
	return true;
}

static uint64_t processor_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int symbol_frames(struct symbol *symbol, const struct feed_stack *stack, struct site *site, uint64_t *ret_want)
{
	uint64_t begin_ns = processor_ns();
	struct unwound unwound;
	int error = 0;

	if (!maps_find(&symbol->maps, stack->ip))
		read_again(symbol);
	unwind(symbol, stack, &unwound);
	if (!unwound.complete && !unwound.want && read_again(symbol))
		unwind(symbol, stack, &unwound);
	symbol_drop_frames(site);
	site->truncated = !unwound.complete;
	for (unsigned i = 0; i < unwound.count && !error; i++)
		error = add_frames(symbol, &unwound.frames[i], site);
	symbol->spent_ns += processor_ns() - begin_ns;
	if (error || !unwound.want)
		return error;
	if (ret_want)
		*ret_want = unwound.want;
	return 1;
}

/* ---- Life ------------------------------------------------------------------------------------------------------------------ */

int symbol_open_source(struct symbol **ret, const struct source *source)
{
	struct symbol *symbol = calloc(1, sizeof *symbol);
	struct source taken = *source;

	if (!symbol) {
		source_close(&taken);
		return -ENOMEM;
	}
	symbol->error = maps_open(&symbol->maps, &taken);
	symbol_recognize(symbol);
	*ret = symbol;
	return 0;
}

int symbol_open(struct symbol **ret, uint32_t pid)
{
	struct source source;

	source_open(&source, pid);	/* whether it is there, symbol_error says */
	return symbol_open_source(ret, &source);
}

int symbol_error(const struct symbol *symbol)
{
	return symbol->error;
}

void symbol_close(struct symbol *symbol)
{
	if (!symbol)
		return;
	symbol_forget(symbol);
	symbol_libdw_end(symbol);
	perfmap_free(&symbol->jit);
	maps_close(&symbol->maps);
	free(symbol->name);
	free(symbol->version);
	free(symbol);
}
