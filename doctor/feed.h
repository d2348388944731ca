/* SPDX-License-Identifier: MIT */
/*
 * Where what was seen comes from: the live kernel (feed_bpf.c), bursts of ptrace (feed_ptrace.c), or a recording
 * (feed_file.c). A feed fills the model's processes, files, sites, flows and coverage, nothing else of it, and knows of no
 * symbol, verdict or print. It hands raw stacks over while their process still lives, for the memory map dies with that.
 */
#ifndef DOCTOR_FEED_H
#define DOCTOR_FEED_H

#include "model.h"

#include <signal.h>
#include <sys/types.h>

/* ---- Raw stacks ------------------------------------------------------------------------------------------------------------ */

/* Registers of the caller by their DWARF numbers: x86-64 0 rax 1 rdx 2 rcx 3 rbx 4 rsi 5 rdi 6 rbp 7 rsp 8-15 r8-r15 16 rip;
 * arm64 0-30 x0-x30 31 sp 32 pc. What the call itself spoils (rax, rcx, r11) is not to be trusted. */
#define FEED_REGISTERS 33
#ifdef __x86_64__
#define FEED_REGISTERS_HERE 17	/* of this machine */
#define FEED_FRAME_POINTER 6
#else
#define FEED_REGISTERS_HERE 33
#define FEED_FRAME_POINTER 29
#endif

/* The stack of one site as it stood when the call was made, not unwound. It holds a stranger's data: it lives in memory only,
 * is wiped by the feed after the call it is passed to, and is never written anywhere. */
struct feed_stack {
	uint32_t pid, tid;
	uint64_t start_ticks;		/* of the process, as struct process has it; 0: unknown */
	uint64_t site;			/* struct site.id */
	uint64_t ip, sp;
	uint64_t registers[FEED_REGISTERS];
	uint32_t register_count;	/* 17 or 33; 0: there are none, only ips */
	const uint64_t *ips;		/* walked by frame pointers, ip first; only to be trusted for Go */
	uint32_t ip_count;
	const uint8_t *bytes;		/* of the stack, bytes_at == sp; with more: of a piece higher up as well */
	uint64_t bytes_at;
	size_t byte_count;
	const uint8_t *more;		/* NULL, or a second piece */
	uint64_t more_at;
	size_t more_count;
};

/* Takes a stack of that site: 0 when it is done with; 1 when the unwinding came to an end too early, at *ret_want: the feed then takes
 * another snapshot at the same site, with a second piece from there on, and calls once more. */
typedef int feed_take_stack(void *context, struct site *site, const struct feed_stack *stack, uint64_t *ret_want);

/* ---- What to watch --------------------------------------------------------------------------------------------------------- */

struct feed_target {
	const pid_t *pids;		/* as numbered in the doctor's own pid namespace */
	unsigned pid_count;
	const char *name;		/* comm; NULL: not by name */
	const char *cgroup;		/* directory, absolute or below /sys/fs/cgroup; NULL: not by cgroup */
	bool all;			/* every process but the doctor itself */
};

struct feed_options {
	struct feed_target target;
	bool full;			/* look at the bytes of every call, not at those of one in 16 */
	uint32_t most_flows;		/* 0: as many as the feed likes */
	feed_take_stack *take_stack;	/* NULL: no stacks are wanted */
	void *take_context;
	const char *file;		/* of a recording */
	const volatile sig_atomic_t *stop;	/* set by a signal handler: poll returns early */
};

/* Why a feed could not begin, in a sentence of which every part is escaped already. */
struct feed_error {
	int status;			/* what doctor exits with: EXIT_USAGE, EXIT_RIGHTS, EXIT_GONE */
	char text[512];
};

/* Fills it; gives result. */
int feed_fail(struct feed_error *error, int status, int result, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* process_look (process.h), and the sentence on who cannot be watched. */
int feed_look(pid_t pid, struct process *process, struct feed_error *error);

/* A cgroup's directory, by its path or by what stands below the mount: a descriptor, the caller's; or -errno, and the sentence. */
int feed_open_cgroup(const char *name, struct feed_error *error);

/* What poll says. */
enum feed_state {
	FEED_GOES_ON,
	FEED_OVER,			/* nothing more will come: all targets have exited, or the recording is read */
};

struct feed;

/* open: 0, or -errno with *ret_error filled; the watch runs from then on. poll: waits at most that long, takes stacks, and
 * returns enum feed_state or -errno; places in the model's arrays may move, and then its findings are dropped. collect: brings
 * the model up to date with what was seen so far; places stay what they were. end: the watch is over, and only collect and close
 * may follow; NULL: there is nothing to end. close: detaches; no trace is left in a target; NULL is fine. */
struct feed_ops {
	const char *name;
	int (*open)(struct feed **ret_feed, const struct feed_options *options, struct feed_error *ret_error);
	int (*poll)(struct feed *feed, struct model *model, int timeout_ms);
	int (*collect)(struct feed *feed, struct model *model);
	void (*end)(struct feed *feed);
	void (*close)(struct feed *feed);
};

struct feed {	/* first in a feed's own struct */
	const struct feed_ops *ops;
};

extern const struct feed_ops feed_bpf, feed_ptrace, feed_file;

#endif
