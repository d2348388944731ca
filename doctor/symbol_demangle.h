/* SPDX-License-Identifier: MIT */
/* Names as the source has them, by libiberty: C++, and Rust in both manglings. Parameters are left out. */
#ifndef DOCTOR_SYMBOL_DEMANGLE_H
#define DOCTOR_SYMBOL_DEMANGLE_H

#include <stdbool.h>

#define SYMBOL_NAME_BYTES 1024		/* of a name that is kept, with its zero */

bool symbol_is_mangled(const char *name);

/* A copy for free() of what the name says, at most SYMBOL_NAME_BYTES; NULL: out of memory. What no one mangled stays itself,
 * without what compilers and linkers put behind it (".isra.0", "@@GLIBC_2.2.5"). */
char *symbol_demangle(const char *name);

#endif
