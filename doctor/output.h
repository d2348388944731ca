/* SPDX-License-Identifier: MIT */
/*
 * Where the reports go: stdout, files and the exporter. They are opened before the watch begins, so that a path that cannot be
 * written or a port in use ends it there, and none of it needs rights that are dropped by then. Prints sentences about what
 * went wrong; knows of no feed and no verdict.
 */
#ifndef DOCTOR_OUTPUT_H
#define DOCTOR_OUTPUT_H

#include "print/print.h"

#include <sys/types.h>

/* One that is written to at the end. */
struct output_file {
	const char *path;
	FILE *to;	/* NULL: none is asked for, or it was written */
	bool made;	/* it was not there before */
};

struct output {
	/* What is asked for, by the options. */
	int json, folded;		/* on stdout, instead of the text; one of both */
	const char *html, *sarif;	/* files, or NULL */
	const char *prometheus;		/* [ADDR]:PORT, or NULL */
	/* Filled by output_open. */
	struct print_options options;
	struct output_file html_file, sarif_file;
	char source_root[4096];
	struct exporter *exporter;
};

/*
 * A file to write to, none for no path. Not cut short yet: what it holds is the last watch's, and this one may fail. 0, or
 * EXIT_USAGE after a sentence about the option.
 */
int output_file_open(struct output_file *file, const char *path, const char *option, mode_t mode);
/* Empties it, for what is written now: 0, or -errno. */
int output_file_begin(const struct output_file *file);
/* Closes it, for some file systems tell only then that they are full. error: of the writing. 0, or EXIT_BROKEN after a sentence. */
int output_file_end(struct output_file *file, int error);
/* One that was made and never written to is removed. */
void output_file_close(struct output_file *file);
/* 0, or EXIT_USAGE after a sentence. What a file held stays till the report is written. */
int output_open(struct output *output);
/* All reports. exit_status: what will be said. 0, or EXIT_BROKEN after a sentence. */
int output_write(struct output *output, const struct model *model, int exit_status);
/* With --prometheus: this is what is scraped from now on. 0, or EXIT_BROKEN after a sentence. */
int output_publish(struct output *output, const struct model *model);
/* Answers scrapers for so long, or until *stop. 0, or -errno. */
int output_serve(struct output *output, int timeout_ms, const volatile sig_atomic_t *stop);
void output_close(struct output *output);

#endif
