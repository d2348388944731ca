/* SPDX-License-Identifier: MIT */
/* What the program keeps between calls: the maps, what user space sets before it is loaded, and who is watched. */
#ifndef DOCTOR_BPF_STATE_H
#define DOCTOR_BPF_STATE_H

#include "kernel.h"
#include "../pairing_types.h"

#define BOTH __attribute__((noinline))	/* global: verified once, not at each place it is called from */

/* Stands in for a kernel's errno.h and sched.h. */
#define EAGAIN_IS (-11)
#define TS_COMPAT_IS 2
#define X32_BIT 0x40000000u

#define SETS 4096		/* of four reads: 2 MiB */
#define COPY_SETS 2048
#define FORGOTTEN 65536
#define PUSHED 65536
#define RECENTS 4096
#define COPY_CREDIT 1024	/* reads, at the beginning, and from a write on that makes one think of copies */
#define WHOLES 256		/* reads of which every byte was looked at: 520 KiB */
#define NEARS 2048		/* of sixteen reads: 540 KiB */
#define SITES 8192
#define KNOWN_PATHS 4096
#define FILES 16384
#define FILES_KNOWN 2048	/* sets, of so many: */
#define FILES_WAYS 4
#define PATHS 2048
#define RING_PENDING 4096
#define TGIDS (1u << 22)	/* the most pid_max can be */

/* Set before loading. */
const volatile uint32_t sampled_mask;	/* 0: the bytes of every call are looked at; 15: of one in 16 */
const volatile uint32_t watch_all;
const volatile uint64_t watch_cgroup;	/* id; 0: none */
const volatile uint32_t watch_cgroup_level;
const volatile char watch_name[16];	/* comm of programs to be watched from their exec on; "": none */
const volatile uint32_t want_stacks;
const volatile uint64_t secret;
const volatile uint32_t exact_flows;	/* so many; then summaries */

/* Found out by doctor_tasks: the doctor itself, its pid namespace (level 0: the first one), and by how much its time since boot is
 * ahead. */
uint32_t own_tgid;
uint32_t namespace_level, namespace_inode;
uint64_t ahead_ns;

/* Shared with user space through its mapping of .bss. */
uint64_t watched[TGIDS / 64];		/* a bit for each process */
uint8_t site_uses[65536];	/* by site number: 1 + looks it has had, or that a flow wants besides; 0: any call takes its stack */
static struct known_path {	/* static: user space has nothing to do with it */
	uint64_t name;		/* of an instruction and a descriptor */
	uint64_t path, before;	/* by which it was met last, and the other one before that */
	uint32_t looks;		/* at the stack, that are still to be taken */
	uint32_t turned;	/* it has just taken a new path */
} known_paths[KNOWN_PATHS];
uint64_t forgotten[FORGOTTEN];		/* by content: two halves of hashes, of reads that copies has no room for any more */
uint64_t pushed[PUSHED];		/* by address: marks of reads that sets has no room for any more */
uint64_t into_mapping[1024];	/* a bit for each site number: it read into a mapping of a file */
uint64_t files_known[FILES_KNOWN][FILES_WAYS];	/* names of those whose facts were taken lately; user space clears all at times */
uint32_t flow_count;
uint32_t lost_bells;
uint32_t snapshot_state[EVENT_SNAPSHOTS];	/* 0 free, 1 being written, 2 to be taken */
uint64_t strangers[8192];		/* threads that are not watched, by the place of their registers: see name_of_thread */
uint32_t watch_epoch = 1;		/* another one as soon as somebody more is watched */
uint32_t copy_credit = COPY_CREDIT;	/* reads that are noted by their content; writes that nothing explains renew it */
uint32_t copy_doubt;			/* writes that may be copies of reads that were not */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SETS);
	__type(key, uint32_t);
	__type(value, struct pairing_set);
} sets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COPY_SETS);
	__type(key, uint32_t);
	__type(value, struct pairing_set);
} copies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RECENTS);
	__type(key, uint32_t);
	__type(value, struct pairing_recent);
} recents SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NEARS);
	__type(key, uint32_t);
	__type(value, struct pairing_near);
} nears SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WHOLES);
	__type(key, uint32_t);
	__type(value, struct pairing_pieces);
} wholes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);	/* user space may set another number */
	__type(key, struct event_flow_key);
	__type(value, struct event_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FILES);
	__type(key, struct event_file_key);
	__type(value, struct event_file);
} files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PATHS);
	__type(key, struct event_file_key);
	__type(value, struct event_path);
} paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);	/* one that is forgotten has its stack taken once more */
	__uint(max_entries, SITES);
	__type(key, struct event_site_key);
	__type(value, struct event_site);
} sites SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EVENT_SNAPSHOTS);
	__uint(map_flags, BPF_F_MMAPABLE);	/* so that user space can wipe what it has taken */
	__type(key, uint32_t);
	__type(value, struct event_snapshot);
} snapshots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 262144);	/* bytes: 5,400 bells */
} bells SEC(".maps");

#define RING_BUFFERS 8	/* of a vector; of a longer one, the rest is counted as cut */

struct ring_buffer_of_user {
	uint64_t base, bytes;
};

/* A request under way. A vector is the program's again as soon as it has submitted it, so it is copied. */
struct ring_request {
	uint64_t site;
	uint32_t tgid, tid;
	uint32_t opcode, count;
	struct ring_buffer_of_user buffers[RING_BUFFERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, RING_PENDING);
	__type(key, uint64_t);
	__type(value, struct ring_request);
} requests SEC(".maps");

