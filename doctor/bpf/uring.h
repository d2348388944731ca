/* SPDX-License-Identifier: MIT */
/*
 * io_uring: a request is noted when it is submitted, and paired when it completes, in the process's own context both times.
 * What is not known then, a buffer that the kernel chooses, is counted as not seen. The requests' own structs are the
 * kernel's affair, and may be gone one day: then all is counted so.
 */
#ifndef DOCTOR_BPF_URING_H
#define DOCTOR_BPF_URING_H

#include "calls.h"

/* enum io_uring_op, part of the interface to user space */
enum {
	RING_READV = 1, RING_WRITEV = 2, RING_READ_FIXED = 4, RING_WRITE_FIXED = 5, RING_SENDMSG = 9, RING_RECVMSG = 10,
	RING_READ = 22, RING_WRITE = 23, RING_SEND = 26, RING_RECV = 27, RING_SPLICE = 30, RING_TEE = 33, RING_SEND_ZC = 47,
	RING_SENDMSG_ZC = 48, RING_READ_MULTISHOT = 49, RING_RECV_ZC = 58, RING_READV_FIXED = 60, RING_WRITEV_FIXED = 61,
	RING_OPCODES = 64,
};
#define RING_MORE 2			/* IORING_CQE_F_MORE: the request goes on */
#define RING_CHOSEN_BUFFER (1u << 5)	/* REQ_F_BUFFER_SELECT */
#define RING_SILENT (1u << 6)		/* REQ_F_CQE_SKIP: the lowest eight are those of the interface, IOSQE_CQE_SKIP_SUCCESS */

/* Beside CALL_READS, CALL_WRITES, CALL_VECTOR, CALL_MESSAGE of call.h. RING_UNSEEN: it moves bytes, and from where to where does not
 * stand in what is looked at. */
enum { RING_SOCKET = 128, RING_UNSEEN = CALL_MOVES };

static const uint8_t kinds_of_request[RING_OPCODES] = {
	[RING_READV] = CALL_READS | CALL_VECTOR,
	[RING_WRITEV] = CALL_WRITES | CALL_VECTOR,
	[RING_READ_FIXED] = CALL_READS,
	[RING_WRITE_FIXED] = CALL_WRITES,
	[RING_SENDMSG] = CALL_WRITES | CALL_MESSAGE | RING_SOCKET,
	[RING_RECVMSG] = CALL_READS | CALL_MESSAGE | RING_SOCKET,
	[RING_READ] = CALL_READS,
	[RING_WRITE] = CALL_WRITES,
	[RING_SEND] = CALL_WRITES | RING_SOCKET,
	[RING_RECV] = CALL_READS | RING_SOCKET,
	[RING_SEND_ZC] = CALL_WRITES | RING_SOCKET,
	[RING_SENDMSG_ZC] = CALL_WRITES | CALL_MESSAGE | RING_SOCKET,
	[RING_SPLICE] = RING_UNSEEN,
	[RING_TEE] = RING_UNSEEN,
	[RING_READ_MULTISHOT] = RING_UNSEEN,
	[RING_RECV_ZC] = RING_UNSEEN,
	[RING_READV_FIXED] = RING_UNSEEN,
	[RING_WRITEV_FIXED] = RING_UNSEEN,
};

/* ---- Submitting ------------------------------------------------------------------------------------------------------------ */

struct ring_vector {
	struct ring_request *request;
	uint64_t at, count;
};

static long copy_buffer(uint32_t i, void *context)
{
	struct ring_vector *v = context;

	if (i >= v->count || i >= RING_BUFFERS ||
	    bpf_probe_read_user(&v->request->buffers[i], sizeof v->request->buffers[0],
				(void *)(v->at + i * sizeof v->request->buffers[0])))
		return 1;
	v->request->count = i + 1;
	return 0;
}

static __always_inline void copy_vector(struct scratch *s, uint64_t at, uint64_t count)
{
	struct ring_vector v = { .request = &s->request, .at = at, .count = count };

	bpf_loop(RING_BUFFERS, copy_buffer, &v, 0);
	if (s->request.count < count)
		s->p.counts.cut_vectors++;
}

