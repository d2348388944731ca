/* SPDX-License-Identifier: MIT */
/* The access log: one line for each connection when it is over, whole in one write, as text or as JSON. */
#ifndef CLI_PROXY_LOG_H
#define CLI_PROXY_LOG_H

#include "board.h"

struct log_line {
	const struct board_address *from;	/* the client, or who a PROXY header says it is */
	const char *upstream;			/* NULL: none was reached */
	uint64_t connect_ns, took_ns;
	const struct leat_report *reports;	/* of both ways; NULL: nothing went */
	int error;				/* that ended it, or 0 */
	const char *refused;			/* why, when it was not taken; or NULL */
};

/* "-" is standard output. fd or -errno after a sentence. */
int log_open(const char *path);
void log_write(int fd, int json, const struct log_line *line);

#endif
