/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "escape.h"

#include <inttypes.h>
#include <math.h>

static void indent(struct json *json)
{
	if (json->flat)
		return;
	fputc('\n', json->to);
	for (int i = 0; i < json->depth; i++)
		fputc('\t', json->to);
}

static void next(struct json *json, const char *key)
{
	if (json->filled)
		fputc(',', json->to);
	if (json->depth)
		indent(json);
	if (key)
		fprintf(json->to, "\"%s\": ", key);
	json->filled = true;
}

void json_open(struct json *json, const char *key, char bracket)
{
	next(json, key);
	fputc(bracket, json->to);
	json->depth++;
	json->filled = false;
}

void json_close(struct json *json, char bracket)
{
	json->depth--;
	if (json->filled)
		indent(json);
	fputc(bracket, json->to);
	json->filled = true;
}

void json_text(struct json *json, const char *key, const char *text)
{
	if (!text) {
		json_null(json, key);
		return;
	}
	next(json, key);
	fputc('"', json->to);
	escape(json->to, ESCAPE_JSON, text);
	fputc('"', json->to);
}

void json_word(struct json *json, const char *key, const char *word)
{
	next(json, key);
	fprintf(json->to, "\"%s\"", word);
}

void json_number(struct json *json, const char *key, double number)
{
	if (!isfinite(number)) {
		json_null(json, key);
		return;
	}
	next(json, key);
	fprintf(json->to, "%.6g", number);
}

void json_integer(struct json *json, const char *key, uint64_t number)
{
	next(json, key);
	fprintf(json->to, "%" PRIu64, number);
}

void json_integers(struct json *json, const char *key, const uint64_t *numbers, unsigned count)
{
	next(json, key);
	fputc('[', json->to);
	for (unsigned i = 0; i < count; i++)
		fprintf(json->to, "%s%" PRIu64, i ? ", " : "", numbers[i]);
	fputc(']', json->to);
}

void json_signed(struct json *json, const char *key, int64_t number)
{
	next(json, key);
	fprintf(json->to, "%" PRId64, number);
}

void json_boolean(struct json *json, const char *key, bool value)
{
	next(json, key);
	fputs(value ? "true" : "false", json->to);
}

void json_null(struct json *json, const char *key)
{
	next(json, key);
	fputs("null", json->to);
}

void json_end(struct json *json)
{
	fputc('\n', json->to);
}
