/* SPDX-License-Identifier: MIT */
#include "datagram.h"
#include "flow.h"
#include "route/route.h"
#include "sys.h"
#include "wrap/frame.h"
#include "wrap/wrap.h"

#include <errno.h>

static struct leat_frame *outermost_frame(const struct transfer *t)
{
	struct leat_frame *frame = NULL;

	for (struct leat_wrapper *w = t->first; w; w = w->down)
		if (w->ops == &frame_ops)
			frame = (struct leat_frame *)w;
	return frame;
}

static void add(struct datagram *d, struct leat_wrapper *origin, const unsigned char *data, uint64_t bytes)
{
	if (bytes)
		d->parts[d->count++] = (struct extent){ .origin = origin, .data = data, .bytes = bytes };
}

/* What would go after the header: the walk is asked as if the header were gone. */
static int payload_behind(struct transfer *t, struct leat_frame *frame, struct extent *payload,
			  const struct leat_wrapper **ret_by, int *ret_error)
{
	uint8_t head_off = frame->head_off;
	enum flow flow;

	frame->head_off = frame->head_len;
	flow = flow_next(t, payload, ret_by, ret_error);
	frame->head_off = head_off;
	return flow;
}

int datagram_gather(struct transfer *t, const struct extent *x, struct datagram *d, const struct leat_wrapper **ret_by,
		    int *ret_error)
{
	struct leat_frame *frame = outermost_frame(t);
	struct extent payload = *x;
	int flow = FLOW_READY;

	d->count = 0;
	if (!frame->open || !frame->piece_left) {	/* what finish wrote */
		d->parts[d->count++] = *x;
		return FLOW_READY;
	}
	if (x->origin == &frame->wrapper)
		flow = payload_behind(t, frame, &payload, ret_by, ret_error);
	if (flow != FLOW_READY)
		return flow;
	if (flow_needs_fill(t, &payload) || payload.target) {
		d->parts[0] = payload;
		return FLOW_READY;
	}
	if (payload.bytes != frame->piece_left || !payload.data) {	/* nested frames: no one run of bytes */
		*ret_error = LEAT_EDATAGRAM;
		return FLOW_FAILED;
	}
	add(d, &frame->wrapper, frame->head, frame->head_len);
	d->parts[d->count++] = payload;
	add(d, &frame->wrapper, frame->tail, frame->tail_len);
	return FLOW_READY;
}

struct move datagram_send(struct transfer *t, const struct datagram *d)
{
	struct iovec parts[DATAGRAM_PARTS];
	uint64_t whole = 0;
	int64_t n;

	for (unsigned i = 0; i < d->count; i++) {
		parts[i].iov_base = (void *)(uintptr_t)d->parts[i].data;
		parts[i].iov_len = d->parts[i].bytes;
		whole += d->parts[i].bytes;
	}
	n = sys_send_parts(t->sink_fd, parts, d->count);
	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SINK);
	if (n >= 0 && (uint64_t)n != whole)
		n = -EIO;
	if (n < 0)
		return route_error(t, LEAT_ROUTE_COPY, (int)n, LEAT_SIDE_SINK);
	return route_moved(n);
}
