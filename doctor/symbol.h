/* SPDX-License-Identifier: MIT */
/*
 * From raw stacks to frames with names, and what kind of program a process is. One struct symbol for a process; opened while it
 * lives, it stays of use when it is gone. It reads /proc/PID and files of the process, writes nowhere, and asks no network.
 * Everything it reads is a stranger's. Not for several threads at once.
 */
#ifndef DOCTOR_SYMBOL_H
#define DOCTOR_SYMBOL_H

#include "feed.h"
#include "model.h"

struct symbol;

/*
 * 0 or -ENOMEM. A process that cannot be looked into (symbol_error) gives frames without names. The largest programs take
 * about 0.1 s here; what a single address needs is read when it is asked for.
 */
int symbol_open(struct symbol **ret, uint32_t pid);
void symbol_close(struct symbol *symbol);

/* 0; -ESRCH: it is gone; -EACCES: no right to see its memory map; -ENOEXEC: a kernel thread, or a zombie. */
int symbol_error(const struct symbol *symbol);

/* Is the address Go code? Then a walk by frame pointers is to be trusted; else a snapshot is needed, in a Go process too. */
bool symbol_is_go(struct symbol *symbol, uint64_t address);

/*
 * Gives the site the frames of a stack, instead of those it has: by the walked addresses where the first is Go code, else by
 * registers and bytes. 0; 1: memory was missing at *ret_want (NULL: don't care), and the site has what there was;
 * -ENOMEM: as well.
 */
int symbol_frames(struct symbol *symbol, const struct feed_stack *stack, struct site *site, uint64_t *ret_want);

/* Leaves the site without frames. */
void symbol_drop_frames(struct site *site);

/* ---- All processes of a watch ---------------------------------------------------------------------------------------------- */

/*
 * The set of them by pid. A number that is used again is another process, and opened anew. What is above is done by a child
 * without rights (symbol_child.h), forked here: so open this first. A stack that the child could not name, or whose process
 * was gone, gives a site without frames; coverage.unnamed and coverage.ended count them.
 */
struct symbols;

int symbols_open(struct symbols **ret);
void symbols_close(struct symbols *symbols);
/* Looks into a process now, so that stacks of it that come when it has ended have names all the same. 0, or -ENOMEM. */
int symbols_look(struct symbols *symbols, uint32_t pid);
/* What is to go on for about so many ms, again and again, while an answer of the child takes its time. It must not come back here. */
typedef void symbols_other_work(void *context, int ms);
void symbols_meanwhile(struct symbols *symbols, symbols_other_work *what, void *context);
/* Fills what could be learned of the model's processes (symbol_learned.h), but for those without a site; and these two counts. */
int symbols_describe(struct symbols *symbols, struct model *model);
/* A feed_take_stack; context is a struct symbols. */
int symbols_take_stack(void *context, struct site *site, const struct feed_stack *stack, uint64_t *ret_want);

#endif
