/* SPDX-License-Identifier: MIT */
/*
 * What the kernel side, the ptrace engine and collect.c hand to each other: keys and counters of fixed size. Plain numbers
 * only; it is compiled for BPF as well. No padding anywhere in a key: keys are compared as bytes.
 */
#ifndef DOCTOR_EVENT_H
#define DOCTOR_EVENT_H

#include "model.h"

/* ---- Files ----------------------------------------------------------------------------------------------------------------- */

/* What is known of a file as a source need not hold for it as a sink: O_APPEND belongs to a descriptor. */
struct event_file_key {
	uint64_t inode;
	uint32_t device;	/* as the kernel keeps it: major << 20 | minor */
	uint32_t sink;
};
#define EVENT_CLOSED UINT32_MAX	/* a device, with inode 0: the descriptor was closed before anybody could look at it */

enum {	/* event_file.facts */
	EVENT_CAN_SPLICE_FROM = 1, EVENT_CAN_SPLICE_TO = 2, EVENT_APPEND = 4, EVENT_DIRECT = 8, EVENT_NONBLOCKING = 16,
	EVENT_DELETED = 32, EVENT_TLS = 64, EVENT_SPLICE_UNKNOWN = 128 /* the other two, if they are not set */,
};

#define EVENT_NAME_BYTES 108	/* of a Unix socket's address */

struct event_file {
	uint32_t kind;		/* enum file_kind */
	uint32_t facts;
	struct file_address local, peer;
	uint16_t name_bytes;	/* Unix: the address, first byte 0 if abstract */
	uint8_t name[EVENT_NAME_BYTES + 2];
	uint64_t unpaired;	/* of a sink: bytes that were written to it and come from no read */
};

/* The names from the file up to the process's root, innermost first, each ended by 0. */
#define EVENT_PATH_BYTES 2048
#define EVENT_NAME_MOST 256

struct event_path {
	uint32_t bytes;
	uint8_t cut;		/* there were more */
	uint8_t rootless;	/* they hang below no directory: memory that only has a file's shape */
	uint16_t zero;
	char names[EVENT_PATH_BYTES];
};

/* ---- Flows ----------------------------------------------------------------------------------------------------------------- */

/* When the table of flows is three quarters full, further ones are not told apart by their files any more, but by what kind
 * of files those are: so the inodes' numbers are then made. */
#define EVENT_SUMMARY (UINT64_C(1) << 63)	/* | facts << 8 | kind */

struct event_flow_key {
	uint64_t from_inode, to_inode;
	uint32_t from_device, to_device;
	uint64_t site_read, site_write;
	uint32_t tgid;
	uint32_t how;		/* enum flow_how */
	uint16_t call_read, call_write;
	uint32_t zero;
};

struct event_flow {
	uint64_t reads, writes, bytes, again;
	uint64_t equal, changed, weak, whole_equal, whole_changed;
	uint64_t other_thread;
	uint64_t first_ns, last_ns;
	uint32_t smallest, largest;
	uint64_t sizes[FLOW_SIZES];
};

/* ---- What is counted beside the flows -------------------------------------------------------------------------------------- */

struct event_counts {
	uint64_t reads, writes, read_bytes, write_bytes;
	uint64_t paired_read_bytes, unpaired_write_bytes;
	uint64_t lost_pairs, lost_bytes, lost_flows, lost_flow_bytes;
	uint64_t cut_vectors;
	uint64_t uring_calls, uring_blind;
	uint64_t calls_32_bit;
	uint64_t aio_requests;
	uint64_t mapped_read_bytes;
	uint64_t tls_records;
	uint64_t no_stack;
};

/* ---- Sites ----------------------------------------------------------------------------------------------------------------- */

struct event_site_key {
	uint32_t tgid, zero;
	uint64_t site;
};

struct event_site {
	uint32_t taken;		/* snapshots */
	uint32_t wanted;	/* one more is, with a second piece so far above the stack pointer; 0: none */
};

#define EVENT_SNAPSHOTS 48	/* that user space has not taken yet; each 66 KiB */
#define EVENT_STACK_BYTES 32768
#define EVENT_FRAMES 127

struct event_snapshot {
	uint32_t tgid, tid;
	uint64_t site, ip, sp;
	uint64_t registers[33];
	uint32_t exec_id;	/* of the program that ran then */
	uint32_t ip_count;
	uint64_t ips[EVENT_FRAMES];
	uint32_t bytes, more_bytes;
	uint64_t more_at;
	uint8_t stack[EVENT_STACK_BYTES];
	uint8_t more[EVENT_STACK_BYTES];
};

/* ---- What user space is woken for ------------------------------------------------------------------------------------------ */

enum event_kind { EVENT_BEGUN /* a process is watched from now on */, EVENT_EXEC, EVENT_EXITED, EVENT_SNAPSHOT };

struct event_bell {
	uint32_t kind, tgid;	/* tgid: as the first pid namespace numbers it, as everywhere here */
	uint32_t value;		/* BEGUN: number in the doctor's namespace. EXITED: status as of waitpid. SNAPSHOT: its place */
	uint32_t more;		/* BEGUN: tgid of the parent. EXEC: how many programs ran before, in all that led to this */
	char name[16];		/* BEGUN, EXEC: comm */
	uint64_t born_ns;	/* the same: when the process began, since boot as the doctor's time namespace has it */
};

struct event_number {	/* of a process that is there: in the first pid namespace, and in the doctor's */
	uint32_t tgid, pid;
};

#define EVENT_URING_CALL 1000	/* + opcode: how calls of io_uring are named */

#endif
