/* SPDX-License-Identifier: MIT */
/* Where the results go: the terminal, and the files of --json and --html. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdio.h>
#include <sys/types.h>

struct bench;

struct result {		/* --json, --html */
	const char *option, *path;	/* path NULL: not wanted */
	void (*write)(const struct bench *b, FILE *f);
	int given;			/* the descriptor the path names, or -1 */
	int created, regular;
	dev_t dev;
	ino_t ino;
};
#define RESULTS 2

void table_print(const struct bench *b);
void json_write(const struct bench *b, FILE *f);
void html_write(const struct bench *b, FILE *f);
/* results.c: opens the files of --json and --html, and leaves them as they are. 0, or -1 after a sentence. */
int results_check(struct bench *b);
int results_write(struct bench *b);	/* 0, or -1 after a sentence */
void results_end(struct bench *b);	/* removes what results_check created and nothing was written to */

#endif
