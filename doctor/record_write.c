/* SPDX-License-Identifier: MIT */
/* Writes a recording: the tables of the model, row by row, by record_fields.h. */
#include "record.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "record_fields.h"

struct writer {
	FILE *to;
	uint64_t lowest_sp;	/* of all frames: what the others are told from */
	uint64_t lines;
};

static uint64_t number(const void *at, enum field_type type)
{
	switch (type) {
	case FIELD_BOOL: return *(const bool *)at;
	case FIELD_U16: return *(const uint16_t *)at;
	case FIELD_U64: return *(const uint64_t *)at;
	default: return *(const uint32_t *)at;
	}
}

static void put_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c > ' ' && c <= '~' && c != '%')
			putc(c, to);
		else
			fprintf(to, "%%%02X", c);
	}
}

static void put_address(FILE *to, const char *key, const struct file_address *address)
{
	if (!address->family)
		return;
	fprintf(to, " %s=%u/%u/", key, address->family, address->port);
	for (unsigned i = 0; i < sizeof address->ip; i++)
		fprintf(to, "%02x", address->ip[i]);
}

static void put_sizes(FILE *to, const char *key, const uint64_t *sizes)
{
	const char *between = "";

	for (unsigned i = 0; i < FLOW_SIZES; i++) {
		if (!sizes[i])
			continue;
		if (!*between)
			fprintf(to, " %s=", key);
		fprintf(to, "%s%u:%" PRIu64, between, i, sizes[i]);
		between = ",";
	}
}

static void put_field(FILE *to, const struct field *field, const void *row)
{
	const void *at = (const char *)row + field->at;
	unsigned word;

	switch (field->type) {
	case FIELD_TEXT:
		if (*(char *const *)at) {
			fprintf(to, " %s=", field->key);
			put_text(to, *(char *const *)at);
		}
		return;
	case FIELD_WORD:
		word = *(const unsigned *)at;
		if (word && word < field->count)
			fprintf(to, " %s=%s", field->key, field->words[word]);
		return;
	case FIELD_ADDRESS:
		put_address(to, field->key, at);
		return;
	case FIELD_SIZES:
		put_sizes(to, field->key, at);
		return;
	case FIELD_INT:
		fprintf(to, " %s=%d", field->key, *(const int *)at);
		return;
	case FIELD_I64:
		fprintf(to, " %s=%" PRId64, field->key, *(const int64_t *)at);
		return;
	case FIELD_SITE:
		if (*(const uint32_t *)at != MODEL_NONE)
			fprintf(to, " %s=%" PRIu32, field->key, *(const uint32_t *)at);
		return;
	case FIELD_FILE:
		fprintf(to, " %s=%" PRIu32, field->key, *(const uint32_t *)at);
		return;
	default:
		if (number(at, field->type))
			fprintf(to, " %s=%" PRIu64, field->key, number(at, field->type));
	}
}

static void put_row(struct writer *writer, unsigned which, const void *row)
{
	const struct record *record = &records[which];

	fputs(record->word, writer->to);
	for (unsigned i = 0; i < record->count; i++)
		put_field(writer->to, &record->fields[i], row);
	putc('\n', writer->to);
	writer->lines++;
}

/* An address in a live program would help whoever attacks it: the offset in the module says as much. */
static void put_frame(struct writer *writer, const struct frame *frame)
{
	struct frame kept = *frame;

	if (kept.module)
		kept.ip = 0;
	if (kept.sp)
		kept.sp = kept.sp - writer->lowest_sp + 1;
	put_row(writer, RECORD_FRAME, &kept);
}

static uint64_t lowest_sp(const struct model *model)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t i = 0; i < model->site_count; i++)
		for (uint32_t j = 0; j < model->sites[i].frame_count; j++)
			if (model->sites[i].frames[j].sp && model->sites[i].frames[j].sp < lowest)
				lowest = model->sites[i].frames[j].sp;
	return lowest;
}

int record_write(const struct model *model, FILE *to)
{
	struct writer writer = { .to = to, .lowest_sp = lowest_sp(model), .lines = 1 };

	fprintf(to, "%s %d\n", RECORD_FIRST_LINE, RECORD_VERSION);
	put_row(&writer, RECORD_WATCH, model);
	put_row(&writer, RECORD_COVERAGE, &model->coverage);
	for (uint32_t i = 0; i < model->process_count; i++)
		put_row(&writer, RECORD_PROCESS, &model->processes[i]);
	for (uint32_t i = 0; i < model->file_count; i++)
		put_row(&writer, RECORD_FILE, &model->files[i]);
	for (uint32_t i = 0; i < model->site_count; i++) {
		put_row(&writer, RECORD_SITE, &model->sites[i]);
		for (uint32_t j = 0; j < model->sites[i].frame_count; j++)
			put_frame(&writer, &model->sites[i].frames[j]);
	}
	for (uint32_t i = 0; i < model->flow_count; i++)
		put_row(&writer, RECORD_FLOW, &model->flows[i]);
	for (uint32_t i = 0; i < model->calibration_count; i++)
		put_row(&writer, RECORD_CALIBRATION, &model->calibrations[i]);
	fprintf(to, "%s %" PRIu64 "\n", RECORD_LAST_LINE, writer.lines);
	if (fflush(to) || ferror(to))
		return errno ? -errno : -EIO;
	return 0;
}
