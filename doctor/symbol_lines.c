/* SPDX-License-Identifier: MIT */
/*
 * Functions, files and lines of an address by DWARF, walked here: dwarf_getscopes finds no Rust function, as those are nested
 * in namespaces and types, and address tables (.debug_aranges) are missing in much of what clang and rustc write.
 */
#include "symbol_dwfl.h"

#include "symbol_demangle.h"

#include <dwarf.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 4000000u		/* of one walk: some 0.3 s */
#define DEPTH_MAX 128u
#define SCOPES_MAX 10u
#define SCOPE_BYTES 64			/* of each name: all of them and a few of the function's fit into a name */

struct walk {
	Dwarf_Addr pc;
	Dwarf_Die chain[PLACES_MAX];	/* the function, and what is inlined into each other, outermost first */
	unsigned count;
	unsigned left;			/* entries that may still be looked at */
	bool everywhere;		/* also in functions that do not have the address */
};

static bool is_scope(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type || tag == DW_TAG_class_type ||
	       tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type || tag == DW_TAG_interface_type;
}

static bool is_code(int tag)
{
	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
	       tag == DW_TAG_try_block || tag == DW_TAG_catch_block || tag == DW_TAG_with_stmt;
}

static bool descend(struct walk *walk, Dwarf_Die *parent, unsigned depth);

/* True when the address is in the entry; what is inside of it stands in the chain then. */
static bool enter(struct walk *walk, Dwarf_Die *die, unsigned depth)
{
	int tag = dwarf_tag(die);
	bool inside;

	if (is_scope(tag))
		return descend(walk, die, depth + 1);
	if (!is_code(tag))
		return false;
	inside = dwarf_haspc(die, walk->pc) == 1;
	if (!inside)
		return walk->everywhere && tag == DW_TAG_subprogram && descend(walk, die, depth + 1);
	if (tag == DW_TAG_subprogram)
		walk->count = 0;
	if ((tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine) && walk->count < PLACES_MAX)
		walk->chain[walk->count++] = *die;
	descend(walk, die, depth + 1);
	return true;
}

static bool descend(struct walk *walk, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die die;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die) != 0)
		return false;
	do {
		if (!walk->left)
			return false;
		walk->left--;
		if (enter(walk, &die, depth))
			return true;
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

static bool find_unit(Dwarf *dwarf, Dwarf_Addr pc, Dwarf_Die *unit)
{
	Dwarf_Off offset = 0, next;
	size_t header;

	if (dwarf_addrdie(dwarf, pc, unit) && dwarf_haspc(unit, pc) != 0)
		return true;
	for (unsigned i = 0; i < ENTRIES_MAX && dwarf_nextcu(dwarf, offset, &next, &header, NULL, NULL, NULL) == 0; i++) {
		if (dwarf_offdie(dwarf, offset + header, unit) && dwarf_haspc(unit, pc) == 1)
			return true;
		if (next <= offset)
			break;
		offset = next;
	}
	return false;
}

/* ---- Names ----------------------------------------------------------------------------------------------------------------- */

/* The scopes around an entry, which it does not know itself. */
struct search {
	Dwarf_Off wanted;
	const char *names[SCOPES_MAX];
	unsigned left;
};

/* How many scopes are around it; negative: it is not there. */
static int find_scopes(struct search *search, Dwarf_Die *parent, unsigned depth)
{
	Dwarf_Die die;

	if (depth > SCOPES_MAX || dwarf_child(parent, &die) != 0)
		return -1;
	do {
		int found = -1;

		if (!search->left)
			return -1;
		search->left--;
		if (dwarf_dieoffset(&die) == search->wanted)
			return (int)depth;
		if (depth < SCOPES_MAX && is_scope(dwarf_tag(&die)))
			found = find_scopes(search, &die, depth + 1);
		if (found >= 0) {
			search->names[depth] = dwarf_diename(&die);
			return found;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return -1;
}

/* The entry that stands in its scope: what was inlined, or is defined elsewhere, refers to it. */
static void follow(Dwarf_Die *die)
{
	static const unsigned references[] = { DW_AT_abstract_origin, DW_AT_specification };
	Dwarf_Attribute attribute;
	Dwarf_Die to;

	for (unsigned i = 0; i < sizeof references / sizeof references[0]; i++)
		if (dwarf_formref_die(dwarf_attr(die, references[i], &attribute), &to))
			*die = to;
}

/* namespace::type::name, of a static function, for which C++ compilers write no mangled name. */
static char *qualified(Dwarf_Die die, const char *name)
{
	struct search search = { .left = ENTRIES_MAX };
	char text[SYMBOL_NAME_BYTES], *end = text;
	Dwarf_Die unit;
	int count;

	follow(&die);
	search.wanted = dwarf_dieoffset(&die);
	count = dwarf_diecu(&die, &unit, NULL, NULL) ? find_scopes(&search, &unit, 0) : 0;
	for (int i = 0; i < count; i++)
		end += snprintf(end, (size_t)(text + sizeof text - end), "%.*s::", SCOPE_BYTES,
				search.names[i] ? search.names[i] : "(anonymous namespace)");
	snprintf(end, (size_t)(text + sizeof text - end), "%s", name);
	return strdup(text);
}

static bool has_scopes(Dwarf_Die *die)
{
	Dwarf_Die unit;
	int language = dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1;

	return language == DW_LANG_C_plus_plus || language == DW_LANG_C_plus_plus_03 || language == DW_LANG_C_plus_plus_11 ||
	       language == DW_LANG_C_plus_plus_14 || language == DW_LANG_Rust || language == DW_LANG_D;
}

/* The mangled name tells more than the plain one: it has the namespaces and the type. */
static char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = dwarf_diename(die), *linked = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));

	if (!linked)
		linked = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
	if (linked && (!name || symbol_is_mangled(linked)))
		return symbol_demangle(linked);
	if (!name || !*name)
		return NULL;
	return has_scopes(die) && !linked && strcmp(name, "main") != 0 ? qualified(*die, name) : symbol_demangle(name);
}

