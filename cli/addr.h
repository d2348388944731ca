/* SPDX-License-Identifier: MIT */
/* What a word on the command line means as an end: a file, a standard stream, a descriptor, or a socket's address. */
#ifndef CLI_ADDR_H
#define CLI_ADDR_H

#include <stddef.h>

enum addr_kind { ADDR_FILE, ADDR_STANDARD /* "-" */, ADDR_FD, ADDR_TCP, ADDR_TCP_LISTEN, ADDR_UNIX, ADDR_UNIX_LISTEN };

struct addr {
	enum addr_kind kind;
	const char *text;	/* as given; borrowed */
	const char *path;	/* of a file or Unix socket: within text */
	char host[256];		/* without brackets; empty: any address, of a listener only */
	char port[6];		/* decimal, 0 to 65535; 0 of a listener only */
	int fd;
	int at;			/* directory a file's path begins at; AT_FDCWD */
	int in_tree;		/* not 0: a file in a directory that is copied: no symbolic link is followed, none but a file is it */
	int fresh;		/* not 0: that directory was just made */
};

/* 0, or -EINVAL with a sentence that says what is wrong. text is borrowed. */
int addr_parse(const char *text, struct addr *ret_addr, char *why, size_t size);
/* Whether an error (negative) of a socket for every address of IPv6 says that there is none here. */
int addr_lacks_family(int error);

#endif
