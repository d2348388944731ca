/* SPDX-License-Identifier: MIT */
/*
 * Who reads strangers' files: a process of its own, without any right, which is given open descriptors and stacks, and gives
 * back names. What such a file does to it, ends it at worst. It is made by a keeper, forked before the doctor knows or holds
 * anything of others, that reads nothing of strangers and starts another one when it is told to; so none of them has a copy of
 * what the doctor has in memory later.
 */
#ifndef DOCTOR_SYMBOL_CHILD_H
#define DOCTOR_SYMBOL_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct symbol_keeper {
	pid_t pid;
	int control;
	unsigned begun_anew;		/* how often: see symbol_keeper_begin */
	pid_t child, former;		/* both are the doctor's children, to be waited for; 0: none */
};

int symbol_keeper_open(struct symbol_keeper *keeper);
void symbol_keeper_close(struct symbol_keeper *keeper);
/*
 * Ends the child there is, and begins another one. The line to it, non-blocking and for the caller to close, or -errno. Where
 * the keeper was killed another one is begun, up to 4 times: the running program, with the arguments that say so.
 */
int symbol_keeper_begin(struct symbol_keeper *keeper);
/* The arguments of the command `doctor`. Are they these? Then it is nothing but a keeper. */
bool symbol_keeper_is_asked_for(int argc, char *const argv[]);
_Noreturn void symbol_keeper_be(void);

#endif
