/* SPDX-License-Identifier: MIT */
#include "escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct unit {
	uint32_t code;		/* of the byte itself when it is not valid */
	int bytes;
	bool valid;
};

struct range { uint32_t first, last; };

/* Shown as nothing, or changing how others are shown: controls, formats, directions, separators, private use, tags. */
static const struct range unseen[] = {
	{ 0x0, 0x1f }, { 0x7f, 0xa0 }, { 0xad, 0xad }, { 0x34f, 0x34f }, { 0x600, 0x605 }, { 0x61c, 0x61c },
	{ 0x6dd, 0x6dd }, { 0x70f, 0x70f }, { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180f }, { 0x2000, 0x200f },
	{ 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x2800, 0x2800 }, { 0x3000, 0x3000 }, { 0x3164, 0x3164 },
	{ 0xe000, 0xf8ff }, { 0xfdd0, 0xfdef }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xffa0, 0xffa0 },
	{ 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0x110bd, 0x110bd }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
	{ 0xe0000, 0x10ffff },
};
/* Drawn on the character before; and two columns wide. Roughly: what depends on it is where a line is broken. */
static const struct range combining[] = {
	{ 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a }, { 0x64b, 0x65f }, { 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff }, { 0xfe20, 0xfe2f },
};
static const struct range wide[] = {
	{ 0x1100, 0x115e }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff }, { 0x20000, 0x3fffd },
};

#define IN(ranges, code) in(ranges, sizeof(ranges) / sizeof((ranges)[0]), code)

static bool in(const struct range *ranges, size_t count, uint32_t code)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* The next character of a text that is not at its end. Shortest forms only, no surrogates. */
static struct unit next(const unsigned char *text)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const struct unit broken = { *text, 1, false };
	struct unit unit = { *text, 1, true };

	if (*text < 0x80)
		return unit;
	unit.bytes = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : 2;
	if (*text < 0xc2 || *text > 0xf4)
		return broken;
	unit.code = *text & (0x7fu >> unit.bytes);
	for (int i = 1; i < unit.bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return broken;
		unit.code = unit.code << 6 | (text[i] & 0x3fu);
	}
	if (unit.code < least[unit.bytes] || unit.code > 0x10ffff || (unit.code >= 0xd800 && unit.code <= 0xdfff))
		return broken;
	return unit;
}

static const char *in_ascii(uint32_t code)
{
	switch (code) {
	case 0x2190: return "<-";
	case 0x2192: return "->";
	case 0x2013:
	case 0x2014:
	case 0x2212: return "-";
	case 0xb7: return "-";
	case 0xd7: return "x";
	case 0x2018:
	case 0x2019: return "'";
	case 0x201c:
	case 0x201d: return "\"";
	case 0x2026: return "...";
	case 0x2264: return "<=";
	case 0x2265: return ">=";
	default: return NULL;
	}
}

#define UNIT_MOST 16	/* bytes that one character may become: "\ud83d\ude00" has 12 */

static int json(char out[UNIT_MOST], const unsigned char *text, struct unit unit)
{
	if (!unit.valid)
		return sprintf(out, "\\ufffd");
	if (unit.code == '"' || unit.code == '\\')
		return sprintf(out, "\\%c", (char)unit.code);
	if (unit.code == ' ' || !IN(unseen, unit.code))
		return sprintf(out, "%.*s", unit.bytes, (const char *)text);
	if (unit.code < 0x10000)
		return sprintf(out, "\\u%04x", unit.code);
	return sprintf(out, "\\u%04x\\u%04x", 0xd800 + ((unit.code - 0x10000) >> 10), 0xdc00 + ((unit.code - 0x10000) & 0x3ff));
}

static int uri(char out[UNIT_MOST], const unsigned char *text, struct unit unit)
{
	int length = 0;

	if (unit.valid && unit.code < 0x80 && unit.code > 0x20 && strchr("/-._~", (int)unit.code))
		return sprintf(out, "%c", (char)unit.code);
	if ((unit.code | 0x20) - 'a' < 26 || unit.code - '0' < 10)
		return sprintf(out, "%c", (char)unit.code);
	for (int i = 0; i < unit.bytes; i++)
		length += sprintf(out + length, "%%%02X", text[i]);
	return length;
}

static const char *entity(uint32_t code)
{
	switch (code) {
	case '<': return "&lt;";
	case '>': return "&gt;";
	case '&': return "&amp;";
	case '"': return "&quot;";
	case '\'': return "&#39;";
	default: return NULL;
	}
}

/* Shown as what it is, in marks that every output takes. A label doubles its backslashes. */
static int visible(char out[UNIT_MOST], enum escape how, struct unit unit)
{
	const char *slash = how == ESCAPE_LABEL ? "\\\\" : "\\";

	if (unit.code == '\n' || unit.code == '\t')
		return sprintf(out, "%s%c", slash, unit.code == '\n' ? 'n' : 't');
	if (!unit.valid || unit.code < 0x80)
		return sprintf(out, "%sx%02x", slash, unit.code);
	return sprintf(out, "%su{%x}", slash, unit.code);
}

