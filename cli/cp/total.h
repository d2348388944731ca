/* SPDX-License-Identifier: MIT */
/* How much a directory will come to, counted beside the copy for who watches its progress; nothing waits for it. */
#ifndef CLI_CP_TOTAL_H
#define CLI_CP_TOTAL_H

#include "settings.h"

struct total;

enum total_state { TOTAL_COUNTING, TOTAL_COUNTED, TOTAL_GIVEN_UP /* it is more than this */ };

/* Of the directory at path, by a thread of its own. NULL: none could be had. */
struct total *total_begin(int at, const char *path, const struct settings *settings);
enum total_state total_now(const struct total *total, uint64_t *ret_bytes);
void total_end(struct total *total);

#endif
