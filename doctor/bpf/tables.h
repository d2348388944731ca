/* SPDX-License-Identifier: MIT */
/* What pairing.h asks for: the kernel's maps as its tables, the current process's memory. */
#ifndef DOCTOR_BPF_TABLES_H
#define DOCTOR_BPF_TABLES_H

#include "facts.h"
#include "site.h"

#define MAPPING_WRITES 2	/* VM_WRITE */
#define MAPPING_EXECUTES 4	/* VM_EXEC */
#define MAPPING_SHARED 8	/* VM_SHARED */
#define MAGIC_TMPFS 0x01021994

static inline int pairing_user(void *to, uint32_t bytes, uint64_t from)
{
	return bpf_probe_read_user(to, bytes, (void *)from);
}

static inline struct pairing_set *pairing_set(struct pairing *p, uint32_t number)
{
	uint32_t key = number & (SETS - 1);

	return bpf_map_lookup_elem(&sets, &key);
}

static inline struct pairing_set *pairing_copies(struct pairing *p, uint32_t number)
{
	uint32_t key = number & (COPY_SETS - 1);

	return bpf_map_lookup_elem(&copies, &key);
}

static inline uint64_t *pairing_forgotten(struct pairing *p, uint32_t number)
{
	return &forgotten[number & (FORGOTTEN - 1)];
}

static inline uint64_t *pairing_pushed(struct pairing *p, uint32_t number)
{
	return &pushed[number & (PUSHED - 1)];
}

static inline struct pairing_recent *pairing_recent(struct pairing *p)
{
	uint32_t key = p->tid & (RECENTS - 1);

	return bpf_map_lookup_elem(&recents, &key);
}

static inline struct pairing_near *pairing_near(struct pairing *p, uint32_t number)
{
	uint32_t key = number & (NEARS - 1);

	return bpf_map_lookup_elem(&nears, &key);
}

static inline struct pairing_pieces *pairing_pieces(struct pairing *p, uint32_t name)
{
	uint32_t key = name >> 1 & (WHOLES - 1);

	return bpf_map_lookup_elem(&wholes, &key);
}

static inline void pairing_look_closer(struct pairing *p, uint32_t n)
{
	uint8_t *uses = &site_uses[p->slot.site >> 1 & 65535];

	/* At 0 its stack has not been taken yet; and the first looks are not to be cut short. */
	if (*uses && *uses < CLOSER + n && (*uses >= LOOKED_AT || n > LOOKED_AT))
		*uses = CLOSER + n;
}

/* A flow must not be without its stacks, nor without a look at its bytes: where one of its sites has no stack yet, its next use
 * takes it, and the next reads are looked at. */
static __always_inline void want_site(struct pairing *p, uint64_t site)
{
	struct event_site_key key = { .tgid = p->tgid, .site = site };
	uint8_t *uses = &site_uses[site >> 1 & 65535];

	if (site && !bpf_map_lookup_elem(&sites, &key))
		*uses = 0;
	else if (site && *uses >= LOOKED_AT && *uses < CLOSER)
		*uses = LOOKED_AT + LOOKS_OF_FLOW;
}

/* A number that stands for all files of that kind. */
static __always_inline uint64_t summary_of(uint64_t inode, uint32_t device, uint32_t sink)
{
	struct event_file_key key = { .inode = inode, .device = device, .sink = sink };
	const struct event_file *file = bpf_map_lookup_elem(&files, &key);

	return EVENT_SUMMARY | (file ? (uint64_t)file->facts << 8 | file->kind : (uint64_t)EVENT_SPLICE_UNKNOWN << 8);
}

/* By the scratch, which p is part of: see take_facts. */
static inline struct event_flow *pairing_flow(struct pairing *p)
{
	struct scratch *s = scratch_of_this_cpu();
	struct event_flow_key *key;
	struct event_flow *flow;

	if (!s)
		return NULL;
	key = &s->p.key;
	flow = bpf_map_lookup_elem(&flows, key);
	if (flow)
		return flow;
	if (flow_count >= exact_flows) {
		key->from_inode = summary_of(key->from_inode, key->from_device, 0);
		key->to_inode = summary_of(key->to_inode, key->to_device, 1);
		flow = bpf_map_lookup_elem(&flows, key);
		if (flow)
			return flow;
	}
	s->p.fresh.first_ns = s->p.fresh.last_ns = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&flows, key, &s->p.fresh, BPF_NOEXIST) == 0)
		__sync_fetch_and_add(&flow_count, 1);
	want_site(p, key->site_read);
	want_site(p, key->site_write);
	return bpf_map_lookup_elem(&flows, key);
}

