/* SPDX-License-Identifier: MIT */
/* The processes of a watch. Only so many are kept open, as each holds some descriptors; one that is asked for again is opened
 * again. */
#include "symbol_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_MAX_PROCESSES 48u		/* with some 20 libraries each this stays below the usual limit of 1024 descriptors */

struct symbols {
	struct symbol *open[OPEN_MAX_PROCESSES];	/* the latest used first */
	unsigned count;
};

int symbols_open(struct symbols **ret)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : -ENOMEM;
}

void symbols_close(struct symbols *symbols)
{
	for (unsigned i = 0; symbols && i < symbols->count; i++)
		symbol_close(symbols->open[i]);
	free(symbols);
}

/* Did the process end and leave its number to another one, or run another program since? */
static bool is_stale(const struct symbol *symbol)
{
	struct stat now, then;
	char path[64];

	if (symbol->maps.proc < 0 || faccessat(symbol->maps.proc, "stat", F_OK, 0)) {
		snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", symbol->pid);
		return access(path, F_OK) == 0;
	}
	return symbol->maps.exe >= 0 && fstatat(symbol->maps.proc, "exe", &now, 0) == 0 && fstat(symbol->maps.exe, &then) == 0 &&
	       (now.st_ino != then.st_ino || now.st_dev != then.st_dev);
}

static void to_front(struct symbols *symbols, unsigned i, struct symbol *symbol)
{
	for (; i; i--)
		symbols->open[i] = symbols->open[i - 1];
	symbols->open[0] = symbol;
}

struct symbol *symbols_of(struct symbols *symbols, uint32_t pid)
{
	struct symbol *symbol = NULL;
	unsigned i = 0;

	for (; i < symbols->count; i++) {
		symbol = symbols->open[i];
		if (symbol && symbol->pid == pid)
			break;
	}
	if (symbol && i < symbols->count && !is_stale(symbol)) {
		to_front(symbols, i, symbol);
		return symbol;
	}
	if (symbol_open(&symbol, pid))
		return NULL;
	if (i == symbols->count && i < OPEN_MAX_PROCESSES) {
		symbols->count++;
	} else {
		i -= i == OPEN_MAX_PROCESSES;
		symbol_close(symbols->open[i]);
	}
	to_front(symbols, i, symbol);
	return symbol;
}

static struct site *site_of(struct model *model, uint32_t pid, uint64_t id)
{
	uint32_t place;

	for (uint32_t i = 0; i < model->site_count; i++)
		if (model->sites[i].id == id && model->sites[i].pid == pid)
			return &model->sites[i];
	place = model_add_site(model);
	if (place == MODEL_NONE)
		return NULL;
	model->sites[place].pid = pid;
	model->sites[place].id = id;
	return &model->sites[place];
}

int symbols_take_stack(void *context, struct model *model, const struct feed_stack *stack, uint64_t *ret_want)
{
	struct symbol *symbol = symbols_of(context, stack->pid);
	struct site *site = site_of(model, stack->pid, stack->site);

	return symbol && site ? symbol_frames(symbol, stack, site, ret_want) : -ENOMEM;
}

static bool has_site(const struct model *model, uint32_t pid)
{
	for (uint32_t i = 0; i < model->site_count; i++)
		if (model->sites[i].pid == pid)
			return true;
	return false;
}

int symbols_describe(struct symbols *symbols, struct model *model)
{
	for (uint32_t i = 0; i < model->process_count; i++) {
		struct process *process = &model->processes[i];
		struct symbol *symbol = has_site(model, process->pid) ? symbols_of(symbols, process->pid) : NULL;

		if (symbol && symbol_process(symbol, process) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}
