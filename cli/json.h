/* SPDX-License-Identifier: MIT */
/* JSON as it is written: commas, indents, escapes. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *to;
	int depth;
	bool flat;	/* all in one line, as in a log */
	bool filled;	/* something stands in the innermost bracket */
};

/* key: NULL inside an array. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *text);	/* a stranger's, or ours; NULL: null */
void json_word(struct json *json, const char *key, const char *word);	/* as it is: of characters that need no escape, any length */
void json_number(struct json *json, const char *key, double number);	/* null for what is none */
void json_integer(struct json *json, const char *key, uint64_t number);
void json_integers(struct json *json, const char *key, const uint64_t *numbers, unsigned count);	/* in one line */
void json_signed(struct json *json, const char *key, int64_t number);
void json_boolean(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);
void json_end(struct json *json);	/* a line feed behind the last bracket */

#endif
