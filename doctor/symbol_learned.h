/* SPDX-License-Identifier: MIT */
/*
 * What was learned of a process of the watch: what the child that read its files says it is, and what could not be opened for the
 * child. It stays when the process is gone, and tells the model.
 */
#ifndef DOCTOR_SYMBOL_LEARNED_H
#define DOCTOR_SYMBOL_LEARNED_H

#include "model.h"
#include "symbol_source.h"
#include "symbol_wire.h"

struct learned {
	bool no_maps, no_program;	/* there was no right to see what it has mapped, or to read its program's file */
	bool any;			/* what follows is known */
	int error;			/* of symbol_error */
	struct wire_process facts;
	char *name, *version;
};

void learned_free(struct learned *learned);
/* What became of a file that the child asked for: a descriptor, or -errno. */
void learned_opened(struct learned *learned, uint32_t what, int fd);
/* Takes the child's answer. 0; -EBADMSG: what no child of ours says; -ENOMEM. */
int learned_take(struct learned *learned, const struct wire *wire, const char *tail);
/* Has its number been taken over, by the process that was looked into? */
bool learned_of_another(const struct learned *learned, uint64_t start_ticks);
/* Fills what is known of it; of another process of that number nothing is said. 0, or -ENOMEM. */
int learned_describe(const struct learned *learned, const struct source *source, struct process *process);

#endif
