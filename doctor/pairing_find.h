/* SPDX-License-Identifier: MIT */
/* The middle of pairing.h, which includes it: which read is it whose bytes stand at an address? */
#ifndef DOCTOR_PAIRING_FIND_H
#define DOCTOR_PAIRING_FIND_H

/* ---- Finding the read of a piece ------------------------------------------------------------------------------------------- */

/* Whether what is at the piece is what was read: 1 equal, -1 changed, 0 nothing of it was sampled. k: the first sample. */
PAIRING_FUNCTION int pairing_compare(struct pairing *p, uint64_t bytes, uint32_t k)
{
	const struct pairing_slot *slot;
	uint32_t seen = 0;
	uint64_t word;

	if (!p)
		return 0;
	slot = &p->slot;
	for (; k < PAIRING_SAMPLES; k++) {
		uint64_t from = slot->origin + pairing_sample_at(k, slot->origin_bytes);

		if (!(slot->have & 1u << k) || from < p->at || from + sizeof word > p->at + bytes)
			continue;
		if (pairing_user(&word, sizeof word, from))
			continue;
		if (pairing_word(p, word) != slot->samples[k])
			return -1;
		seen++;
	}
	return seen > 0;
}

/* Rule 1: into p->slot; 0: there is none. */
static inline int pairing_same(struct pairing *p, uint64_t at)
{
	struct pairing_set *set;

	p->set_number = pairing_number(p->tgid, at);
	set = pairing_set(p, p->set_number);
	if (!set)
		return 0;
	for (uint32_t i = 0; i < PAIRING_WAYS; i++) {
		struct pairing_slot *slot = &set->ways[i];

		if (slot->base != at || slot->tgid != p->tgid || !slot->bytes)
			continue;
		p->slot = *slot;
		if (!slot->used && !p->again) {
			slot->used = 1;
			p->slot.used = 0;
		}
		return 1;
	}
	return 0;
}

/* The read to `base` in that set, of which the piece's address is inside, into p->slot, cut to what lies there: 1; 0: it is gone. A
 * function, or the verifier looks at it anew for each of the reads below, in each state they may be in: for a third of a second. */
PAIRING_FUNCTION int pairing_cut(struct pairing *p, uint32_t number, uint64_t base)
{
	struct pairing_set *set;

	if (!p)
		return 0;
	set = pairing_set(p, number);
	for (uint32_t w = 0; set && w < PAIRING_WAYS; w++) {
		struct pairing_slot *slot = &set->ways[w];

		if (slot->base != base || slot->tgid != p->tgid || p->at - base >= slot->bytes)
			continue;
		p->slot = *slot;
		if (!slot->used && !p->again) {
			slot->used = 1;
			p->slot.used = 0;
		}
		p->slot.base = p->at;
		p->slot.bytes -= (uint32_t)(p->at - base);
		return 1;
	}
	return 0;
}

/* Rule 2: 1, and the slot cut to what lies at `at`; or 0, with *ret_gap the bytes until a recent read begins (0: none does). */
static inline int pairing_inside(struct pairing *p, uint64_t at, uint64_t rest, uint64_t *ret_gap)
{
	struct pairing_recent *recent = pairing_recent(p);
	uint64_t gap = 0;

	if (!recent || recent->tid != p->tid || recent->tgid != p->tgid)
		return 0;
	for (uint32_t i = 1; i <= PAIRING_RECENT; i++) {
		uint32_t n = (recent->next - i) & (PAIRING_RECENT - 1), bytes = recent->reads[n].bytes;
		uint64_t base = recent->reads[n].base;

		if (base > at && base - at < rest && bytes && (!gap || base - at < gap))
			gap = base - at;
		if (base < at && at - base < bytes && pairing_cut(p, recent->reads[n].set, base))
			return 1;
	}
	*ret_gap = gap;
	return 0;
}

/* Whether a read to this very address was pushed out, and counted as lost then. */
static inline int pairing_is_hole(struct pairing *p)
{
	uint64_t name = pairing_mix(p->at, p->tgid);
	const uint64_t *pushed = pairing_pushed(p, (uint32_t)name);

	return pushed && *pushed && *pushed >> 32 == name >> 32;
}

/* The read of p->near_base, of any thread, into p->slot: NULL, or its place in the table. */
static inline struct pairing_slot *pairing_near_slot(struct pairing *p)
{
	struct pairing_set *set = pairing_set(p, pairing_number(p->tgid, p->near_base));

	for (uint32_t i = 0; set && i < PAIRING_WAYS; i++) {
		struct pairing_slot *slot = &set->ways[i];

		if (slot->base != p->near_base || slot->tgid != p->tgid || slot->base + slot->bytes <= p->at)
			continue;
		p->slot = *slot;
		return slot;
	}
	return NULL;
}

