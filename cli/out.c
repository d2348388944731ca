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

static int width_of(int fd)
{
	struct winsize w;

	return isatty(fd) && ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

int out_width(void)
{
	return width_of(STDOUT_FILENO);
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

static int line_shown;	/* atomic: a live line of progress stands on the terminal */

/* What goes to stderr in one write: who else writes, another thread or program, does so before or behind. */
struct piece {
	FILE *to;
	char *text;
	size_t size;
};

static FILE *piece_begin(struct piece *piece)
{
	piece->text = NULL;
	piece->to = open_memstream(&piece->text, &piece->size);
	return piece->to ? piece->to : stderr;
}

static void piece_end(struct piece *piece)
{
	if (piece->to && fclose(piece->to) == 0)
		fwrite(piece->text, 1, piece->size, stderr);
	free(piece->text);
}

static void escaped(FILE *to, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void draw(FILE *to, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/* A path of full length has a reason behind it: of what is longer than can be escaped at once, beginning and end are shown. */
static void escaped(FILE *to, const char *format, va_list args)
{
	char *text;
	int length = vasprintf(&text, format, args);

	if (length < 0) {
		fputs(format, to);
		return;
	}
	escape(to, ESCAPE_TERMINAL, text);
	if (length > ESCAPE_MOST)
		escape(to, ESCAPE_TERMINAL, text + length - SAID_AT_END);
	free(text);
}

static void say(const char *format, va_list args)
{
	struct piece piece;
	FILE *to = piece_begin(&piece);

	if (__atomic_exchange_n(&line_shown, 0, __ATOMIC_RELAXED))
		fputs("\r\033[K", to);
	fputs("leat: ", to);
	escaped(to, format, args);
	fputc('\n', to);
	piece_end(&piece);
}

void out_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

/* In one line: of what is wider than the terminal the beginning is left out, which names what all the rest is about. */
static void draw(FILE *to, const char *format, va_list args)
{
	char *text, line[ESCAPE_MOST];

	if (vasprintf(&text, format, args) < 0)
		return;
	fprintf(to, "\r\033[K%s", escape_tail(line, sizeof line, ESCAPE_TERMINAL, text, width_of(STDERR_FILENO) - 1));
	free(text);
}

void out_progress(struct out *out, int big, const char *format, ...)
{
	struct piece piece;
	va_list args;
	FILE *to;

	if (!out->live && !big)
		return;
	to = piece_begin(&piece);
	va_start(args, format);
	if (out->live) {
		draw(to, format, args);
	} else {
		escaped(to, format, args);
		fputc('\n', to);
	}
	va_end(args);
	__atomic_store_n(&line_shown, out->live, __ATOMIC_RELAXED);
	piece_end(&piece);
	fflush(stderr);
}

void out_progress_end(void)
{
	if (__atomic_exchange_n(&line_shown, 0, __ATOMIC_RELAXED))
		fputs("\r\033[K", stderr);
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
