/* SPDX-License-Identifier: MIT */
#include "flow.h"
#include "charge.h"
#include "holes.h"
#include "queue.h"
#include "room.h"
#include "route/route.h"
#include "wrap/frame.h"
#include "wrap/wrap.h"

#include <errno.h>

/* The head of the stream at one place of the way. */
struct head {
	struct leat_wrapper *origin;
	const unsigned char *data;
	uint64_t bytes;		/* that may go now in one piece */
	uint64_t ready;		/* that certainly come and may go, this piece included */
	bool hole, ended;
	bool more;		/* though ready does not say so: the tail of a piece, and bytes for the next one are there */
	bool cut;		/* ended, because by, further down, has no room for a piece: nothing above by is over */
	const struct leat_wrapper *by;	/* that ended it */
};

struct walk {
	struct transfer *t;
	struct head head;
	struct leat_budget budget;	/* for whom is asked now; the clocks stay the same for the whole walk */
	bool blocked;
	int error;
	const struct leat_wrapper *by;
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* In the order in which bytes must leave: kept, in the buffer, in the pipe, still in the source. */
static struct head base_head(struct transfer *t)
{
	struct leat_source *base = t->base;
	struct head head = { 0 };
	uint64_t left = t->end == LEAT_UNKNOWN ? LEAT_UNKNOWN : t->end - base->position;

	if (base->kept_len) {
		head.data = base->kept + base->kept_off;
		head.bytes = head.ready = base->kept_len;
	} else if (t->buffer.len) {
		head.data = t->buffer.bytes + t->buffer.off;
		head.bytes = head.ready = t->buffer.len;
	} else if (t->pipe.bytes) {
		head.bytes = head.ready = t->pipe.bytes;
	} else if (base->facts.kind == LEAT_KIND_QUEUE) {
		head.ended = !queue_starves(base);
	} else if (!left || t->bits & TRANSFER_EOF) {
		head.ended = true;
	} else {
		head.bytes = left;
		/* A datagram is announced when its bytes are in one run: in memory, or in the buffer. */
		if (left != LEAT_UNKNOWN && (t->out->facts.kind != LEAT_KIND_DATAGRAM || !t->route->fill))
			head.ready = left;
		else if (t->bits & TRANSFER_BOUNDARIES && !t->route->fill)
			head.ready = source_ready(t);
		if (base->facts.kind == LEAT_KIND_MEMORY)
			head.data = (const unsigned char *)base->base + base->position;
		else
			head.bytes = holes_limit(t, head.bytes, &head.data, &head.hole);
	}
	return head;
}

bool flow_promised(const struct transfer *t, const struct leat_wrapper *by)
{
	bool open = false;

	for (const struct leat_wrapper *w = t->first; w && w != by; w = w->down) {
		if (w->ops->need == LEAT_NEED_CHANGE)
			open = false;
		else if (w->ops == &frame_ops)
			open = open || ((const struct leat_frame *)w)->open;
	}
	return open;
}

/* What allow said but yes, taken into the walk. Negative: failed. */
static int take_answer(struct walk *walk, const struct leat_wrapper *w, int answer, const struct leat_budget *budget)
{
	struct head *head = &walk->head;

	if (answer > 0 && answer != LEAT_WAIT && answer != LEAT_END)
		answer = LEAT_ECONTRACT;
	if (answer < 0) {
		walk->by = w;
		return walk->error = answer;
	}
	if (answer == LEAT_END && !head->ended) {
		bool read_full = walk->t->bits & TRANSFER_QUIET && !w->down;	/* the next leat_read goes on in the piece */

		*head = (struct head){ .ended = true, .by = w };
		walk->by = w;
		return walk->error = !read_full && flow_promised(walk->t, w) ? LEAT_ESHORT : 0;
	} else if (answer != LEAT_END) {
		if (head->bytes)
			walk->blocked = true;
		if (budget->wait.fd >= 0)
			walk->t->wrapper_wait = budget->wait;
		head->bytes = head->ready = 0;
	}
	return 0;
}

/*
 * A callback that said -EAGAIN gets at least as many bytes again: TLS libraries insist. A datagram goes whole, also when
 * others have emptied a shared bucket since its piece was opened.
 */
static uint64_t of_use(const struct transfer *t)
{
	uint64_t whole = 1;

	for (const struct leat_wrapper *w = t->out->facts.kind == LEAT_KIND_DATAGRAM ? t->first : NULL; w; w = w->down)
		if (w->ops == &frame_ops && ((const struct leat_frame *)w)->open)
			whole = frame_left((const struct leat_frame *)w);
	if (whole > 1)
		return whole;
	return t->out->kind == LEAT_KIND_CALLBACK && t->out->length != LEAT_UNKNOWN ? t->out->length : 1;
}

static int ask(struct walk *walk, struct leat_wrapper *w)
{
	struct leat_budget *budget = &walk->budget;
	struct head *head = &walk->head;
	uint64_t want = head->bytes > head->ready ? head->bytes : head->ready;
	int answer = ask_allow(w, budget, want, of_use(walk->t));

	if (budget->wake_at_ns < walk->t->wake_at_ns)
		walk->t->wake_at_ns = budget->wake_at_ns;
	if (answer || (want && !budget->bytes))
		return take_answer(walk, w, answer, budget);
	head->bytes = least(head->bytes, budget->bytes);
	head->ready = least(head->ready, budget->bytes);
	return 0;
}

/* What the nearest frame above still brings of its piece, if it comes here whole. */
static uint64_t promised(const struct walk *walk, const struct leat_frame *frame)
{
	uint64_t bytes = 0;

	for (const struct leat_wrapper *w = walk->t->first; w != &frame->wrapper; w = w->down) {
		if (w->ops->need == LEAT_NEED_CHANGE || (w->ops == &section_ops && ((const struct leat_limit *)w)->skip))
			bytes = 0;
		else if (w->ops == &frame_ops)
			bytes = ((const struct leat_frame *)w)->open ? frame_left((const struct leat_frame *)w) : 0;
	}
	return bytes;
}

/* What fits below a frame. False: somebody there waits or failed, and the head is taken back. */
static bool ask_below(struct walk *walk, const struct leat_frame *frame, uint64_t of_use, uint64_t *ret_room,
		      struct leat_wrapper **ret_by)
{
	int answer = room_below(walk->t, frame, of_use, &walk->budget, ret_room, ret_by);

