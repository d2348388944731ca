/* SPDX-License-Identifier: MIT */
/* Ratios, and the figures they must reach. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include "shapes.h"
#include "stats.h"

#include <stddef.h>
#include <stdint.h>

struct bench;
struct counts;
struct run;

enum figure_kind { FIGURE_RATIO, FIGURE_CALLS, FIGURE_PAYLOAD_CALLS, FIGURE_CALLS_DIFFER };
/* A figure may be meant for one way of measuring only. */
enum figure_when { ALWAYS, WIRE, WIRE_AND_LOOPBACK_MSS, NOT_WIRE_AND_LOOPBACK_MSS, ORDINARY_AND_NONBLOCKING,
		   SINK_IS_NONBLOCKING, SINK_IS_BLOCKING };
struct figure {
	const char *what;
	enum figure_kind kind;
	enum direction direction;
	const char *of, *over;		/* names of shapes */
	double at_most;
	enum figure_when when;
};
#define ROUNDS_TO_JUDGE 21
#define FIGURES_CALLS_APART 5	/* for each GiB, raw and wrapped */
enum judgement { TOO_FEW_ROUNDS, MISSED, HOLDS, OTHERS_BUSY };
struct verdict {
	const struct figure *figure;
	const struct bench *of;		/* the run it was measured in: this one, or one of its others (--all) */
	enum judgement judgement;
	int known, disturbed;		/* disturbed: others were busy while the calls were counted */
	struct stat3 ratio;
	double value;
};
#define VERDICTS 32
unsigned figures_judge(const struct bench *b, struct verdict verdicts[VERDICTS]);
/* What it is about, and in which conditions. */
const char *verdict_text(const struct verdict *verdict, char *text, size_t size);
/* ", MSS 1448": what a bench of --all has that others have not. */
const char *conditions_text(const struct bench *b, char *text, size_t size);
/* A ratio beside that of the A/A control of the same rounds. */
enum judgement judge(struct stat3 ratio, struct stat3 control, double at_most);
/* "holds", "MISSED", "too few rounds to judge (3 of 21)" */
const char *judgement_text(enum judgement judgement, unsigned rounds, char *text, size_t size);
/* CPU per GiB of a run over that of another, round by round. */
struct stat3 ratio_of(const struct bench *b, const struct run *run, const struct run *over);
struct stat3 cpu_ms_per_gib(const struct bench *b, const struct run *run);
struct stat3 gib_per_s(const struct bench *b, const struct run *run);
/* n of one count for each GiB that was counted. */
double per_gib(const struct counts *counts, uint64_t n);
/*
 * Of two counts of one run. What disturbs the receiver, or the machine, has a socket be full, and calls that do not wait be smaller
 * or come to nothing: it only adds calls. Calls that may wait (may_wait: nobody has anything to do meanwhile) take all there is, and
 * are at most 1 MiB where they need not: it only spares calls. So what is kept is never further from that of an idle machine.
 */
int less_disturbed(const struct counts *now, const struct counts *had, int may_wait);
/* Bytes through user space for each GiB, as strace saw them; else as leat reports; NAN when nobody knows. */
double user_bytes_per_gib(const struct run *run);

#endif
