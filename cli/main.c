/* SPDX-License-Identifier: MIT */
/* leat: picks the subcommand. */
#include "cmd.h"
#include "out.h"
#include "version.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct cmd cmds[] = {
	{ "cp", cp_main, "copy from and to anything, by the best route the kernel has; a file appears whole or not at all" },
	{ "proxy", proxy_main, "pass connections on, by splice where it pays" },
	{ "bench", bench_main, "show, counted from outside, that a wrapped source costs what a bare one costs" },
	{ "doctor", doctor_main, "watch any running program, find where it lost zero copy, and name the line" },
};

#define CMDS (sizeof cmds / sizeof cmds[0])

static void usage(FILE *to)
{
	fputs("usage: leat COMMAND [OPTION]...\n"
	      "       leat --version [--verbose]\n"
	      "       leat --help | help [COMMAND]\n"
	      "\n"
	      "Moves bytes between descriptors, not through user space, and says how.\n"
	      "\n"
	      "commands:\n", to);
	for (size_t i = 0; i < CMDS; i++) {
		fprintf(to, "  %-10s ", cmds[i].name);
		out_wrap(to, 13, 13, out_width(), "%s", cmds[i].summary);
	}
	fputc('\n', to);
	out_wrap(to, 0, 0, out_width(), "`leat COMMAND --help` lists the options of a command. Every command has --version too. "
					"Manual: leat(1).");
}

static const struct cmd *find(const char *name)
{
	for (size_t i = 0; i < CMDS; i++)
		if (strcmp(cmds[i].name, name) == 0)
			return &cmds[i];
	out_error("there is no command `%s`; `leat --help` lists what there is", name);
	return NULL;
}

/* Of the command the arguments name, or of all. */
static int help(int argc, char **argv)
{
	char option[] = "--help";
	const struct cmd *cmd;

	if (argc && *argv[0] == '-') {
		out_error("there is no option %s behind help; `leat --help` lists what there is", argv[0]);
		return EXIT_USAGE;
	}
	if (!argc) {
		usage(stdout);
		return EXIT_OK;
	}
	cmd = find(argv[0]);
	return cmd ? cmd->main(2, (char *[]){ argv[0], option, NULL }) : EXIT_USAGE;
}

/* Options before the command: --help and --version, the latter with --verbose on either side. Each also with a command. */
static int own_options(int argc, char **argv)
{
	int want_version = 0, verbose = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(argc - i - 1, argv + i + 1);
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			want_version = 1;
		} else if (strcmp(argv[i], "--verbose") == 0 || strcmp(argv[i], "-v") == 0) {
			verbose = 1;
		} else if (want_version && *argv[i] != '-') {
			if (!find(argv[i]))
				return EXIT_USAGE;
		} else {
			out_error("there is no option %s; `leat --help` lists what there is", argv[i]);
			return EXIT_USAGE;
		}
	}
	if (want_version)
		return version_print(verbose);
	out_error("--verbose goes with --version");
	return EXIT_USAGE;
}

/* Where one of the three standard descriptors is closed, the next file opened would get its number, and be written into.
 * What is opened instead fails as the closed one would have. */
static void fill_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
	const struct cmd *cmd;

	fill_standard_descriptors();
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (argv[1][0] == '-')
		return out_flushed(own_options(argc, argv));
	if (strcmp(argv[1], "help") == 0)
		return out_flushed(help(argc - 2, argv + 2));
	cmd = find(argv[1]);
	return cmd ? out_flushed(cmd->main(argc - 1, argv + 1)) : EXIT_USAGE;
}