struct buffer_of_user {		/* struct iovec */
	uint64_t base, bytes;
};

struct message_of_user {	/* struct user_msghdr; of recvmmsg and sendmmsg with its length behind */
	uint64_t name, name_bytes;
	uint64_t buffers, buffer_count;
	uint64_t control, control_bytes;
	uint64_t flags;
};

struct message_of_many {
	struct message_of_user message;
	uint32_t bytes, zero;
};

/* Where a call's buffers are, and how far the loop over them is. */
struct buffers {
	uint64_t at;	/* of the array of buffers */
	uint64_t count, left;
	uint32_t writes, failed;
};

struct messages {
	uint64_t at;
	uint64_t moved;
	uint32_t count, writes;
};

/* Of one processor. A tracepoint's program is neither moved nor preempted, so it has this for itself. Loops count in here, not
 * on the stack: all functions that stand in one another have 512 bytes together. */
struct scratch {
	struct pairing p;
	uint64_t arguments[4];
	int64_t result;
	struct buffers buffers;
	struct messages messages;
	struct message_of_many message;
	struct event_file_key file_key;
	struct event_file file;
	struct event_path path;
	struct ring_request request;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct scratch);
} scratches SEC(".maps");

static __always_inline struct scratch *scratch_of_this_cpu(void)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

/* ---- Who is watched -------------------------------------------------------------------------------------------------------- */

static __always_inline int is_watched(uint32_t tgid)
{
	return watched[(tgid & (TGIDS - 1)) >> 6] >> (tgid & 63) & 1;
}

/* As /proc says it to the doctor, but for the unit. */
static __always_inline uint64_t birth_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, group_leader, start_boottime) + ahead_ns;
}

static __always_inline void ring(uint32_t kind, uint32_t tgid, uint32_t value, uint32_t more, uint64_t born_ns)
{
	struct event_bell bell = { .kind = kind, .tgid = tgid, .value = value, .more = more, .born_ns = born_ns };

	/* Of a fork the child's, too: it is its parent's, who is the current task. */
	if (kind == EVENT_BEGUN || kind == EVENT_EXEC)
		bpf_get_current_comm(bell.name, sizeof bell.name);
	if (bpf_ringbuf_output(&bells, &bell, sizeof bell, 0))
		__sync_fetch_and_add(&lost_bells, 1);
}

static __always_inline int number_at(struct pid *pid, uint32_t level, struct upid *ret_number)
{
	uint32_t bytes = bpf_core_type_size(struct upid);

	if (!pid || bytes > sizeof *ret_number)
		return -1;
	return bpf_probe_read_kernel(ret_number, bytes, (char *)pid + bpf_core_field_offset(struct pid, numbers) + level * bytes);
}

static __always_inline uint32_t namespace_of(struct pid *pid, uint32_t level)
{
	struct upid number = {};

	return number_at(pid, level, &number) ? 0 : BPF_CORE_READ(number.ns, ns.inum);
}

/* The number user space knows the process by; 0: it does not see it. */
static __always_inline uint32_t number_outside(struct task_struct *task)
{
	struct upid number = {};
	struct pid *pid;

	if (!namespace_level)
		return BPF_CORE_READ(task, tgid);
	pid = BPF_CORE_READ(task, group_leader, thread_pid);
	if (!pid || BPF_CORE_READ(pid, level) < namespace_level || number_at(pid, namespace_level, &number) ||
	    BPF_CORE_READ(number.ns, ns.inum) != namespace_inode)
		return 0;
	return number.nr;
}

static __always_inline void begin_watch(struct task_struct *task, uint32_t parent)
{
	uint32_t tgid = BPF_CORE_READ(task, tgid), number;
	uint64_t bit = 1ull << (tgid & 63);

	/* Nor the doctor's own children, that read files for it; a command it began is watched before it runs. */
	if (tgid == own_tgid || (uint32_t)BPF_CORE_READ(task, group_leader, real_parent, tgid) == own_tgid || is_watched(tgid))
		return;
	number = number_outside(task);
	if (!number || __sync_fetch_and_or(&watched[(tgid & (TGIDS - 1)) >> 6], bit) & bit)
		return;
	__sync_fetch_and_add(&watch_epoch, 1);
	ring(EVENT_BEGUN, tgid, number, parent, birth_of(task));
}

static __always_inline void end_watch(uint32_t tgid)
{
	__sync_fetch_and_and(&watched[(tgid & (TGIDS - 1)) >> 6], ~(1ull << (tgid & 63)));
}

/*
 * Where a thread's registers stand at a system call, on its own kernel stack, is a name for it that costs nothing to get: a
 * call of a helper takes as long as an empty program does, on processors whose returns are guarded (36 ns here). The stack
 * may become another thread's; one of a watched process is only ever made by it, and that begins a new epoch. Of that there are 30
 * bits: 16 above all addresses, 14 where those of registers are the same in every stack.
 */
static __always_inline uint64_t name_of_thread(const void *regs)
{
	uint32_t epoch = watch_epoch;

	return (uint64_t)((const char *)regs - (const char *)strangers) ^ (uint64_t)epoch << 48 ^ (epoch >> 16 & 16383);
}

static __always_inline uint64_t *stranger_of(uint64_t name)
{
	return &strangers[name >> 14 & 8191];
}

#endif