/* But for its first moments, the watch has seen all reads. */
static inline int pairing_filled(struct pairing *p)
{
	return 1;
}

struct mapping {
	uint64_t at, file, end;
};

static long look_at_mapping(struct task_struct *task, struct vm_area_struct *vma, void *context)
{
	struct mapping *mapping = context;
	struct file *file = BPF_CORE_READ(vma, vm_file);	/* by a copy: a number, which functions may be passed */

	if (!file || vma->vm_flags & MAPPING_EXECUTES)
		return 0;
	/* A private one holds what the program stored there, or did before it gave that up. */
	if ((vma->vm_flags & (MAPPING_WRITES | MAPPING_SHARED)) == MAPPING_WRITES || BPF_CORE_READ(vma, anon_vma))
		return 0;
	mapping->file = (uint64_t)file;
	mapping->end = vma->vm_end;
	return 0;
}

/* A mapping of a regular file that others see, too: not of the program itself, and not memory that only has a file's shape. */
static inline int pairing_mapped(struct pairing *p)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mapping mapping = { .at = p->at };
	struct file *file;
	struct inode *inode;

	if (bpf_find_vma(task, p->at, look_at_mapping, &mapping, 0) || !mapping.file || mapping.end <= p->at)
		return -1;
	file = (struct file *)mapping.file;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & MODE_TYPE) != MODE_REGULAR || BPF_CORE_READ(task, mm, exe_file, f_inode) == inode ||
	    (!BPF_CORE_READ(inode, i_nlink) && BPF_CORE_READ(inode, i_sb, s_magic) == MAGIC_TMPFS))
		return -1;
	p->slot.inode = BPF_CORE_READ(inode, i_ino);
	p->slot.device = BPF_CORE_READ(inode, i_sb, s_dev);
	p->slot.bytes = mapping.end - p->at > UINT32_MAX ? UINT32_MAX : mapping.end - p->at;
	know_file(mapping.file, p->slot.inode, p->slot.device, 0);
	return 0;
}

/* ---- Reads into a mapping -------------------------------------------------------------------------------------------------- */

static long look_at_target(struct task_struct *task, struct vm_area_struct *vma, void *context)
{
	struct mapping *mapping = context;

	if ((vma->vm_flags & (MAPPING_WRITES | MAPPING_SHARED)) == (MAPPING_WRITES | MAPPING_SHARED))
		mapping->file = (uint64_t)BPF_CORE_READ(vma, vm_file);
	mapping->end = vma->vm_end;
	return 0;
}

/* What is read there is in the file at once; not memory that only has a file's shape. */
BOTH int note_mapping(struct scratch *s, uint64_t at, uint64_t bytes)
{
	struct mapping mapping = { .at = at };
	struct file *file;
	struct inode *inode;
	uint64_t bit;
	uint64_t *bits;

	if (!s)
		return 0;
	bit = 1ull << (s->p.site >> 1 & 63);
	bits = &into_mapping[s->p.site >> 7 & 1023];
	if (bpf_find_vma(bpf_get_current_task_btf(), at, look_at_target, &mapping, 0) || !mapping.file)
		goto none;
	file = (struct file *)mapping.file;
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & MODE_TYPE) != MODE_REGULAR ||
	    (!BPF_CORE_READ(inode, i_nlink) && BPF_CORE_READ(inode, i_sb, s_magic) == MAGIC_TMPFS))
		goto none;
	__sync_fetch_and_or(bits, bit);
	s->p.counts.mapped_read_bytes += bytes;
	return 0;
none:
	if (*bits & bit)
		__sync_fetch_and_and(bits, ~bit);
	return 0;
}

/* Asked of the first reads of a place, of one in 16 that follow, and of all when it was found to do so. */
static __always_inline void ask_mapping(struct scratch *s, uint64_t at, uint64_t bytes)
{
	if (s->p.now_ns || s->p.whole || into_mapping[s->p.site >> 7 & 1023] >> (s->p.site >> 1 & 63) & 1)
		note_mapping(s, at, bytes);
}

#endif
