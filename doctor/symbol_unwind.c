/* SPDX-License-Identifier: MIT */
/*
 * A stack, unwound by libdwfl from a copy of its bytes. Where there is no call frame information (code a JIT compiler wrote),
 * libdwfl goes by frame pointers; an address that is no code ends it, for then those led astray. What stands before a function
 * of Python that its perf map names has neither: it is stepped over here, and unwinding begins anew behind it.
 */
#include "symbol_dwfl.h"

#include <errno.h>
#include <string.h>

#define WANT_BYTES_MAX (64u << 20)	/* above the stack pointer: what is further away is no frame of this stack */

#if defined __x86_64__
#define REGISTER_SP 7
#define REGISTERS 17u
#define TRAMPOLINE_BYTES 16u		/* sub $8, %rsp, or push %rbp since 3.15; and before that the address it returns to */
#elif defined __aarch64__
#define REGISTER_SP 31
#define REGISTERS 33u
#define TRAMPOLINE_BYTES 0u		/* it keeps the frame pointer */
#else
#error "x86-64 and arm64 only"
#endif

static bool piece_word(const uint8_t *bytes, uint64_t at, size_t count, uint64_t address, uint64_t *ret_word)
{
	if (!bytes || address < at || address - at > count || count - (address - at) < sizeof *ret_word)
		return false;
	memcpy(ret_word, bytes + (address - at), sizeof *ret_word);
	return true;
}

bool symbol_stack_word(const struct feed_stack *stack, uint64_t address, uint64_t *ret_word)
{
	return piece_word(stack->bytes, stack->bytes_at, stack->byte_count, address, ret_word) ||
	       piece_word(stack->more, stack->more_at, stack->more_count, address, ret_word);
}

/* What the process cannot have changed is read from its files. */
static bool file_word(const struct maps *maps, uint64_t address, uint64_t *ret_word)
{
	for (unsigned i = 0; i < maps->module_count; i++) {
		const struct module *m = maps->modules[i];

		if (address < m->low || address >= m->high || !m->has_image)
			continue;
		for (unsigned k = 0; k < m->image.segment_count; k++) {
			const Elf64_Phdr *p = &m->image.segments[k];
			uint64_t at = address - m->bias - p->p_vaddr;

			if (!(p->p_flags & PF_W) && at < p->p_filesz)
				return elf_image_read(&m->image, address - m->bias, ret_word, sizeof *ret_word) == 0;
		}
	}
	return false;
}

static bool memory_read(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *ret_word, void *context)
{
	struct symbol_dwfl *symbol = context;
	const struct feed_stack *stack = symbol->stack;
	uint64_t word;

	if (symbol_stack_word(stack, address, &word) || file_word(symbol->maps, address, &word)) {
		*ret_word = word;
		return true;
	}
	if (address > stack->sp && address - stack->sp < WANT_BYTES_MAX && !symbol->unwound->missed)
		symbol->unwound->want = address;
	symbol->unwound->missed = true;
	return false;
}

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread)
{
	return 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread)
{
	*thread = context;
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *context)
{
	const struct symbol_dwfl *symbol = context;
	unsigned count = REGISTERS - 1;		/* the last one is the instruction pointer */

	if (symbol->stack->register_count < REGISTERS || !dwfl_thread_state_registers(thread, 0, count, symbol->registers))
		return false;
	dwfl_thread_state_register_pc(thread, symbol->registers[count]);
	return true;
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_registers,
};

/* Is this frame a trampoline? Then the registers are those of its caller: it moves none but the stack pointer. */
static bool is_trampoline(struct symbol_dwfl *symbol, Dwfl_Frame *frame)
{
	const struct mapping *mapping;
	Dwarf_Word sp, pc;

	if (!TRAMPOLINE_BYTES || !symbol->python || dwfl_frame_reg(frame, REGISTER_SP, &sp) != 0 ||
	    !memory_read(symbol->dwfl, sp + TRAMPOLINE_BYTES - sizeof pc, &pc, symbol))
		return false;
	mapping = maps_find(symbol->maps, pc - 1);
	if (!mapping || !mapping->module)
		return false;
	for (unsigned i = 0; i < REGISTERS - 1; i++) {
		Dwarf_Word value;

		symbol->registers[i] = dwfl_frame_reg(frame, i, &value) == 0 ? value : 0;
	}
	symbol->registers[REGISTER_SP] = sp + TRAMPOLINE_BYTES;
	symbol->registers[REGISTERS - 1] = pc;
	return true;
}

/*
 * Called innermost first. The stack pointer a function was called with is the one its caller goes on with; it stays the same
 * from call to call, while the function's own moves with what it pushes. So a frame gets it with the next one.
 */
static int see_frame(Dwfl_Frame *frame, void *context)
{
	struct symbol_dwfl *symbol = context;
	struct unwound *unwound = symbol->unwound;
	const struct mapping *mapping;
	Dwarf_Addr pc;
	Dwarf_Word sp, fp;
	bool activation;

	/* A register that could not be read ends nothing, if the frame behind it could be found. The next line may unwind already. */
	unwound->missed = false;
	unwound->want = 0;
	if (!dwfl_frame_pc(frame, &pc, &activation))
		return DWARF_CB_ABORT;
	if (unwound->count && dwfl_frame_reg(frame, REGISTER_SP, &sp) == 0)
		unwound->frames[unwound->count - 1].sp = sp;
	mapping = maps_find(symbol->maps, pc - 1);
	if ((!mapping && unwound->count) || unwound->count == MODEL_FRAMES_MAX)
		return DWARF_CB_ABORT;
	unwound->frames[unwound->count] = (struct unwound_frame){ .ip = pc, .exact = activation && unwound->count && !unwound->again };
	unwound->count++;
	unwound->again = mapping && !mapping->module && is_trampoline(symbol, frame);
	if (unwound->again)
		return DWARF_CB_ABORT;
	unwound->frame_pointer = dwfl_frame_reg(frame, FEED_FRAME_POINTER, &fp) == 0 ? fp : 0;
	/* Go keeps no call frame information that is loaded; its frames are walked by their pointers. */
	return maps_go(mapping, pc) ? DWARF_CB_ABORT : DWARF_CB_OK;
}

static void unwind(struct symbol_dwfl *symbol)
{
	struct unwound *unwound = symbol->unwound;
	unsigned before;

	do {
		before = unwound->count;
		/* A return address that cannot be read looks to libdwfl as none does: as the first frame of the thread. */
		unwound->complete = dwfl_getthread_frames(symbol->dwfl, (pid_t)symbol->stack->tid, see_frame, symbol) == 0 &&
				    !unwound->missed;
	} while (unwound->again && unwound->count > before);
}

void symbol_dwfl_unwind(struct symbol_dwfl *symbol, const struct feed_stack *stack, struct unwound *unwound)
{
	memset(unwound, 0, sizeof *unwound);
	unwound->frames[0].ip = stack->ip;	/* if no other is found */
	symbol->stack = stack;
	symbol->unwound = unwound;
	memcpy(symbol->registers, stack->registers, sizeof symbol->registers);
	if (!symbol->attached)
		symbol->attached = dwfl_attach_state(symbol->dwfl, NULL, (pid_t)stack->pid, &thread_callbacks, symbol);
	if (symbol->attached)
		unwind(symbol);
	unwound->count += !unwound->count;
	symbol->stack = NULL;
	symbol->unwound = NULL;
}
