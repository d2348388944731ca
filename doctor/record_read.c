/* SPDX-License-Identifier: MIT */
/*
 * Reads a recording, which is a stranger's: every number is checked, every place it refers to exists, no line, text, stack or
 * table is longer than its bound, and all of it together takes at most RECORD_MEMORY_MOST.
 */
#include "record.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record_fields.h"

#define TEXT_MOST 4096	/* bytes of one text: PATH_MAX */

struct reader {
	FILE *from;
	struct model *model;
	size_t memory_left;
	uint32_t line;
	const char *what;
	char text[RECORD_LINE_MOST];
};

static int bad(struct reader *reader, const char *what)
{
	reader->what = what;
	return -EBADMSG;
}

/* ---- Values ------------------------------------------------------------------------------------------------------------------ */

/* Digits up to the character end, and no more than most. */
static bool read_number(const char **text, char end, uint64_t most, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*at))
		return false;
	for (; isdigit((unsigned char)*at); at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (*at != end || value > most)
		return false;
	*text = at + (end ? 1 : 0);
	*ret = value;
	return true;
}

static bool store_number(void *at, enum field_type type, const char *text)
{
	static const uint64_t most[] = { [FIELD_BOOL] = 1, [FIELD_U16] = UINT16_MAX, [FIELD_U32] = UINT32_MAX, [FIELD_U64] = UINT64_MAX };
	uint64_t value;

	if (!read_number(&text, 0, most[type], &value))
		return false;
	switch (type) {
	case FIELD_BOOL: *(bool *)at = value; break;
	case FIELD_U16: *(uint16_t *)at = (uint16_t)value; break;
	case FIELD_U32: *(uint32_t *)at = (uint32_t)value; break;
	default: *(uint64_t *)at = value;
	}
	return true;
}

static bool read_signed(const char *text, int64_t most, int64_t *ret)
{
	bool negative = *text == '-';
	uint64_t value;

	text += negative;
	if (!read_number(&text, 0, (uint64_t)most, &value))
		return false;
	*ret = negative ? -(int64_t)value : (int64_t)value;
	return true;
}

static bool store_int(int *at, const char *text)
{
	int64_t value;

	if (!read_signed(text, INT32_MAX, &value))
		return false;
	*at = (int)value;
	return true;
}

