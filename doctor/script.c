/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <stdio.h>
#include <string.h>

/* The options of an interpreter that are followed by a word of their own, and those behind which there is no file. */
static const struct {
	const char *with_word, *named, *without_file;	/* "|-a|-b|"; named: the word behind it is what is run */
} options[RUNTIMES] = {
	[RUNTIME_PYTHON] = { "|-W|-X|--check-hash-based-pycs|", "|-m|", "|-c|-|-h|-V|-VV|" },
	[RUNTIME_NODE] = { "|-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file|--title|", "",
			   "|-e|--eval|-p|--print|-pe|-i|-|-v|--test|" },
	[RUNTIME_JAVA] = { "|-cp|-classpath|--class-path|-p|--module-path|--upgrade-module-path|--add-modules|--add-reads|--add-exports|"
			   "--add-opens|--limit-modules|--patch-module|--source|", "|-jar|-m|--module|", "|-version|--version|-help|" },
};

static bool is_one_of(const char *word, const char *words)
{
	size_t length = strlen(word);

	for (const char *at = words; length && (at = strstr(at, word)); at++)
		if (at > words && at[-1] == '|' && at[length] == '|')
			return true;
	return false;
}

/* The text behind this one; NULL: there is none that is whole. */
static const char *behind(const char *text, const char *end)
{
	const char *next = text + strlen(text) + 1;

	return next < end && memchr(next, 0, (size_t)(end - next)) ? next : NULL;
}

static const char *what_runs(enum runtime runtime, const char *at, const char *end)
{
	for (at = behind(at, end); at; at = behind(at, end)) {
		if (is_one_of(at, options[runtime].named))
			return behind(at, end);
		if (is_one_of(at, options[runtime].without_file))
			return NULL;
		if (is_one_of(at, options[runtime].with_word))
			at = behind(at, end);
		else if (*at != '-')
			return at;
		if (!at)
			return NULL;
	}
	return NULL;
}

bool script_name(enum runtime runtime, const char *arguments, size_t bytes, char name[static SCRIPT_BYTES])
{
	const char *text, *slash;

	*name = 0;
	if (runtime >= RUNTIMES || !options[runtime].with_word || !bytes || !memchr(arguments, 0, bytes))
		return false;
	text = what_runs(runtime, arguments, arguments + bytes);
	if (!text)
		return false;
	slash = strrchr(text, '/');
	snprintf(name, SCRIPT_BYTES, "%s", slash ? slash + 1 : text);
	return *name;
}
