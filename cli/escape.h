/* SPDX-License-Identifier: MIT */
/*
 * Texts of strangers, made fit to be printed: paths, symbols and names come from the programs that are watched, and may hold
 * any byte. What a reader gets is valid, bounded, and cannot move the cursor, end a string, open a tag or turn the direction
 * of writing. Knows the rules of each output; nothing of the model. All functions take NULL for "".
 */
#ifndef CLI_ESCAPE_H
#define CLI_ESCAPE_H

#include <stddef.h>
#include <stdio.h>

enum escape {
	ESCAPE_TERMINAL,	/* \x1b, \u{202e}, \\ for what is not shown as itself */
	ESCAPE_ASCII,		/* the same for a terminal without UTF-8: \u{e9}; arrows and the like in ASCII's manner */
	ESCAPE_HTML,		/* text and quoted attributes; what is not shown stands as on a terminal */
	ESCAPE_JSON,		/* inside quotes; bytes that are no UTF-8 become U+FFFD */
	ESCAPE_LABEL,		/* the value of a Prometheus label, inside quotes */
	ESCAPE_FOLDED,		/* one frame of a folded stack: also without ; */
	ESCAPE_URI,		/* the path of a URI: every byte is kept, as %XX */
};

#define ESCAPE_MOST 4096	/* bytes of one text that are used: PATH_MAX. Behind them stands "…" */

int escape_keeps(const char *text);	/* whether the text can be told from what ESCAPE_JSON gives */
void escape(FILE *to, enum escape how, const char *text);
/* As a string of at most size bytes with its 0, and at most so many columns; what is too long is cut, and "…" says so: at
 * its end, and with _tail at its beginning, as one wants it of paths. Never cut inside a character. Gives ret. */
char *escape_text(char *ret, size_t size, enum escape how, const char *text, int columns);
char *escape_tail(char *ret, size_t size, enum escape how, const char *text, int columns);
int escape_columns(const char *escaped);	/* that a text takes on a terminal, when it is escaped for one */

#endif
