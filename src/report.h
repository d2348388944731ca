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
/* The part spoke for most of the bytes so far: the whole shows its kinds, plan and reasons. In any case its by_reference. */
void report_shows(struct leat_report *whole, const struct leat_report *part);
/* Adds the bytes, calls and waits of an earlier run of the same part. */
void report_add(struct leat_report *report, const struct leat_report *earlier);
/* Why the best route that fits the pair was not the one taken, as leat_explain says it; LEAT_OK: it was. */
enum leat_reason report_reason(const struct leat_report *report);
/* At the end: the route that carried the most bytes. */
void report_close(struct leat_report *report, uint64_t now_ns);

#endif
