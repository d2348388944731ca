/* SPDX-License-Identifier: MIT */
/*
 * Stacks of stopped threads: registers, a piece of the stack, and a walk by frame pointers for programs of Go. What is copied
 * is a stranger's: it stands in memory that no core dump has, and is wiped when it was passed on, or was not.
 */
#include "feed_ptrace.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>

#define STACK_BYTES (96u << 10)	/* of a thread's stack; the largest seen with buffers in it took 40 KiB */
#define SNAPSHOTS 64		/* of one burst */

struct traced_snapshot {
	struct traced_snapshot *next;
	struct feed_stack stack;
	uint32_t process, program;
	uint64_t ips[EVENT_FRAMES];
	uint8_t bytes[STACK_BYTES];
	uint8_t more[STACK_BYTES];
};

#define PAGES_AT_ONCE 64
#define THERE (UINT64_C(3) << 62)	/* in memory, or swapped out */

/* Of so many pages those at the beginning that are there. */
static uint64_t pages_there(int map, uint64_t first, uint64_t count)
{
	uint64_t entries[PAGES_AT_ONCE], found = 0;

	while (found < count) {
		uint64_t most = count - found < PAGES_AT_ONCE ? count - found : PAGES_AT_ONCE;
		ssize_t read = pread(map, entries, most * sizeof *entries, (off_t)((first + found) * sizeof *entries));

		if (read < (ssize_t)sizeof *entries)
			break;
		for (ssize_t i = 0; i < read / (ssize_t)sizeof *entries; i++, found++)
			if (!(entries[i] & THERE))
				return found;
	}
	return found;
}

/*
 * What is not there is not asked for: the page of a file whose server (FUSE) is stopped with its reader never comes, and who waits for
 * it is not to be ended, even by SIGKILL, nor is who he has stopped.
 */
static size_t bytes_there(pid_t tid, uint64_t from, size_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), first = from / page, there;
	char path[64];
	int map;

	if (!bytes || from + bytes < from)
		return 0;
	snprintf(path, sizeof path, "/proc/%d/pagemap", (int)tid);
	map = open(path, O_RDONLY | O_CLOEXEC);
	if (map < 0)
		return bytes;	/* no such kernel, or of another user's with CAP_SYS_PTRACE alone: then all is asked for */
	there = pages_there(map, first, (from + bytes - 1) / page - first + 1) * page;
	close(map);
	there = there > from % page ? there - from % page : 0;
	return there < bytes ? (size_t)there : bytes;
}

int64_t traced_memory(pid_t tid, void *to, size_t bytes, uint64_t from)
{
	size_t there = bytes_there(tid, from, bytes);
	struct iovec local = { to, there }, remote = { (void *)(uintptr_t)from, there };

	return there ? process_vm_readv(tid, &local, 1, &remote, 1, 0) : 0;
}

size_t traced_stack_memory(pid_t tid, void *to, size_t bytes, uint64_t from)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), end = 0;

	for (size_t at = 0; at < bytes; at += page - (from + at) % page) {
		int64_t n = traced_memory(tid, (char *)to + at, bytes - at, from + at);

		if (n < 0)
			break;
		at += (size_t)n;
		if (n)
			end = at;
	}
	return end;
}

#if defined(__x86_64__)
static void set_registers(struct feed_stack *stack, const struct user_regs_struct *r)
{
	const uint64_t in_order[] = { r->rax, r->rdx, r->rcx, r->rbx, r->rsi, r->rdi, r->rbp, r->rsp, r->r8,
				      r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, r->rip };

	memcpy(stack->registers, in_order, sizeof in_order);
	stack->ip = r->rip;
	stack->sp = r->rsp;
}
#else
static void set_registers(struct feed_stack *stack, const struct user_regs_struct *r)
{
	memcpy(stack->registers, r->regs, sizeof r->regs);
	stack->sp = stack->registers[31] = r->sp;
	stack->ip = stack->registers[32] = r->pc;
}
#endif

/* Two words of the stack: out of what was copied, else out of the thread's memory. */
static bool read_frame(const struct feed_stack *stack, uint64_t at, uint64_t frame[2])
{
	size_t bytes = 2 * sizeof *frame;

	if (at & 7 || !at)
		return false;
	if (at >= stack->bytes_at && at - stack->bytes_at <= stack->byte_count && bytes <= stack->byte_count - (at - stack->bytes_at)) {
		memcpy(frame, stack->bytes + (at - stack->bytes_at), bytes);
		return true;
	}
	return traced_memory((pid_t)stack->tid, frame, bytes, at) == (int64_t)bytes;
}

