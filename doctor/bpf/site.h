/* SPDX-License-Identifier: MIT */
/* Stacks: copied for user space to unwind, the first time a place makes a call, or when user space wants more of it. */
#ifndef DOCTOR_BPF_SITE_H
#define DOCTOR_BPF_SITE_H

#include "state.h"

#define PAGE 4096
#define LOOKED_AT 7		/* so many first uses of a site, less 1, are looked at closely */
#define LOOKS_OF_FLOW 4		/* so many uses have their bytes sampled when a new flow begins */
#define CLOSER 128		/* above this: so many uses have every byte looked at; 127 more at most */
#define CLOSER_FULL 26		/* of --full, behind the first ones: 32 show what happens to one buffer in eight */
#define STACK_LEAST 512		/* a read of fewer bytes gets its stack only when a write wants it */

#if defined(__TARGET_ARCH_x86)
static __always_inline void take_registers(struct event_snapshot *snapshot, const struct pt_regs *regs)
{
	uint64_t *to = snapshot->registers;

	to[0] = BPF_CORE_READ(regs, ax);
	to[1] = BPF_CORE_READ(regs, dx);
	to[2] = BPF_CORE_READ(regs, cx);
	to[3] = BPF_CORE_READ(regs, bx);
	to[4] = BPF_CORE_READ(regs, si);
	to[5] = BPF_CORE_READ(regs, di);
	to[6] = BPF_CORE_READ(regs, bp);
	to[7] = BPF_CORE_READ(regs, sp);
	to[8] = BPF_CORE_READ(regs, r8);
	to[9] = BPF_CORE_READ(regs, r9);
	to[10] = BPF_CORE_READ(regs, r10);
	to[11] = BPF_CORE_READ(regs, r11);
	to[12] = BPF_CORE_READ(regs, r12);
	to[13] = BPF_CORE_READ(regs, r13);
	to[14] = BPF_CORE_READ(regs, r14);
	to[15] = BPF_CORE_READ(regs, r15);
	to[16] = BPF_CORE_READ(regs, ip);
	snapshot->ip = to[16];
	snapshot->sp = to[7];
}
#else
static __always_inline void take_registers(struct event_snapshot *snapshot, const struct pt_regs *regs)
{
	bpf_core_read(snapshot->registers, sizeof regs->regs, &regs->regs);
	snapshot->sp = snapshot->registers[31] = BPF_CORE_READ(regs, sp);
	snapshot->ip = snapshot->registers[32] = BPF_CORE_READ(regs, pc);
}
#endif

#define PATH_LOOKS 16
#define PATH_DOUBT 32		/* looks more, each time another path is found; one call astray is two of these, there and back */
#define PATH_LOOKS_MOST 1024

static __always_inline uint64_t path_of(struct pairing *p, uint64_t site, uint64_t sp, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;

	return mm ? pairing_path(p, site, sp, mm->start_code, mm->end_code - mm->start_code) : site;
}

/*
 * A look at the stack costs as much as half of the rest does. So what one instruction does with one descriptor is taken to
 * come by one path when looks have found one only, and then one call in 16 is looked at. Of two that take turns each is looked
 * at; but not of one which less than one call in 64 departs from, and the next one is back on: such is what Go has left on a
 * stack, and no path.
 */
static __always_inline uint64_t path_known(struct pairing *p, uint64_t site, uint64_t sp, struct task_struct *task, uint32_t fd)
{
	uint64_t name = pairing_mix(site, fd), path;
	struct known_path *known = &known_paths[name >> 8 & (KNOWN_PATHS - 1)];
	bool same = known->name == name;

	if (same && !known->looks && pairing_chance(p->stamp) >> 28)
		return known->path;
	path = path_of(p, site, sp, task);
	if (!same) {
		known->looks = PATH_LOOKS;
		known->turned = 0;
	} else if (known->path != path) {
		known->looks += known->looks < PATH_LOOKS_MOST ? PATH_DOUBT : 0;
		known->turned = !known->turned || path != known->before;
		known->before = known->path;
	} else if (known->turned) {	/* and it stays with the new one */
		known->looks = PATH_LOOKS_MOST;
		known->turned = 0;
	} else if (known->looks) {
		known->looks--;
	}
	known->path = path;
	known->name = name;
	return path;
}

