/* SPDX-License-Identifier: MIT */
/*
 * Where a Go program or library keeps its line table and its build information. Sections name them, or, where a linker merged
 * or dropped those, a search through the segments does. Only reads the file.
 */
#ifndef DOCTOR_SYMBOL_GO_H
#define DOCTOR_SYMBOL_GO_H

#include "gosym.h"
#include "symbol_elf.h"

struct symbol_go {
	struct gosym gosym;
	struct elf_image *image;	/* borrowed */
	uint64_t address;		/* of the table */
	uint8_t *table;			/* a mapping of its size, filled by blocks as they are looked at */
	size_t table_bytes;
	uint8_t *filled;		/* a byte for each block */
	uint64_t start, end;		/* link-time addresses of Go code */
	char *version;			/* "1.19.8"; NULL: not there */
	char *module;			/* path of the main module, NULL: none */
	char *root;			/* GOROOT's src with a slash behind it; "" with -trimpath; NULL: not known */
};

/* 0; -ENOENT: no Go code; -ENOMEM. `borrows` the image, which must stay where it is. */
int symbol_go_open(struct symbol_go **ret, struct elf_image *image);
void symbol_go_close(struct symbol_go *go);

/* The function as Go's own traces print it: "[...]" for what stands between the brackets of a generic one. For free(); NULL: no
 * memory. */
char *symbol_go_printed(const char *function);

/* Is that function Go's own library: by its file, or with -trimpath by its package and the modules of the program? */
bool symbol_go_is_library(const struct symbol_go *go, const char *function, const char *file);

#endif