static void walk_frames(struct traced_snapshot *s)
{
	uint64_t at = s->stack.registers[FEED_FRAME_POINTER], frame[2];
	uint32_t count = 0;

	s->ips[count++] = s->stack.ip;
	while (count < EVENT_FRAMES && read_frame(&s->stack, at, frame) && frame[1]) {
		s->ips[count++] = frame[1];
		at = frame[0];
	}
	s->stack.ips = s->ips;
	s->stack.ip_count = count;
}

static void drop(struct traced_snapshot *s)
{
	explicit_bzero(s, sizeof *s);
	munmap(s, sizeof *s);
}

static void copy_stack(struct traced_snapshot *s, uint64_t wanted)
{
	pid_t tid = (pid_t)s->stack.tid;
	size_t bytes;

	s->stack.bytes = s->bytes;
	s->stack.bytes_at = s->stack.sp;
	s->stack.byte_count = traced_stack_memory(tid, s->bytes, sizeof s->bytes, s->stack.sp);
	if (!wanted)
		return;
	bytes = traced_stack_memory(tid, s->more, sizeof s->more, s->stack.sp + wanted);
	if (!bytes)
		return;
	s->stack.more = s->more;
	s->stack.more_at = s->stack.sp + wanted;
	s->stack.more_count = bytes;
}

void traced_stack(struct feed_ptrace *feed, const struct traced_thread *t, struct traced_site *site)
{
	struct user_regs_struct registers;
	struct iovec set = { &registers, sizeof registers };
	struct traced_snapshot *s;

	if (feed->snapshot_count >= SNAPSHOTS)
		return;	/* it stays wanted */
	if (ptrace(PTRACE_GETREGSET, (pid_t)t->tid, NT_PRSTATUS, &set) || set.iov_len != sizeof registers)
		return;
	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED) {
		feed->no_room++;
		return;
	}
	madvise(s, sizeof *s, MADV_DONTDUMP);
	s->process = t->process;
	s->program = feed->processes[t->process].program;
	s->stack.pid = feed->processes[t->process].pid;
	s->stack.tid = t->tid;
	s->stack.start_ticks = feed->processes[t->process].process.start_ticks;
	s->stack.site = site->key.site;
	s->stack.register_count = FEED_REGISTERS_HERE;
	set_registers(&s->stack, &registers);
	copy_stack(s, site->wanted);
	walk_frames(s);
	site->taken = true;
	site->needed = false;
	site->wanted = 0;
	s->next = feed->snapshots;
	feed->snapshots = s;
	feed->snapshot_count++;
}

static void want_more(struct feed_ptrace *feed, const struct traced_snapshot *s, uint64_t at)
{
	struct event_site_key key = { .tgid = s->stack.pid, .site = s->stack.site };
	struct traced_site *site = table_find(&feed->sites, &key);

	if (site && at > s->stack.sp && at - s->stack.sp <= UINT32_MAX)
		site->wanted = at - s->stack.sp;
}

static void pass_on(struct feed_ptrace *feed, struct model *model, const struct traced_snapshot *s)
{
	uint32_t place = collect_site(&feed->collect, model, s->stack.pid, s->stack.site);
	uint64_t want = 0;

	if (place == MODEL_NONE)
		feed->no_room++;
	else if (feed->options.take_stack(feed->options.take_context, &model->sites[place], &s->stack, &want) == 1 && !s->stack.more)
		want_more(feed, s, want);
}

/* After the burst: to name frames takes its time, and nobody is stopped for that. */
void traced_stacks_pass_on(struct feed_ptrace *feed, struct model *model)
{
	while (feed->snapshots) {
		struct traced_snapshot *s = feed->snapshots;

		feed->snapshots = s->next;
		/* Of a program that was replaced by another, the addresses say nothing any more. */
		if (feed->processes[s->process].program == s->program)
			pass_on(feed, model, s);
		drop(s);
	}
	feed->snapshot_count = 0;
}

void traced_stacks_free(struct feed_ptrace *feed)
{
	while (feed->snapshots) {
		struct traced_snapshot *s = feed->snapshots;

		feed->snapshots = s->next;
		drop(s);
	}
}
