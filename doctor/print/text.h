/* SPDX-License-Identifier: MIT */
/* The parts of the report for persons that stand in files of their own. */
#ifndef DOCTOR_PRINT_TEXT_H
#define DOCTOR_PRINT_TEXT_H

#include "../verdict.h"
#include "line.h"
#include "words.h"

/* Blanks, the label and blanks: what follows stands in the column of details. */
void text_label(struct line *line, const char *label);
/* The two ends of a flow; and what became of its bytes. */
void text_ends(const struct line *line, const struct model *model, const struct finding *finding, char ret[LINE_TEXT]);
void text_statement(const struct model *model, const struct finding *finding, char ret[LINE_TEXT]);
/* Of a loss: calls, cost, where it was lost, which way that was called, what makes the names uncertain. */
void text_details(struct line *line, const struct model *model, const struct finding *finding);
/* What was looked at, and all that was not seen. */
void text_coverage(struct line *line, const struct model *model);

#endif
