/* SPDX-License-Identifier: MIT */
#include "opt.h"
#include "out.h"
#include "version.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int opt_size(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "kmgt";
	unsigned shift = 0;
	uint64_t value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end) {
		const char *letter = strchr(letters, tolower((unsigned char)*end));

		if (letter) {
			shift = 10 * (unsigned)(letter - letters + 1);
			end++;
			if (strcasecmp(end, "ib") == 0 || strcasecmp(end, "b") == 0)
				end += strlen(end);
		}
	}
	if (*end || (shift && value >> (64 - shift)))
		return -EINVAL;
	*ret_bytes = value << shift;
	return 0;
}

static int set_number(const struct opt *opt, const char *text)
{
	uint64_t value, max = opt->max ? opt->max : UINT64_MAX;
	char *end;
	int bad;

	if (opt->kind == OPT_SIZE) {
		bad = opt_size(text, &value);
	} else {
		errno = 0;
		value = strtoull(text, &end, 10);
		bad = errno || !isdigit((unsigned char)*text) || *end;
	}
	if (!bad && value >= opt->min && value <= max) {
		*(uint64_t *)opt->value = value;
		return 0;
	}
	if (bad && opt->kind == OPT_SIZE)
		out_error("--%s takes a size like 64m or 1g, not `%s`", opt->name, text);
	else if (bad)
		out_error("--%s takes a number, not `%s`", opt->name, text);
	else if (opt->max)
		out_error("--%s takes %llu to %llu, not %s", opt->name, (unsigned long long)opt->min,
			  (unsigned long long)max, text);
	else
		out_error("--%s takes at least %llu, not %s", opt->name, (unsigned long long)opt->min, text);
	return -1;
}

static int set_choice(const struct opt *opt, const char *text)
{
	const char *at = opt->choices;

	for (int i = 0; *at; i++) {
		size_t length = strcspn(at, "|");

		if (strlen(text) == length && strncmp(at, text, length) == 0) {
			*(int *)opt->value = i;
			return 0;
		}
		at += length + (at[length] == '|');
	}
	out_error("--%s takes one of %s, not `%s`", opt->name, opt->choices, text);
	return -1;
}

static int add_item(const struct opt *opt, const char *text)
{
	struct opt_list *list = opt->value;

	if (list->count == OPT_LIST_MOST) {
		out_error("--%s may be given %d times", opt->name, OPT_LIST_MOST);
		return -1;
	}
	list->items[list->count++] = text;
	return 0;
}

static int set_value(const struct opt *opt, const char *text)
{
	switch (opt->kind) {
	case OPT_FLAG:
		*(int *)opt->value = 1;
		return 0;
	case OPT_TEXT:
		if (!*text) {
			out_error("--%s needs %s behind it", opt->name, opt->argument);
			return -1;
		}
		*(const char **)opt->value = text;
		return 0;
	case OPT_CHOICE:
		return set_choice(opt, text);
	case OPT_LIST:
		return add_item(opt, text);
	case OPT_NUMBER:
	case OPT_SIZE:
		return set_number(opt, text);
	case OPT_WORDS:
		break;
	}
	return -1;
}

#define HELP_COLUMN 26

static void help_row(const char *left, const char *help)
{
	printf("  %-*s", HELP_COLUMN - 2, left);
	if (strlen(left) + 3 > HELP_COLUMN)
		printf("\n%*s", HELP_COLUMN, "");
	out_wrap(stdout, HELP_COLUMN, HELP_COLUMN, out_width(), "%s", help);
}

static void help(const struct opt *table, const char *usage)
{
	char left[80];

	/* Lines of their own stay such, and as far in: what a paragraph is, is broken anew. */
	while (*usage) {
		size_t length = strcspn(usage, "\n");
		int indent = (int)strspn(usage, " ");

		printf("%*s", indent, "");
		out_wrap(stdout, indent, indent, out_width(), "%.*s", (int)length, usage);
		usage += length + (usage[length] == '\n');
	}
	for (const struct opt *opt = table; opt->name; opt++) {
		if (opt->kind == OPT_WORDS)
			continue;
		snprintf(left, sizeof left, "%s--%s%s%s", opt->letter ? (char[]){ '-', opt->letter, ',', ' ', 0 } : "", opt->name,
			 opt->argument ? " " : "", opt->argument ? opt->argument : "");
		help_row(left, opt->help);
	}
	help_row("--help", "this text");
	help_row("--version [--verbose]", "of leat; with the routes this kernel allows");
}

/* --help and --version, which every command has, wherever they stand. */
static int shown(const struct opt *table, int argc, char **argv, const char *usage)
{
	int version = 0, verbose = 0;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			help(table, usage);
			return 1;
		}
		version |= strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0;
		verbose |= strcmp(argv[i], "--verbose") == 0 || strcmp(argv[i], "-v") == 0;
	}
	if (version)
		version_print(verbose);
	return version;
}

/* "-j4": a letter with its value behind it. */
static int is_joined(const struct opt *table, const char *arg)
{
	if (arg[0] != '-' || arg[1] == '-' || !arg[1] || !arg[2] || arg[2] == '=')
		return 0;
	while (table->name && !(table->letter == arg[1] && table->kind != OPT_FLAG))
		table++;
	return table->name != NULL;
}

static int is_named(const struct opt *opt, const char *arg, size_t length)
{
	if (length == 2 && arg[0] == '-' && opt->letter && arg[1] == opt->letter)
		return 1;
	return length > 2 && strncmp(arg, "--", 2) == 0 && strlen(opt->name) == length - 2 &&
	       strncmp(arg + 2, opt->name, length - 2) == 0;
}

static struct opt_words *words_of(const struct opt *table)
{
	while (table->name && table->kind != OPT_WORDS)
		table++;
	return table->value;
}

enum opt_result opt_parse(const struct opt *table, int argc, char **argv, const char *usage)
{
	struct opt_words *words = words_of(table);
	int only_words = 0;

	if (words)
		*words = (struct opt_words){ argv + 1, 0 };
	if (shown(table, argc, argv, usage))
		return OPT_SHOWN;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *equals = strchr(arg, '='), *value = equals ? equals + 1 : NULL;
		size_t length = equals ? (size_t)(equals - arg) : strlen(arg);
		const struct opt *opt = table;

		if (words && !only_words && strcmp(arg, "--") == 0) {
			only_words = 1;
			continue;
		}
		if (words && (only_words || *arg != '-' || !arg[1])) {	/* "-" alone is a word */
			words->items[words->count++] = argv[i];
			continue;
		}
		if (is_joined(table, arg)) {
			length = 2;
			value = arg + 2;
		}
		while (opt->name && !is_named(opt, arg, length))
			opt++;
		if (!opt->name) {
			out_error("%s `%s` means nothing here; `leat %s --help` lists what does",
				  *arg == '-' ? "the option" : "the word", arg, argv[0]);
			return OPT_WRONG;
		}
		if (opt->kind == OPT_FLAG && value) {
			out_error("--%s takes no value", opt->name);
			return OPT_WRONG;
		}
		if (opt->kind != OPT_FLAG && !value && i + 1 == argc) {
			out_error("--%s needs %s behind it", opt->name, opt->argument);
			return OPT_WRONG;
		}
		if (set_value(opt, opt->kind == OPT_FLAG ? "" : value ? value : argv[++i]))
			return OPT_WRONG;
	}
	return OPT_GO_ON;
}
