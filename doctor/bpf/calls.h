/* SPDX-License-Identifier: MIT */
/* The system calls of interest: what they moved, from which file or to which, and where in memory. */
#ifndef DOCTOR_BPF_CALLS_H
#define DOCTOR_BPF_CALLS_H

#include "tables.h"

#include "../call.h"

#define COPY_DOUBT 1024	/* writes that may come of so many reads before, which were not noted by their content */

/* ---- Buffers --------------------------------------------------------------------------------------------------------------- */

static long each_buffer(uint32_t i, void *context)
{
	struct scratch *s = *(struct scratch **)context;
	struct buffers *b = &s->buffers;
	struct buffer_of_user one;
	uint64_t bytes;

	if (i >= b->count || (!b->left && !s->p.again))
		return 1;
	if (bpf_probe_read_user(&one, sizeof one, (void *)(b->at + i * sizeof one))) {
		b->failed = 1;
		return 1;
	}
	bytes = one.bytes < b->left ? one.bytes : b->left;
	b->left -= bytes;
	if (b->writes)
		pairing_write(&s->p, one.base, one.bytes, bytes);
	else
		pairing_read(&s->p, one.base, bytes);
	return s->p.again && s->p.charged;
}

static __always_inline void all_buffers(struct scratch *s, uint64_t at, uint64_t count, uint64_t bytes, uint32_t writes)
{
	s->buffers.at = at;
	s->buffers.count = count;
	s->buffers.left = bytes;
	s->buffers.writes = writes;
	s->buffers.failed = 0;
	bpf_loop(CALL_VECTORS, each_buffer, &s, 0);
	if (s->buffers.failed)
		s->p.counts.cut_vectors++;
}

static __always_inline void one_message(struct scratch *s, uint64_t at, uint64_t bytes, uint32_t writes)
{
	struct message_of_user *message = &s->message.message;

	if (bpf_probe_read_user(message, sizeof *message, (void *)at))
		s->p.counts.cut_vectors++;
	else
		all_buffers(s, message->buffers, message->buffer_count, bytes, writes);
}

static long add_message(uint32_t i, void *context)
{
	struct scratch *s = *(struct scratch **)context;
	struct messages *m = &s->messages;
	struct message_of_many *one = &s->message;

	if (i >= m->count)
		return 1;
	if (bpf_probe_read_user(one, sizeof *one, (void *)(m->at + i * sizeof *one)))
		return 1;
	m->moved += one->bytes;
	s->p.total = one->bytes;
	all_buffers(s, one->message.buffers, one->message.buffer_count, one->bytes, m->writes);
	return 0;
}

/* Bytes of all of them. */
static __always_inline uint64_t many_messages(struct scratch *s, uint64_t at, uint32_t count, uint32_t writes)
{
	s->messages.at = at;
	s->messages.moved = 0;
	s->messages.count = count;
	s->messages.writes = writes;
	if (count > CALL_MESSAGES)
		s->p.counts.cut_vectors++;
	bpf_loop(CALL_MESSAGES, add_message, &s, 0);
	return s->messages.moved;
}

/* ---- Files ----------------------------------------------------------------------------------------------------------------- */

/* The open file of that number: the struct file's address, or 0. */
static __always_inline uint64_t file_of(struct task_struct *task, uint32_t fd)
{
	struct fdtable *fdt = task->files->fdt;

	return fd < fdt->max_fds ? word_at(fdt->fd + fd) : 0;
}

/* Which file it is; its facts are taken when it is new. Of a descriptor that another thread has closed since the call began
 * nothing is known, but that bytes passed through it. */
static __always_inline void identify(struct task_struct *task, uint32_t fd, uint32_t sink, uint64_t *ret_inode,
				     uint32_t *ret_device)
{
	uint64_t file = file_of(task, fd);
	uint64_t inode;

	if (!file) {
		*ret_inode = 0;
		*ret_device = EVENT_CLOSED;
		return;
	}
	inode = WORD_OF(file, struct file, f_inode);
	*ret_inode = WORD_OF(inode, struct inode, i_ino);
	*ret_device = (uint32_t)WORD_OF(WORD_OF(inode, struct inode, i_sb), struct super_block, s_dev);
	know_file(file, *ret_inode, *ret_device, sink);
}

/* ---- What a call did ------------------------------------------------------------------------------------------------------- */

