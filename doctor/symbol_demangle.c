/* SPDX-License-Identifier: MIT */
/*
 * A mangled name of a few hundred bytes can stand for gigabytes of text. libiberty gives it in pieces and holds nothing on the
 * heap meanwhile, so when we have enough, a jump out of its callback ends it; there is no other way to stop it.
 */
#include "symbol_demangle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libiberty/demangle.h>

#define MANGLED_MAX 4096u		/* libiberty takes stack in proportion */
#define STYLE (DMGL_ANSI | DMGL_AUTO)

struct text {
	char bytes[SYMBOL_NAME_BYTES];
	size_t count;
	jmp_buf full;
};

static void append(const char *piece, size_t bytes, void *opaque)
{
	struct text *text = opaque;
	size_t room = sizeof text->bytes - 1 - text->count, n = bytes < room ? bytes : room;

	memcpy(text->bytes + text->count, piece, n);
	text->count += n;
	if (n < bytes)
		longjmp(text->full, 1);
}

static bool demangle(const char *name, struct text *text)
{
	bool ok;

	text->count = 0;
	if (setjmp(text->full))
		ok = true;
	else
		ok = rust_demangle_callback(name, STYLE, append, text);
	if (!ok) {
		text->count = 0;
		ok = setjmp(text->full) || cplus_demangle_v3_callback(name, STYLE, append, text);
	}
	text->bytes[text->count] = 0;
	return ok && text->count;
}

/* Only what is mangled: cplus_demangle would take "i" for the type int. */
bool symbol_is_mangled(const char *name)
{
	return !strncmp(name, "_Z", 2) || !strncmp(name, "_R", 2) || !strncmp(name, "___Z", 4);
}

char *symbol_demangle(const char *name)
{
	struct text text;
	char *clone;

	if (!symbol_is_mangled(name) || strnlen(name, MANGLED_MAX) == MANGLED_MAX || !demangle(name, &text)) {
		size_t most = strnlen(name, SYMBOL_NAME_BYTES - 1), n = strcspn(name, symbol_is_mangled(name) ? "@" : ".@");

		return strndup(name, n && n < most ? n : most);
	}
	clone = strstr(text.bytes, " [clone");
	if (clone)
		*clone = 0;
	return strdup(text.bytes);
}
