/* SPDX-License-Identifier: MIT */
/* What the printers share: the words for what stands in a model, its ends and frames as texts, and the end of an output. */
#ifndef DOCTOR_PRINT_WORDS_H
#define DOCTOR_PRINT_WORDS_H

#include "../known.h"

#include <stdio.h>

/* The words of the JSON, stable; "unknown" for a value that is none. Those of verdict and confidence are in verdict.h. */
const char *words_side(enum culprit_side side);			/* "caller" */
const char *words_kind(enum file_kind kind);			/* "unix-stream" */
const char *words_how(enum flow_how how);			/* "same-buffer" */
const char *words_engine(enum engine engine);
const char *words_runtime(enum runtime runtime);		/* "c++" */
const char *words_owner(enum frame_owner owner);
const char *words_reason(const struct finding *finding);	/* the library's words */
/* Of flow.call_read and call_write: "pread64", "io_uring_read"; NULL for one that is not known. */
const char *words_call(uint16_t call);
/* The kernel's call for such ends: "sendfile", "splice", "copy_file_range". */
const char *words_route(const struct file *from, const struct file *to);

#define WORDS_ADDRESS 56	/* "[ffff:...]:65535" */
/* "127.0.0.1:80", "[::1]:80", or "" for no such address. */
const char *words_address(const struct file_address *address, char text[WORDS_ADDRESS]);
/* Without its directories. */
const char *words_base(const char *path);

#define WORDS_NAME 4096
/* A frame's function, or module and offset, or its address: a stranger's text still, cut at WORDS_NAME. */
const char *words_frame(const struct frame *frame, char text[WORDS_NAME]);

#define WORDS_NUMBER 32
/* "65,540" */
const char *words_number(uint64_t number, char text[WORDS_NUMBER]);
/* "2.00 GiB", "32 KiB", "17 B" */
const char *words_size(uint64_t bytes, char text[WORDS_NUMBER]);

double words_seconds(const struct model *model);	/* of the watch */

/* Calls of a finding by name, over all its flows. */
struct calls { struct { const char *name; uint64_t count; } of[16]; unsigned count; };
/* side: SIDE_READ, SIDE_WRITE; SIDE_NONE: both. */
void words_calls(const struct model *model, const struct finding *finding, enum culprit_side side, struct calls *ret_calls);

/* What the summary counts. */
struct tally {
	uint64_t flows, lost_flows, lost_bytes;
	enum known known;
	bool clean;			/* there are flows, none is lost, and nothing more need be known */
};
struct tally words_tally(const struct model *model);

/* Flushes: 0, or -errno of what could not be written. errno was set to 0 by words_begin. */
void words_begin(void);
int words_end(FILE *to);

#endif
