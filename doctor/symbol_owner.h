/* SPDX-License-Identifier: MIT */
/* Whose a frame is: the program's, its language's, or the system's. By files and names alone; nothing is opened. */
#ifndef DOCTOR_SYMBOL_OWNER_H
#define DOCTOR_SYMBOL_OWNER_H

#include "model.h"
#include "symbol_maps.h"

/* One frame of a module. runtime is the process's, program its executable's path or NULL. */
enum frame_owner symbol_owner(enum runtime runtime, const char *program, const struct module *module, const char *function,
			      const char *file);

/* The language whose interpreter this executable or library is: RUNTIMES for one the model does not know by name (Ruby, ...),
 * RUNTIME_UNKNOWN when it is none. ret_version borrows what follows the name ("3.11"), or is "". */
enum runtime symbol_interpreter(const char *path, const char **ret_version);

#endif
