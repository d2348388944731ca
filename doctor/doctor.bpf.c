/* SPDX-License-Identifier: MIT */
/*
 * What runs in the kernel: at the end of each system call of a watched process the registers still hold its arguments, so one
 * program sees number, arguments and result. It pairs writes with reads (pairing.h) and counts in maps; nothing is sent for a
 * call. It writes nothing into any process, and goes when its last descriptor does.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The model has a struct of a name that in here is the kernel's. */
#define file model_file
#include "event.h"
#undef file

#include "bpf/kernel.h"

#define PAIRING_FUNCTION __attribute__((noinline))
#define PAIRING_LOOP(count, function, context) bpf_loop(count, function, context, 0)
#define PAIRING_ADD(to, n) __sync_fetch_and_add(to, n)

#include "pairing_types.h"

static inline int pairing_user(void *to, uint32_t bytes, uint64_t from);
static inline struct pairing_set *pairing_set(struct pairing *p, uint32_t number);
static inline struct pairing_set *pairing_copies(struct pairing *p, uint32_t number);
static inline uint64_t *pairing_forgotten(struct pairing *p, uint32_t number);
static inline uint64_t *pairing_pushed(struct pairing *p, uint32_t number);
static inline struct pairing_recent *pairing_recent(struct pairing *p);
static inline struct pairing_near *pairing_near(struct pairing *p, uint32_t number);
static inline struct pairing_pieces *pairing_pieces(struct pairing *p, uint32_t name);
static inline void pairing_look_closer(struct pairing *p, uint32_t n);
static inline struct event_flow *pairing_flow(struct pairing *p);
static inline int pairing_filled(struct pairing *p);
static inline int pairing_mapped(struct pairing *p);

#include "pairing.h"

#include "bpf/state.h"
#include "bpf/facts.h"
#include "bpf/site.h"
#include "bpf/tables.h"
#include "bpf/calls.h"
#include "bpf/uring.h"

char licence[] SEC("license") = "Dual MIT/GPL";

SEC("tp_btf/sys_exit")
int doctor_call(unsigned long long *ctx)
{
	uint64_t name = name_of_thread((const void *)ctx[0]);

	if (*stranger_of(name) != name)
		call_of_interest(ctx, name);
	return 0;
}

/* Read once by the doctor before the rest begins: who it is, and how it and the kernel number the processes. */
SEC("iter/task")
int doctor_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *self = bpf_get_current_task_btf();
	struct pid *pid = BPF_CORE_READ(self, thread_pid);	/* by a copy: a number, which can be added to */
	struct event_number number = {};

	own_tgid = self->tgid;
	namespace_level = BPF_CORE_READ(pid, level);
	namespace_inode = namespace_of(pid, namespace_level);
	if (bpf_core_field_exists(struct time_namespace, offsets.boottime))
		ahead_ns = BPF_CORE_READ(self, nsproxy, time_ns, offsets.boottime.tv_sec) * 1000000000ull +
			   BPF_CORE_READ(self, nsproxy, time_ns, offsets.boottime.tv_nsec);
	if (!task || task->pid != task->tgid)
		return 0;
	number.tgid = task->tgid;
	number.pid = number_outside(task);
	if (number.pid)
		bpf_seq_write(ctx->meta->seq, &number, sizeof number);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(doctor_fork, struct task_struct *parent, struct task_struct *child)
{
	if (!is_watched(parent->tgid))
		return 0;
	__sync_fetch_and_add(&watch_epoch, 1);
	if (child->tgid != parent->tgid)
		begin_watch(child, parent->tgid);
	return 0;
}

static __always_inline bool is_watched_name(const char *name)
{
	uint32_t i = 0;

	while (i < 15 && name[i] && name[i] == watch_name[i])
		i++;
	return name[i] == watch_name[i];
}

/* A process is called as its first thread is. Whoever gives it that name, this comes before it has it. */
SEC("tp_btf/task_rename")
int BPF_PROG(doctor_rename, struct task_struct *task, const char *comm)
{
	char name[16] = {};

	if (task->pid == task->tgid && !is_watched(task->tgid) && bpf_probe_read_kernel_str(name, sizeof name, comm) > 0 &&
	    is_watched_name(name))
		begin_watch(task, 0);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(doctor_exec, struct task_struct *task)
{
	char name[16];

	if (watch_name[0] && !is_watched(task->tgid) && !bpf_get_current_comm(name, sizeof name) && is_watched_name(name))
		begin_watch(task, 0);
	if (is_watched(task->tgid))
		ring(EVENT_EXEC, task->tgid, 0, task->self_exec_id, birth_of(task));
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(doctor_exit, struct task_struct *task)
{
	int status;

	if (!is_watched(task->tgid) || task->signal->live.counter)
		return 0;
	status = task->signal->group_exit_code ?: task->exit_code;
	ring(EVENT_EXITED, task->tgid, status, 0, 0);	/* first: who finds the mark gone has its bell */
	end_watch(task->tgid);
	return 0;
}
