/* SPDX-License-Identifier: MIT */
/*
 * What a watch did not get to know, so that nobody takes its silence for health: by it a report says "clean" or does not, and a
 * gate that holds nothing says so. Pure, of a model that is judged.
 */
#ifndef DOCTOR_KNOWN_H
#define DOCTOR_KNOWN_H

#include "model.h"

/* The first that holds. */
enum known {
	KNOWN_ENOUGH,
	KNOWN_IN_PART,		/* calls were made that could not be followed: the coverage is not complete */
	KNOWN_NOTHING,		/* there was no flow */
	KNOWN_NO_SOURCE,	/* much was written of which nobody knows where it came from */
	KNOWN_NO_VERDICT,	/* a flow that moved something could not be judged */
};

enum known known_of(const struct model *model);
/* "not everything was seen"; NULL for enough. */
const char *known_words(enum known known);

/* By what the place of a finding can be told from another one, as a baseline has to. */
enum known_place {
	PLACE_FUNCTION,		/* the culprit's name */
	PLACE_OFFSET,		/* its offset in its module: of this build only */
	PLACE_STACKS,		/* no frame of the program: what the runtime calls, which many places of a program have in common */
	PLACE_CALLS,		/* no frame at all: the system calls */
};

enum known_place known_place_of(const struct model *model, const struct finding *finding);
const char *known_place_name(enum known_place place);	/* "function" */
/* What is not seen where places are told apart by no more than that: a sentence, or NULL. */
const char *known_place_words(enum known_place place);

/* Whether all that moves bytes was seen. A sampled look at bytes does not count: pairs are made of all calls then too. */
bool known_coverage(const struct model *model);
/* Flows with an end of which nobody could see whether the kernel can splice it. */
uint64_t known_unknown_ends(const struct model *model);
/* Bytes written that came from no read that was seen, where they are more than a program writes by the way; else 0. */
uint64_t known_sourceless(const struct model *model);

#endif