static bool store_word(unsigned *at, const struct field *field, const char *text)
{
	for (unsigned i = 0; i < field->count; i++)
		if (!strcmp(text, field->words[i])) {
			*at = i;
			return true;
		}
	return false;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int hex_byte(const char *text)
{
	int high = hex(text[0]), low = high < 0 ? -1 : hex(text[1]);

	return low < 0 ? -1 : high << 4 | low;
}

static bool store_address(struct file_address *at, const char *text)
{
	struct file_address address = { .family = 0 };
	uint64_t family, port;

	if (!read_number(&text, '/', UINT16_MAX, &family) || !read_number(&text, '/', UINT16_MAX, &port) ||
	    strlen(text) != 2 * sizeof address.ip)
		return false;
	address.family = (uint16_t)family;
	address.port = (uint16_t)port;
	for (unsigned i = 0; i < sizeof address.ip; i++) {
		int byte = hex_byte(text + 2 * i);

		if (byte < 0)
			return false;
		address.ip[i] = (uint8_t)byte;
	}
	*at = address;
	return true;
}

static bool store_sizes(uint64_t *sizes, const char *text)
{
	do {
		uint64_t place, count;
		const char *comma = strchr(text, ',');

		if (!read_number(&text, ':', FLOW_SIZES - 1, &place) || !read_number(&text, comma ? ',' : 0, UINT64_MAX, &count))
			return false;
		sizes[place] = count;
		if (!comma)
			return true;
	} while (*text);
	return false;
}

/* Undoes %XX in place; no byte of 0, at most TEXT_MOST. */
static bool decode(char *text)
{
	char *to = text, *begin = text;

	for (; *text; text++, to++) {
		int byte = *text == '%' ? hex_byte(text + 1) : (unsigned char)*text;

		if (byte <= 0)
			return false;
		text += *text == '%' ? 2 : 0;
		*to = (char)byte;
	}
	*to = 0;
	return to - begin <= TEXT_MOST;
}

static int store_text(struct reader *reader, char **at, char *text)
{
	size_t size;

	if (!decode(text))
		return bad(reader, "a text is too long, or badly escaped");
	size = strlen(text) + 1;
	if (*at)
		return bad(reader, "a text stands twice");
	if (size > reader->memory_left)
		return -ENOMEM;
	reader->memory_left -= size;
	*at = strdup(text);
	return *at ? 0 : -ENOMEM;
}

static bool store_place(uint32_t *at, uint32_t count, const char *text)
{
	uint64_t place;

	if (!count || !read_number(&text, 0, count - 1, &place))
		return false;
	*at = (uint32_t)place;
	return true;
}

static int store(struct reader *reader, const struct field *field, void *row, char *text)
{
	void *at = (char *)row + field->at;
	bool good;

	switch (field->type) {
	case FIELD_TEXT: return store_text(reader, at, text);
	case FIELD_INT: good = store_int(at, text); break;
	case FIELD_I64: good = read_signed(text, INT64_MAX, at); break;
	case FIELD_WORD: good = store_word(at, field, text); break;
	case FIELD_ADDRESS: good = store_address(at, text); break;
	case FIELD_SIZES: good = store_sizes(at, text); break;
	case FIELD_FILE: good = store_place(at, reader->model->file_count, text); break;
	case FIELD_SITE: good = store_place(at, reader->model->site_count, text); break;
	default: good = store_number(at, field->type, text);
	}
	return good ? 0 : bad(reader, "a value is out of its bounds, or no such word");
}

/* ---- Lines ------------------------------------------------------------------------------------------------------------------- */

/* 1: a line, without its end; 0: the end of the file. */
static int next_line(struct reader *reader)
{
	size_t length;

	if (!fgets(reader->text, sizeof reader->text, reader->from))
		return ferror(reader->from) ? -EIO : 0;
	reader->line++;
	length = strlen(reader->text);
	if (!length || reader->text[length - 1] != '\n')
		return bad(reader, "a line is too long, or cut short");
	reader->text[length - 1] = 0;
	return 1;
}

static int read_fields(struct reader *reader, const struct record *record, void *row, char *text)
{
	for (char *pair; (pair = strsep(&text, " "));) {
		char *value = strchr(pair, '=');
		int error = 0;

		if (!value)
			return bad(reader, "a field has no value");
		*value++ = 0;
		for (unsigned i = 0; i < record->count && !error; i++)
			if (!strcmp(record->fields[i].key, pair))
				error = store(reader, &record->fields[i], row, value);
		if (error)
			return error;
	}
	return 0;
}

/* Files are what flows refer to, so a flow without any cannot be: its ends would be place 0 of nothing. */
static int add_row(struct reader *reader, const struct record *record, uint32_t *ret_place)
{
	size_t size = 2 * record->size;	/* tables grow by doubling */

	*ret_place = 0;
	if (record == &records[RECORD_FLOW] && !reader->model->file_count)
		return bad(reader, "a flow before any file");
	if (record == &records[RECORD_FRAME] && !reader->model->site_count)
		return bad(reader, "a frame before any site");
	if (!record->add)
		return 0;
	if (size > reader->memory_left)
		return -ENOMEM;
	reader->memory_left -= size;
	*ret_place = record->add(reader->model);
	return *ret_place == MODEL_NONE ? bad(reader, "more of these than a recording may have") : 0;
}

static int read_record(struct reader *reader)
{
	char *text = reader->text, *word = strsep(&text, " ");

	for (unsigned i = 0; i < RECORDS; i++) {
		uint32_t place;
		int error;

		if (strcmp(records[i].word, word) != 0)
			continue;
		error = add_row(reader, &records[i], &place);
		return error ? error : read_fields(reader, &records[i], records[i].at(reader->model, place), text);
	}
	return 0;	/* of a later writer */
}

static int read_first_line(struct reader *reader)
{
	const char *text = reader->text + strlen(RECORD_FIRST_LINE " ");
	uint64_t version;
	int r = next_line(reader);

	if (r <= 0)
		return r ? r : bad(reader, "it is empty");
	if (strncmp(reader->text, RECORD_FIRST_LINE " ", strlen(RECORD_FIRST_LINE " ")) != 0 ||
	    !read_number(&text, 0, UINT32_MAX, &version))
		return bad(reader, "it is not a recording of leat doctor");
	if (version != RECORD_VERSION) {
		reader->what = "another version of the format";
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static bool is_last_line(const char *text)
{
	size_t length = strlen(RECORD_LAST_LINE);

	return !strncmp(text, RECORD_LAST_LINE, length) && (!text[length] || text[length] == ' ');
}

static int read_all(struct reader *reader)
{
	int r = read_first_line(reader);

	if (r)
		return r;
	while ((r = next_line(reader)) > 0) {
		const char *count = reader->text + strlen(RECORD_LAST_LINE " ");
		uint64_t lines;

		if (is_last_line(reader->text)) {
			if (reader->text[strlen(RECORD_LAST_LINE)] && read_number(&count, 0, UINT64_MAX, &lines) &&
			    lines == reader->line - 1)
				return 0;
			return bad(reader, "lines are missing");
		}
		r = read_record(reader);
		if (r)
			return r;
	}
	return r ? r : bad(reader, "its end is missing");
}

int record_read(struct model *model, FILE *from, struct record_error *error)
{
	struct reader *reader = calloc(1, sizeof *reader);
	int r;

	if (error)
		*error = (struct record_error){ .line = 0 };
	if (!reader)
		return -ENOMEM;
	reader->from = from;
	reader->model = model;
	reader->memory_left = RECORD_MEMORY_MOST;
	r = read_all(reader);
	if (r && error)
		*error = (struct record_error){ .line = reader->line, .what = reader->what };
	if (r)
		model_free(model);
	free(reader);
	return r;
}

int record_load(struct model *model, const char *path, struct record_error *error)
{
	FILE *from = fopen(path, "re");
	int r;

	if (!from) {
		r = -errno;
		if (error)
			*error = (struct record_error){ .line = 0 };
		return r;
	}
	r = record_read(model, from, error);
	fclose(from);
	return r;
}
