/* SPDX-License-Identifier: MIT */
/* What kind of program a process is: by its executable's name, sections and libraries; nothing of it is run. */
#include "symbol_inside.h"
#include "symbol_owner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 65536u
#define SECTION_MAX (256u << 20)	/* Node's .rodata has 60 MiB */
#define RUST_PATH_MOST 160	/* behind the mark: a hash, a crate, modules */
#define VERSION_BYTES 48u

/* The library whose name begins so, or NULL. */
static const struct module *library(const struct symbol *symbol, const char *name)
{
	for (unsigned i = 0; i < symbol->maps.module_count; i++) {
		const char *slash = strrchr(symbol->maps.modules[i]->path, '/');

		if (slash && !strncmp(slash + 1, name, strlen(name)))
			return symbol->maps.modules[i];
	}
	return NULL;
}

/* ---- Versions -------------------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "17.0.15" of what begins with it. */
static size_t number_bytes(const char *text, size_t most)
{
	size_t n = 0;

	while (n < most && (is_digit(text[n]) || (text[n] == '.' && n && n + 1 < most && is_digit(text[n + 1]))))
		n++;
	return n;
}

static char *version(const char *language, const char *number, size_t most)
{
	size_t n = number ? number_bytes(number, most < VERSION_BYTES ? most : VERSION_BYTES) : 0;
	char *text;

	if (!n || asprintf(&text, "%s %.*s", language, (int)n, number) < 0)
		return NULL;
	return text;
}

/* What follows a mark in a section. */
static char *version_in(const struct elf_image *image, const char *section, const char *mark, const char *language)
{
	size_t bytes, n = strlen(mark);
	char *text = image ? elf_image_section_bytes(image, section, SECTION_MAX, &bytes) : NULL, *found = NULL, *at;

	at = text ? memmem(text, bytes, mark, n) : NULL;
	if (at)
		found = version(language, at + n, bytes - (size_t)(at + n - text));
	free(text);
	return found;
}

static bool section_has(const struct elf_image *image, const char *section, const char *mark)
{
	size_t bytes;
	char *text = elf_image_section_bytes(image, section, SECTION_MAX, &bytes);
	bool found = text && memmem(text, bytes, mark, strlen(mark));

	free(text);
	return found;
}

/* A path to a Rust source with this mark in it: programs that know of Rust, as this one, may hold the mark alone. */
static bool names_rust_source(const struct elf_image *image, const char *mark)
{
	size_t bytes, n = strlen(mark), rest;
	char *text = elf_image_section_bytes(image, ".rodata", SECTION_MAX, &bytes), *at = text;
	bool found = false;

	while (!found && at && (at = memmem(at, bytes - (size_t)(at - text), mark, n))) {
		at += n;
		rest = bytes - (size_t)(at - text);
		rest = strnlen(at, rest < RUST_PATH_MOST ? rest : RUST_PATH_MOST);
		found = memmem(at, rest, ".rs", strlen(".rs"));
	}
	free(text);
	return found;
}

/* JAVA_HOME/release, beside lib/server/libjvm.so, has a line JAVA_VERSION="17.0.15". */
static char *java_version(const struct symbol *symbol)
{
	static const char tail[] = "lib/server/libjvm.so", mark[] = "JAVA_VERSION=\"";
	const struct module *module = library(symbol, "libjvm.so");
	size_t length = module ? strlen(module->path) : 0;
	char path[PATH_MAX], text[4096], *at;
	ssize_t n;
	int fd;

	if (length < sizeof tail || strcmp(module->path + length - (sizeof tail - 1), tail) != 0)
		return NULL;
	n = snprintf(path, sizeof path, "%.*srelease", (int)(length - (sizeof tail - 1)), module->path);
	fd = n < (ssize_t)sizeof path ? source_file(&symbol->maps.source, SOURCE_JAVA_RELEASE, path) : -1;
	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, mark);
	return at ? version("Java", at + sizeof mark - 1, strlen(at + sizeof mark - 1)) : NULL;
}

/* ---- Runtimes -------------------------------------------------------------------------------------------------------------- */