/* Of one neighbourhood, the read that overlaps the piece and begins nearest to it. */
static long pairing_near_look(uint32_t i, void *context)
{
	struct pairing *p = *(struct pairing **)context;
	const struct pairing_near *near = pairing_near(p, pairing_near_number(p->tgid, p->at, i));

	for (uint32_t k = 0; near && k < PAIRING_NEAR; k++) {
		uint64_t base = near->reads[k].base, away = base < p->at ? p->at - base : base - p->at;

		if (near->reads[k].tgid != p->tgid || away >= (base < p->at ? near->reads[k].bytes : p->rest) ||
		    away >= p->near_away)
			continue;
		p->near_away = away;
		p->near_base = base;
	}
	return 0;
}

/* It is not to be said whether the piece is of that read, which nothing was found for: so far as it may be, it is lost, but once. */
static inline void pairing_near_lost(struct pairing *p, struct pairing_slot *slot)
{
	uint64_t bytes = p->near_base < p->at ? slot->bytes - p->near_away : slot->bytes;
	uint64_t most = p->near_base < p->at ? p->rest : p->rest - p->near_away;

	if (slot->used || p->again)
		return;
	slot->used = 1;
	p->counts.lost_pairs++;
	p->counts.lost_bytes += bytes < most ? bytes : most;
}

/*
 * Rule 2, of the whole process. 1: the slot is cut to what lies at p->at; or 0, with p->near_gap the bytes until that read begins
 * (0: there is none). Memory is used again, and long ago this read may be: its bytes have to be there.
 */
PAIRING_FUNCTION int pairing_nearby(struct pairing *p)
{
	struct pairing_slot *slot;

	if (!p || pairing_is_hole(p))
		return 0;
	p->near_away = UINT64_MAX;
	PAIRING_LOOP(PAIRING_NEIGHBOURS, pairing_near_look, &p);
	slot = p->near_away == UINT64_MAX ? NULL : pairing_near_slot(p);
	if (!slot)
		return 0;
	p->equal = pairing_compare(p, p->rest, 0);
	if (p->equal < 1) {
		if (!p->equal)
			pairing_near_lost(p, slot);
		p->equal = 0;
		return 0;
	}
	if (p->near_base >= p->at) {
		p->near_gap = p->near_base - p->at;
		return 0;
	}
	slot->used |= !p->again;
	p->slot.base = p->at;
	p->slot.bytes -= (uint32_t)p->near_away;
	return 1;
}

/* Rule 3: into p->slot, as if it had been read here. Sample 0 proves nothing more than the first 16 bytes do, and those are
 * "HTTP/1.1 200 OK" of many an answer. Of reads of the same bytes one that has not gone yet comes first: only what is behind
 * a slice of that is looked for. */
PAIRING_FUNCTION int pairing_copied(struct pairing *p, uint64_t at, uint64_t rest)
{
	uint64_t first, *forgotten;
	struct pairing_set *set;

	if (!p)
		return 0;
	first = pairing_first(p, at);
	if (!first)
		return 0;
	set = pairing_copies(p, (uint32_t)(first >> 8));
	for (uint32_t i = 0; set && i < 2 * PAIRING_WAYS; i++) {
		struct pairing_slot *slot = &set->ways[i & (PAIRING_WAYS - 1)];

		if (slot->first != first || slot->tgid != p->tgid || !slot->bytes || !slot->used != (i < PAIRING_WAYS))
			continue;
		p->slot = *slot;
		p->slot.base = p->slot.origin = at;
		p->slot.copied = 1;
		if (pairing_compare(p, rest < p->slot.bytes ? rest : p->slot.bytes, 1) < 1)
			continue;
		if (!slot->used && !p->again) {
			slot->used = 1;
			p->source = slot->base;
			p->root = slot->copied ? slot->head : slot->base;
			p->slot.used = slot->copied;
		}
		p->how = HOW_COPIED;
		p->equal = 1;
		p->copies++;
		return 1;
	}
	forgotten = pairing_forgotten(p, (uint32_t)(first >> 8));
	if (forgotten && !p->again && (*forgotten >> 32 == first >> 32 || (uint32_t)*forgotten == first >> 32))
		p->forgotten = 1;
	return 0;
}

#endif
