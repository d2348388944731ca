/* SPDX-License-Identifier: MIT */
/* The calls that wait: leat_copy and leat_read. They step a transfer of their own and poll for what it wants. */
#include "report.h"
#include "sys.h"
#include "transfer.h"

#include <errno.h>
#include <string.h>

/* A stop flag set without a signal is looked at this often; the promise is 100 ms. */
#define STOP_MS 50

/* Nobody else steps this transfer: with no descriptor and no time to wait for, it would sleep for ever. */
static bool stuck(const struct leat_wait *wait)
{
	bool any = wait->wake_at_ns != LEAT_NEVER;

	for (int i = 0; i < 3; i++)
		any = any || (wait->fds[i].fd >= 0 && wait->fds[i].events);
	return !any;
}

/* Waits for what a transfer wants. 0, or an error, *ret_side's. */
static int wait_for(const struct transfer *t, const struct leat_wait *wait, enum leat_side *ret_side)
{
	int ms = leat_wait_ms(wait, sys_clock(&t->options)), r;
	struct pollfd fds[3];
	enum leat_side sides[3];
	unsigned count = 0;

	*ret_side = LEAT_SIDE_CALLER;
	if (stuck(wait))
		return LEAT_ESTUCK;
	if (t->options.stop && (ms < 0 || ms > STOP_MS))
		ms = STOP_MS;
	for (int i = 0; i < 3; i++)	/* poll refuses more entries than RLIMIT_NOFILE, also empty ones */
		if (wait->fds[i].fd >= 0) {
			sides[count] = (enum leat_side)(LEAT_SIDE_SOURCE + i);
			fds[count++] = wait->fds[i];
		}
	r = sys_poll(fds, count, ms);
	for (unsigned i = 0; r > 0 && i < count; i++)
		if (fds[i].revents & POLLNVAL) {	/* a callback's or wrapper's: waiting for it would spin */
			*ret_side = sides[i];
			return -EBADF;
		}
	return r < 0 && r != -EINTR ? r : 0;	/* a signal: every allow is asked again */
}

int64_t leat_copy(struct leat_sink *sink, struct leat_source *source, const struct leat_options *options,
		  struct leat_report *report)
{
	struct leat_report mine;
	struct transfer transfer, *t = &transfer;
	struct leat_wait wait;
	enum leat_side side;
	int r;

	report = report ? report : &mine;
	memset(report, 0, sizeof *report);
	if (!sink || !source) {
		*report = report_misuse(-EINVAL);
		return -EINVAL;
	}
	r = transfer_begin(t, sink, source, options, BLOCKING_CALLER, 0);
	if (r < 0 && !t->bits) {
		*report = t->report;
		return r;
	}
	while (r >= 0 && (r = transfer_step(t)) > 0) {
		if (r != LEAT_WAIT)
			continue;
		transfer_wants(t, &wait);
		r = wait_for(t, &wait, &side);
		if (r < 0)
			t->result = transfer_fail(t, r, side, NULL);
	}
	r = transfer_end(t, report);
	return r < 0 ? r : (int64_t)report->bytes;
}

/* Steps until the memory sink has taken something. */
static int read_some(struct transfer *t, struct leat_wait *wait)
{
	struct leat_wait own;
	enum leat_side side;
	int r;

	while ((r = transfer_step(t)) > 0) {
		if (t->out->position)
			return r;
		if (r != LEAT_WAIT)
			continue;
		transfer_wants(t, wait ? wait : &own);
		if (wait)
			return -EAGAIN;
		r = wait_for(t, &own, &side);
		if (r < 0)
			return r;
	}
	return r;
}

int64_t leat_read(struct leat_source *source, void *buffer, size_t bytes, struct leat_wait *wait)
{
	struct transfer transfer, *t = &transfer;
	struct leat_report report;
	struct leat_sink sink;
	struct leat_limit limit;
	int r;

	if (!source || (!buffer && bytes))
		return -EINVAL;
	if (!bytes)
		return source->error;
	leat_to_memory(&sink, buffer, bytes);
	leat_wrap_sink(&sink, leat_limit_init(&limit, bytes));
	r = transfer_begin(t, &sink, source, NULL, BLOCKING_CALLER, TRANSFER_QUIET);
	if (r < 0 && !t->bits)
		return r;
	if (r >= 0)
		r = read_some(t, wait);
	transfer_end(t, &report);
	leat_close_sink(&sink);
	/* A part that failed is gone, and will not fail again: its error is met on the next call. */
	if (r < 0 && r != -EAGAIN && report.bytes && !source->error)
		source->error = r;
	return report.bytes ? (int64_t)report.bytes : r;
}
