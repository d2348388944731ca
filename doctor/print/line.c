/* SPDX-License-Identifier: MIT */
#include "line.h"

#include <string.h>

void line_style(struct line *line, enum style style)
{
	static const char *const codes[] = {
		[STYLE_PLAIN] = "\033[0m", [STYLE_BAD] = "\033[31m", [STYLE_GOOD] = "\033[32m", [STYLE_SOFT] = "\033[2m",
		[STYLE_STRONG] = "\033[1m",
	};

	static const char *const classes[] = {
		[STYLE_PLAIN] = "", [STYLE_BAD] = "bad", [STYLE_GOOD] = "good", [STYLE_SOFT] = "soft", [STYLE_STRONG] = "strong",
	};

	if (line->how == ESCAPE_HTML && style != STYLE_PLAIN)
		fprintf(line->to, "<span class=\"%s\">", classes[style]);
	else if (line->how == ESCAPE_HTML)
		fputs("</span>", line->to);
	else if (line->color)
		fputs(codes[style], line->to);
}

const char *line_name(const struct line *line, const char *text, int columns, char ret[LINE_TEXT])
{
	return escape_text(ret, LINE_TEXT, line->how, text, columns);
}

const char *line_spelt(const struct line *line, const char *text, char ret[LINE_TEXT])
{
	/* What is ours needs no escaping, only other characters where these cannot be shown. */
	if (line->how == ESCAPE_ASCII)
		return escape_text(ret, LINE_TEXT, ESCAPE_ASCII, text, LINE_TEXT);
	snprintf(ret, LINE_TEXT, "%s", text);
	return ret;
}

void line_own(struct line *line, const char *text)
{
	char spelt[LINE_TEXT];

	fputs(line_spelt(line, text, spelt), line->to);
	line->at += escape_columns(spelt);
}

void line_to(struct line *line, int column)
{
	int blanks = column > line->at ? column - line->at : line->at > 0;

	fprintf(line->to, "%*s", blanks, "");
	line->at += blanks;
}

static void put(struct line *line, const char *text, int columns)
{
	if (line->at > line->indent && line->at + 1 + columns > line->width) {
		line_break(line);
	} else if (line->at > line->indent) {
		line_to(line, line->at + 1);
	}
	fputs(text, line->to);
	line->at += columns;
}

/* The bytes of one character, of HTML of one entity. */
static size_t one(const struct line *line, const char *text)
{
	size_t bytes = line->how == ESCAPE_HTML && *text == '&' ? strcspn(text, ";") : 0;

	bytes += text[bytes] != 0;
	while (((unsigned char)text[bytes] & 0xc0) == 0x80)
		bytes++;
	return bytes;
}

static int columns_of(const struct line *line, const char *text)
{
	int columns = 0;

	if (line->how != ESCAPE_HTML)
		return escape_columns(text);
	for (; *text; text += one(line, text))
		columns++;
	return columns;
}

void line_piece(struct line *line, const char *text)
{
	int room = line->width > line->indent + 8 ? line->width - line->indent : 8;
	char cut[LINE_TEXT];
	size_t used = 0;
	int columns = columns_of(line, text);

	if (columns <= room) {
		put(line, text, columns);
		return;
	}
	/* It is escaped already: a backslash's escape may be cut in two, a character or an entity is not. */
	for (columns = 0; text[used] && columns < room - 3 && used + one(line, text + used) < sizeof cut - 4; columns++)
		used += one(line, text + used);
	memcpy(cut, text, used);
	snprintf(cut + used, sizeof cut - used, "...");
	put(line, cut, columns_of(line, cut));
}

void line_words(struct line *line, const char *text)
{
	char copy[LINE_TEXT * 2], *save = NULL;

	snprintf(copy, sizeof copy, "%s", text);
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		line_piece(line, word);
}

void line_break(struct line *line)
{
	line_end(line);
	line_to(line, line->indent);
}

void line_end(struct line *line)
{
	fputc('\n', line->to);
	line->at = 0;
}
