/* SPDX-License-Identifier: MIT */
#include "version.h"
#include "cmd.h"
#include "out.h"

#include <leat.h>

#include <stdio.h>
#include <sys/utsname.h>

/* The routes in the words of someone who never read the manual. */
static const char *route_what(enum leat_route route)
{
	switch (route) {
	case LEAT_ROUTE_CLONE:
		return "file to file: shares extents, where the file system can (FICLONERANGE)";
	case LEAT_ROUTE_COPY_FILE_RANGE:
		return "file to file, inside the kernel";
	case LEAT_ROUTE_SENDFILE:
		return "file to socket, terminal, device or file, by reference to the page cache";
	case LEAT_ROUTE_SPLICE:
		return "pipe to file, socket, pipe, terminal or device; file or socket to pipe";
	case LEAT_ROUTE_SPLICE_PIPE:
		return "socket or file to socket, file, terminal or device, through a pipe of the library's";
	case LEAT_ROUTE_MEMORY:
		return "the caller's memory to anything";
	case LEAT_ROUTE_COPY:
		return "anything to anything, read and written through user space: always there";
	default:
		return "";
	}
}

int version_print(int verbose)
{
	struct utsname u;
	uint32_t have;

	printf("leat %s\n", leat_version());
	if (!verbose)
		return EXIT_OK;
	if (uname(&u) == 0)
		printf("kernel %s %s\n", u.release, u.machine);
	have = leat_features();
	printf("routes this kernel and sandbox allow:\n");
	for (int route = LEAT_ROUTE_NONE + 1; route < LEAT_ROUTES; route++) {
		printf("  %-16s %-3s  ", leat_route_name(route), have >> route & 1 ? "yes" : "no");
		out_wrap(stdout, 24, 24, out_width(), "%s", route_what(route));
	}
	return EXIT_OK;
}
