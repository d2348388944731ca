/* SPDX-License-Identifier: MIT */
#include "tee.h"
#include "endpoint.h"
#include "pipe.h"
#include "sys.h"
#include "wrap/wrap.h"
#include "wrapper.h"

#include <errno.h>
#include <fcntl.h>

static bool second_splices(const struct leat_tee *tee)
{
	struct leat_sink *second = tee->second;

	if (leat_look_sink(second) < 0)
		return false;
	if (second->facts.kind == LEAT_KIND_FILE)
		return !(second->facts.open_flags & O_APPEND);
	return second->facts.kind != LEAT_KIND_DATAGRAM && kind_waits(second->facts.kind) &&
	       second->facts.open_flags & O_NONBLOCK;
}

bool tee_possible(const struct transfer *t, const char **ret_by)
{
	bool any = false, all = true;

	if (!kind_is_socket(t->base->facts.kind))
		return false;
	for (const struct leat_wrapper *w = t->first; w; w = w->down) {
		if (w->ops == &tee_ops) {
			any = true;
			all = all && second_splices((const struct leat_tee *)w);
		} else if (w->ops->need >= LEAT_NEED_CONTENT) {
			*ret_by = wrapper_name(w);
			return false;
		} else if (w->ops->need == LEAT_NEED_BOUNDARIES ||
			   (w->ops == &section_ops && ((const struct leat_limit *)w)->skip)) {
			all = false;
		}
	}
	return any && all;
}

static void shut(struct leat_tee *tee)
{
	struct pipe pipe = { .fd = { tee->pipe[0], tee->pipe[1] }, .bytes = tee->piped };

	pipe_close(&pipe, NULL);
	tee->pipe[0] = tee->pipe[1] = -1;
	tee->piped = 0;
}

void tee_use_kernel(struct transfer *t, bool kernel)
{
	if (!t->report.content_wrappers)
		return;
	for (struct leat_wrapper *w = t->first; w; w = w->down) {
		if (w->ops != &tee_ops)
			continue;
		shut((struct leat_tee *)w);
		w->state = kernel ? w->state | WRAPPER_KERNEL_TEE : w->state & ~(uint32_t)WRAPPER_KERNEL_TEE;
	}
}

static int duplicate(struct transfer *t, struct leat_tee *tee, enum leat_reason *ret_reason)
{
	struct pipe pipe;
	int64_t n;
	int r;

	*ret_reason = LEAT_PIPE_BUDGET;
	if (tee->pipe[0] < 0) {
		r = pipe_open(&pipe, t->pipe.size, NULL);
		if (r < 0)
			return r;
		tee->pipe[0] = pipe.fd[0];
		tee->pipe[1] = pipe.fd[1];
	}
	n = sys_tee(t->pipe.fd[0], tee->pipe[1], t->pipe.bytes, SPLICE_F_NONBLOCK);
	if (n < 0) {	/* both pipes are ours: whatever it says, it is the call that is not to be had */
		*ret_reason = n == -ENOMEM ? LEAT_PIPE_BUDGET : LEAT_SANDBOX;
		return (int)n;
	}
	tee->piped = (uint64_t)n;
	return tee->piped == t->pipe.bytes ? 0 : -ENOBUFS;	/* a smaller pipe than ours: the budget ran out */
}

int tee_fill(struct transfer *t, enum leat_reason *ret_reason)
{
	for (struct leat_wrapper *w = t->first; w; w = w->down) {
		int r = w->state & WRAPPER_KERNEL_TEE ? duplicate(t, (struct leat_tee *)w, ret_reason) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int64_t tee_pipe_splice(struct leat_tee *tee, uint64_t bytes)
{
	struct leat_sink *second = tee->second;
	uint64_t to = second->position;
	bool explicit = kind_is_file(second->facts.kind) && !second->own_offset;
	int64_t n = sys_splice(tee->pipe[0], NULL, second->fd, explicit ? &to : NULL, bytes,
			       SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n > 0) {
		tee->piped -= (uint64_t)n;
		second->position += (uint64_t)n;
	}
	return n;
}

int64_t tee_pipe_read(struct leat_tee *tee, void *bytes, uint64_t size)
{
	int64_t n = sys_read(tee->pipe[0], bytes, size);

	if (n > 0)
		tee->piped -= (uint64_t)n;
	return n;
}
