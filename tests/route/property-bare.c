/* SPDX-License-Identifier: MIT */
#include "property.h"

void bare_compare(struct world *w)
{
}
