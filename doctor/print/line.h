/* SPDX-License-Identifier: MIT */
/* Lines of a terminal, or of preformatted HTML: how many columns are used, where a line breaks, colours, and ASCII where there
 * is no UTF-8. Knows nothing of the model; a stranger's text is escaped before it comes here, but for line_name. */
#ifndef DOCTOR_PRINT_LINE_H
#define DOCTOR_PRINT_LINE_H

#include "escape.h"

#include <stdbool.h>
#include <stdio.h>

enum style { STYLE_PLAIN, STYLE_BAD, STYLE_GOOD, STYLE_SOFT, STYLE_STRONG };

struct line {
	FILE *to;
	enum escape how;	/* ESCAPE_TERMINAL, ESCAPE_ASCII or ESCAPE_HTML */
	bool color;		/* of a terminal; HTML has its classes always */
	int width;
	int at;			/* columns used in this line */
	int indent;		/* of a line that is begun because the one before is full */
};

#define LINE_TEXT 1024		/* bytes of one piece */

/* Up to the next STYLE_PLAIN. */
void line_style(struct line *line, enum style style);
/* Our own words, as they are: no break. */
void line_own(struct line *line, const char *text);
/* Blanks up to a column; at least one, unless the line stands at 0. */
void line_to(struct line *line, int column);
/* Sentences, broken at blanks. */
void line_words(struct line *line, const char *text);
/* One piece that is not broken: on the next line if this one has no room for it; cut if none has. A blank stands before. */
void line_piece(struct line *line, const char *text);
void line_break(struct line *line);	/* to the indent of the next line */
void line_end(struct line *line);
/* A stranger's text, escaped, at most so many columns. */
const char *line_name(const struct line *line, const char *text, int columns, char ret[LINE_TEXT]);
/* Our own words in this line's characters. */
const char *line_spelt(const struct line *line, const char *text, char ret[LINE_TEXT]);

#endif