struct copying {
	uint8_t *to;
	uint64_t from;
	uint32_t done;
	uint32_t good;	/* the end of what could be read */
};

/* Up to the end of a page each time: where the stack ends, all before it has been copied. A page that is not there may be one
 * of a large buffer that nobody has touched: it stays zero, as user space has left it, and the frames behind it follow. */
static long copy_page(uint32_t i, void *context)
{
	struct copying *c = context;
	uint32_t done = c->done, bytes = PAGE - ((c->from + done) & (PAGE - 1));

	if (done > EVENT_STACK_BYTES - PAGE)
		return 1;
	if (bytes > PAGE)
		return 1;
	c->done = done + bytes;
	if (!bpf_probe_read_user(c->to + done, bytes, (void *)(c->from + done)))
		c->good = c->done;
	return 0;
}

static __always_inline uint32_t copy_stack(uint8_t *to, uint64_t from)
{
	struct copying copying = { .to = to, .from = from };

	bpf_loop(EVENT_STACK_BYTES / PAGE + 1, copy_page, &copying, 0);
	return copying.good;
}

static long find_free(uint32_t i, void *context)
{
	if (i >= EVENT_SNAPSHOTS || __sync_val_compare_and_swap(&snapshot_state[i], 0, 1))
		return 0;
	*(uint32_t *)context = i;
	return 1;
}

/* 0: taken; 1: all places are full for the moment. */
static __always_inline int take_snapshot(void *ctx, const struct pt_regs *regs, struct pairing *p, uint32_t wanted)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct event_snapshot *snapshot;
	uint32_t place = EVENT_SNAPSHOTS;
	long bytes;

	bpf_loop(EVENT_SNAPSHOTS, find_free, &place, 0);
	if (place >= EVENT_SNAPSHOTS)
		return 1;
	snapshot = bpf_map_lookup_elem(&snapshots, &place);
	if (!snapshot)
		return 1;
	snapshot->tgid = p->tgid;
	snapshot->tid = p->tid;
	snapshot->site = p->site;
	snapshot->exec_id = task->self_exec_id;
	take_registers(snapshot, regs);
	bytes = bpf_get_stack(ctx, snapshot->ips, sizeof snapshot->ips, BPF_F_USER_STACK);
	snapshot->ip_count = bytes > 0 ? (uint64_t)bytes / 8 : 0;
	snapshot->bytes = copy_stack(snapshot->stack, snapshot->sp);
	snapshot->more_bytes = 0;
	if (wanted) {
		snapshot->more_at = snapshot->sp + wanted;
		snapshot->more_bytes = copy_stack(snapshot->more, snapshot->more_at);
	}
	if (place < EVENT_SNAPSHOTS)
		snapshot_state[place] = 2;
	ring(EVENT_SNAPSHOT, p->tgid, place, 0, 0);
	return 0;
}

/* The site's stack, unless user space has it. 1: it could not be taken, and is to be tried again. */
static __always_inline int take_site(void *ctx, const struct pt_regs *regs, struct pairing *p)
{
	struct event_site_key key = { .tgid = p->tgid, .site = p->site };
	struct event_site *site = bpf_map_lookup_elem(&sites, &key), fresh = {};
	uint32_t wanted = 0;

	if (site) {
		wanted = site->wanted;
		if (site->taken && !wanted)
			return 0;
	} else {
		bpf_map_update_elem(&sites, &key, &fresh, BPF_NOEXIST);
		site = bpf_map_lookup_elem(&sites, &key);
		if (!site) {
			p->counts.no_stack++;
			return 0;
		}
	}
	if (take_snapshot(ctx, regs, p, wanted))
		return 1;
	site->taken++;
	site->wanted = 0;
	return 0;
}

#endif
