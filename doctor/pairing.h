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
 *      stands before it is the program's own (a header), and the piece begins there;
 *   3. a read whose first 16 bytes and a further sample are the same: copied;
 *   4. a mapping of a file: mapped.
 * What is left is unpaired. Tables are arrays without locks: a lost race or an eviction loses a pair. Evictions are counted,
 * and the byte check rejects what a race has mixed up.
 */
#ifndef DOCTOR_PAIRING_H
#define DOCTOR_PAIRING_H

#include "event.h"

#define PAIRING_SAMPLES 6
#define PAIRING_WAYS 4
#define PAIRING_RECENT 8
#define PAIRING_PIECES 32		/* of one buffer */
#define PAIRING_COPY_LEAST 512		/* below, equal beginnings are chance */
#define PAIRING_MAPPED_LEAST 4096
#define PAIRING_CHUNK 512		/* of the whole-buffer hash */
#define PAIRING_WHOLE_MOST (1u << 20)	/* longer reads are not looked at as a whole */

/* A read, or what a partial write has left of it. */
struct pairing_slot {
	uint64_t base, origin;		/* where it stands; where the first byte of the read did (or its copy does) */
	uint32_t bytes, origin_bytes;	/* 0: nobody's */
	uint32_t tgid, tid;
	uint64_t inode, site;
	uint32_t device;
	uint16_t call;
	uint8_t have;			/* which samples there are */
	uint8_t weak;			/* they are all the same: constant bytes */
	uint8_t copied, used, uring;
	uint8_t counted;		/* the call stands in a flow's reads */
	uint32_t stamp;
	uint64_t head;			/* of a vector: its first buffer, which keeps `counted` for all; else 0 */
	uint32_t samples[PAIRING_SAMPLES];
	uint64_t whole;			/* 0: not looked at */
	uint64_t first;			/* hash of the first 16 bytes; 0: not looked at */
};

struct pairing_set {
	struct pairing_slot ways[PAIRING_WAYS];
};

struct pairing_recent {
	uint32_t tgid, tid;
	uint32_t next, zero;
	struct {
		uint64_t base;
		uint32_t bytes, set;	/* number of its set */
	} reads[PAIRING_RECENT];
};

/* One call, and the room to think about it. */
struct pairing {
	struct event_counts counts;	/* first: user space reads them of the kernel side's */
	uint32_t tgid, tid;
	uint64_t inode, site;
	uint32_t device;
	uint16_t call;
	uint8_t look;			/* at samples */
	uint8_t first;			/* at the first bytes, for copies */
	uint8_t whole;			/* at every byte */
	uint8_t again;			/* a write that moved nothing: it would have blocked */
	uint8_t uring;
	uint8_t vector;			/* a read into several buffers */
	uint32_t stamp;			/* counts calls; wraps */
	uint64_t head;			/* its first one, once there is one: 0 before */
	uint32_t copies;		/* pieces that were found by content */
	uint64_t charged;		/* of which flow the call stands in the writes: that of the piece before */
	uint64_t secret;		/* of this run: samples are hashes nobody else can compare with */
	uint64_t now_ns;

	/* of the write under way */
	uint64_t at, rest;		/* what is not paired yet */
	uint64_t asked;			/* from `at` on: as long as the program wanted the write to be */
	uint64_t total;			/* bytes of the call: what a flow's sizes are about */
	uint64_t paired;
	uint32_t how;
	uint32_t set_number;
	struct pairing_slot slot;	/* the read it comes from */
	struct event_flow_key key;
	struct event_flow fresh;
	uint64_t words[PAIRING_CHUNK / 8];
	uint64_t hash;
};

