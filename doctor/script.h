/* SPDX-License-Identifier: MIT */
/* Which program an interpreter runs, by its command line: nothing else of that is kept. Pure. */
#ifndef DOCTOR_SCRIPT_H
#define DOCTOR_SCRIPT_H

#include "model.h"

#define SCRIPT_BYTES		256	/* with the 0: a file's name */
#define SCRIPT_ARGUMENTS_BYTES	4096	/* as much of a command line is looked at */

/* The file's name without directories, the module, or the class; false where there is none, or none that is known. arguments:
 * texts, each with its 0. */
bool script_name(enum runtime runtime, const char *arguments, size_t bytes, char name[static SCRIPT_BYTES]);

#endif
