/* SPDX-License-Identifier: MIT */
/* One process with one loop: takes connections from the listeners, and passes them on. */
#ifndef CLI_PROXY_WORKER_H
#define CLI_PROXY_WORKER_H

#include "generation.h"

#include <signal.h>

#define WORKER_LEAVE SIGUSR1	/* takes who stands in the queues, nobody else, and ends with the last connection, whenever that is */
#define WORKER_DRAIN SIGTERM	/* the same, or at the limit */
#define WORKER_ORPHANED SIGALRM	/* the same when the master has died: who follows him wants to listen */
#define WORKER_END SIGUSR2	/* ends now */

/* Until it is told to end. share: its own. An exit status: EXIT_USAGE, it could not begin. */
int worker_run(struct generation *generation, struct board_share *share);

#endif