/* ---- Lines ----------------------------------------------------------------------------------------------------------------- */

static char *file_of(Dwarf_Die *unit, const char *source)
{
	Dwarf_Attribute attribute;
	const char *directory;
	char *path;

	if (!source || !*source)
		return NULL;
	directory = *source == '/' ? NULL : dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
	if (!directory || !*directory)
		return strndup(source, PATH_MAX);
	return asprintf(&path, "%.*s/%.*s", PATH_MAX, directory, PATH_MAX, source) < 0 ? NULL : path;
}

/* Where the innermost code of the address is from. */
static void line_at(Dwarf_Die *unit, Dwarf_Addr pc, struct place *place)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, pc);
	int number;

	if (!line || dwarf_lineno(line, &number) != 0)
		return;
	place->line = number > 0 ? (uint32_t)number : 0;
	place->file = file_of(unit, dwarf_linesrc(line, NULL, NULL));
}

/* Where an inlined function was called. */
static void line_of_call(Dwarf_Die *unit, Dwarf_Die *call, struct place *place)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number;
	Dwarf_Files *files;

	if (dwarf_formudata(dwarf_attr(call, DW_AT_call_line, &attribute), &number) == 0 && number <= INT32_MAX)
		place->line = (uint32_t)number;
	if (dwarf_formudata(dwarf_attr(call, DW_AT_call_file, &attribute), &number) == 0 &&
	    dwarf_getsrcfiles(unit, &files, NULL) == 0)
		place->file = file_of(unit, dwarf_filesrc(files, number, NULL, NULL));
}

unsigned symbol_lines(Dwarf *dwarf, Dwarf_Addr pc, struct place places[PLACES_MAX])
{
	struct walk walk = { .pc = pc, .left = ENTRIES_MAX };
	unsigned count = 0;
	Dwarf_Die unit;

	if (!find_unit(dwarf, pc, &unit))
		return 0;
	if (!descend(&walk, &unit, 0)) {
		walk.everywhere = true;		/* a function inside a function, as GNU C has them */
		walk.count = 0;
		descend(&walk, &unit, 0);
	}
	memset(places, 0, sizeof *places);
	line_at(&unit, pc, &places[0]);
	if (!walk.count)
		return places[0].file ? 1 : 0;
	for (unsigned i = walk.count; i--; count++) {
		struct place *place = &places[count];

		place->function = name_of(&walk.chain[i]);
		place->inlined = i && dwarf_tag(&walk.chain[i]) == DW_TAG_inlined_subroutine;
		if (!i)
			continue;
		memset(place + 1, 0, sizeof *place);
		line_of_call(&unit, &walk.chain[i], place + 1);
	}
	return count;
}
