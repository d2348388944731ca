/* SPDX-License-Identifier: MIT */
/* A file of pieces, by turns data and a hole, for the tests of faults around holes. */
#ifndef LEAT_FAULT_HOLED_H
#define LEAT_FAULT_HOLED_H

#include "lab.h"

#define PIECE ((uint64_t)262144)
#define SIZE (6 * PIECE)		/* data, hole, data, hole, data, hole */

int holed_file(void);			/* with the pattern in its data, offset 0 */
int holed_full_file(void);		/* as long, and full of other bytes: a hole has to be punched there */
void holed_check(int fd, uint64_t bytes);	/* the first bytes of fd are those of a holed file */
/* One copy, but by clone and what routes_off forbids. */
int64_t holed_copy(int from, int to, uint32_t routes_off, struct leat_report *report);

#endif
