/* SPDX-License-Identifier: MIT */
/* The first process: it owns the listeners, looks after the workers and the keeper, reloads and drains. It touches no connection. */
#ifndef CLI_PROXY_MASTER_H
#define CLI_PROXY_MASTER_H

#include "settings.h"

/* Until it is told to end. An exit status. settings are taken over; argc and argv are what they came from, for a reload. */
int master_run(struct settings *settings, int argc, char **argv);

#endif
