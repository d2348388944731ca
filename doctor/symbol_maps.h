/* SPDX-License-Identifier: MIT */
/*
 * What is mapped into a process, and the files behind it. A file is used only if it is the one that is mapped: found by the path
 * in the process's own root with the mapping's inode and device, as /proc/PID/exe, or through /proc/PID/map_files.
 */
#ifndef DOCTOR_SYMBOL_MAPS_H
#define DOCTOR_SYMBOL_MAPS_H

#include "symbol_elf.h"
#include "symbol_go.h"
#include "symbol_source.h"

#include <sys/types.h>

/* One file, mapped in one place. Executable mappings of one file that follow each other share it. */
struct module {
	struct maps *maps;		/* it is of */
	char *path;			/* as /proc/PID/maps gives it, without " (deleted)"; "[vdso]" */
	uint64_t device, inode;
	bool deleted, is_main, pseudo;	/* pseudo: no file, as [vdso] */
	uint64_t low, high;		/* of all its mappings */
	uint64_t start, end, offset;	/* of the first executable one */
	bool opened;			/* tried; what follows says what came of it */
	bool has_image, different;	/* different: the file that is there now is another one */
	struct elf_image image;
	uint64_t bias;
	struct symbol_go *go;		/* NULL: no Go code */
	bool kept;			/* while maps are read again */
};

/* An executable range; module NULL: not of a file, as code that a JIT compiler wrote. */
struct mapping {
	uint64_t start, end;
	struct module *module;
};

struct maps {
	struct source source;
	int exe;			/* the running program, or -1 */
	struct mapping *mappings;	/* by address */
	struct module **modules;
	unsigned mapping_count, module_count;
};

/* Takes source, in any case. 0; -ESRCH gone; -EACCES: no right to see what is mapped; -ENOEXEC: a kernel thread or a zombie. */
int maps_open(struct maps *maps, const struct source *source);
/* Once more, as libraries are loaded late. Modules that are still there stay what they are. */
enum maps_change { MAPS_SAME, MAPS_ANONYMOUS /* no file's */, MAPS_MODULES };
int maps_read(struct maps *maps, enum maps_change *ret_change);
void maps_close(struct maps *maps);

const struct mapping *maps_find(const struct maps *maps, uint64_t address);
/* The module's Go table, if the address is Go code of an opened module; NULL. */
struct symbol_go *maps_go(const struct mapping *mapping, uint64_t address);
/* Opens the module's file when that was not tried yet: its image, or NULL. */
struct elf_image *maps_image(struct maps *maps, struct module *module);
/*
 * The opened module that has the whole file of this one, from its begin: itself as a rule. Node maps a part of its program once
 * more, far from the rest. NULL: there is none.
 */
const struct module *maps_whole(const struct maps *maps, const struct module *module);
/* A text for free(), ended by a zero that length does not count; NULL: not to be had, and *ret_length is -errno. */
char *maps_text(const struct maps *maps, enum source_what what, size_t most, ssize_t *ret_length);

#endif
