/* SPDX-License-Identifier: MIT */
/*
 * A file that is written to at the end. It is opened before the watch begins, with the rights that are dropped by then. What it
 * held stays there until all that is to be written is known, and has room.
 */
#ifndef DOCTOR_OUTPUT_FILE_H
#define DOCTOR_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct output_file {
	const char *path, *option;
	bool open;	/* false: none is asked for, or it was written */
	bool made;	/* it was not there before */
	bool regular;
	int fd;
	FILE *to;	/* what is printed to, between begin and end */
	char *text;	/* where that goes for a regular file */
	size_t bytes;
};

/* None for no path. 0, or EXIT_USAGE after a sentence. */
int output_file_open(struct output_file *file, const char *path, const char *option, mode_t mode);
/* No two of them, open or not, up to NULL, are one regular file: 0, or EXIT_USAGE after a sentence. */
int output_files_differ(const struct output_file *const *files);
/* 0, or -errno: then only the end follows. */
int output_file_begin(struct output_file *file);
/* error: of begin, or of the printing. 0, or EXIT_BROKEN after a sentence: then the file is as it was before it was opened, but for
 * a failure of the disk after all had room, which leaves it empty. */
int output_file_end(struct output_file *file, int error);
/* One that was made and never written to is removed. */
void output_file_close(struct output_file *file);

#endif
