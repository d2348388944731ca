/* SPDX-License-Identifier: MIT */
#include "out.h"
#include "cmd.h"
#include "escape.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SAID_AT_END 200	/* bytes of a sentence too long to be shown whole */

int out_width(void)
{
	struct winsize w;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

void out_init(struct out *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	int terminal = isatty(STDOUT_FILENO), dumb = !term || !*term || strcmp(term, "dumb") == 0;

	setlocale(LC_CTYPE, "");
	memset(out, 0, sizeof *out);
	out->color = terminal && !dumb && !(no_color && *no_color);
	out->blocks = terminal && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	out->width = out_width();
	out->live = isatty(STDERR_FILENO) && !dumb;
}

static void escaped(const char *format, va_list args) __attribute__((format(printf, 1, 0)));
static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* A path of full length has a reason behind it: of what is longer than can be escaped at once, beginning and end are shown. */
static void escaped(const char *format, va_list args)
{
	char *text;
	int length = vasprintf(&text, format, args);

	if (length < 0) {
		fputs(format, stderr);
		return;
	}
	escape(stderr, ESCAPE_TERMINAL, text);
	if (length > ESCAPE_MOST)
		escape(stderr, ESCAPE_TERMINAL, text + length - SAID_AT_END);
	free(text);
}

static void say(const char *format, va_list args)
{
	fputs("leat: ", stderr);
	escaped(format, args);
	fputc('\n', stderr);
}

void out_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

void out_note(struct out *out, const char *format, ...)
{
	va_list args;

	out_progress_end(out);
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void out_progress(struct out *out, int big, const char *format, ...)
{
	va_list args;

	if (!out->live && !big)
		return;
	if (out->live)
		fputs("\r\033[K", stderr);
	va_start(args, format);
	escaped(format, args);
	va_end(args);
	if (!out->live)
		fputc('\n', stderr);
	out->progress_shown = out->live;
	fflush(stderr);
}

void out_progress_end(struct out *out)
{
	if (out->progress_shown)
		fputs("\r\033[K", stderr);
	out->progress_shown = 0;
}

int out_flushed(int status)
{
	int before = ferror(stdout), error = fflush(stdout) ? errno : 0;

	if (!before && !error)
		return status;
	out_error("standard output could not be written%s%s", error ? ": " : "", error ? strerror(error) : "");
	return EXIT_FAILED;
}

const char *out_size(uint64_t bytes, char *text, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
		value /= 1024;
		unit++;
	}
	snprintf(text, size, value >= 100 || value == (double)(uint64_t)value ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return text;
}

int out_columns(const char *text)
{
	int columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

void out_wrap(FILE *to, int at, int indent, int width, const char *format, ...)
{
	char text[2048], *save = NULL;
	int fresh = 1;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		int columns = out_columns(word);

		if (!fresh && at + 1 + columns > width) {
			fprintf(to, "\n%*s", indent, "");
			at = indent;
		} else if (!fresh) {
			fputc(' ', to);
			at++;
		}
		for (const char *c = word; *c; c++)
			fputc(*c == *OUT_GLUE ? ' ' : *c, to);
		at += columns;
		fresh = 0;
	}
	fputc('\n', to);
}

void out_pad(FILE *to, const char *text, int columns)
{
	fputs(text, to);
	for (int i = out_columns(text); i < columns; i++)
		fputc(' ', to);
}
