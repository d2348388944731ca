/* SPDX-License-Identifier: MIT */
/*
 * Where the reports go: stdout, files and the exporter. They are opened before the watch begins, so that a path that cannot be
 * written or a port in use ends it there, and none of it needs rights that are dropped by then. Prints sentences about what
 * went wrong; knows of no feed and no verdict.
 */
#ifndef DOCTOR_OUTPUT_H
#define DOCTOR_OUTPUT_H

#include "output_file.h"
#include "print/print.h"

#include <signal.h>

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
