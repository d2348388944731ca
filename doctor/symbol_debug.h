/* SPDX-License-Identifier: MIT */
/* Debug information that was split off a program. Only files of the process's own root, or of ours where the build ID proves
 * them, are taken, and only when they belong to the very file that runs. Nothing is asked of a network. */
#ifndef DOCTOR_SYMBOL_DEBUG_H
#define DOCTOR_SYMBOL_DEBUG_H

#include "symbol_maps.h"

/* An open file, or -ENOENT. link is the name in .gnu_debuglink, or NULL, crc what stands beside it. */
int symbol_debug_open(const struct maps *maps, const struct module *module, const char *link, uint32_t crc);
/* What dwz took out of several debug files; the caller checks whose it is. */
int symbol_debug_open_shared(const struct maps *maps, const char *link);

#endif
