/* SPDX-License-Identifier: MIT */
/*
 * A reader of names that a stranger's file can break, in the place of doctor/symbol_demangle.c where it is linked in: a program
 * with a function called crash_the_reader or hang_the_reader on its stack does just that.
 */
#include "../../doctor/symbol_demangle.h"

#include <string.h>

bool symbol_is_mangled(const char *name)
{
	return false;
}

char *symbol_demangle(const char *name)
{
	if (strstr(name, "crash_the_reader"))
		__builtin_trap();
	if (strstr(name, "hang_the_reader"))
		for (;;)
			;
	return strdup(name);
}