/* Arguments and result stand in the scratch. */
static __always_inline void read_call(struct scratch *s, uint32_t kind)
{
	struct pairing *p = &s->p;
	uint64_t bytes = s->result;

	p->vector = kind & (CALL_VECTOR | CALL_MESSAGE | CALL_MANY) ? 1 : 0;
	p->head = 0;
	if (kind & CALL_VECTOR)
		all_buffers(s, s->arguments[1], s->arguments[2], bytes, 0);
	else if (kind & CALL_MESSAGE)
		one_message(s, s->arguments[1], bytes, 0);
	else if (kind & CALL_MANY)
		bytes = many_messages(s, s->arguments[1], bytes, 0);
	else	/* recv with MSG_TRUNC says more than came */
		pairing_read(p, s->arguments[1], bytes < s->arguments[2] ? bytes : s->arguments[2]);
	ask_mapping(s, p->head ?: s->arguments[1], bytes);
	p->counts.reads++;
	p->counts.read_bytes += bytes;
}

/* Of the call that ends: bytes that come from no read, and where they went. */
static __always_inline uint64_t note_unpaired(struct scratch *s, uint64_t before)
{
	struct event_file_key key = { .inode = s->p.inode, .device = s->p.device, .sink = 1 };
	uint64_t bytes = s->p.counts.unpaired_write_bytes - before;
	struct event_file *file;

	if (bytes < PAIRING_COPY_LEAST)
		return 0;
	file = bpf_map_lookup_elem(&files, &key);
	if (file)
		__sync_fetch_and_add(&file->unpaired, bytes);
	return bytes;
}

/* What nothing explains may be a copy of a read that was not noted by its content: then it is lost. The next ones are noted. */
static __always_inline void doubt(struct pairing *p, uint64_t unpaired, uint64_t lost)
{
	copy_credit = COPY_CREDIT;
	if (!copy_doubt)
		return;
	copy_doubt--;
	if (unpaired > lost) {
		p->counts.lost_pairs++;
		p->counts.lost_bytes += unpaired - lost;
	}
}

static __always_inline void write_call(struct scratch *s, uint32_t kind)
{
	struct pairing *p = &s->p;
	uint64_t bytes = p->again ? 0 : s->result, unpaired = p->counts.unpaired_write_bytes, lost = p->counts.lost_bytes;

	p->total = bytes;
	p->charged = p->paired = p->copies = 0;
	if (kind & CALL_VECTOR)
		all_buffers(s, s->arguments[1], s->arguments[2], bytes, 1);
	else if (kind & CALL_MESSAGE)
		one_message(s, s->arguments[1], bytes, 1);
	else if (kind & CALL_MANY)
		bytes = p->again ? 0 : many_messages(s, s->arguments[1], bytes, 1);
	else
		pairing_write(p, s->arguments[1], s->arguments[2], bytes);
	if (p->again)
		return;
	p->counts.writes++;
	p->counts.write_bytes += bytes;
	if (p->copies)
		copy_credit = COPY_CREDIT;
	unpaired = note_unpaired(s, unpaired);
	if (unpaired) {
		doubt(p, unpaired, p->counts.lost_bytes - lost);
		if (!(kind & (CALL_VECTOR | CALL_MESSAGE | CALL_MANY)) && pairing_is_tls(s->arguments[1]))
			p->counts.tls_records++;
	}
}

/* sendfile and its like: the kernel moves the bytes, between the files of arguments `from` and `to`. */
static __always_inline void move_call(struct scratch *s, struct task_struct *task, uint32_t nr)
{
	struct pairing *p = &s->p;
	int from, to;

	call_ends(nr, &from, &to);
	p->how = call_how(nr);
	__builtin_memset(&p->slot, 0, sizeof p->slot);
	p->slot.used = 1;
	p->slot.tid = p->tid;
	if (from >= 0)
		identify(task, s->arguments[from & 3], 0, &p->slot.inode, &p->slot.device);
	identify(task, s->arguments[to & 3], 1, &p->inode, &p->device);
	p->total = s->result;
	p->charged = 0;
	pairing_pair(p, p->again ? 0 : s->result);
}

/* Which looks this call gets: at the first uses of a site all, later some. */
static __always_inline void choose_looks(void *ctx, struct pt_regs *regs, struct pairing *p, uint32_t kind, int64_t bytes)
{
	uint8_t *uses = &site_uses[p->site >> 1 & 65535];
	uint32_t chance = pairing_chance(++p->stamp);

	if (!sampled_mask)
		p->look = pairing_some_samples(chance);
	else
		p->look = chance >> 28 & sampled_mask ? 0 : PAIRING_ALL_SAMPLES;
	p->whole = !(chance >> 22);
	p->now_ns = chance >> 28 ? 0 : bpf_ktime_get_ns();
	if (*uses > CLOSER) {
		--*uses;
		p->look = PAIRING_ALL_SAMPLES;
		p->whole = 1;
	} else if (*uses > LOOKED_AT) {
		*uses = *uses == CLOSER ? LOOKED_AT : *uses - 1;
		p->look = PAIRING_ALL_SAMPLES;
	}
	if (*uses < LOOKED_AT) {
		p->look = PAIRING_ALL_SAMPLES;
		p->whole = 1;
		if (!want_stacks || ((kind & CALL_READS) && bytes < STACK_LEAST && *uses) || !take_site(ctx, regs, p))
			*uses = *uses == LOOKED_AT - 1 && !sampled_mask ? CLOSER + CLOSER_FULL : *uses + 1;
	}
}

