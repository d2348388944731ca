/* SPDX-License-Identifier: MIT */
/*
 * The ways to write a model out. Each printer reads the model, and nothing else of the doctor but the escapes: no printer
 * judges, resolves a name or asks the system. Every text of the model goes through escape.h.
 */
#ifndef DOCTOR_PRINT_H
#define DOCTOR_PRINT_H

#include "../model.h"

#include <stdio.h>

struct print_options {		/* all zero: 80 columns of ASCII without colour, no exit status said */
	int width;		/* columns, of text; 0: 80 */
	bool color, utf8;	/* of text */
	bool say_exit;		/* the summary says what leat will end with: exit_status */
	int exit_status;
	const char *source_root;	/* SARIF: source files below this directory are named relative to it; NULL: none */
};

/* All: 0, or -errno when the output failed; what was written till then stays. The output is flushed, not closed. */
int print_text(FILE *to, const struct model *model, const struct print_options *options);
int print_json(FILE *to, const struct model *model, const struct print_options *options);
int print_html(FILE *to, const struct model *model, const struct print_options *options);
int print_folded(FILE *to, const struct model *model, const struct print_options *options);
int print_sarif(FILE *to, const struct model *model, const struct print_options *options);
int print_prometheus(FILE *to, const struct model *model, const struct print_options *options);

/* The same, as what an exporter publishes: page is a struct print_page. */
struct print_page {
	const struct model *model;
	const struct print_options *options;
};

int print_prometheus_page(FILE *to, void *page);

#endif
