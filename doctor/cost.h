/* SPDX-License-Identifier: MIT */
/*
 * What a loss is worth: CPU of what the program does with its bytes against CPU of the kernel's route between such ends, measured
 * on this machine by CLOCK_THREAD_CPUTIME_ID of the one thread that moves (cost_measure.c), for the ends and the size of the
 * pieces that were seen. Figures are kept in the model, and so in a recording, and in a file below the user's cache directory
 * for this kernel and processor (cost_cache.c).
 */
#ifndef DOCTOR_COST_H
#define DOCTOR_COST_H

#include "model.h"

#define COST_BUDGET_NS		UINT64_C(750000000)	/* wall time of all measuring in one run, but for the last pair, which ends */
#define COST_PIECE_LEAST	4096
#define COST_PIECE_MOST		(1u << 20)
#define COST_METHOD		"calibrated on this machine"

/* Gives each loss its cost, with the figures at hand; measure: and measures what is missing, the largest loss first, until the
 * budget is spent. A loss without figures keeps method NULL. 0 or -ENOMEM. */
int cost_all(struct model *model, bool measure);

/* Which ends, way and piece stand for those of the finding; false: none do. */
bool cost_key(const struct model *model, const struct finding *finding, struct calibration *ret_key);

/* The model's figures for that key; NULL: it has none. */
const struct calibration *cost_figures(const struct model *model, const struct calibration *key);

/* Fills the figures of *calibration, of which the key is given, in at most about budget_ns. 0 or -errno. */
int cost_measure(struct calibration *calibration, uint64_t budget_ns);

/* Adds what is kept for this machine to the model; and keeps what the model has. Without a cache directory, or with one that is
 * not the user's own, nothing is done. */
void cost_cache_load(struct model *model);
void cost_cache_save(const struct model *model);

#endif
