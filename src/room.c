/* SPDX-License-Identifier: MIT */
#include "room.h"
#include "wrap/frame.h"
#include "wrap/wrap.h"

#define OWN_BYTES (UINT64_C(2) * LEAT_FRAME_BYTES)
#define NO_LIMIT (UINT64_MAX / 2)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A frame below announces at most what the one above has promised: bytes come in units, as large as the pieces above. */
struct unit {
	uint64_t least, most;
};

static uint64_t pieces(uint64_t bytes, uint64_t piece_max)
{
	return bytes / piece_max + (bytes % piece_max > 0);
}

/* Headers and trailers of a frame around one unit, at most. */
static uint64_t own_bytes(const struct leat_frame *frame, const struct unit *unit)
{
	uint64_t count = pieces(unit->most, frame->piece_max_bytes);

	return count > NO_LIMIT / OWN_BYTES ? NO_LIMIT : count * OWN_BYTES;
}

/* Bytes that the frames above have promised and not yet given, in so many units at most: they come before all others. */
struct debt {
	uint64_t bytes, units;
};

static uint64_t announced(const struct leat_frame *frame)
{
	return frame->open ? frame->piece_left : 0;
}

/* What needs no new piece of a frame, or has one reserved. Bytes above a section may be announced and not promised. */
static uint64_t settled(const struct leat_frame *frame, const struct debt *debt)
{
	uint64_t bytes = announced(frame);

	return bytes > debt->bytes ? bytes : debt->bytes;
}

/*
 * What becomes of a debt behind a frame. Its open piece takes the first of it; the rest of each unit needs pieces of its own,
 * as what follows is another unit.
 */
static struct debt behind_debt(const struct leat_frame *frame, const struct debt *debt)
{
	uint64_t rest = debt->bytes - least(debt->bytes, announced(frame)), count = 0;

	if (rest)
		count = add_capped(pieces(rest, frame->piece_max_bytes), debt->units - 1);
	count = least(count, NO_LIMIT / OWN_BYTES);
	return (struct debt){
		.bytes = add_capped(frame->open ? frame_left(frame) : 0, add_capped(rest, count * OWN_BYTES)),
		.units = count + (frame->open != 0),
	};
}

/* The payload that certainly fits through a frame into room bytes, whatever its headers and trailers take. */
static uint64_t payload_in(const struct leat_frame *frame, const struct unit *unit, const struct debt *debt, uint64_t room)
{
	uint64_t owed = behind_debt(frame, debt).bytes, piece = add_capped(frame->piece_max_bytes, OWN_BYTES);
	uint64_t whole = add_capped(unit->least, own_bytes(frame, unit)), rest, payload;

	if (room >= NO_LIMIT)	/* however many frames share it */
		return NO_LIMIT;
	if (room < owed)
		return 0;
	room -= owed;
	payload = room / whole * unit->least;
	room %= whole;
	rest = room % piece;
	rest = room / piece * frame->piece_max_bytes + (rest > OWN_BYTES ? rest - OWN_BYTES : 0);
	return add_capped(settled(frame, debt), payload + least(rest, unit->least));
}

/* The room that payload may need behind a frame, of which the first is the debt. */
static uint64_t framed(const struct leat_frame *frame, const struct unit *unit, const struct debt *debt, uint64_t payload)
{
	uint64_t owed = behind_debt(frame, debt).bytes, own = own_bytes(frame, unit), count, rest;

	payload -= least(payload, settled(frame, debt));
	count = payload / unit->least;
	rest = pieces(payload % unit->least, frame->piece_max_bytes);
	if ((count && own > NO_LIMIT / count) || rest > NO_LIMIT / OWN_BYTES)
		return NO_LIMIT;
	return least(add_capped(add_capped(owed, payload), add_capped(count * own, rest * OWN_BYTES)), NO_LIMIT);
}

