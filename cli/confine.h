/* SPDX-License-Identifier: MIT */
/*
 * What a process that meets strangers gives up for good, itself and its children: calls by seccomp, files and TCP ports by
 * Landlock. Each needs no right, and sets no_new_privs. Before there are threads.
 */
#ifndef CLI_CONFINE_H
#define CLI_CONFINE_H

#include <stddef.h>
#include <stdint.h>

/* From now on only these calls; all others fail with EPERM, and are no reason to end. Another architecture's are one. 0 or -errno. */
int confine_calls(const int *calls, size_t count);

struct confine_reach {
	const char *const *readable;	/* paths whose files may be read, and mapped to run; NULL ends them. Some may not be there */
	const uint16_t *ports;		/* that TCP may connect to; TCP binds to none */
	size_t ports_count;
};

/* From now on only this; what is open stays so. 0, -EOPNOTSUPP on a kernel without Landlock, or -errno. Ports need Linux 6.7. */
int confine_reach(const struct confine_reach *reach);

#endif