/* What one character becomes. ret_columns: of the terminal. */
static int one(char out[UNIT_MOST], enum escape how, const unsigned char *text, struct unit unit, int *ret_columns)
{
	const char *as = how == ESCAPE_HTML && unit.valid ? entity(unit.code) : NULL;
	int bytes;

	*ret_columns = 1;
	if (how == ESCAPE_JSON)
		return json(out, text, unit);
	if (how == ESCAPE_URI)
		return uri(out, text, unit);
	if (how == ESCAPE_ASCII && unit.valid && unit.code >= 0x80)
		as = in_ascii(unit.code);
	if (as) {
		bytes = sprintf(out, "%s", as);
		*ret_columns = how == ESCAPE_HTML ? 1 : bytes;
		return bytes;
	}
	if (!unit.valid || (unit.code != ' ' && IN(unseen, unit.code)) || (how == ESCAPE_ASCII && unit.code >= 0x80) ||
	    (how == ESCAPE_FOLDED && unit.code == ';'))
		return *ret_columns = visible(out, how, unit);
	if (unit.code == '\\' || (how == ESCAPE_LABEL && unit.code == '"'))
		return *ret_columns = sprintf(out, "\\%c", (char)unit.code);
	*ret_columns = IN(combining, unit.code) ? 0 : IN(wide, unit.code) ? 2 : 1;
	return sprintf(out, "%.*s", unit.bytes, (const char *)text);
}

static const char *dots(enum escape how)
{
	return how == ESCAPE_ASCII ? "..." : how == ESCAPE_URI ? "" : "\u2026";
}

void escape(FILE *to, enum escape how, const char *text)
{
	const unsigned char *at = (const unsigned char *)(text ? text : "");
	size_t used = 0;
	char out[UNIT_MOST];
	int columns;

	while (*at) {
		struct unit unit = next(at);

		if (used + (size_t)unit.bytes > ESCAPE_MOST) {
			fputs(dots(how), to);
			return;
		}
		fwrite(out, 1, (size_t)one(out, how, at, unit, &columns), to);
		at += unit.bytes;
		used += (size_t)unit.bytes;
	}
}

struct measure { size_t bytes; int columns; };

/* Of at most ESCAPE_MOST bytes of the text, as it is printed. */
static struct measure measure(enum escape how, const unsigned char *text)
{
	struct measure sum = { 0, 0 };
	char out[UNIT_MOST];
	int columns;

	for (size_t used = 0; text[used] && used < ESCAPE_MOST;) {
		struct unit unit = next(text + used);

		sum.bytes += (size_t)one(out, how, text + used, unit, &columns);
		sum.columns += columns;
		used += (size_t)unit.bytes;
	}
	return sum;
}

/* Fills what there is room for, from text on. room and columns: without the final 0 and without dots. Gives the bytes. */
static size_t fill(char *ret, size_t room, enum escape how, const unsigned char *text, int columns)
{
	size_t length = 0;
	char out[UNIT_MOST];
	int wide_by;

	while (*text) {
		struct unit unit = next(text);
		size_t bytes = (size_t)one(out, how, text, unit, &wide_by);

		if (length + bytes > room || wide_by > columns)
			break;
		memcpy(ret + length, out, bytes);
		length += bytes;
		columns -= wide_by;
		text += unit.bytes;
	}
	ret[length] = 0;
	return length;
}

static int dots_columns(enum escape how)
{
	return how == ESCAPE_ASCII ? 3 : how == ESCAPE_URI ? 0 : 1;
}

static bool fits(enum escape how, const char *text, size_t size, int columns)
{
	struct measure whole = measure(how, (const unsigned char *)text);

	return strnlen(text, ESCAPE_MOST + 1) <= ESCAPE_MOST && whole.bytes < size && whole.columns <= columns;
}

char *escape_text(char *ret, size_t size, enum escape how, const char *text, int columns)
{
	const char *mark = dots(how);
	size_t marked = strlen(mark), length;

	text = text ? text : "";
	if (fits(how, text, size, columns)) {
		fill(ret, size - 1, how, (const unsigned char *)text, columns);
		return ret;
	}
	if (size <= marked || columns < dots_columns(how)) {
		*ret = 0;
		return ret;
	}
	length = fill(ret, size - 1 - marked, how, (const unsigned char *)text, columns - dots_columns(how));
	memcpy(ret + length, mark, marked + 1);
	return ret;
}

char *escape_tail(char *ret, size_t size, enum escape how, const char *text, int columns)
{
	const char *mark = dots(how);
	const unsigned char *at;
	size_t marked = strlen(mark), length;

	text = text ? text : "";
	if (fits(how, text, size, columns) || size <= marked || columns < dots_columns(how))
		return escape_text(ret, size, how, text, columns);
	/* The end of what is looked at, not of a text without bound. */
	length = strlen(text);
	at = (const unsigned char *)text + (length > ESCAPE_MOST ? length - ESCAPE_MOST : 0);
	for (int i = 0; i < 3 && length > ESCAPE_MOST && (*at & 0xc0) == 0x80; i++)
		at++;
	for (struct measure rest = measure(how, at); *at && (rest.columns > columns - dots_columns(how) ||
							     rest.bytes > size - 1 - marked); at += next(at).bytes) {
		char out[UNIT_MOST];
		int columns_of_one;

		rest.bytes -= (size_t)one(out, how, at, next(at), &columns_of_one);
		rest.columns -= columns_of_one;
	}
	memcpy(ret, mark, marked);
	fill(ret + marked, size - 1 - marked, how, at, columns);
	return ret;
}

int escape_keeps(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	if (strnlen(text, ESCAPE_MOST + 1) > ESCAPE_MOST)
		return 0;
	while (*at) {
		struct unit unit = next(at);

		if (!unit.valid)
			return 0;
		at += unit.bytes;
	}
	return 1;
}

int escape_columns(const char *escaped)
{
	const unsigned char *at = (const unsigned char *)escaped;
	int columns = 0;

	while (*at) {
		struct unit unit = next(at);

		columns += IN(combining, unit.code) ? 0 : IN(wide, unit.code) ? 2 : 1;
		at += unit.bytes;
	}
	return columns;
}
