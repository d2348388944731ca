/* SPDX-License-Identifier: MIT */
/* The second half of pairing.h, which includes it: whence the bytes of a write come, and the flow they are charged to. */
#ifndef DOCTOR_PAIRING_WRITE_H
#define DOCTOR_PAIRING_WRITE_H

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

/* Rule 3: into p->slot, as if it had been read here. Sample 0 proves nothing more than the first 16 bytes do, and those are
 * "HTTP/1.1 200 OK" of many an answer. */
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
	for (uint32_t i = 0; set && i < PAIRING_WAYS; i++) {
		struct pairing_slot *slot = &set->ways[i];

		if (slot->first != first || slot->tgid != p->tgid || !slot->bytes)
			continue;
		p->slot = *slot;
		p->slot.base = p->slot.origin = at;
		p->slot.copied = 1;
		if (pairing_compare(p, rest < p->slot.bytes ? rest : p->slot.bytes, 1) < 1)
			continue;
		if (!slot->used && !p->again)
			slot->used = 1;
		p->how = HOW_COPIED;
		p->equal = 1;
		p->copies++;
		return 1;
	}
	forgotten = pairing_forgotten(p, (uint32_t)(first >> 8));
	p->forgotten = forgotten && !p->again && (*forgotten >> 32 == first >> 32 || (uint32_t)*forgotten == first >> 32);
	return 0;
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

static inline void pairing_verify(struct pairing *p, struct event_flow *flow)
{
	const struct pairing_slot *slot = &p->slot;
	/* A single sample is there to find copies by: whether bytes are constant it does not tell. */
	int equal = slot->have & (slot->have - 1) ? p->equal : 0;

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
		pairing_verify(p, flow);
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

/* Inlined whatever the compiler thinks: BPF allows eight frames, and below this one are two. */
static inline __attribute__((always_inline)) int pairing_from_mapping(struct pairing *p)
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

/* What is at the piece's address is not what was read there: the bytes of another read, or other bytes of the program's. 1: of
 * what has been written already, so that they say nothing of this read. */
static inline int pairing_is_stale(struct pairing *p)
{
	p->by_address = p->slot;
	if (p->rest >= PAIRING_COPY_LEAST && pairing_copied(p, p->at, p->rest))
		return 0;
	p->slot = p->by_address;
	return p->slot.used;
}

/* Fills p->slot, p->how and p->equal; 0: unpaired; with *ret_gap bytes of the program's own to go over first. */
static inline int pairing_find(struct pairing *p, uint64_t *ret_gap)
{
	p->equal = 0;
	p->forgotten = 0;
	if (pairing_same(p, p->at)) {
		p->how = HOW_SAME_BUFFER;
	} else if (pairing_inside(p, p->at, p->rest, ret_gap)) {
		p->how = HOW_INSIDE_BUFFER;
	} else if (p->rest >= PAIRING_COPY_LEAST && pairing_filled(p) && pairing_copied(p, p->at, p->rest)) {
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
	if (p->slot.have && !p->again)
		p->equal = pairing_compare(p, p->rest < p->slot.bytes ? p->rest : p->slot.bytes, 0);
	return p->equal >= 0 || !pairing_is_stale(p);
}

/* One piece of the write: 1 when there is no further one. */
PAIRING_FUNCTION int pairing_next(struct pairing *p)
{
	uint64_t gap = 0;
	uint32_t bytes;

	if (!p || !p->rest)
		return 1;
	if (!pairing_find(p, &gap)) {
		if (p->forgotten) {
			p->counts.lost_pairs++;
			p->counts.lost_bytes += gap ? gap : p->rest;
		}
		if (!gap)
			return 1;
		p->at += gap;
		p->rest -= gap;
		p->asked -= gap;
		return 0;
	}
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
