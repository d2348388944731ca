/* SPDX-License-Identifier: MIT */
/*
 * The files of a process, as open descriptors. Who holds the rights to open them reads nothing of them but what tells whether
 * they may be handed on; who reads them (symbol_child.h) has no rights, and asks for them here. Everything of /proc/PID is
 * reached through one descriptor, so a number that is used again is never looked into.
 */
#ifndef DOCTOR_SYMBOL_SOURCE_H
#define DOCTOR_SYMBOL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may be asked for; with each its name, as far as it has one. ELF files are programs and libraries, never core dumps. */
enum source_what {
	SOURCE_MAPS, SOURCE_STAT,	/* of /proc/PID */
	SOURCE_EXE,			/* the running program */
	SOURCE_MAPPED,			/* "START-END" in hexadecimal: what is mapped there */
	SOURCE_ELF,			/* path in the process's own root: an ELF file */
	SOURCE_DEBUG,			/* path in our own root, below /usr/lib/debug: an ELF file */
	SOURCE_JAVA_RELEASE,		/* path in the process's own root that ends in "/release": a text that all may read */
	SOURCE_PERF_MAP,		/* /tmp/perf-PID.map in the process's own root, if its user owns it */
	SOURCES
};

#define SOURCE_NAME_BYTES 4096

struct source {
	uint32_t pid;
	int proc, root;			/* /proc/PID, its root; each -1 where it cannot be had */
	int line;			/* to who has both; -1: we */
	uint64_t device, inode;		/* of the running program; 0 unknown */
	char *executable;		/* path of the running program as /proc names it; NULL unknown */
	char *arguments;		/* of its command line the beginning: texts, each with its 0, so many bytes; NULL unknown */
	size_t argument_bytes;
};

/* 0, or -ESRCH. It stays of use when the process is gone, as far as files can be reached through its root. */
int source_open(struct source *source, uint32_t pid);
void source_close(struct source *source);
void source_let_go(struct source *source);	/* of all but the texts */
/* A descriptor for reading, or -errno. Regular files only, and those of /proc. Symbolic links are resolved inside of the root. */
int source_file(const struct source *source, enum source_what what, const char *name);
/* Did the process end and leave its number to another one, or run another program since? */
bool source_is_stale(const struct source *source);

#endif
