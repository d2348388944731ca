/* SPDX-License-Identifier: MIT */
/* The last third of pairing.h, which includes it: a write is cut into pieces, and each charged to a flow. */
#ifndef DOCTOR_PAIRING_WRITE_H
#define DOCTOR_PAIRING_WRITE_H

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

/* Differences of so many whole pieces of a flow make one look closer; further ones tell nothing new. */
#define PAIRING_CLOSER_LEAST 4
#define PAIRING_CLOSER 32
#define PAIRING_UNSEEN_WRITES 4

static inline void pairing_verify(struct pairing *p, struct event_flow *flow, uint32_t bytes)
{
	const struct pairing_slot *slot = &p->slot;
	/* So few samples are there to find copies by: whether bytes are constant they do not tell. */
	int equal = slot->have & ~PAIRING_COPY_SAMPLES ? p->equal : 0, whole = slot->whole ? pairing_compare_whole(p, bytes) : 0;

	if (equal < 0 || whole == PAIRING_OTHER_HEAD)
		PAIRING_ADD(&flow->changed, 1);
	else if (equal && slot->weak)
		PAIRING_ADD(&flow->weak, 1);
	else if (equal)
		PAIRING_ADD(&flow->equal, 1);
	if (whole == PAIRING_EQUAL)
		PAIRING_ADD(&flow->whole_equal, 1);
	if (whole != PAIRING_CHANGED)
		return;
	if (flow->whole_changed < PAIRING_CLOSER_LEAST)
		pairing_look_closer(p, PAIRING_CLOSER);
	PAIRING_ADD(&flow->whole_changed, 1);
}

/* Which reads are looked at is chance, and of a site the first ones may have been other flows'. So a flow of which nobody has seen
 * every byte yet asks for that, now and then. */
static inline void pairing_want_whole(struct pairing *p, const struct event_flow *flow)
{
	uint64_t writes = flow->writes;

	if (writes >= PAIRING_UNSEEN_WRITES && !(writes & (writes - 1)) && !flow->whole_equal && !flow->whole_changed)
		pairing_look_closer(p, 1);
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
	if (p->slot.site)
		pairing_want_whole(p, flow);
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

/* Whether what was read to p->root is still there: no other read came. */
static inline int pairing_root_stands(struct pairing *p)
{
	struct pairing_set *set = pairing_set(p, pairing_number(p->tgid, p->root));

	for (uint32_t i = 0; set && i < PAIRING_WAYS; i++)
		if (set->ways[i].base == p->root && set->ways[i].tgid == p->tgid && set->ways[i].bytes)
			return set->ways[i].stamp == p->slot.stamp;
	return 0;
}

/* A slice of so many bytes went, and more was read: where it was copied from the next one stands. If not, the rest is lost. */
PAIRING_FUNCTION int pairing_after_slice(struct pairing *p, uint32_t bytes)
{
	struct pairing_slot *rest;

	if (!p || p->slot.bytes - bytes < PAIRING_COPY_LEAST)
		return 0;
	rest = &p->by_address;
	*rest = p->slot;
	rest->base = rest->origin = p->source + bytes;
	rest->bytes = rest->origin_bytes = p->slot.bytes - bytes;
	rest->head = p->root;
	rest->used = rest->have = rest->weak = 0;
	rest->skip += bytes;
	rest->first = pairing_root_stands(p) ? pairing_first(p, rest->base) : 0;
	if (!rest->first) {
		p->counts.lost_pairs++;
		p->counts.lost_bytes += rest->bytes;
		return 0;
	}
	pairing_take_samples(p, rest, p->look | PAIRING_COPY_SAMPLES);
	pairing_put_copy(p, rest);
	return 0;
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
	p->near_gap = p->source = 0;
	if (pairing_same(p, p->at)) {
		p->how = HOW_SAME_BUFFER;
	} else if (pairing_inside(p, p->at, p->rest, ret_gap)) {
		p->how = HOW_INSIDE_BUFFER;
	} else if (p->rest >= PAIRING_COPY_LEAST && !*ret_gap && pairing_nearby(p)) {
		p->how = HOW_INSIDE_BUFFER;
	} else if (p->rest >= PAIRING_COPY_LEAST && pairing_filled(p) && pairing_copied(p, p->at, p->rest)) {
		return 1;
	} else if (p->near_gap) {
		*ret_gap = p->near_gap;
		return 0;
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

/*
 * How many of the `most` bytes to go over, for which there is no read: those of one that was pushed out, and counted as lost then,
 * for the next one may be there. Where its mark is another's by now nobody knows: then as many as the piece before had, or that other one.
 */
static inline uint64_t pairing_hole(struct pairing *p, uint64_t most)
{
	uint64_t name = pairing_mix(p->at, p->tgid), bytes = p->step;
	const uint64_t *pushed = pairing_pushed(p, (uint32_t)name);

	if (!pushed || !*pushed || p->again)
		return most;
	if (*pushed >> 32 == name >> 32) {
		bytes = p->step = (uint32_t)*pushed;
		return bytes < p->rest ? bytes : p->rest;
	}
	if (!bytes)
		bytes = (uint32_t)*pushed;
	if (bytes > most)
		bytes = most;
	p->counts.lost_pairs++;
	p->counts.lost_bytes += bytes;
	return bytes;
}

/* Goes over bytes of the write; 1 when there are no further ones. */
static inline int pairing_go_over(struct pairing *p, uint64_t bytes)
{
	p->at += bytes;
	p->rest -= bytes;
	p->asked -= bytes;
	return !p->rest;
}

/* One piece of the write: 1 when there is no further one that could be paired; p->rest is 0 then. */
static long pairing_next(uint32_t i, void *context)
{
	struct pairing *p = *(struct pairing **)context;
	uint64_t gap = 0;
	uint32_t bytes;

	if (!pairing_find(p, &gap)) {
		gap = gap ? gap : p->rest;
		if (!p->forgotten)
			return pairing_go_over(p, pairing_hole(p, gap));
		p->counts.lost_pairs++;
		p->counts.lost_bytes += gap;
		return pairing_go_over(p, gap);
	}
	bytes = p->rest < p->slot.bytes ? (uint32_t)p->rest : p->slot.bytes;
	pairing_pair(p, p->again ? 0 : bytes);
	if (p->again)
		return pairing_go_over(p, p->rest);
	if (bytes < p->slot.bytes && p->source && p->asked == p->rest)	/* of a partial write what follows is the same copy's */
		pairing_after_slice(p, bytes);
	if (bytes < p->slot.bytes && p->how != HOW_MAPPED)
		pairing_leave_rest(p, bytes);
	p->step = bytes;
	return pairing_go_over(p, bytes);
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
	p->step = 0;
	p->rest = p->again ? asked : moved;
	if (!p->rest)
		return 0;
	PAIRING_LOOP(PAIRING_PIECES, pairing_next, &p);
	if (p->again)
		return 0;
	p->counts.unpaired_write_bytes += moved - (p->paired - paired);
	if (p->rest) {
		p->counts.lost_pairs++;
		p->counts.lost_bytes += p->rest;
	}
	return 0;
}

/* An unpaired write of the program's whose first bytes say that it is a TLS record. */
static inline int pairing_is_tls(uint64_t at)
{
	uint8_t head[3];

	return !pairing_user(head, sizeof head, at) && head[0] >= 0x14 && head[0] <= 0x17 && head[1] == 3 && head[2] <= 4;
}

#endif