static bool as_interpreter(struct symbol *symbol, struct module *module)
{
	const char *number;
	enum runtime runtime = symbol_interpreter(module->path, &number);

	if (runtime == RUNTIME_UNKNOWN)
		return false;
	symbol->runtime = runtime == RUNTIMES ? RUNTIME_UNKNOWN : runtime;
	if (runtime == RUNTIME_PYTHON)
		symbol->version = version("Python", number, strlen(number));
	else if (runtime == RUNTIME_NODE)
		symbol->version = version_in(maps_image(&symbol->maps, module), ".rodata", "/release/v", "Node.js");
	else if (runtime == RUNTIME_JAVA)
		symbol->version = java_version(symbol);
	return true;
}

static bool as_rust(struct symbol *symbol, const struct elf_image *image)
{
	static const char comment[] = "rustc version ";

	if (!section_has(image, ".comment", comment) && !section_has(image, ".strtab", "rust_eh_personality") &&
	    !names_rust_source(image, "/rustc/") && !names_rust_source(image, "library/std/src/"))
		return false;
	symbol->runtime = RUNTIME_RUST;
	symbol->version = version_in(image, ".comment", comment, "Rust");
	return true;
}

static void recognize_main(struct symbol *symbol, struct module *module)
{
	const struct elf_image *image = maps_image(&symbol->maps, module);
	char *text;

	if (!image || as_interpreter(symbol, module))
		return;
	if (module->go) {
		symbol->runtime = RUNTIME_GO;
		if (module->go->version && asprintf(&text, "Go %s", module->go->version) >= 0)
			symbol->version = text;
	} else if (!as_rust(symbol, image)) {
		symbol->runtime = library(symbol, "libstdc++.so") || library(symbol, "libc++.so") ||
				  section_has(image, ".strtab", "_ZNSt") ? RUNTIME_CXX : RUNTIME_C;
	}
}

/* A launcher of another name that loaded an interpreter. */
static void recognize_libraries(struct symbol *symbol)
{
	for (unsigned i = 0; i < symbol->maps.module_count; i++) {
		struct module *module = symbol->maps.modules[i];

		if (!module->is_main && !module->pseudo && as_interpreter(symbol, module) && symbol->runtime != RUNTIME_UNKNOWN)
			return;
	}
}

/* ---- Facts ----------------------------------------------------------------------------------------------------------------- */

/* "pid (comm) state ppid ...": comm may have blanks and parentheses in it. */
static void read_stat(struct symbol *symbol)
{
	ssize_t length;
	char *text = maps_text(&symbol->maps, SOURCE_STAT, TEXT_MAX, &length), *open = text ? strchr(text, '(') : NULL;
	char *close = text ? strrchr(text, ')') : NULL, *at = close;

	if (open && close && open < close)
		symbol->name = strndup(open + 1, (size_t)(close - open - 1));
	for (unsigned field = 3; at && field <= 22; field++) {
		at = strchr(at + 1, ' ');
		if (at && field == 4)
			symbol->parent = (uint32_t)strtoul(at + 1, NULL, 10);
		if (at && field == 22)
			symbol->start_ticks = strtoull(at + 1, NULL, 10);
	}
	free(text);
}

void symbol_recognize(struct symbol *symbol)
{
	uint8_t ident[EI_NIDENT];

	read_stat(symbol);
	if (symbol->maps.exe >= 0 && elf_pread(symbol->maps.exe, ident, sizeof ident, 0) == 0)
		symbol->is_32_bit = !memcmp(ident, ELFMAG, SELFMAG) && ident[EI_CLASS] == ELFCLASS32;
	for (unsigned i = 0; i < symbol->maps.module_count && symbol->runtime == RUNTIME_UNKNOWN && !symbol->version; i++)
		if (symbol->maps.modules[i]->is_main)
			recognize_main(symbol, symbol->maps.modules[i]);
	if (symbol->runtime == RUNTIME_C || symbol->runtime == RUNTIME_CXX || symbol->runtime == RUNTIME_UNKNOWN)
		recognize_libraries(symbol);
}
