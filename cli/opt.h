/* SPDX-License-Identifier: MIT */
/* Options of a subcommand, from one table: parsing, sentences about mistakes, --help and --version. */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdint.h>

enum opt_kind {
	OPT_FLAG,	/* value: int */
	OPT_TEXT,	/* value: const char * */
	OPT_NUMBER,	/* value: uint64_t, within min and max */
	OPT_SIZE,	/* as OPT_NUMBER, with k, m, g (of 1024) behind it */
	OPT_CHOICE,	/* value: int, the place in choices, words parted by | */
	OPT_LIST,	/* value: struct opt_list; may be given several times */
	OPT_WORDS,	/* value: struct opt_words; what is no option, and all behind "--". Its name and help are not shown */
};

#define OPT_LIST_MOST 64

struct opt_list {
	const char *items[OPT_LIST_MOST];
	unsigned count;
};

struct opt_words {
	char **items;		/* within argv, whose words are moved for it */
	unsigned count;
};

struct opt {
	const char *name;	/* without the dashes; NULL ends the table */
	enum opt_kind kind;
	void *value;
	const char *argument;	/* "FILE", for --help; NULL for a flag */
	const char *help;
	uint64_t min, max;	/* max 0: no bound */
	const char *choices;
	char letter;		/* -p beside --pid; 0: none */
};

enum opt_result { OPT_GO_ON, OPT_SHOWN, OPT_WRONG };

/*
 * Fills the values. OPT_SHOWN: help or version was asked for, and printed. OPT_WRONG: a sentence was printed.
 * usage: the text above the options in --help.
 */
enum opt_result opt_parse(const struct opt *table, int argc, char **argv, const char *usage);
/* "512m" to bytes: 0, or -EINVAL. */
int opt_size(const char *text, uint64_t *ret_bytes);

#endif
