/* SPDX-License-Identifier: MIT */
/*
 * What a run leaves behind but for its reports, and what it exits with: --record, --save-baseline, and --fail-if with
 * --baseline. Files are opened, and expressions read, before the watch begins: what is wrong with them ends it there. Prints
 * sentences; knows of no feed.
 */
#ifndef DOCTOR_OUTCOME_H
#define DOCTOR_OUTCOME_H

#include "opt.h"

#include "baseline.h"
#include "gate.h"
#include "output.h"

struct outcome {
	/* What is asked for, by the options. */
	const char *record, *baseline, *save_baseline;	/* files, or NULL */
	struct opt_list fail_if;
	/* Filled by outcome_open. */
	struct gate gates[OPT_LIST_MOST];
	struct baseline known;
	struct output_file record_file, baseline_file;
};

/* 0, or EXIT_USAGE after a sentence. What files held stays till there is something to write. */
int outcome_open(struct outcome *outcome);
/* What the run exits with when all is written: with --fail-if by that, else EXIT_FAILED when something is lost. Of a model that is
 * judged and has its costs. */
int outcome_status(const struct outcome *outcome, const struct model *model);
/* Writes the files, and says which expression failed the run, or that none could tell. exit_status: what was said. 0, or EXIT_BROKEN
 * after a sentence. */
int outcome_write(struct outcome *outcome, const struct model *model, int exit_status);
void outcome_close(struct outcome *outcome);

#endif
