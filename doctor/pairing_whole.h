/* SPDX-License-Identifier: MIT */
/*
 * Every byte of a read, and part of pairing.h, which includes it. When it has been read each piece of it is hashed; when a part of
 * it is written, the pieces which that part stands in are hashed again. So a read may go in several writes, or without its head.
 * A piece that reaches over the part's ends proves the part the same if it is; if it is not, the difference may be the
 * program's own, beside what it writes, and tells nothing.
 */
#ifndef DOCTOR_PAIRING_WHOLE_H
#define DOCTOR_PAIRING_WHOLE_H

enum { PAIRING_EQUAL = 1, PAIRING_UNKNOWN = 0, PAIRING_CHANGED = -1, PAIRING_OTHER_HEAD = -2 };

struct pairing_chunks {
	struct pairing *p;
	struct pairing_pieces *pieces;
};

/* A piece is different: where? */
static inline void pairing_differs(struct pairing_part *part, uint32_t begin, uint32_t end)
{
	if (begin < part->from || end > part->to)
		part->around = 1;
	else if (end <= part->bytes / PAIRING_WHOLE_HEAD && end <= PAIRING_WHOLE_HEAD_MOST)
		part->head = 1;
	else
		part->changed = 1;
}

/* What it needs across its loops stands in the part: with those that call it it has 512 bytes of stack (Linux 6.1 counts so). */
static long pairing_chunk(uint32_t i, void *context)
{
	struct pairing_chunks *c = context;
	struct pairing *p = c->p;
	struct pairing_part *part = &p->part;
	uint32_t done = part->begin + i * PAIRING_CHUNK, bytes = part->bytes - done, *known;
	uint64_t hash;

	if (done >= part->end)
		return 1;
	part->chunk = done;
	if (bytes >= PAIRING_CHUNK) {
		bytes = PAIRING_CHUNK;
	} else {
		for (uint32_t k = 0; k < PAIRING_CHUNK / 8; k++)
			p->words[k] = 0;
	}
	part->done = done + bytes;
	if (pairing_user(p->words, bytes, part->at + done)) {
		part->failed = 1;
		return 1;
	}
	hash = part->chunk & ((1u << (c->pieces->shift & 31)) - 1) ? p->hash : p->secret;
	for (uint32_t k = 0; k < PAIRING_CHUNK / 8; k++) {
		hash = (hash ^ p->words[k]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 31;
	}
	p->hash = hash;
	if (part->done < part->bytes && part->done & ((1u << (c->pieces->shift & 31)) - 1))
		return 0;
	known = &c->pieces->hashes[part->chunk >> (c->pieces->shift & 31) & (PAIRING_WHOLE_PIECES - 1)];
	if (part->notes)
		*known = (uint32_t)(hash >> 16);
	else if (*known != (uint32_t)(hash >> 16))
		pairing_differs(part, part->chunk >> (c->pieces->shift & 31) << (c->pieces->shift & 31), part->done);
	return part->changed ? 1 : 0;	/* the verifier wants to see that it is one of these */
}

static inline void pairing_look_at_part(struct pairing *p, struct pairing_pieces *pieces)
{
	struct pairing_chunks chunks = { .p = p, .pieces = pieces };

	p->part.failed = p->part.changed = p->part.head = p->part.around = 0;
	PAIRING_LOOP(PAIRING_WHOLE_MOST / PAIRING_CHUNK, pairing_chunk, &chunks);
}

/* Of the read in slot, which has just come. */
static inline void pairing_note_whole(struct pairing *p, struct pairing_slot *slot)
{
	uint32_t bytes = slot->origin_bytes, shift = PAIRING_WHOLE_SHIFT;
	uint32_t name = (uint32_t)pairing_mix(slot->origin ^ (uint64_t)p->stamp << 32, (uint64_t)p->tid << 32 | p->tgid) | 1;
	struct pairing_pieces *pieces = pairing_pieces(p, name);

	if (!pieces || bytes > PAIRING_WHOLE_MOST)
		return;
	for (uint32_t most = PAIRING_WHOLE_PIECES << PAIRING_WHOLE_SHIFT; most < PAIRING_WHOLE_MOST; most <<= 1)
		shift += bytes > most;
	pieces->name = 0;	/* who compares with the one that stood there meanwhile sees it */
	pieces->bytes = bytes;
	pieces->shift = shift;
	p->part.at = slot->origin;
	p->part.begin = 0;
	p->part.end = p->part.bytes = bytes;
	p->part.notes = 1;
	pairing_look_at_part(p, pieces);
	if (p->part.failed)
		return;
	pieces->name = slot->whole = name;
}

/* The piece at p->at, of so many bytes that went: every byte of it, with what stands in p->slot. Of a copy nothing around it is
 * looked at: there the program may have put anything. */
static inline int pairing_compare_whole(struct pairing *p, uint32_t bytes)
{
	const struct pairing_slot *slot = &p->slot;
	struct pairing_pieces *pieces = pairing_pieces(p, slot->whole);
	struct pairing_part *part = &p->part;
	uint32_t from = (uint32_t)(p->at - slot->origin) + slot->skip, over;

	if (!pieces || pieces->name != slot->whole || from + bytes > pieces->bytes)
		return PAIRING_UNKNOWN;
	over = (1u << (pieces->shift & 31)) - 1;
	part->at = p->at - from;
	part->bytes = pieces->bytes;
	part->from = from;
	part->to = p->asked < pieces->bytes - from ? from + (uint32_t)p->asked : pieces->bytes;
	part->begin = (slot->copied ? from + over : from) & ~over;
	part->end = (from + bytes + over) & ~over;
	if (part->end > part->bytes)
		part->end = part->bytes;
	if (slot->copied && part->end > part->to)
		part->end = (from + bytes) & ~over;
	part->notes = 0;
	if (part->begin >= part->end || part->end - part->begin < bytes / 2)
		return PAIRING_UNKNOWN;
	pairing_look_at_part(p, pieces);
	if (pieces->name != slot->whole || (part->failed && !part->changed))
		return PAIRING_UNKNOWN;
	if (part->changed)
		return PAIRING_CHANGED;
	return part->head ? PAIRING_OTHER_HEAD : part->around ? PAIRING_UNKNOWN : PAIRING_EQUAL;
}

#endif
