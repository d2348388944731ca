/* SPDX-License-Identifier: MIT */
/*
 * The pairing rules: which read do the bytes of this write come from? One text for the BPF program, the ptrace engine and the
 * tests. It has no state and reads nothing by itself: who includes it defines, before, the words listed under "Asked of who
 * includes this", and keeps the tables.
 *
 * A write is cut into pieces. A piece at address `at` comes from
 *   1. the read that ended up at exactly that address: same buffer. What is left of it is noted anew behind the piece, for a
 *      partial write; the read itself stays noted, as a buffer may go to many peers;
 *   2. a recent read of this thread around that address: inside the buffer. If one begins further on within the write, what
 *      stands before it is the program's own (a header), and the piece begins there. If there is neither, one of another thread,
 *      if its bytes are there;
 *   3. a read whose first 16 bytes and a further sample are the same: copied. What of the read is behind the piece is noted like a
 *      read, where it was copied from: it may go in slices;
 *   4. a mapping of a file: mapped.
 * What is left is unpaired. Tables are arrays without locks: a lost race or an eviction loses a pair. Evictions are counted,
 * and the byte check rejects what a race has mixed up.
 */
#ifndef DOCTOR_PAIRING_H
#define DOCTOR_PAIRING_H

#include "pairing_types.h"

/*
 * Asked of who includes this (static, or global functions where BPF verifies them one by one):
 *
 *	PAIRING_FUNCTION				static inline, or __noinline
 *	int pairing_user(void *to, uint32_t bytes, uint64_t from)	reads the process's memory: 0, or an error
 *	struct pairing_set *pairing_set(struct pairing *, uint32_t)	by address: the set of that number, any is allowed
 *	struct pairing_set *pairing_copies(struct pairing *, uint32_t)	by content
 *	uint64_t *pairing_forgotten(struct pairing *, uint32_t)		by content: which two there was no room for any more
 *	uint64_t *pairing_pushed(struct pairing *, uint32_t)	by address: which one was pushed out of its set, see pairing_put
 *	struct pairing_recent *pairing_recent(struct pairing *)		of this thread
 *	struct pairing_near *pairing_near(struct pairing *, uint32_t)	of a neighbourhood of addresses
 *	struct pairing_pieces *pairing_pieces(struct pairing *, uint32_t)	of that name
 *	void pairing_look_closer(struct pairing *, uint32_t n)	the next n reads where that of ->slot was made: at every byte
 *	struct event_flow *pairing_flow(struct pairing *)	of ->key; made from ->fresh when new. NULL: the table is full
 *	int pairing_filled(struct pairing *)	1: the program itself has put there what stands at ->at; 0: perhaps a read that nobody saw
 *	int pairing_mapped(struct pairing *)	the mapping at ->at: fills ->slot's inode, device, bytes (to its end); 0: there is one
 *	PAIRING_LOOP(count, function, context)	calls long function(uint32_t, void *) until it returns 1
 *	PAIRING_ADD(uint64_t *, n)			adds, seen by all
 */

/* ---- Looking at bytes ------------------------------------------------------------------------------------------------------ */

/* Spread over the buffer; but of any piece that may be a copy the first two stand in it. */
static inline uint32_t pairing_sample_at(uint32_t k, uint32_t bytes)
{
	uint32_t at = bytes <= 8 ? 0 : (bytes - 8) / (PAIRING_SAMPLES - 1) * k;

	return k == 1 && at > PAIRING_COPY_LEAST - 8 ? PAIRING_COPY_LEAST - 8 : at;
}

/* Samples named by mask, of the read at origin. */
static inline void pairing_take_samples(struct pairing *p, struct pairing_slot *slot, uint32_t mask)
{
	uint64_t word, before = 0;
	uint32_t same = 1;

	if (slot->origin_bytes < 8)
		return;
	for (uint32_t k = 0; k < PAIRING_SAMPLES; k++) {
		if (!(mask & 1u << k) ||
		    pairing_user(&word, sizeof word, slot->origin + pairing_sample_at(k, slot->origin_bytes)))
			continue;
		if (slot->have && word != before)
			same = 0;
		before = word;
		slot->samples[k] = pairing_word(p, word);
		slot->have |= 1u << k;
	}
	slot->weak = same;
}

