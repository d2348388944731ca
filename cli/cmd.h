/* SPDX-License-Identifier: MIT */
/* The subcommands of `leat`. A new one is a row in main.c and a folder with its main function. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

/* What a subcommand returns, and so the exit status of `leat`. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* it ran, and something did not hold */
	EXIT_USAGE = 2,		/* it could not begin: bad option, unreadable file, port in use */
	EXIT_RIGHTS = 3,	/* doctor: not allowed, or the kernel cannot */
	EXIT_GONE = 4,		/* doctor: the process to watch is not there */
	EXIT_BROKEN = 5,	/* doctor: it could not go on, or not write what it saw: neither a finding nor none */
};

struct cmd {
	const char *name;
	int (*main)(int argc, char **argv);	/* argv[0] is the name of the subcommand */
	const char *summary;
};

int cp_main(int argc, char **argv);
int proxy_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int doctor_main(int argc, char **argv);

#endif
