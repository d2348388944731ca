/* SPDX-License-Identifier: MIT */
/*
 * The processes of a watch, and the child that reads their files (symbol_child.h). Here their descriptors are opened and handed
 * on, and what comes back is checked. A process whose files end the child, or keep it too long, is not looked into again;
 * the watch goes on, and what has no names for that is counted.
 */
#include "symbol.h"
#include "table.h"
#include "symbol_child.h"
#include "symbol_learned.h"
#include "symbol_source.h"
#include "symbol_wire.h"

#include <leat.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_NS 10000000000u	/* for all of an answer; the largest programs take about 0.1 s on an idle machine */
#define PATIENCE_MS 100		/* before anything else is done meanwhile; then by turns: */
#define LISTEN_MS 20
#define MEANWHILE_MS 80
#define ASKED_MOST 20000u	/* files, for one answer; a process may have some thousand mapped */
#define DEATHS_AT_ONCE 8u	/* after so many there is a pause before the next child: */
#define PAUSE_NS 100000000u	/* twice as long each time, */
#define PAUSE_DOUBLED 9u	/* to 51 s */

/* A process. Its slot is the child's number for it. */
struct known {
	struct source source;
	uint32_t slot, generation;	/* generation: of the child that knows it */
	bool broken;			/* its files were the end of a child */
	struct learned learned;
};

struct symbols {
	struct symbol_keeper keeper;
	int line;			/* to the child; -1: there is none */
	uint32_t generation, deaths;
	uint64_t begin_ns;		/* not before then is another child begun */
	uint64_t unnamed, ended;	/* stacks: see struct coverage */
	symbols_other_work *meanwhile;	/* NULL: none */
	void *meanwhile_context;
	struct known *known[WIRE_SLOTS];	/* the latest used first */
	unsigned count;
	struct table past;		/* of struct past: who had to give up a slot, to be described all the same */
};

struct past {
	uint32_t pid, zero;
	struct known *known;		/* without descriptors */
};

#define PAST_MOST 2048			/* processes: 2 MiB; 17 if each has a path and arguments of 4 KiB each */

/* ---- The child ------------------------------------------------------------------------------------------------------------- */

static void child_is_lost(struct symbols *symbols)
{
	unsigned doubled = symbols->deaths > DEATHS_AT_ONCE ? symbols->deaths - DEATHS_AT_ONCE : 0;

	if (symbols->line >= 0)
		close(symbols->line);
	symbols->line = -1;
	if (++symbols->deaths >= DEATHS_AT_ONCE)
		symbols->begin_ns = leat_now_ns() + ((uint64_t)PAUSE_NS << (doubled < PAUSE_DOUBLED ? doubled : PAUSE_DOUBLED));
}

static bool has_child(struct symbols *symbols)
{
	if (symbols->line >= 0)
		return true;
	if (leat_now_ns() < symbols->begin_ns)
		return false;
	symbols->line = symbol_keeper_begin(&symbols->keeper);
	symbols->generation++;
	if (symbols->line < 0)
		child_is_lost(symbols);
	return symbols->line >= 0;
}

static int wait_for_child(const struct symbols *symbols, uint64_t until_ns)
{
	struct pollfd line = { .fd = symbols->line, .events = POLLIN };
	int most_ms = symbols->meanwhile ? PATIENCE_MS : INT_MAX;

	for (;;) {
		uint64_t now = leat_now_ns(), left_ms = now < until_ns ? (until_ns - now) / 1000000 + 1 : 0;

		if (!left_ms)
			return -ETIMEDOUT;
		if (poll(&line, 1, left_ms < (uint64_t)most_ms ? (int)left_ms : most_ms) > 0)
			return 0;
		if (!symbols->meanwhile)
			continue;
		symbols->meanwhile(symbols->meanwhile_context, MEANWHILE_MS);
		most_ms = LISTEN_MS;
	}
}

/* It asks for a file, and gets it or an error. */
static int give_file(const struct symbols *symbols, struct known *known, const struct wire *ask, const char *tail)
{
	struct wire file = { .kind = WIRE_FILE };
	int error = 0, fd;
	char *name = wire_text(ask, tail, 0, &error);

	fd = error ? error : ask->what < SOURCES && (!name || strlen(name) < SOURCE_NAME_BYTES)
				     ? source_file(&known->source, (enum source_what)ask->what, name ? name : "")
				     : -EINVAL;
	free(name);
	learned_opened(&known->learned, ask->what, fd);
	file.result = fd < 0 ? fd : 0;
	error = wire_send(symbols->line, &file, NULL, fd);
	if (fd >= 0)
		close(fd);
	return error;
}