/* Of the first 16 bytes at `at`; 0: they are all the same, or cannot be read: nothing to find a copy by. */
static inline uint64_t pairing_first(struct pairing *p, uint64_t at)
{
	uint64_t words[2];

	if (pairing_user(words, sizeof words, at) ||
	    (words[0] == words[1] && words[0] == (words[0] & 0xff) * UINT64_C(0x0101010101010101)))
		return 0;
	return pairing_mix(words[0] ^ p->secret, words[1] + p->tgid) | 1;
}

#include "pairing_whole.h"

/* ---- Naming a place -------------------------------------------------------------------------------------------------------- */

#define PAIRING_PATH_WORDS 16
#define PAIRING_PATH_MOST 2

/*
 * The number of the place a call is made at. One instruction of libc at one depth is many a path's: two lines of one loop that
 * call the same wrapper. What tells them apart without an unwinder are the addresses of the program's own code, [code, code +
 * bytes), that stand next to the top of the stack. What an earlier call has left there may be among them, so one path may have
 * several numbers; they meet again where their stacks do (merge.c).
 */
static inline uint64_t pairing_path(struct pairing *p, uint64_t site, uint64_t sp, uint64_t code, uint64_t bytes)
{
	uint32_t found = 0;

	if (pairing_user(p->words, PAIRING_PATH_WORDS * sizeof p->words[0], sp))
		return site;
	for (uint32_t i = 0; i < PAIRING_PATH_WORDS; i++)
		if (p->words[i] - code < bytes && found < PAIRING_PATH_MOST) {
			site = pairing_mix(site, p->words[i]) | 1;
			found++;
		}
	return site;
}

/* ---- Noting a read --------------------------------------------------------------------------------------------------------- */

/* The way to write into: its own, a free one, one that has been written from, else the oldest. */
static inline uint32_t pairing_victim(struct pairing *p, struct pairing_set *set, uint64_t base)
{
	uint32_t best = 0, best_rank = 0;

	for (uint32_t i = 0; i < PAIRING_WAYS; i++) {
		const struct pairing_slot *slot = &set->ways[i];
		uint32_t age = (p->stamp - slot->stamp) >> 2, rank;

		if (slot->tgid == p->tgid && slot->base == base)
			return i;
		rank = !slot->bytes ? UINT32_MAX : (slot->used ? 0x40000000 | age : age & 0x3fffffff) + 1;
		if (rank > best_rank) {
			best_rank = rank;
			best = i;
		}
	}
	return best;
}

/* Who is pushed out leaves a mark: half of a hash of its address, and how long it was. */
static inline void pairing_push_out(struct pairing *p, const struct pairing_slot *old)
{
	uint64_t name = pairing_mix(old->base, old->tgid), *pushed = pairing_pushed(p, (uint32_t)name);

	p->counts.lost_pairs++;
	p->counts.lost_bytes += old->bytes;
	if (pushed)
		*pushed = name >> 32 << 32 | old->bytes;
}

static inline void pairing_put(struct pairing *p, struct pairing_set *set, const struct pairing_slot *slot)
{
	struct pairing_slot *old = &set->ways[pairing_victim(p, set, slot->base) & (PAIRING_WAYS - 1)];

	/* Its own address, read into again without a write: the program used the bytes itself. Another one: perhaps not. */
	if (old->bytes && !old->used && (old->tgid != slot->tgid || old->base != slot->base))
		pairing_push_out(p, old);
	*old = *slot;
}

/* Whether one read is the other once more: the same bytes to the same place. */
static inline int pairing_is_again(const struct pairing_slot *a, const struct pairing_slot *b)
{
	if (a->first != b->first || a->tgid != b->tgid || a->base != b->base || a->bytes != b->bytes)
		return 0;
	return (a->have & b->have & PAIRING_COPY_SAMPLES) == PAIRING_COPY_SAMPLES && a->samples[1] == b->samples[1] &&
	       a->samples[2] == b->samples[2];
}

/* A read by its content, which many may begin with: in the place of itself, else of the one longest ago. What nobody has found
 * until then leaves a mark, so that a write of it can be called lost. */
