/* SPDX-License-Identifier: MIT */
/* SIGINT, SIGTERM and SIGHUP end a copy in order: the flag is the one leat_copy looks at. */
#ifndef CLI_CP_STOP_H
#define CLI_CP_STOP_H

extern volatile int stop_flag;	/* the number of the signal; 0: none came */

/* Handlers, without SA_RESTART: what waits in a call is told. A signal that was ignored stays so. SIGPIPE becomes an error. */
void stop_by_signals(void);

#endif
