/* SPDX-License-Identifier: MIT */
/*
 * Why a finding's bytes do not take the kernel's route, and what would mend it: a table, by runtime, culprit and ends. A remedy
 * is in it only with its patient, a program of tests/doctor/mend/ that is measured before and after; without one the row says
 * why, and that no remedy is known. Pure: sees the model only.
 */
#ifndef DOCTOR_ADVICE_H
#define DOCTOR_ADVICE_H

#include "model.h"

struct advice {
	const char *name;		/* of the row, for the tests */
	uint32_t verdicts, runtimes, sides;	/* bits 1u << ...; 0: any */
	uint32_t from, to;		/* bits of enum file_kind; 0: any */
	const char *program;		/* the executable's name; NULL: any */
	const char *reading, *writing, *anywhere;	/* "a|b": a function whose name has one of these in it stands inside the loop on
						 * the read side, on the write side, or anywhere in either stack, where
						 * a module of such a name will do; NULL: not asked */
	const char *and_anywhere;	/* the same once more */
	/* Holds in place of `anywhere`, where the stacks have no names; NULL: nothing does. */
	bool (*nameless)(const struct flow *flow, const struct site *read, const struct site *write);
	unsigned times;			/* that reading must be met; 0: once */
	bool (*release)(unsigned go);	/* the minor release of Go 1, 0: not known; NULL: not asked */
	bool (*also)(const struct file *from, const struct file *to);	/* NULL: nothing more is asked */
	uint8_t reason;			/* enum leat_reason that replaces the verdict's; 0: none */
	const char *why;		/* "@" stands for the culprit's name */
	const char *mend;		/* NULL: no remedy is known */
	const char *patients;		/* "NAME ENDS...|NAME ENDS...": what proves it, for each pair of ends (mend/patients) */
};

const struct advice *advice_rows(unsigned *ret_count);

/* Gives each finding its why, mend and reason. 0 or -ENOMEM. The names in why_text are a stranger's. */
int advice_all(struct model *model);

/* Why a loss has no remedy: a sentence; NULL where it has one, and of what is no loss. */
const char *advice_no_mend(const struct model *model, const struct finding *finding);

/* What to say of writes that begin as TLS records do, and have no flow: a sentence on why, or NULL where there are none. */
const char *advice_tls(const struct coverage *coverage);

/* What would mend that, by the patient c-tls of tests/doctor/mend/; NULL: nothing that is known to. */
const char *advice_tls_mend(const struct model *model);

/* What it may be that was written and came from no read that was seen: a sentence, or NULL where that is not much. */
const char *advice_sourceless(const struct model *model);

#endif
