/* SPDX-License-Identifier: MIT */
/*
 * The sockets that clients come to. They are the master's, made once and handed to each generation of workers: an address that stays
 * in the configuration keeps its socket, and the queue in it.
 */
#ifndef CLI_PROXY_LISTEN_H
#define CLI_PROXY_LISTEN_H

#include "settings.h"

#include <sys/types.h>

#define LISTEN_MOST 128		/* sockets */

struct listener {
	char *word;		/* of the configuration; several may have the same: a name with several addresses */
	int fd;			/* non-blocking */
	int made;		/* by us; else it was passed, and who passed it may go on with it */
	dev_t device;		/* of a Unix socket's file, and its inode, if we made it */
	ino_t inode;
	int kept;		/* of the set before: closing this set leaves it open */
};

struct listeners {
	struct listener at[LISTEN_MOST];
	unsigned count;
};

/*
 * All that settings ask for; what before (or NULL) has as well is taken from there, and marked kept in both. 0, or -errno after a
 * sentence, and then nothing new is open, and before is as it was.
 */
int listen_open(struct listeners *ret_listeners, struct listeners *before, const struct settings *settings);
/* Closes those that are not kept, and removes the files that were made for them. Who stands in a queue is left to processes that have
 * the socket too; nobody comes to it any more. */
void listen_close(struct listeners *listeners);
/* In a child: closes all, and leaves the files. */
void listen_drop(struct listeners *listeners);
/* "127.0.0.1:80, [::]:443, unix:PATH": where they really are; a port 0 has become one. Allocated, or NULL. */
char *listen_text(const struct listeners *listeners);

#endif