	if (!answer)
		return true;
	walk->head = (struct head){ 0 };
	walk->blocked = true;
	walk->t->wake_at_ns = least(walk->t->wake_at_ns, walk->budget.wake_at_ns);
	take_answer(walk, *ret_by, answer, &walk->budget);
	return false;
}

/* Nothing more of this frame fits, further down at by. */
static void cut_at(struct walk *walk, const struct leat_frame *frame, const struct leat_wrapper *by)
{
	walk->error = flow_promised(walk->t, &frame->wrapper) ? LEAT_ESHORT : 0;
	walk->by = by;
	walk->head = (struct head){ .ended = true, .cut = true, .by = by };
}

static void head_is(struct head *head, struct leat_wrapper *origin, const unsigned char *data, uint64_t bytes, uint64_t ready)
{
	*head = (struct head){ .origin = origin, .data = data, .bytes = bytes, .ready = ready };
}

/* What stands at the very end goes whole, or not at all. */
static void frame_finish(struct walk *walk, struct leat_frame *frame)
{
	struct leat_wrapper *by = &frame->wrapper;
	uint64_t room;

	if (frame->ended)
		walk->head.cut = false;	/* it has said so: who lacks room further down ends nothing that is not over */
	if (frame->ended || walk->head.cut)
		return;
	walk->error = frame_finish_open(frame);
	walk->by = by;
	if (walk->error || !frame->open)
		return;
	if (ask_below(walk, frame, 0, &room, &by)) {
		if (room >= frame->head_len)
			return;
		cut_at(walk, frame, by);
	}
	frame->open = frame->ended = 0;	/* not now, or never */
}

/* A frame with no piece open: opens one if bytes are certain. True when the walk ends here, to learn how many there are. */
static bool frame_start(struct walk *walk, struct leat_frame *frame, struct extent *extent)
{
	struct head *head = &walk->head;
	struct leat_wrapper *by;
	uint64_t room, sure;
	int r;

	if (head->ready) {
		/* Pieces within a promised piece are not made smaller by what may pass just now: more of them need more room. */
		sure = promised(walk, frame);
		if (!ask_below(walk, frame, sure, &room, &by))
			return false;
		r = frame_open(frame, head->ready > sure ? head->ready : sure, room);
		if (r == -ENOBUFS) {
			cut_at(walk, frame, by);
		} else if (r < 0) {
			walk->error = r;
			walk->by = &frame->wrapper;
		}
		return false;
	}
	if (head->ended) {
		frame_finish(walk, frame);
		return false;
	}
	if (!head->bytes)
		return false;
	*extent = (struct extent){ .bytes = least(head->bytes, frame->piece_max_bytes), .fill_only = true };
	return true;
}

static bool pass_frame(struct walk *walk, struct leat_frame *frame, struct extent *extent)
{
	struct head *head = &walk->head;
	bool more;

	if (!frame->open && frame_start(walk, frame, extent))
		return true;
	if (!frame->open || walk->error) {
		if (!head->ended)
			head->bytes = head->ready = 0;
		return false;
	}
	if (frame->head_off < frame->head_len) {
		head_is(head, &frame->wrapper, frame->head + frame->head_off, frame->head_len - frame->head_off, frame_left(frame));
	} else if (frame->piece_left) {
		if (head->ended) {	/* announced, and now the source has no more */
			walk->error = LEAT_ESHORT;
			walk->by = head->by;
			return false;
		}
		head->bytes = least(head->bytes, frame->piece_left);
		head->ready = least(head->ready, frame->piece_left);
		if (head->ready)
			head->ready += frame->tail_len - frame->tail_off;
	} else {
		more = head->ready;
		head_is(head, &frame->wrapper, frame->tail + frame->tail_off, frame->tail_len - frame->tail_off,
			frame_left(frame));
		head->more = more;
	}
	return false;
}

static bool pass_changer(struct walk *walk, struct leat_wrapper *w, struct extent *extent)
{
	struct head *head = &walk->head;
	uint64_t out = w->out_len - w->out_off;

	if (out) {
		head_is(head, w, charge_slot(walk->t, w) + w->out_off, out, out);
		return false;
	}
	if (w->state & WRAPPER_ENDED) {
		*head = (struct head){ .ended = true, .by = head->by };
		return false;
	}
	if (walk->t->bits & TRANSFER_OVER)
		*head = (struct head){ 0 };
	if (!head->bytes && !head->ended)
		return false;
	*extent = (struct extent){
		.origin = head->origin, .target = w, .data = head->data, .bytes = head->bytes, .last = head->ended,
	};
	return true;
}

static bool pass_section(struct walk *walk, struct leat_limit *section, struct extent *extent)
{
	struct head *head = &walk->head;

	if (!head->bytes)
		return false;
	*extent = (struct extent){
		.origin = head->origin, .target = &section->wrapper, .data = head->data,
		.bytes = least(head->bytes, section->skip), .hole = head->hole,
	};
	return true;
}

/* Most wrappers only look on: they have nothing to say here. */
static bool looks_on(const struct leat_wrapper *w)
{
	return !w->ops->allow && w->ops->need != LEAT_NEED_CHANGE && w->ops != &frame_ops;
}

/* One wrapper. True: the walk ends here, with *extent. */
static bool pass(struct walk *walk, struct leat_wrapper *w, struct extent *extent)
{
	if (walk->head.by == w)
		walk->head.cut = false;
	if (w->ops == &section_ops && ((struct leat_limit *)w)->skip)
		return pass_section(walk, (struct leat_limit *)w, extent);
	if (ask(walk, w) < 0)
		return false;
	if (w->ops == &frame_ops)
		return pass_frame(walk, (struct leat_frame *)w, extent);
	if (w->ops->need == LEAT_NEED_CHANGE)
		return pass_changer(walk, w, extent);
	return false;
}

/*
 * The walk has ended above w: the bytes are for a section, a frame or a changer. Who stands further down has nothing to let
 * pass, and goes on waiting for its time: a deadline, a tick.
 */
static void ask_the_rest(struct walk *walk, struct leat_wrapper *w)
{
	for (; w && walk->error >= 0; w = w->down) {
		int answer = ask_allow(w, &walk->budget, 0, 1);

		walk->t->wake_at_ns = least(walk->t->wake_at_ns, walk->budget.wake_at_ns);
		if (answer < 0) {
			walk->by = w;
			walk->error = answer;
		}
	}
}

static enum flow at_the_sink(struct walk *walk, struct extent *extent)
{
	struct transfer *t = walk->t;
	const struct head *head = &walk->head;

