/* SPDX-License-Identifier: MIT */
/* What a person reads: sentences on stderr, progress on stderr, tables on stdout. Names of strangers may stand in sentences and
 * progress as they are: the whole is escaped for a terminal. */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How stdout and stderr may be written to; filled once by out_init. */
struct out {
	int color;		/* stdout is a terminal, not a dumb one, and NO_COLOR is not set */
	int blocks;		/* stdout takes UTF-8 bars; else # */
	int width;		/* columns of the terminal; 80 when it is none */
	int live;		/* stderr is a terminal, not a dumb one: progress is one line that changes */
};

void out_init(struct out *out);
/* "leat: SENTENCE" on stderr, in one write; a line of progress is taken away first. */
void out_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What is going on. On a terminal it replaces the line before it, and is cut at its beginning to be one line; else only phases
 * (big != 0) are printed. */
void out_progress(struct out *out, int big, const char *format, ...) __attribute__((format(printf, 3, 4)));
void out_progress_end(void);
/* EXIT_FAILED with a sentence when stdout could not be written, else status. */
int out_flushed(int status);

/* "512 MiB", "1.5 GiB", "4 KiB", "17 B" */
const char *out_size(uint64_t bytes, char *text, size_t size);
/* Columns a UTF-8 text takes (no wide characters here). */
int out_columns(const char *text);
/* Columns of the terminal stdout is; 80 when it is none. */
int out_width(void);
#define OUT_GLUE "\001"	/* a blank at which no line is broken */
/* Words, at most so many columns in a line, and a line feed. at: where the first line stands already; indent: the others. */
void out_wrap(FILE *to, int at, int indent, int width, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Left-justified in so many columns. */
void out_pad(FILE *to, const char *text, int columns);

#endif