/*
 * Asked of who includes this (static, or global functions where BPF verifies them one by one):
 *
 *	PAIRING_FUNCTION				static inline, or __noinline
 *	int pairing_user(void *to, uint32_t bytes, uint64_t from)	reads the process's memory: 0, or an error
 *	struct pairing_set *pairing_set(struct pairing *, uint32_t)	by address: the set of that number, any is allowed
 *	struct pairing_set *pairing_copies(struct pairing *, uint32_t)	by content
 *	struct pairing_recent *pairing_recent(struct pairing *)		of this thread
 *	struct event_flow *pairing_flow(struct pairing *)	of ->key; made from ->fresh when new. NULL: the table is full
 *	int pairing_mapped(struct pairing *)	the mapping at ->at: fills ->slot's inode, device, bytes (to its end); 0: there is one
 *	PAIRING_LOOP(count, function, context)	calls long function(uint32_t, void *) until it returns 1
 *	PAIRING_ADD(uint64_t *, n)			adds, seen by all
 */

/* ---- Hashes ---------------------------------------------------------------------------------------------------------------- */

static inline uint64_t pairing_mix(uint64_t a, uint64_t b)
{
	uint64_t h = (a ^ (b << 32 | b >> 32)) * UINT64_C(0x9e3779b97f4a7c15);

	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

/* Number of the set an address of a process belongs to; the table takes its low bits. */
static inline uint32_t pairing_number(uint32_t tgid, uint64_t address)
{
	return (uint32_t)pairing_mix(address, tgid);
}

/* The instruction, and where in its stack the thread stands: the same for a call path on nearly every thread and on every
 * goroutine, whose stacks are aligned to 2 KiB. exec: a number that differs when another program runs in the process. */
static inline uint64_t pairing_site(uint64_t ip, uint64_t sp, uint32_t exec)
{
	return pairing_mix(ip, (sp & 2047) | (uint64_t)exec << 32) | 1;
}

static inline uint32_t pairing_word(const struct pairing *p, uint64_t word)
{
	return (uint32_t)(pairing_mix(word, p->secret) >> 16);
}

/* ---- Looking at bytes ------------------------------------------------------------------------------------------------------ */

static inline uint32_t pairing_sample_at(uint32_t k, uint32_t bytes)
{
	return bytes <= 8 ? 0 : (bytes - 8) / (PAIRING_SAMPLES - 1) * k;
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

struct pairing_chunks {
	struct pairing *p;
	uint64_t at;
	uint32_t bytes;
	uint32_t failed;
};

static long pairing_chunk(uint32_t i, void *context)
{
	struct pairing_chunks *c = context;
	struct pairing *p = c->p;
	uint32_t done = i * PAIRING_CHUNK, bytes = c->bytes - done;
	uint64_t hash = p->hash;

	if (done >= c->bytes)
		return 1;
	if (bytes >= PAIRING_CHUNK) {
		bytes = PAIRING_CHUNK;
	} else {
		for (uint32_t k = 0; k < PAIRING_CHUNK / 8; k++)
			p->words[k] = 0;
	}
	if (pairing_user(p->words, bytes, c->at + done)) {
		c->failed = 1;
		return 1;
	}
	for (uint32_t k = 0; k < PAIRING_CHUNK / 8; k++) {
		hash = (hash ^ p->words[k]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 31;
	}
	p->hash = hash;
	return 0;
}

/* Hash of all of [at, at + bytes) in p->hash; 0: could not be read, or is too long. */
static inline void pairing_whole(struct pairing *p, uint64_t at, uint32_t bytes)
{
	struct pairing_chunks chunks = { .p = p, .at = at, .bytes = bytes };

	if (!bytes || bytes > PAIRING_WHOLE_MOST) {
		p->hash = 0;
		return;
	}
	p->hash = p->secret ^ bytes;
	PAIRING_LOOP(PAIRING_WHOLE_MOST / PAIRING_CHUNK, pairing_chunk, &chunks);
	if (chunks.failed)
		p->hash = 0;
	else
		p->hash |= 1;
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

static inline void pairing_put(struct pairing *p, struct pairing_set *set, const struct pairing_slot *slot)
{
	struct pairing_slot *old = &set->ways[pairing_victim(p, set, slot->base) & (PAIRING_WAYS - 1)];

	/* Its own address, read into again without a write: the program used the bytes itself. Another one: perhaps not. */
	if (old->bytes && !old->used && (old->tgid != slot->tgid || old->base != slot->base)) {
		p->counts.lost_pairs++;
		p->counts.lost_bytes += old->bytes;
	}
	*old = *slot;
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
	uint32_t number;

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
	slot->whole = slot->first = 0;
	if (p->look)
		pairing_take_samples(p, slot, (1u << PAIRING_SAMPLES) - 1);
	else if (p->first && bytes >= PAIRING_COPY_LEAST)
		pairing_take_samples(p, slot, 1 << 2);
	if (p->whole) {
		pairing_whole(p, at, bytes);
		slot->whole = p->hash;
	}
	if (p->first && bytes >= PAIRING_COPY_LEAST) {
		slot->first = pairing_first(p, at);
		if (slot->first) {
			struct pairing_set *copies = pairing_copies(p, (uint32_t)(slot->first >> 8));

			if (copies)
				copies->ways[slot->first >> 2 & (PAIRING_WAYS - 1)] = *slot;
		}
	}
	pairing_put(p, set, slot);
	pairing_remember(p, at, bytes, number);
	return 0;
}

/* ---- Finding the read of a piece ------------------------------------------------------------------------------------------- */

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
		struct pairing_set *set;

		if (base > at && base - at < rest && bytes && (!gap || base - at < gap))
			gap = base - at;
		if (base >= at || at - base >= bytes)
			continue;
		set = pairing_set(p, recent->reads[n].set);
		if (!set)
			return 0;
		for (uint32_t w = 0; w < PAIRING_WAYS; w++) {
			struct pairing_slot *slot = &set->ways[w];

			if (slot->base != base || slot->tgid != p->tgid || at - base >= slot->bytes)
				continue;
			p->slot = *slot;
			if (!slot->used && !p->again) {
				slot->used = 1;
				p->slot.used = 0;
			}
			p->slot.base = at;
			p->slot.bytes -= (uint32_t)(at - base);
			return 1;
		}
	}
	*ret_gap = gap;
	return 0;
}

/* Whether what is at the piece is what was read: 1 equal, -1 changed, 0 nothing of it was sampled. k: the first sample. */
static inline int pairing_compare(struct pairing *p, uint64_t bytes, uint32_t k)
{
	const struct pairing_slot *slot = &p->slot;
	uint32_t seen = 0;
	uint64_t word;

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

/* Rule 3: into p->slot, as if it had been read here. Sample 0 proves nothing more than the first 16 bytes do, and those are
 * "HTTP/1.1 200 OK" of many an answer. */
static inline int pairing_copied(struct pairing *p, uint64_t at, uint64_t rest)
{
	uint64_t first = pairing_first(p, at);
	struct pairing_set *set;
	struct pairing_slot *slot;

	if (!first)
		return 0;
	set = pairing_copies(p, (uint32_t)(first >> 8));
	if (!set)
		return 0;
	slot = &set->ways[first >> 2 & (PAIRING_WAYS - 1)];
	if (slot->first != first || slot->tgid != p->tgid)
		return 0;
	p->slot = *slot;
	p->slot.base = p->slot.origin = at;
	p->slot.copied = 1;
	if (pairing_compare(p, rest < p->slot.bytes ? rest : p->slot.bytes, 1) < 1)
		return 0;
	if (!slot->used && !p->again)
		slot->used = 1;
	return 1;
}

/* ---- Charging a flow ------------------------------------------------------------------------------------------------------- */

static inline uint32_t pairing_log2(uint64_t n)
{
	uint32_t log = 0;

	for (uint32_t shift = 32; shift; shift >>= 1)
		if (n >> shift) {
			n >>= shift;
			log += shift;
		}
	return log < FLOW_SIZES ? log : FLOW_SIZES - 1;
}

static inline void pairing_name_flow(struct pairing *p)
{
	struct event_flow_key *key = &p->key;
	const struct pairing_slot *slot = &p->slot;

	key->from_inode = slot->inode;
	key->from_device = slot->device;
	key->to_inode = p->inode;
	key->to_device = p->device;
	key->site_read = slot->site;
	key->site_write = p->site;
	key->tgid = p->tgid;
	key->how = p->how;
	key->call_read = slot->call;
	key->call_write = p->call;
	key->zero = 0;
}

/* The call moved bytes (of total) on the flow of p->key, or would have blocked. NULL: there is no room for that flow. */
static inline struct event_flow *pairing_charge(struct pairing *p, uint64_t bytes)
{
	uint64_t charged = pairing_mix(p->key.from_inode ^ p->key.to_inode, p->key.site_read + p->key.how);
	struct event_flow *flow = pairing_flow(p);

	if (!flow) {
		p->counts.lost_flow_bytes += bytes;
		p->counts.lost_flows++;
		return NULL;
	}
	if (p->again) {
		p->charged = 1;
		PAIRING_ADD(&flow->again, 1);
		return flow;
	}
	PAIRING_ADD(&flow->bytes, bytes);
	if (charged != p->charged) {
		uint32_t total = p->total > UINT32_MAX ? UINT32_MAX : (uint32_t)p->total;

		p->charged = charged;
		PAIRING_ADD(&flow->writes, 1);
		PAIRING_ADD(&flow->sizes[pairing_log2(total) & (FLOW_SIZES - 1)], 1);
		if (total > flow->largest)
			flow->largest = total;
		if (total < flow->smallest || !flow->smallest)
			flow->smallest = total;
	}
	return flow;
}

static inline void pairing_verify(struct pairing *p, struct event_flow *flow, uint64_t bytes)
{
	const struct pairing_slot *slot = &p->slot;
	int equal = slot->have ? pairing_compare(p, bytes, 0) : 0;

	if (equal < 0)
		PAIRING_ADD(&flow->changed, 1);
	else if (equal && slot->weak)
		PAIRING_ADD(&flow->weak, 1);
	else if (equal)
		PAIRING_ADD(&flow->equal, 1);
	/* Only when all that was read is to go in this one write: the rest of it may be the program's to change. */
	if (!slot->whole || p->at != slot->origin || p->asked < slot->origin_bytes)
		return;
	pairing_whole(p, p->at, slot->origin_bytes);
	if (!p->hash)
		return;
	if (p->hash == slot->whole)
		PAIRING_ADD(&flow->whole_equal, 1);
	else
		PAIRING_ADD(&flow->whole_changed, 1);
}

/* A read is counted once, whichever of its buffers is written from first. */
static inline int pairing_counts_read(struct pairing *p)
{
	uint64_t head = p->slot.head;
	struct pairing_set *set;

	if (!head)
		return 1;
	set = pairing_set(p, pairing_number(p->tgid, head));
	for (uint32_t i = 0; set && i < PAIRING_WAYS; i++) {
		struct pairing_slot *slot = &set->ways[i];

		if (slot->base != head || slot->tgid != p->tgid || !slot->bytes)
			continue;
		if (slot->counted)
			return 0;
		slot->counted = 1;
	}
	return 1;
}

/* bytes of the piece, from the read in p->slot. */
PAIRING_FUNCTION int pairing_pair(struct pairing *p, uint32_t bytes)
{
	struct event_flow *flow;

	if (!p)
		return 0;
	pairing_name_flow(p);
	flow = pairing_charge(p, bytes);
	if (p->again)
		return 0;
	p->paired += bytes;
	if (!p->slot.used)
		p->counts.paired_read_bytes += p->slot.origin_bytes;
	if (!flow)
		return 0;
	if (!p->slot.used && pairing_counts_read(p))
		PAIRING_ADD(&flow->reads, 1);
	if (p->slot.tid != p->tid)
		PAIRING_ADD(&flow->other_thread, 1);
	if (p->slot.have || p->slot.whole)
		pairing_verify(p, flow, bytes);
	if (p->now_ns)
		flow->last_ns = p->now_ns;
	return 0;
}

/* What a partial write has left is looked for at its own address. */
static inline void pairing_leave_rest(struct pairing *p, uint32_t bytes)
{
	struct pairing_set *set = pairing_set(p, pairing_number(p->tgid, p->at + bytes));

	if (!set)
		return;
	p->slot.base = p->at + bytes;
	p->slot.bytes -= bytes;
	p->slot.used = 1;
	p->slot.stamp = p->stamp;
	pairing_put(p, set, &p->slot);
}

/* ---- A write --------------------------------------------------------------------------------------------------------------- */

static inline int pairing_from_mapping(struct pairing *p)
{
	struct pairing_slot *slot = &p->slot;

	slot->site = 0;
	slot->call = 0;
	slot->have = slot->weak = slot->copied = slot->uring = 0;
	slot->whole = 0;
	slot->used = 1;
	slot->tid = p->tid;
	slot->origin = p->at;
	slot->origin_bytes = 0;
	return !pairing_mapped(p) && slot->bytes;
}

/* Fills p->slot and p->how; 0: unpaired; with *ret_gap bytes of the program's own to go over first. */
static inline int pairing_find(struct pairing *p, uint64_t *ret_gap)
{
	if (pairing_same(p, p->at)) {
		p->how = HOW_SAME_BUFFER;
	} else if (pairing_inside(p, p->at, p->rest, ret_gap)) {
		p->how = HOW_INSIDE_BUFFER;
	} else if (p->rest >= PAIRING_COPY_LEAST && pairing_copied(p, p->at, p->rest)) {
		p->how = HOW_COPIED;
		p->copies++;
		return 1;
	} else if (p->rest >= PAIRING_MAPPED_LEAST && !*ret_gap && pairing_from_mapping(p)) {
		p->how = HOW_MAPPED;
		return 1;
	} else {
		return 0;
	}
	if (p->slot.copied)
		p->how = HOW_COPIED;
	else if (p->slot.uring || p->uring)
		p->how = HOW_IO_URING;
	return 1;
}

/* A buffer that was written already, and holds something else now: the program has put other bytes there. */
static inline int pairing_is_stale(struct pairing *p)
{
	uint64_t bytes = p->rest < p->slot.bytes ? p->rest : p->slot.bytes;

	return p->slot.used && p->slot.have && p->how != HOW_MAPPED && !p->again && pairing_compare(p, bytes, 0) < 0;
}

/* One piece of the write: 1 when there is no further one. */
PAIRING_FUNCTION int pairing_next(struct pairing *p)
{
	uint64_t gap = 0;
	uint32_t bytes;

	if (!p || !p->rest)
		return 1;
	if (!pairing_find(p, &gap)) {
		if (!gap)
			return 1;
		p->at += gap;
		p->rest -= gap;
		p->asked -= gap;
		return 0;
	}
	if (pairing_is_stale(p))
		return 1;
	bytes = p->rest < p->slot.bytes ? (uint32_t)p->rest : p->slot.bytes;
	pairing_pair(p, p->again ? 0 : bytes);
	if (p->again)
		return 1;
	if (bytes < p->slot.bytes && p->how != HOW_MAPPED)
		pairing_leave_rest(p, bytes);
	p->at += bytes;
	p->rest -= bytes;
	p->asked -= bytes;
	return 0;
}

/* One buffer of a write: `asked` bytes at `at`, of which `moved` went. With p->again none did, and nothing is charged but
 * that. */
PAIRING_FUNCTION int pairing_write(struct pairing *p, uint64_t at, uint64_t asked, uint64_t moved)
{
	uint64_t paired;

	if (!p)
		return 0;
	paired = p->paired;
	p->at = at;
	p->asked = asked;
	p->rest = p->again ? asked : moved;
	if (!p->rest)
		return 0;
	for (uint32_t i = 0; i < PAIRING_PIECES; i++)
		if (pairing_next(p))
			break;
	if (!p->again)
		p->counts.unpaired_write_bytes += moved - (p->paired - paired);
	return 0;
}

/* An unpaired write of the program's whose first bytes say that it is a TLS record. */
static inline int pairing_is_tls(uint64_t at)
{
	uint8_t head[3];

	return !pairing_user(head, sizeof head, at) && head[0] >= 0x14 && head[0] <= 0x17 && head[1] == 3 && head[2] <= 4;
}

#endif
