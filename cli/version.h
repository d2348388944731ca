/* SPDX-License-Identifier: MIT */
/* `leat --version`, and that of every command. */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

/* verbose: also the kernel, and the routes it allows. EXIT_OK. */
int version_print(int verbose);

#endif