	if (head->bytes) {
		*extent = (struct extent){
			.origin = head->origin, .data = head->data, .bytes = head->bytes, .hole = head->hole,
			.more = head->more || head->ready > head->bytes,
		};
		return FLOW_READY;
	}
	if (head->ended)
		return FLOW_END;
	t->waiting = walk->blocked || !queue_starves(t->base) ? LEAT_SIDE_WRAPPER : LEAT_SIDE_CALLER;
	return FLOW_WAIT;
}

enum flow flow_next(struct transfer *t, struct extent *extent, const struct leat_wrapper **ret_by, int *ret_error)
{
	struct walk walk = {
		.t = t, .head = base_head(t), .budget = { .now_ns = t->now_ns, .active_ns = t->now_ns - t->starved_ns },
	};

	t->wake_at_ns = LEAT_NEVER;
	t->wrapper_wait.fd = -1;
	*ret_by = NULL;
	extent->target = NULL;
	if (t->part && !t->part_last && walk.head.ended)
		return FLOW_PART_OVER;
	for (struct leat_wrapper *w = t->first; w; w = w->down) {
		bool here = !looks_on(w) && pass(&walk, w, extent);

		if (here)
			ask_the_rest(&walk, w->down);
		if (walk.error < 0) {
			*ret_error = walk.error;
			*ret_by = walk.by;
			return FLOW_FAILED;
		}
		if (here)
			return FLOW_READY;
		if (walk.head.ended && !walk.head.cut && (w == t->part_last || w->state & WRAPPER_PART_LAST)) {
			*ret_by = walk.head.by;
			extent->target = w;
			return FLOW_PART_OVER;
		}
	}
	*ret_by = walk.head.by;
	return at_the_sink(&walk, extent);
}

bool flow_needs_fill(const struct transfer *t, const struct extent *extent)
{
	if (extent->origin || extent->data || extent->last)
		return false;
	if (t->pipe.bytes)
		return t->route->id != LEAT_ROUTE_SPLICE_PIPE;
	return t->route->fill != NULL;
}
