/* SPDX-License-Identifier: MIT */
/* Why a transfer failed, in the words of the command line. */
#ifndef CLI_CP_WHY_H
#define CLI_CP_WHY_H

#include "settings.h"

#include <leat.h>

#define WHY_BYTES 160

/* leat_strerror's words, or text: "no reflink here (fs-denied), and --require=reflink forbids the rest". */
const char *why_of(int error, const struct settings *settings, const struct leat_report *report, char text[WHY_BYTES]);
/* A sentence that names the end, the route and the byte. second: the one of --tee failed. */
void why_say(int error, const char *from, const char *to, const struct leat_report *report, int second, const char *why);

#endif
