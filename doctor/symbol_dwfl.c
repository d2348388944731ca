/* SPDX-License-Identifier: MIT */
/* The session with libdwfl: which modules there are, and from where their files and debug files come. */
#include "symbol_dwfl.h"

#include "symbol_debug.h"
#include "symbol_demangle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwelf.h>

/* libelf maps the file: symbol_guard.h says what if its owner cuts it meanwhile. */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, char **ret_name, Elf **ret_elf)
{
	const struct module *module = *userdata;

	if (!module || !module->has_image || elf_swells(module->image.fd))
		return -1;
	*ret_name = strdup(module->path);
	return fcntl(module->image.fd, F_DUPFD_CLOEXEC, 0);
}

static struct maps *maps_of(Dwfl_Module *mod);

/* libdwfl asks for what dwz split off by the same function, without the name of a file. */
/* NOLINTNEXTLINE(readability-function-size): libdwfl calls it so */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base, const char *file,
			  const char *link, GElf_Word crc, char **ret_name)
{
	struct module *module = *userdata;
	struct maps *maps = maps_of(mod);
	int fd;

	if (!module || !module->has_image || !maps)
		return -1;
	if (!file && link && !crc)
		fd = symbol_debug_open_shared(maps, link);
	else
		fd = symbol_debug_open(maps, module, link, crc);
	if (fd >= 0 && elf_swells(fd)) {
		close(fd);
		fd = -1;
	}
	return fd >= 0 ? fd : -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
};

/* libdwfl gives no way from a module to who began the session: the module's own data points to the maps it is of. */
static struct maps *maps_of(Dwfl_Module *mod)
{
	void **userdata;

	dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	return *userdata ? ((struct module *)*userdata)->maps : NULL;
}

static int report(struct symbol_dwfl *symbol)
{
	dwfl_report_begin(symbol->dwfl);
	for (unsigned i = 0; i < symbol->maps->module_count; i++) {
		struct module *module = symbol->maps->modules[i];
		Dwfl_Module *mod;
		void **userdata;

		/* libdwfl takes the lowest address for the file's begin. */
		if (!maps_image(symbol->maps, module) || maps_whole(symbol->maps, module) != module)
			continue;
		mod = dwfl_report_module(symbol->dwfl, module->path, module->low, module->high);
		if (!mod)
			continue;
		dwfl_module_info(mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
		*userdata = module;
	}
	return dwfl_report_end(symbol->dwfl, NULL, NULL) ? -ENOMEM : 0;
}

int symbol_dwfl_open(struct symbol_dwfl **ret, struct maps *maps)
{
	struct symbol_dwfl *symbol = calloc(1, sizeof *symbol);
	int error = -ENOMEM;

	if (symbol) {
		symbol->maps = maps;
		symbol->dwfl = dwfl_begin(&callbacks);
		error = symbol->dwfl ? report(symbol) : -ENOMEM;
	}
	if (error)
		symbol_dwfl_close(symbol);
	else
		*ret = symbol;
	return error;
}

void symbol_dwfl_close(struct symbol_dwfl *symbol)
{
	if (symbol && symbol->dwfl)
		dwfl_end(symbol->dwfl);
	free(symbol);
}

/*
 * What dwz took out is part of the DWARF. Without it, or with another program's, names would be missing or wrong; and libdw,
 * asked for an entry of it, would look for the file itself, by a name that the program chose.
 */
static bool is_whole(Dwarf *dwarf)
{
	const char *name;
	const void *wanted, *found;
	ssize_t length = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &wanted);
	Dwarf *shared;

	if (length == 0)
		return true;
	if (length < 0)
		return false;
	shared = dwarf_getalt(dwarf);
	return shared && dwelf_elf_gnu_build_id(dwarf_getelf(shared), &found) == length && !memcmp(wanted, found, (size_t)length);
}

Dwarf *symbol_dwfl_dwarf(Dwfl_Module *mod, Dwarf_Addr *ret_bias)
{
	Dwarf *dwarf = dwfl_module_getdwarf(mod, ret_bias);

	return dwarf && is_whole(dwarf) ? dwarf : NULL;
}

/* The function by the symbol table: only one that says where it ends, and has the address in it. */
static char *table_name(Dwfl_Module *mod, Dwarf_Addr pc)
{
	GElf_Off offset;
	GElf_Sym sym;
	const char *name = dwfl_module_addrinfo(mod, pc, &offset, &sym, NULL, NULL, NULL);
	unsigned type = name ? GELF_ST_TYPE(sym.st_info) : STT_NOTYPE;

	if (!name || !*name || offset >= sym.st_size || (type != STT_FUNC && type != STT_GNU_IFUNC))
		return NULL;
	return symbol_demangle(name);
}

unsigned symbol_dwfl_places(struct symbol_dwfl *symbol, const struct module *module, uint64_t pc, struct place places[PLACES_MAX])
{
	const struct module *whole = maps_whole(symbol->maps, module);
	unsigned count = 0;
	Dwfl_Module *mod;
	Dwarf_Addr bias;
	Dwarf *dwarf;

	if (!whole)
		return 0;
	pc = pc - module->bias + whole->bias;
	mod = dwfl_addrmodule(symbol->dwfl, pc);
	if (!mod)
		return 0;
	dwarf = symbol_dwfl_dwarf(mod, &bias);
	if (dwarf)
		count = symbol_lines(dwarf, pc - bias, places);
	if (count && places[count - 1].function)
		return count;
	if (!count)
		places[count++] = (struct place){ .line = 0 };
	places[count - 1].function = table_name(mod, pc);
	return places[count - 1].function || places[count - 1].file ? count : 0;
}
