/* SPDX-License-Identifier: MIT */
/* The subcommands of `leat`. A new one is a row in main.c and a folder with its main function. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

/* What a subcommand returns, and so the exit status of `leat`. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* it ran, and something did not hold */
	EXIT_USAGE = 2,		/* it could not begin: bad option, unreadable file, port in use */
};

struct cmd {
	const char *name;
	int (*main)(int argc, char **argv);	/* argv[0] is the name of the subcommand */
	const char *summary;
};

int bench_main(int argc, char **argv);

#endif
