/* SPDX-License-Identifier: MIT */
/* One copy, from one source to one destination: opens both, moves the bytes, and makes the destination appear. */
#ifndef CLI_CP_JOB_H
#define CLI_CP_JOB_H

#include "../addr.h"
#include "settings.h"
#include "show.h"
#include "status.h"

struct leat_helper;

/* Prints what went wrong, and what --explain, --hash and --json ask for. helper: of this thread, with its pipes; or NULL. */
enum status job_copy(const struct settings *settings, struct show *show, struct leat_helper *helper, const struct addr *from,
		     const struct addr *to);

#endif
