/* SPDX-License-Identifier: MIT */
/* One process with one loop: takes connections from the listeners, and passes them on. */
#ifndef CLI_PROXY_WORKER_H
#define CLI_PROXY_WORKER_H

#include "generation.h"

#include <signal.h>

#define WORKER_DRAIN SIGTERM	/* takes who stands in the queues, nobody else, and ends with the last connection, or at the limit */
#define WORKER_END SIGUSR2	/* ends now */

/* Until it is told to end. An exit status: EXIT_USAGE, it could not begin. */
int worker_run(struct generation *generation);

#endif