static int take_frame(const struct wire *wire, const char *tail, struct site *site)
{
	const struct wire_frame *from = &wire->frame;
	struct frame *frame = site ? model_add_frame(site) : NULL;
	int error = 0;

	if (from->owner > OWNER_SYSTEM || !site || (!frame && site->frame_count == MODEL_FRAMES_MAX))
		return -EBADMSG;
	if (!frame)
		return -ENOMEM;
	frame->ip = from->ip;
	frame->sp = from->sp;
	frame->module_offset = from->module_offset;
	frame->line = from->line;
	frame->inlined = from->inlined;
	frame->owner = (enum frame_owner)from->owner;
	frame->module = wire_text(wire, tail, 0, &error);
	frame->function = wire_text(wire, tail, 1, &error);
	frame->file = wire_text(wire, tail, 2, &error);
	return error;
}

/* What it says until its answer ends; the last of it in *wire. -EBADMSG: what no child of ours says. */
static int hear(const struct symbols *symbols, struct known *known, uint32_t awaited, struct site *site, struct wire *wire)
{
	uint64_t until_ns = leat_now_ns() + ANSWER_NS;
	char tail[WIRE_TAIL_BYTES];
	unsigned asked = 0;
	int error;

	do {
		size_t bytes = sizeof tail;

		error = wait_for_child(symbols, until_ns);
		if (!error)
			error = wire_receive(symbols->line, wire, tail, &bytes, NULL);
		if (!error && !wire_texts_fit(wire, bytes))
			error = -EBADMSG;
		if (error)
			break;
		if (wire->kind == WIRE_ASK)
			error = asked++ < ASKED_MOST ? give_file(symbols, known, wire, tail) : -EBADMSG;
		else if (wire->kind == WIRE_FRAME)
			error = take_frame(wire, tail, site);
		else if (wire->kind != awaited)
			error = -EBADMSG;
		else if (wire->kind == WIRE_PROCESS)
			error = learned_take(&known->learned, wire, tail);
	} while (!error && wire->kind != awaited);
	return error;
}

static int ask_process(struct symbols *symbols, struct known *known)
{
	const char *const texts[WIRE_TEXTS] = { known->source.executable };
	struct wire wire = { .kind = WIRE_PROCESS, .slot = known->slot };
	int error;

	wire.process.pid = known->source.pid;
	error = wire_send(symbols->line, &wire, texts, -1);
	return error ? error : hear(symbols, known, WIRE_PROCESS, NULL, &wire);
}

static int ask_stack(struct symbols *symbols, struct known *known, const struct feed_stack *stack, struct site *site,
		     struct wire *ret_done)
{
	int error;

	*ret_done = (struct wire){ .kind = WIRE_STACK, .slot = known->slot };
	symbol_drop_frames(site);
	error = wire_send_stack(symbols->line, ret_done, stack);
	if (!error)
		error = hear(symbols, known, WIRE_DONE, site, ret_done);
	if (error)
		return error;
	site->truncated = ret_done->done.truncated;
	site->different_file = ret_done->done.different_file;
	return ret_done->result == 0 || ret_done->result == 1 || ret_done->result == -ENOMEM ? 0 : -EBADMSG;
}

/* stack: NULL to know what it is only. Once more if the child ended: it may have been somebody else's doing. */
static int ask(struct symbols *symbols, struct known *known, const struct feed_stack *stack, struct site *site,
	       struct wire *ret_done)
{
	for (unsigned try = 0; try < 2 && !known->broken; try++) {
		int error = 0;

		if (!has_child(symbols))
			return -EAGAIN;
		if (known->generation != symbols->generation)
			error = ask_process(symbols, known);
		if (!error)
			known->generation = symbols->generation;
		if (!error && stack)
			error = ask_stack(symbols, known, stack, site, ret_done);
		if (!error)
			return 0;
		child_is_lost(symbols);		/* also where memory was missing here: what else it said is not heard */
		if (error == -ENOMEM)
			return error;
		known->broken = error != -EPIPE || try;
	}
	return -EAGAIN;
}

/* ---- The processes --------------------------------------------------------------------------------------------------------- */

int symbols_open(struct symbols **ret)
{
	struct symbols *symbols = calloc(1, sizeof *symbols);
	int error = symbols ? symbol_keeper_open(&symbols->keeper) : -ENOMEM;

	if (error) {
		free(symbols);
		return error;
	}
	table_init(&symbols->past, sizeof(struct past), sizeof(uint32_t), PAST_MOST);
	symbols->line = -1;
	*ret = symbols;
	return 0;
}

void symbols_meanwhile(struct symbols *symbols, symbols_other_work *what, void *context)
{
	symbols->meanwhile = what;
	symbols->meanwhile_context = context;
}

static void forget(struct known *known)
{
	source_close(&known->source);
	learned_free(&known->learned);
	free(known);
}

/* It ends a slot's use. What was learned stays until the model's processes are described next. */
static void set_aside(struct symbols *symbols, struct known *known)
{
	struct past *past = known->learned.any && !known->learned.error ? table_make(&symbols->past, &known->source.pid) : NULL;

	if (!past) {
		forget(known);
		return;
	}
	if (past->known)
		forget(past->known);
	source_let_go(&known->source);
	past->known = known;
}

