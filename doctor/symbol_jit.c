/* SPDX-License-Identifier: MIT */
/* The perf map of a process, read again when it has grown. */
#include "symbol_inside.h"

#include <leat.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define AGAIN_NS 2000000000u		/* a compiler adds lines all the time, and writes new code where old was */

static char *whole(int fd, size_t bytes)
{
	char *text = malloc(bytes + 1);

	if (text && elf_pread(fd, text, bytes, 0)) {
		free(text);
		text = NULL;
	}
	if (text)
		text[bytes] = 0;
	return text;
}

static void read_map(struct symbol *symbol)
{
	struct perfmap map;
	struct stat st;
	char *text = NULL;
	size_t bytes;
	int fd;

	symbol->jit_read_ns = leat_now_ns();
	fd = source_file(&symbol->maps.source, SOURCE_PERF_MAP, NULL);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size != symbol->jit_bytes) {
		bytes = st.st_size < (off_t)PERFMAP_BYTES_MAX ? (size_t)st.st_size : PERFMAP_BYTES_MAX;
		text = whole(fd, bytes);
	}
	close(fd);
	if (!text || perfmap_parse(&map, text, bytes))
		return;
	perfmap_free(&symbol->jit);
	symbol->jit = map;
	symbol->jit_bytes = (uint64_t)st.st_size;
}

unsigned symbol_jit(struct symbol *symbol, uint64_t pc, struct place *place, enum frame_owner *owner)
{
	const struct perfmap_entry *entry;
	struct perfmap_place said;

	if (!symbol->jit_read_ns || leat_now_ns() - symbol->jit_read_ns > AGAIN_NS)
		read_map(symbol);
	entry = perfmap_find(&symbol->jit, pc);
	*owner = OWNER_RUNTIME;
	if (!entry)
		return 0;
	if (perfmap_place(symbol->jit.text + entry->name, entry->name_bytes, &said)) {
		free(said.function);
		free(said.file);
		return 0;
	}
	*place = (struct place){ .function = said.function, .file = said.file, .line = said.line };
	*owner = said.owner;
	return 1;
}
