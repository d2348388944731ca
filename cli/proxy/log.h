/* SPDX-License-Identifier: MIT */
/*
 * The access log: one line for each connection when it is over, whole in one write, as text or as JSON. No write waits: what a pipe, a
 * socket or a terminal has no room for is lost, and counted by who writes.
 */
#ifndef CLI_PROXY_LOG_H
#define CLI_PROXY_LOG_H

#include "board.h"

struct log_line {
	const struct board_address *from;	/* the client, or who a PROXY header says it is */
	const char *upstream;			/* that was reached, or tried last; NULL: none was */
	const struct board_address *address;	/* of it; NULL: it has it no longer */
	uint64_t connect_ns, took_ns;
	const struct leat_report *reports;	/* of both ways; NULL: nothing went */
	int error;				/* that ended it, or 0 */
	int unread;				/* as relay.h has it */
	const char *refused;			/* why, when it was not taken; or NULL */
};

enum log_how { LOG_WRITE, LOG_SEND, LOG_NOWAIT };

struct log {
	int fd;				/* -1: none */
	enum log_how how;		/* a write to it never waits; it is a socket; a write has to say that it does not wait */
};

/* "-" is standard output, whose flags stay as they are. 0 or -errno after a sentence. */
int log_open(struct log *ret_log, const char *path);
/* 0, or -1: the line is lost. Without a log it is nothing. */
int log_write(const struct log *log, int json, const struct log_line *line);

#endif
