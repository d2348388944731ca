/* SPDX-License-Identifier: MIT */
#include "symbol_learned.h"
#include "privilege.h"
#include "script.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

void learned_free(struct learned *learned)
{
	free(learned->name);
	free(learned->version);
}

static bool is_refusal(int error)
{
	return error == -EACCES || error == -EPERM;
}

void learned_opened(struct learned *learned, uint32_t what, int fd)
{
	if (what == SOURCE_MAPS)
		learned->no_maps = is_refusal(fd);
	else if (what == SOURCE_EXE)
		learned->no_program = is_refusal(fd);
}

int learned_take(struct learned *learned, const struct wire *wire, const char *tail)
{
	int error = 0;

	if (wire->process.runtime >= RUNTIMES || wire->result > 0)
		return -EBADMSG;
	learned_free(learned);
	learned->error = wire->result;
	learned->facts = wire->process;
	learned->name = wire_text(wire, tail, 0, &error);
	learned->version = wire_text(wire, tail, 1, &error);
	learned->any = true;
	return error;
}

bool learned_of_another(const struct learned *learned, uint64_t start_ticks)
{
	return start_ticks && learned->facts.start_ticks && start_ticks != learned->facts.start_ticks;
}

/* NULL leaves what is there. */
static int replace(char **to, const char *from)
{
	char *copy = from ? strdup(from) : NULL;

	if (!copy)
		return from ? -ENOMEM : 0;
	free(*to);
	*to = copy;
	return 0;
}

static enum process_missing missing(const struct learned *learned)
{
	unsigned missing = MISSING_NONE;

	if (learned->no_maps && !privilege_has(CAP_SYS_PTRACE))
		missing |= MISSING_PTRACE;
	if ((learned->no_maps || learned->no_program) && !privilege_has(CAP_DAC_READ_SEARCH))
		missing |= MISSING_READ;
	return (enum process_missing)missing;
}

/* What it runs now, and nothing of what it ran before. */
static int describe_script(const struct source *source, struct process *process)
{
	char name[SCRIPT_BYTES];

	free(process->script);
	process->script = NULL;
	if (!source->arguments || !script_name(process->runtime, source->arguments, source->argument_bytes, name))
		return 0;
	return replace(&process->script, name);
}

int learned_describe(const struct learned *learned, const struct source *source, struct process *process)
{
	const struct wire_process *facts = &learned->facts;

	if (!learned->any || learned->error == -ESRCH || learned_of_another(learned, process->start_ticks))
		return 0;
	process->parent = facts->parent;
	process->start_ticks = facts->start_ticks;
	process->runtime = (enum runtime)facts->runtime;
	process->missing = missing(learned);
	process->is_32_bit = facts->is_32_bit;
	return replace(&process->name, learned->name) || replace(&process->version, learned->version) ||
	       replace(&process->executable, source->executable) || describe_script(source, process) ? -ENOMEM : 0;
}
