/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>

/* Waits for what the transfer wants, at most until until_ns. */
static int wait_for(const struct leat_transfer *transfer, uint64_t until_ns)
{
	uint64_t now = leat_now_ns();
	struct leat_wait wait;
	int ms, left_ms;

	if (now >= until_ns)
		return -ETIMEDOUT;
	leat_wants(transfer, &wait);
	ms = leat_wait_ms(&wait, now);
	left_ms = (until_ns - now) / 1000000 < 1000000 ? (int)((until_ns - now) / 1000000) + 1 : 1000000;
	if (ms < 0 || ms > left_ms)
		ms = left_ms;
	if (poll(wait.fds, 3, ms) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int loop_run(struct leat_transfer *transfer, uint64_t until_ns, void (*between)(void *arg), void *arg)
{
	for (;;) {
		int verdict = leat_step(transfer), error;

		if (verdict == LEAT_DONE || verdict < 0)
			return verdict;
		if (between)
			between(arg);
		if (verdict == LEAT_AGAIN)
			continue;
		error = wait_for(transfer, until_ns);
		if (error)
			return error;
	}
}
