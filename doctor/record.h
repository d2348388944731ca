/* SPDX-License-Identifier: MIT */
/*
 * The model as a file: --record writes it, --replay reads it, and both give one report. What was seen is kept, with stacks
 * resolved to names; no byte of a stack or of what was moved, and no address by which a running program could be found: frames
 * keep their offset in their module, stack pointers only their distance from each other. Verdicts are not kept, they are
 * judged anew. Pure but for the file it is given.
 *
 * The format (leat-doctor(1) has it in full) is text, one record in a line: a word, then KEY=VALUE, separated by one blank.
 * Bytes of a text other than ! to ~, and %, stand as %XX; a key that is not there means zero, no text, no
 * site; of a process's status, unknown. The first line is
 * "leat-recording 1", the last "end" and the number of lines before it, so that a recording that was cut short is told.
 * Records that refer to others (a flow to files and sites, by their place from 0) come after them; a frame belongs to
 * the last site. Unknown words and keys are passed over: a version that means something else has another number.
 */
#ifndef DOCTOR_RECORD_H
#define DOCTOR_RECORD_H

#include "model.h"

#include <stdio.h>

#define RECORD_VERSION 1
#define RECORD_LINE_MOST (64u << 10)	/* bytes of a line */
#define RECORD_MEMORY_MOST (256u << 20)	/* that a recording may make us take */

struct record_error {
	uint32_t line;		/* from 1; 0: none */
	const char *what;	/* static; NULL: strerror of what was returned says it */
};

/* 0 or -errno, of the last write too. */
int record_write(const struct model *model, FILE *to);
/* Fills *model, which is all zero. 0; -EBADMSG: no recording, or a damaged one; -EPROTONOSUPPORT: another version; -ENOMEM;
 * -EIO. On an error the model is all zero again. error may be NULL. */
int record_read(struct model *model, FILE *from, struct record_error *error);

int record_load(struct model *model, const char *path, struct record_error *error);

#endif