/* Whether the read is noted by its content, so that a copy of it is found. */
static __always_inline void choose_first(struct pairing *p, int64_t bytes)
{
	p->first = !sampled_mask;
	if (p->first || bytes < PAIRING_COPY_LEAST)
		return;
	if (copy_credit) {
		copy_credit--;
		p->first = 1;
	} else if (copy_doubt < COPY_DOUBT) {
		copy_doubt++;
	}
}

#if defined(__TARGET_ARCH_x86)
#define CALL_NUMBER(regs) ((uint32_t)(regs)->orig_ax)
/* The return from a signal handler leaves -1 where the number stood: all bits, and no call. */
#define CALL_IS_NARROW(regs, task) \
	((task)->thread_info.status & TS_COMPAT_IS || ((regs)->orig_ax & (X32_BIT << 1 | X32_BIT)) == X32_BIT)
#define TAKE_ARGUMENTS(to, regs) \
	((to)[0] = (regs)->di, (to)[1] = (regs)->si, (to)[2] = (regs)->dx, (to)[3] = (regs)->r10)
#define CALLER(regs) (regs)->ip
#else
#define CALL_NUMBER(regs) ((uint32_t)(regs)->syscallno)
#define CALL_IS_NARROW(regs, task) 0
#define TAKE_ARGUMENTS(to, regs) \
	((to)[0] = (regs)->orig_x0, (to)[1] = (regs)->regs[1], (to)[2] = (regs)->regs[2], (to)[3] = (regs)->regs[3])
#define CALLER(regs) (regs)->pc
#endif

/* Of a thread not known to be a stranger: is it watched, or from now on? name: read before that is asked, so that who is
 * declared a stranger while somebody begins to watch it is one in an epoch that has passed. */
static __always_inline bool is_of_interest(struct task_struct *task, uint64_t name)
{
	if (is_watched(task->tgid))
		return true;
	if (watch_all || (watch_cgroup && bpf_get_current_ancestor_cgroup_id(watch_cgroup_level) == watch_cgroup))
		begin_watch(task, 0);
	if (is_watched(task->tgid))
		return true;
	*stranger_of(name) = name;
	return false;
}

/* Calls that are only counted: what they move, they move when no call says so. */
static __always_inline bool is_counted_only(struct pairing *p, uint32_t kind, int64_t result)
{
	if (kind == CALL_ENTERS_RING)
		p->counts.uring_calls++;
	else if (kind == CALL_SUBMITS && result > 0)
		p->counts.aio_requests += result;
	else if (kind != CALL_SUBMITS)
		return false;
	return true;
}

static __always_inline int call_of_interest(unsigned long long *ctx, uint64_t name)
{
	struct pt_regs *regs = (struct pt_regs *)ctx[0];
	struct task_struct *task = bpf_get_current_task_btf();
	uint32_t nr = CALL_NUMBER(regs), number = nr, kind;
	int64_t result = ctx[1];
	struct scratch *s;
	struct pairing *p;

	if (!is_of_interest(task, name))
		return 0;
	s = scratch_of_this_cpu();
	if (!s)
		return 0;
	p = &s->p;
	if (CALL_IS_NARROW(regs, task)) {
		p->counts.calls_32_bit++;
		return 0;
	}
	barrier_var(number);	/* or the compiler drops the mask, by which the verifier of Linux 6.1 sees the bound */
	kind = nr < CALL_NUMBERS ? call_kinds[number & (CALL_NUMBERS - 1)] : 0;
	if (!kind || is_counted_only(p, kind, result) || (result <= 0 && (kind & CALL_READS || result != EAGAIN_IS)))
		return 0;
	p->tgid = task->tgid;
	p->tid = task->pid;
	p->call = nr;
	p->again = result == EAGAIN_IS;
	p->uring = 0;
	p->secret = secret;
	s->result = result;
	TAKE_ARGUMENTS(s->arguments, regs);
	p->site = path_known(p, pairing_site(p->call, CALLER(regs), regs->sp, task->self_exec_id), regs->sp, task, s->arguments[0]);
	choose_looks(ctx, regs, p, kind, result);
	if (kind == CALL_MOVES) {
		move_call(s, task, nr);
		return 0;
	}
	identify(task, s->arguments[0], kind & CALL_WRITES ? 1 : 0, &p->inode, &p->device);
	if (kind & CALL_WRITES) {
		write_call(s, kind);
	} else if (!call_is_peek(nr, s->arguments)) {
		choose_first(p, result);
		read_call(s, kind);
	}
	return 0;
}

#endif
