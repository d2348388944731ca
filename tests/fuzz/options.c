/* SPDX-License-Identifier: MIT */
/* Options of the program: sizes, numbers, choices, and what is said about wrong ones. A line of the input is an argument. */
#include "fuzz.h"

#include <stdarg.h>

#include "../../cli/opt.c"

FUZZ_SEEDS("512m", "1gib\n--size=4k", "--size\n16777216t\n--number\n7", "--choice=two\n--flag\n--text\nx",
	   "--number=99999999999999999999", "--help", "-h", "--flag=1\n--size\n", "--choice\n\n--text=", "--version\n--verbose")

void out_error(const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
}

int out_width(void)
{
	return 80;
}

void out_wrap(FILE *to, int at, int indent, int width, const char *format, ...)
{
	static char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
}

int version_print(int verbose)
{
	FUZZ_HOLDS(verbose == 0 || verbose == 1);
	return 0;
}

static void check_size(const char *text)
{
	uint64_t bytes = 77;

	if (opt_size(text, &bytes))
		FUZZ_HOLDS(bytes == 77);
	else
		FUZZ_HOLDS(isdigit((unsigned char)*text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *argv[18], usage[] = "usage";
	uint64_t bytes = 5, number = 5;
	const char *word = "";
	int flag = 0, choice = 0, argc = 1;
	const struct opt table[] = {
		{ "size", OPT_SIZE, &bytes, "SIZE", "first\nsecond", 5, 1 << 30, NULL },
		{ "number", OPT_NUMBER, &number, "N", "", 5, 0, NULL },
		{ "text", OPT_TEXT, &word, "TEXT", "", 0, 0, NULL },
		{ "choice", OPT_CHOICE, &choice, "WORD", "", 0, 0, "one|two|three" },
		{ "flag", OPT_FLAG, &flag, NULL, "", 0, 0, NULL },
		{ .name = NULL },
	};

	argv[0] = usage;
	for (char *at = text; at && argc < 17;) {
		char *line = strsep(&at, "\n");

		argv[argc++] = line;
		check_size(line);
	}
	argv[argc] = NULL;
	opt_parse(table, argc, argv, usage);
	FUZZ_HOLDS(bytes >= 5 && bytes <= 1 << 30);
	FUZZ_HOLDS(number >= 5);
	FUZZ_HOLDS(choice >= 0 && choice < 3);
	FUZZ_HOLDS(flag == 0 || flag == 1);
	FUZZ_HOLDS(strlen(word) <= size);
	free(text);
	return 0;
}
