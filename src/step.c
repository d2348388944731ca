/* SPDX-License-Identifier: MIT */
/* The public calls of an event loop: they check what the caller gave, and call the transfer. */
#include "endpoint.h"
#include "report.h"
#include "sys.h"
#include "transfer.h"

#include <errno.h>
#include <limits.h>

/* The ends tell, not *t: it may never have been written. */
static bool runs_already(const struct transfer *t, const struct leat_sink *sink, const struct leat_source *source)
{
	return (sink && sink->serves == (uintptr_t)t) || (source && source->serves == (uintptr_t)t);
}

int leat_begin(struct leat_transfer *transfer, struct leat_sink *sink, struct leat_source *source,
	       const struct leat_options *options)
{
	struct transfer *t = transfer_inside(transfer);
	int r;

	if (!t)
		return -EINVAL;
	if (runs_already(t, sink, source))	/* left alone */
		return sink && source ? LEAT_EWRAPPED : -EINVAL;
	if (!sink || !source) {
		*t = (struct transfer){ .report = report_misuse(-EINVAL) };
		return -EINVAL;
	}
	r = transfer_begin(t, sink, source, options, 0, 0);
	if (r < 0 && t->bits)
		transfer_end(t, NULL);
	return r;
}

int leat_step(struct leat_transfer *transfer)
{
	struct transfer *t = transfer_inside(transfer);

	return t && t->bits & TRANSFER_RUNS ? transfer_step(t) : -EINVAL;
}

void leat_wants(const struct leat_transfer *transfer, struct leat_wait *wait)
{
	const struct transfer *t = transfer_inside(transfer);

	if (!wait)
		return;
	if (t && t->bits & TRANSFER_RUNS) {
		transfer_wants(t, wait);
		return;
	}
	*wait = (struct leat_wait){ .fds = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } }, .wake_at_ns = LEAT_NEVER };
}

int leat_wait_ms(const struct leat_wait *wait, uint64_t now_ns)
{
	uint64_t ms;

	if (!wait || wait->wake_at_ns == LEAT_NEVER)
		return -1;
	if (wait->wake_at_ns <= now_ns)
		return 0;
	ms = (wait->wake_at_ns - now_ns - 1) / 1000000 + 1;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

void leat_so_far(const struct leat_transfer *transfer, struct leat_report *report)
{
	const struct transfer *t = transfer_inside(transfer);

	if (!report)
		return;
	*report = t ? t->report : (struct leat_report){ 0 };
	if (!t || !(t->bits & TRANSFER_RUNS))	/* it is closed already, or never began */
		return;
	report_add(report, &t->earlier);
	report_close(report, 0);
}

int leat_end(struct leat_transfer *transfer, struct leat_report *report)
{
	struct transfer *t = transfer_inside(transfer);

	if (!t)
		return -EINVAL;
	if (!(t->bits & TRANSFER_RUNS)) {	/* a caller who ends what did not begin learns why it did not */
		leat_so_far(transfer, report);
		return -EINVAL;
	}
	return t->bits & TRANSFER_IN_STEP ? -EBUSY : transfer_end(t, report);
}

uint64_t leat_now_ns(void)
{
	return sys_now_ns();
}

uint32_t leat_features(void)
{
	return sys_features();
}
