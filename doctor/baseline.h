/* SPDX-License-Identifier: MIT */
/*
 * What is not new: a text file of keys, one finding in a line, without line numbers and sizes, so that it stands edits of the
 * source; lines are sorted, to be kept in a repository. Pure but for the files it is given.
 */
#ifndef DOCTOR_BASELINE_H
#define DOCTOR_BASELINE_H

#include "model.h"

#include <stdio.h>

struct baseline {
	char **keys;			/* sorted */
	uint32_t count;
};

/* Loads a baseline, as another run saved it: 0, -EBADMSG for what is none, -ENOMEM, or -errno. */
int baseline_load(struct baseline *baseline, const char *path);
int baseline_read(struct baseline *baseline, FILE *from);
int baseline_write(const struct model *model, FILE *to);
void baseline_free(struct baseline *baseline);

/* Bytes of the finding that are at places which the baseline does not have; 0: it has them all. */
uint64_t baseline_new_bytes(const struct baseline *baseline, const struct model *model, const struct finding *finding);

#endif
