/* SPDX-License-Identifier: MIT */
/* One process beside the workers: asks for names anew, looks whether upstreams are there, and serves /metrics and /health. */
#ifndef CLI_PROXY_KEEPER_H
#define CLI_PROXY_KEEPER_H

#include "generation.h"

#include <signal.h>

#define KEEPER_LEAVE SIGALRM	/* another one has begun: who asked for metrics here gets them, then it ends */
#define KEEPER_DRAIN SIGUSR1	/* /health says no from now on */
#define KEEPER_END SIGUSR2

/* Whether there is anything for it to do. */
int keeper_needed(const struct generation *generation);
/* Until it is told to end. An exit status: EXIT_USAGE, it could not begin. */
int keeper_run(struct generation *generation);

#endif