static void forget_past(struct symbols *symbols)
{
	uint32_t at = 0;

	for (struct past *past; (past = table_next(&symbols->past, &at));)
		forget(past->known);
	table_clear(&symbols->past);
}

void symbols_close(struct symbols *symbols)
{
	if (!symbols)
		return;
	if (symbols->line >= 0)
		close(symbols->line);
	symbol_keeper_close(&symbols->keeper);
	for (unsigned i = 0; i < symbols->count; i++)
		forget(symbols->known[i]);
	forget_past(symbols);
	table_free(&symbols->past);
	free(symbols);
}

static void to_front(struct symbols *symbols, unsigned i, struct known *known)
{
	for (; i; i--)
		symbols->known[i] = symbols->known[i - 1];
	symbols->known[0] = known;
}

/* Made when asked for first; NULL: out of memory. */
static struct known *known_of(struct symbols *symbols, uint32_t pid)
{
	struct known *known;
	unsigned i = 0;

	while (i < symbols->count && symbols->known[i]->source.pid != pid)
		i++;
	if (i < symbols->count && !source_is_stale(&symbols->known[i]->source)) {
		to_front(symbols, i, symbols->known[i]);
		return symbols->known[0];
	}
	known = calloc(1, sizeof *known);
	if (!known)
		return NULL;
	source_open(&known->source, pid);
	known->slot = symbols->count;
	if (i == symbols->count && i < WIRE_SLOTS) {
		symbols->count++;
	} else {
		i -= i == WIRE_SLOTS;
		known->slot = symbols->known[i]->slot;
		set_aside(symbols, symbols->known[i]);
	}
	to_front(symbols, i, known);
	return known;
}

int symbols_look(struct symbols *symbols, uint32_t pid)
{
	struct known *known = known_of(symbols, pid);
	int error = known ? ask(symbols, known, NULL, NULL, NULL) : -ENOMEM;

	return error == -EAGAIN ? 0 : error;	/* who cannot be looked into is told when a stack of it comes */
}

/* The process that the stack is of cannot be looked into any more. */
static bool is_over(const struct learned *learned, uint64_t start_ticks)
{
	return learned->error == -ESRCH || learned->error == -ENOEXEC || learned_of_another(learned, start_ticks);
}

/* Nothing is said of the place but that there is one. */
static int without_names(uint64_t *count, struct site *site)
{
	(*count)++;
	symbol_drop_frames(site);
	site->truncated = true;
	return 0;
}

int symbols_take_stack(void *context, struct site *site, const struct feed_stack *stack, uint64_t *ret_want)
{
	struct symbols *symbols = context;
	struct known *known = known_of(symbols, stack->pid);
	struct wire done;
	int error = known ? ask(symbols, known, stack, site, &done) : -ENOMEM;

	if (error)
		return error == -EAGAIN ? without_names(&symbols->unnamed, site) : error;
	if (is_over(&known->learned, stack->start_ticks))
		return without_names(&symbols->ended, site);
	if (done.result == 1 && ret_want)
		*ret_want = done.done.want;
	return done.result;
}

static int by_number(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return a < b ? -1 : a > b;
}

/* The numbers of the processes that have sites, in order, some of them often; NULL: no memory. */
static uint32_t *pids_of_sites(const struct model *model)
{
	uint32_t *pids = calloc((size_t)model->site_count + 1, sizeof *pids);

	for (uint32_t i = 0; pids && i < model->site_count; i++)
		pids[i] = model->sites[i].pid;
	if (pids)
		qsort(pids, model->site_count, sizeof *pids, by_number);
	return pids;
}

static int describe(const struct known *known, struct process *process)
{
	return learned_describe(&known->learned, &known->source, process);
}

static bool has_slot(const struct symbols *symbols, uint32_t pid)
{
	for (unsigned i = 0; i < symbols->count; i++)
		if (symbols->known[i]->source.pid == pid)
			return true;
	return false;
}

/* Of who has ended no more can be learned than was. */
static int describe_one(struct symbols *symbols, struct process *process)
{
	const struct past *past = table_find(&symbols->past, &process->pid);
	struct known *known;
	int error;

	if (process->exited && !has_slot(symbols, process->pid))
		return past ? describe(past->known, process) : 0;
	known = known_of(symbols, process->pid);
	error = !known ? -ENOMEM : known->learned.any ? 0 : ask(symbols, known, NULL, NULL, NULL);
	return error && error != -EAGAIN ? error : describe(known, process);
}

int symbols_describe(struct symbols *symbols, struct model *model)
{
	uint32_t *pids = pids_of_sites(model);
	int error = pids ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < model->process_count && !error; i++) {
		struct process *process = &model->processes[i];

		if (bsearch(&process->pid, pids, model->site_count, sizeof *pids, by_number))
			error = describe_one(symbols, process);
	}
	free(pids);
	forget_past(symbols);
	model->coverage.unnamed = symbols->unnamed;
	model->coverage.ended = symbols->ended;
	return error;
}