static struct unit behind(const struct leat_frame *frame, const struct unit *unit)
{
	return (struct unit){
		.least = least(frame->piece_max_bytes, unit->least),
		.most = add_capped(least(frame->piece_max_bytes, unit->most), OWN_BYTES),
	};
}

struct below {
	const struct transfer *t;
	struct leat_budget *budget;
	struct leat_wrapper *by;
};

static int ask(struct below *below, struct leat_wrapper *w, uint64_t of_use, uint64_t *room)
{
	int answer;

	if (w->ops == &tee_ops)	/* it delays, it does not end */
		return 0;
	answer = ask_allow(w, below->budget, *room ? *room : 1, of_use);
	if (answer < 0 || (*room && answer != LEAT_END && (answer || !below->budget->bytes))) {
		below->by = w;
		return answer ? answer : LEAT_WAIT;
	}
	if (answer == LEAT_END || below->budget->bytes < *room) {	/* also when nothing fits anyway: it comes first */
		*room = answer == LEAT_END ? 0 : below->budget->bytes;
		below->by = w;
	}
	return 0;
}

/* What comes to one place: in which units, what of it is promised, and that fewer bytes than of_use are of no use there. */
struct coming {
	struct unit unit;
	struct debt debt;
	uint64_t of_use;
};

static uint64_t skip_of(const struct leat_wrapper *w)
{
	return w->ops == &section_ops ? ((const struct leat_limit *)w)->skip : 0;
}

/* What comes to at, of what comes to top. */
static struct coming coming_to(const struct leat_wrapper *at, const struct leat_wrapper *top, struct coming c)
{
	for (const struct leat_wrapper *w = top; w != at; w = w->down) {
		const struct leat_frame *frame = w->ops == &frame_ops ? (const struct leat_frame *)w : NULL;

		c.debt.bytes -= least(c.debt.bytes, skip_of(w));	/* dropped */
		if (frame)
			c = (struct coming){
				behind(frame, &c.unit), behind_debt(frame, &c.debt), framed(frame, &c.unit, &c.debt, c.of_use),
			};
	}
	return c;
}

/* From top on down. From below upwards, and not by calling itself: there may be more wrappers than a small stack has room for. */
static int room_from(struct below *below, struct leat_wrapper *top, const struct coming *to_top, uint64_t *ret_room)
{
	struct leat_wrapper *w = NULL;
	struct coming c = *to_top;
	uint64_t room = NO_LIMIT;
	int answer;

	/* leat_read's own limit, the last of all, cuts nothing: the next leat_read goes on in the header. */
	for (struct leat_wrapper *next = top; next && next->ops->need != LEAT_NEED_CHANGE; next = next->down)
		if (next->down || !(below->t->bits & TRANSFER_QUIET))
			w = next;
	if (w)
		c = coming_to(w, top, *to_top);
	for (; w && w != top->up; w = w->up) {
		bool frame = w->ops == &frame_ops;

		if (frame || skip_of(w))	/* who changes what comes further down */
			c = coming_to(w, top, *to_top);
		if (frame)
			room = payload_in((const struct leat_frame *)w, &c.unit, &c.debt, room);
		answer = ask(below, w, c.of_use, &room);
		if (answer)
			return answer;
		room += skip_of(w);
	}
	*ret_room = room;
	return 0;
}

int room_below(const struct transfer *t, const struct leat_frame *frame, uint64_t of_use, struct leat_budget *budget,
	       uint64_t *ret_room, struct leat_wrapper **ret_by)
{
	struct below below = { .t = t, .budget = budget };
	struct coming c = { .unit = { NO_LIMIT, NO_LIMIT } };	/* without a debt: it has no piece open */
	int answer;

	c.of_use = framed(frame, &c.unit, &c.debt, of_use ? of_use : 1);
	answer = room_from(&below, frame->wrapper.down, &c, ret_room);

	*ret_by = below.by;
	return answer;
}
