/* SPDX-License-Identifier: MIT */
/* The report: filled by the plan and the loop, merged over the parts of a queue, explained in one line. */
#ifndef LEAT_REPORT_H
#define LEAT_REPORT_H

#include "types.h"

/* Of a call that was wrong before anything was looked at. */
struct leat_report report_misuse(int error);
/* An end without O_NONBLOCK cannot be stepped: what the plan had left is refused for that. */
void report_blocking(struct leat_report *report);
/* Takes over the plan: routes, reasons, kinds. */
void report_plan(struct leat_report *report, const struct plan *plan);
/*
 * Adds what came before: earlier leaves of the transfer, or an earlier run of the same part. The sum ends as report does, and
 * shows the kind, plan and reasons of the one that spoke for more of the bytes.
 */
void report_add(struct leat_report *report, const struct leat_report *earlier);
/* The running leaf is over: it is one of the earlier ones, and the next one begins. */
void report_leaf_over(struct transfer *t);
/* Why the best route that fits the pair was not the one taken, as leat_explain says it; LEAT_OK: it was. */
enum leat_reason report_reason(const struct leat_report *report);
/* At the end: the route that carried the most bytes. */
void report_close(struct leat_report *report, uint64_t now_ns);

#endif