/* From the request's own struct: where it reads or writes. */
BOTH int take_buffers(struct scratch *s, uint64_t address, uint32_t kind)
{
	struct io_rw *rw = (struct io_rw *)address;
	struct io_sr_msg *sr = (struct io_sr_msg *)address;
	struct message_of_user message;
	uint64_t at, bytes;

	if (!s)
		return 0;
	s->request.count = 0;
	if (kind & RING_SOCKET) {
		at = (uint64_t)BPF_CORE_READ(sr, buf);
		bytes = BPF_CORE_READ(sr, len);
	} else {
		at = BPF_CORE_READ(rw, addr);
		bytes = BPF_CORE_READ(rw, len);
	}
	if (kind & CALL_MESSAGE) {
		if (!bpf_probe_read_user(&message, sizeof message, (void *)at))
			copy_vector(s, message.buffers, message.buffer_count);
	} else if (kind & CALL_VECTOR) {
		copy_vector(s, at, bytes);
	} else {
		s->request.buffers[0].base = at;
		s->request.buffers[0].bytes = bytes;
		s->request.count = 1;
	}
	return 0;
}

static __always_inline int submitted(void *ctx, struct io_kiocb *request)
{
	struct task_struct *task = bpf_get_current_task_btf();
	uint64_t id = bpf_get_current_pid_tgid(), key;
	uint32_t opcode = request->opcode & (RING_OPCODES - 1), kind = kinds_of_request[opcode];
	struct scratch *s;
	struct pt_regs *regs;

	if (!kind || !is_watched(id >> 32))
		return 0;
	s = scratch_of_this_cpu();
	if (!s)
		return 0;
	if (request->flags & RING_SILENT)	/* nobody is told of its end */
		s->p.counts.uring_blind++;
	if (kind & RING_UNSEEN || request->flags & RING_SILENT)
		return 0;
	if (request->flags & RING_CHOSEN_BUFFER || !bpf_core_type_exists(struct io_rw) || !bpf_core_type_exists(struct io_sr_msg))
		return 0;
	/* By way of memory: a number, which functions may be passed. */
	*(volatile uint64_t *)&s->arguments[0] = (uint64_t)request;
	key = *(volatile uint64_t *)&s->arguments[0];
	take_buffers(s, key, kind);
	s->request.tgid = s->p.tgid = id >> 32;
	s->request.tid = s->p.tid = id;
	s->request.opcode = opcode;
	s->request.site = s->p.site = 0;
	regs = (struct pt_regs *)bpf_task_pt_regs(task);
	if (regs && CALLER(regs)) {	/* a thread of the kernel's that polls the ring has none */
		uint64_t site = pairing_site(EVENT_URING_CALL + opcode, CALLER(regs), regs->sp, task->self_exec_id);

		s->request.site = s->p.site = path_of(&s->p, site, regs->sp, task);
		choose_looks(ctx, regs, &s->p, kind, STACK_LEAST);
	}
	bpf_map_update_elem(&requests, &key, &s->request, BPF_ANY);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(doctor_ring_submit, struct io_kiocb *request)
{
	return submitted(ctx, request);
}

/* The same up to Linux 6.2; user space loads the one that fits. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(doctor_ring_submit_entry, struct io_kiocb *request, bool must_not_wait)
{
	return submitted(ctx, request);
}

/* ---- Completing ------------------------------------------------------------------------------------------------------------ */

struct ring_buffers {
	struct scratch *s;
	uint64_t left;
	uint32_t writes;
	uint32_t zero;
};

static long each_ring_buffer(uint32_t i, void *context)
{
	struct ring_buffers *b = context;
	struct scratch *s = b->s;
	uint64_t bytes;

	if (i >= RING_BUFFERS || i >= s->request.count || !b->left)
		return 1;
	bytes = s->request.buffers[i].bytes < b->left ? s->request.buffers[i].bytes : b->left;
	b->left -= bytes;
	if (b->writes)
		pairing_write(&s->p, s->request.buffers[i].base, s->request.buffers[i].bytes, bytes);
	else
		pairing_read(&s->p, s->request.buffers[i].base, bytes);
	return 0;
}

/* The request stands in the scratch. */
BOTH int pair_request(struct scratch *s, uint64_t file, uint64_t bytes)
{
	struct ring_buffers b = { .s = s, .left = bytes };
	struct inode *inode;
	struct pairing *p;
	uint64_t unpaired, lost;
	bool early;

	if (!s)
		return 0;
	p = &s->p;
	unpaired = p->counts.unpaired_write_bytes;
	lost = p->counts.lost_bytes;
	b.writes = kinds_of_request[s->request.opcode & (RING_OPCODES - 1)] & CALL_WRITES;
	inode = BPF_CORE_READ((struct file *)file, f_inode);
	p->inode = BPF_CORE_READ(inode, i_ino);
	p->device = BPF_CORE_READ(inode, i_sb, s_dev);
	know_file(file, p->inode, p->device, b.writes ? 1 : 0);
	p->tgid = s->request.tgid;
	p->tid = s->request.tid;
	p->site = s->request.site;
	p->call = EVENT_URING_CALL + s->request.opcode;
	p->secret = secret;
	p->stamp++;
	p->total = bytes;
	p->charged = p->paired = p->head = 0;
	p->uring = p->first = 1;
	p->again = 0;
	p->vector = s->request.count > 1;
	early = site_uses[p->site >> 1 & 65535] <= LOOKED_AT || site_uses[p->site >> 1 & 65535] >= CLOSER;
	p->look = early || !(bpf_get_prandom_u32() & sampled_mask) ? PAIRING_ALL_SAMPLES : 0;
	p->whole = p->look && (!(bpf_get_prandom_u32() & 63) || early);
	p->now_ns = p->look ? bpf_ktime_get_ns() : 0;
	bpf_loop(RING_BUFFERS, each_ring_buffer, &b, 0);
	if (b.writes) {
		unpaired = note_unpaired(s, unpaired);
		if (unpaired)
			doubt(p, unpaired, p->counts.lost_bytes - lost);
		p->counts.writes++;
		p->counts.write_bytes += bytes;
	} else {
		ask_mapping(s, s->request.buffers[0].base, bytes);
		p->counts.reads++;
		p->counts.read_bytes += bytes;
	}
	return 0;
}

static __always_inline int completed(struct io_kiocb *kernel_request, int32_t result, uint32_t flags)
{
	uint64_t key = (uint64_t)kernel_request, file;
	uint32_t tgid = bpf_get_current_pid_tgid() >> 32;
	struct scratch *s = scratch_of_this_cpu();
	struct ring_request *request;

	if (!s || result <= 0 || !key) {
		if (s && result > 0)
			s->p.counts.uring_blind++;
		bpf_map_delete_elem(&requests, &key);
		return 0;
	}
	request = bpf_map_lookup_elem(&requests, &key);
	file = (uint64_t)BPF_CORE_READ(kernel_request, file);
	if (!request || request->tgid != tgid || !file) {
		s->p.counts.uring_blind += !!kinds_of_request[BPF_CORE_READ(kernel_request, opcode) & (RING_OPCODES - 1)];
		return 0;
	}
	s->request = *request;
	if (!(flags & RING_MORE))
		bpf_map_delete_elem(&requests, &key);
	pair_request(s, file, result);
	return 0;
}

SEC("tp_btf/io_uring_complete")
int BPF_PROG(doctor_ring_complete, void *ring, void *request, struct io_uring_cqe *cqe)
{
	if (!is_watched(bpf_get_current_pid_tgid() >> 32))
		return 0;
	return completed(request, BPF_CORE_READ(cqe, res), BPF_CORE_READ(cqe, flags));
}

/* The same up to Linux 6.10, which passed the parts; user space loads the one that fits. */
SEC("tp_btf/io_uring_complete")
int BPF_PROG(doctor_ring_complete_parts, void *ring, void *request, uint64_t user_data, int result, unsigned flags)
{
	if (!is_watched(bpf_get_current_pid_tgid() >> 32))
		return 0;
	return completed(request, result, flags);
}

#endif
