/* SPDX-License-Identifier: MIT */
/* The build puts this in front of every file of the library: all is hidden but what leat.h declares. */
#pragma GCC visibility push(default)
#include "leat.h"
#pragma GCC visibility pop
