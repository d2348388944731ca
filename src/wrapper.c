/* SPDX-License-Identifier: MIT */
#include "wrapper.h"
#include "wrap/wrap.h"

#include <errno.h>
#include <string.h>

struct leat_wrapper *leat_wrapper_init(struct leat_wrapper *wrapper, const struct leat_wrapper_ops *ops)
{
	if (!wrapper)
		return NULL;
	memset(wrapper, 0, sizeof *wrapper);
	wrapper->ops = ops;
	return wrapper;
}

const char *wrapper_name(const struct leat_wrapper *wrapper)
{
	if (wrapper->ops == &frame_ops)
		return ((const struct leat_frame *)wrapper)->ops->name;
	if (wrapper->ops == &hash_ops)
		return ((const struct leat_hash *)wrapper)->ops->name;
	return wrapper->ops->name;
}

/* 0, or why this wrapper cannot go on the chain of an end. */
static int misuse(const struct leat_wrapper *wrapper, bool busy)
{
	if (!wrapper || !wrapper->ops || !wrapper->ops->name || (unsigned)wrapper->ops->need > LEAT_NEED_CHANGE)
		return -EINVAL;
	if (wrapper->ops->need == LEAT_NEED_CHANGE && !wrapper->ops->change)
		return -EINVAL;
	for (unsigned i = 0; i < sizeof wrapper->ops->reserved / sizeof wrapper->ops->reserved[0]; i++)
		if (wrapper->ops->reserved[i])
			return -EINVAL;
	if (wrapper->state & WRAPPER_WRAPPED || busy)
		return LEAT_EWRAPPED;
	return 0;
}

static void chain(struct leat_wrapper **first, struct leat_wrapper **last, struct leat_wrapper *wrapper)
{
	wrapper->state = WRAPPER_WRAPPED;
	wrapper->inner = *last;
	wrapper->outer = NULL;
	if (*last)
		(*last)->outer = wrapper;
	else
		*first = wrapper;
	*last = wrapper;
}

void leat_wrap(struct leat_source *source, struct leat_wrapper *wrapper)
{
	int error;

	if (!source)
		return;
	error = misuse(wrapper, source->serves != 0);
	if (!error)
		chain(&source->first, &source->last, wrapper);
	else if (!source->error)
		source->error = error;
}

void leat_wrap_sink(struct leat_sink *sink, struct leat_wrapper *wrapper)
{
	int error;

	if (!sink)
		return;
	error = misuse(wrapper, sink->serves != 0);
	if (!error)
		chain(&sink->first, &sink->last, wrapper);
	else if (!sink->error)
		sink->error = error;
}

static void append(struct leat_wrapper **first, struct leat_wrapper **last, struct leat_wrapper *wrapper)
{
	wrapper->up = *last;
	wrapper->down = NULL;
	wrapper->state &= ~(uint32_t)WRAPPER_PART_LAST;
	if (*last)
		(*last)->down = wrapper;
	else
		*first = wrapper;
	*last = wrapper;
}

struct leat_wrapper *way_link(struct leat_source *base, struct leat_source *part, struct leat_sink *sink,
			      struct leat_wrapper **ret_part_last)
{
	struct leat_wrapper *first = NULL, *last = NULL, *inside = NULL;

	*ret_part_last = NULL;
	for (struct leat_source *s = base; s; s = s->parent) {
		for (struct leat_wrapper *w = s->first; w; w = w->outer)
			append(&first, &last, w);
		if (s == part)
			*ret_part_last = last;
		else if (s->state & END_PART && last != inside)
			last->state |= WRAPPER_PART_LAST;
		if (s->state & END_PART)
			inside = last;
	}
	for (struct leat_sink *s = sink; s; s = s->state & END_VIEW ? (struct leat_sink *)s->base : NULL)
		for (struct leat_wrapper *w = s->last; w; w = w->inner)
			append(&first, &last, w);
	return first;
}

struct leat_wrapper *way_last(struct leat_wrapper *first)
{
	while (first && first->down)
		first = first->down;
	return first;
}

static bool still_skips(const struct leat_wrapper *w)
{
	return w->ops == &section_ops && ((const struct leat_limit *)w)->skip;
}

struct needs way_needs(const struct leat_wrapper *first)
{
	struct needs needs = { 0 };

	for (const struct leat_wrapper *w = first; w; w = w->down) {
		needs.wrappers += needs.wrappers < UINT16_MAX;
		if (w->ops == &frame_ops)
			needs.framed = true;
		if (w->ops == &frame_ops || still_skips(w))
			needs.boundaries = true;
		if (w->ops->need < LEAT_NEED_CONTENT)
			continue;
		needs.content_wrappers += needs.content_wrappers < UINT16_MAX;
		if (w->ops->need == LEAT_NEED_CHANGE) {
			needs.boundaries = true;
			needs.changers++;
			needs.change = needs.change ? needs.change : wrapper_name(w);
		} else {
			needs.content = needs.content ? needs.content : wrapper_name(w);
		}
	}
	return needs;
}

void way_event(struct leat_wrapper *first, struct leat_event *event)
{
	uint64_t bytes = event->bytes;

	for (struct leat_wrapper *w = first; w; w = w->down) {
		if (!w->ops->event)
			continue;
		if (event->kind != LEAT_EVENT_MOVED)
			event->bytes = w->passed_bytes;
		w->ops->event(w, event);
	}
	event->bytes = bytes;
}

uint64_t wrapper_total(const struct leat_wrapper *w, uint64_t total)
{
	const struct leat_limit *limit = (const struct leat_limit *)w;

	if (w->ops->need == LEAT_NEED_CHANGE || w->ops == &frame_ops)
		return LEAT_UNKNOWN;
	if (w->ops != &limit_ops && w->ops != &section_ops)
		return total;
	if (w->ops == &section_ops && total != LEAT_UNKNOWN)
		total -= total < limit->skip ? total : limit->skip;
	return total < limit->left ? total : limit->left;
}
