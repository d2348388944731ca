/* SPDX-License-Identifier: MIT */
/*
 * What fails a CI job. An expression picks losses and says how much of them is too much:
 *
 *	expression	term, "and" term ...
 *	term		verdict, "," or "or" verdict ...	picks these: loss | bounce (copied ones too) | copied | mmap-write |
 *							changed | small | cannot; once; without any, the losses
 *			new				picks what the baseline does not have
 *			confidence >= low|medium|high|certain	picks these; without, medium and above
 *			share > NUMBER%		of all bytes that the kernel moved or could have moved, those picked are more
 *			bytes > SIZE		those picked are more: 10m
 *			cpu > NUMBERs		moving those picked by the kernel would save more
 *	or alone	incomplete			what was seen does not suffice to say that nothing was lost
 *
 * with > or >=. An expression is true when something is picked and every limit is passed. Several expressions: one is enough.
 * Pure.
 */
#ifndef DOCTOR_GATE_H
#define DOCTOR_GATE_H

#include "known.h"

struct baseline;

struct gate {
	const char *text;		/* the expression, borrowed */
	uint32_t verdicts;		/* bits of enum verdict that are picked */
	enum confidence least;
	bool only_new;
	bool least_said;
	bool incomplete;		/* instead of all that */
	/* Limits; negative: none. or_equal: >= instead of > */
	double share, cpu_s;
	int64_t bytes;
	bool share_or_equal, cpu_or_equal, bytes_or_equal;
};

struct gate_result {
	const struct gate *gate;	/* the one that is true */
	enum known known;		/* of `incomplete` what is not; else nothing of this, and: */
	uint32_t finding;		/* the largest that it picked: model.findings; MODEL_NONE: none */
	uint32_t count;			/* that it picked */
	uint64_t bytes;
	double share, cpu_s;		/* share: 0 to 1 */
	/* Of `new`: those that count as known, though their place has no name (known_place_words), and the largest of them. */
	uint32_t unsure_count, unsure;
	uint64_t unsure_bytes;
};

/* 0, or -EINVAL with a sentence, of which the user's own text is the only strange part. */
int gate_parse(struct gate *gate, const char *text, char *ret_why, size_t size);

/* Is one of them true? The model is judged, and has its costs. baseline: NULL where there is none; then nothing is new. *ret: of
 * the first that is; of none what it could not be sure of. */
bool gate_fails(const struct gate *gates, unsigned count, const struct model *model, const struct baseline *baseline,
		struct gate_result *ret);

#endif
