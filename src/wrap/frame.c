/* SPDX-License-Identifier: MIT */
/* Bytes around pieces: the frame that the flow drives, and HTTP/1.1 chunks made with it. */
#include "frame.h"
#include "wrap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Asks for head and tail of a piece of bytes. False: one of them is longer than a frame may be. */
static bool describe(struct leat_frame *frame, uint64_t bytes)
{
	const struct leat_frame_ops *ops = frame->ops;
	size_t head = ops->before ? ops->before(frame, bytes, frame->head) : 0;
	size_t tail = ops->after ? ops->after(frame, bytes, frame->tail) : 0;

	if (head > LEAT_FRAME_BYTES || tail > LEAT_FRAME_BYTES)
		return false;
	frame->head_off = frame->tail_off = 0;
	frame->head_len = (uint8_t)head;
	frame->tail_len = (uint8_t)tail;
	frame->piece_left = bytes;
	return true;
}

int frame_open(struct leat_frame *frame, uint64_t ready_bytes, uint64_t room_bytes)
{
	uint64_t bytes = least(ready_bytes, least(frame->piece_max_bytes, room_bytes));
	uint64_t own;

	if (!bytes && ready_bytes)
		bytes = 1;	/* to learn what it takes */
	frame->open = 0;
	for (; bytes; bytes = room_bytes > own ? room_bytes - own : bytes / 2) {
		if (!describe(frame, bytes))
			return LEAT_ECONTRACT;
		own = frame->head_len + frame->tail_len;
		if (own <= room_bytes && bytes <= room_bytes - own) {
			frame->open = 1;
			return 0;
		}
	}
	return -ENOBUFS;
}

int frame_finish_open(struct leat_frame *frame)
{
	size_t length;

	if (frame->ended)
		return 0;
	length = frame->ops->finish ? frame->ops->finish(frame, frame->head) : 0;
	if (length > LEAT_FRAME_BYTES)
		return LEAT_ECONTRACT;
	frame->head_off = frame->tail_off = frame->tail_len = 0;
	frame->head_len = (uint8_t)length;
	frame->piece_left = 0;
	frame->open = length > 0;
	frame->ended = 1;
	return 0;
}

static void close_if_over(struct leat_frame *frame)
{
	if (!frame_left(frame))
		frame->open = 0;
}

void frame_took_payload(struct leat_frame *frame, uint64_t bytes)
{
	frame->piece_left -= least(bytes, frame->piece_left);
	close_if_over(frame);
}

void frame_took_own(struct leat_frame *frame, uint64_t bytes)
{
	if (frame->head_off < frame->head_len)
		frame->head_off += (uint8_t)least(bytes, frame->head_len - frame->head_off);
	else
		frame->tail_off += (uint8_t)least(bytes, frame->tail_len - frame->tail_off);
	close_if_over(frame);
}

uint64_t frame_left(const struct leat_frame *frame)
{
	return frame->piece_left + (frame->head_len - frame->head_off) + (frame->tail_len - frame->tail_off);
}

static int frame_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct leat_frame_ops *ops = ((struct leat_frame *)wrapper)->ops;

	return ops->allow ? ops->allow(wrapper, budget) : 0;
}

/* A piece that is open stays so over a cancel: its head names bytes that the next transfer has to bring. */
static void frame_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	if (event->kind == LEAT_EVENT_END && (!event->report || !event->report->error))
		((struct leat_frame *)wrapper)->ended = 0;
}

static void frame_release(struct leat_wrapper *wrapper)
{
	const struct leat_frame_ops *ops = ((struct leat_frame *)wrapper)->ops;

	if (ops->release)
		ops->release(wrapper);
}

const struct leat_wrapper_ops frame_ops = {
	.name = "frame",
	.need = LEAT_NEED_BOUNDARIES,
	.allow = frame_allow,
	.event = frame_event,
	.release = frame_release,
};

static bool frame_works(const struct leat_frame_ops *ops)
{
	return ops && ops->name && !ops->reserved[0] && !ops->reserved[1];
}

struct leat_wrapper *leat_frame_init(struct leat_frame *frame, const struct leat_frame_ops *ops, uint64_t piece_max_bytes)
{
	if (!frame)
		return NULL;
	memset(frame, 0, sizeof *frame);
	frame->ops = ops;
	frame->piece_max_bytes = piece_max_bytes ? piece_max_bytes : UINT64_MAX;
	return leat_wrapper_init(&frame->wrapper, frame_works(ops) ? &frame_ops : NULL);
}

static size_t chunk_before(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	return (size_t)snprintf((char *)out, LEAT_FRAME_BYTES, "%llx\r\n", (unsigned long long)bytes);
}

static size_t chunk_after(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	memcpy(out, "\r\n", 2);
	return 2;
}

/* The last chunk, and no trailer fields. */
static size_t chunk_finish(struct leat_frame *frame, unsigned char out[LEAT_FRAME_BYTES])
{
	memcpy(out, "0\r\n\r\n", 5);
	return 5;
}

static const struct leat_frame_ops chunk_ops = {
	.name = "chunked",
	.before = chunk_before,
	.after = chunk_after,
	.finish = chunk_finish,
};

struct leat_wrapper *leat_chunked_init(struct leat_frame *frame, uint64_t piece_max_bytes)
{
	return leat_frame_init(frame, &chunk_ops, piece_max_bytes);
}
