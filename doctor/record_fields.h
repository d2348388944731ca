/* SPDX-License-Identifier: MIT */
/* The records of a recording and their fields: one table, read by who writes and by who reads. Only record*.c includes it. */
#ifndef DOCTOR_RECORD_FIELDS_H
#define DOCTOR_RECORD_FIELDS_H

#include "model.h"

enum field_type {
	FIELD_BOOL, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_INT, FIELD_I64, FIELD_WORD /* an enum */, FIELD_TEXT, FIELD_ADDRESS,
	FIELD_SIZES, FIELD_FILE /* a place in model.files */, FIELD_SITE /* in model.sites, or absent */
};

struct field {
	const char *key;
	enum field_type type;
	size_t at;			/* in the struct */
	const char *const *words;	/* of FIELD_WORD, by value */
	unsigned count;			/* of words */
};

struct record {
	const char *word;
	size_t size;			/* of the struct */
	const struct field *fields;
	unsigned count;
	/* For reading: the place in the model that a new one has, as model_add_...; NULL: the model has one of them. */
	uint32_t (*add)(struct model *model);
	void *(*at)(struct model *model, uint32_t place);
};

enum { RECORD_WATCH, RECORD_COVERAGE, RECORD_PROCESS, RECORD_FILE, RECORD_SITE, RECORD_FRAME, RECORD_FLOW, RECORD_CALIBRATION, RECORDS };

extern const struct record records[RECORDS];

#define RECORD_FIRST_LINE "leat-recording"
#define RECORD_LAST_LINE "end"

#endif