static inline void pairing_put_copy(struct pairing *p, const struct pairing_slot *slot)
{
	struct pairing_set *set = pairing_copies(p, (uint32_t)(slot->first >> 8));
	uint32_t best = 0, best_age = 0;
	struct pairing_slot *old;
	uint64_t *forgotten;

	if (!set)
		return;
	for (uint32_t i = 0; i < PAIRING_WAYS; i++) {
		const struct pairing_slot *way = &set->ways[i];
		uint32_t age = !way->bytes ? UINT32_MAX - 1 :
					     ((p->stamp - way->stamp) & 0x3fffffff) | (way->used ? 1u << 30 : 0);

		if (pairing_is_again(way, slot))
			age = UINT32_MAX;
		if (age >= best_age) {
			best_age = age;
			best = i;
		}
	}
	old = &set->ways[best & (PAIRING_WAYS - 1)];
	forgotten = pairing_forgotten(p, (uint32_t)(old->first >> 8));
	if (old->bytes && !old->used && best_age != UINT32_MAX && forgotten)
		*forgotten = *forgotten << 32 | old->first >> 32;
	*old = *slot;
}

/* One address once. */
static inline void pairing_remember_near(struct pairing *p, uint64_t base, uint32_t bytes)
{
	struct pairing_near *near = pairing_near(p, pairing_near_number(p->tgid, base,
									bytes > 1u << PAIRING_NEAR_BITS ? 3 : 0));
	uint32_t way;

	if (!near)
		return;
	for (way = 0; way < PAIRING_NEAR; way++)
		if (near->reads[way].base == base && near->reads[way].tgid == p->tgid)
			break;
	if (way == PAIRING_NEAR)
		way = near->next++;
	way &= PAIRING_NEAR - 1;
	near->reads[way].base = base;
	near->reads[way].bytes = bytes;
	near->reads[way].tgid = p->tgid;
}

static inline void pairing_remember(struct pairing *p, uint64_t base, uint32_t bytes, uint32_t number)
{
	struct pairing_recent *recent = pairing_recent(p);
	uint32_t next;

	if (!recent)
		return;
	if (recent->tid != p->tid || recent->tgid != p->tgid) {
		for (uint32_t i = 0; i < PAIRING_RECENT; i++)
			recent->reads[i].bytes = 0;
		recent->tid = p->tid;
		recent->tgid = p->tgid;
	}
	next = recent->next++ & (PAIRING_RECENT - 1);
	recent->reads[next].base = base;
	recent->reads[next].bytes = bytes;
	recent->reads[next].set = number;
}

/* bytes arrived at `at`. */
PAIRING_FUNCTION int pairing_read(struct pairing *p, uint64_t at, uint32_t bytes)
{
	struct pairing_slot *slot;
	struct pairing_set *set;
	uint32_t number, copies;

	if (!p || !bytes)
		return 0;
	number = pairing_number(p->tgid, at);
	set = pairing_set(p, number);
	if (!set)
		return 0;
	slot = &p->slot;
	slot->base = slot->origin = at;
	slot->bytes = slot->origin_bytes = bytes;
	slot->tgid = p->tgid;
	slot->tid = p->tid;
	slot->inode = p->inode;
	slot->device = p->device;
	slot->site = p->site;
	slot->call = p->call;
	slot->uring = p->uring;
	if (p->vector && !p->head)
		p->head = at;
	slot->head = p->vector ? p->head : 0;
	slot->have = slot->weak = slot->copied = slot->used = slot->counted = 0;
	slot->stamp = p->stamp;
	slot->first = slot->whole = slot->skip = 0;
	copies = p->first && bytes >= PAIRING_COPY_LEAST;
	if (p->look || copies)
		pairing_take_samples(p, slot, p->look | (copies ? PAIRING_COPY_SAMPLES : 0));
	if (p->whole)
		pairing_note_whole(p, slot);
	if (copies) {
		slot->first = pairing_first(p, at);
		if (slot->first)
			pairing_put_copy(p, slot);
	}
	pairing_put(p, set, slot);
	pairing_remember(p, at, bytes, number);
	if (bytes >= PAIRING_COPY_LEAST)
		pairing_remember_near(p, at, bytes);
	return 0;
}

#include "pairing_find.h"
#include "pairing_write.h"

#endif
