/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the ptrace engine share: feed_ptrace.c (the feed: when a burst begins), feed_ptrace_watch.c (who is
 * watched), feed_ptrace_burst.c (a burst), feed_ptrace_attach.c (how it begins), feed_ptrace_call.c (what a call moved, by
 * pairing.h), feed_ptrace_file.c, feed_ptrace_socket.c and feed_ptrace_mount.c (what stands at a descriptor, and whether it
 * splices), feed_ptrace_stack.c (stacks). A burst runs in a thread of its own, and nobody else touches this struct meanwhile.
 */
#ifndef DOCTOR_FEED_PTRACE_H
#define DOCTOR_FEED_PTRACE_H

#include "collect.h"
#include "feed.h"

#include <pthread.h>
#include <semaphore.h>

/* ---- Processes and threads ------------------------------------------------------------------------------------------------- */

struct traced_process {
	struct process process;	/* texts belong to the model once it is there */
	uint32_t place;		/* in the model; MODEL_NONE: not yet */
	uint32_t pid;
	uint32_t program;	/* of what it runs: a number no other program has had */
	uint32_t told;		/* the program of which the model has the name */
	uint64_t stack_start;	/* where its first thread's stack begins: another one after an exec */
	uint64_t code, code_end;	/* of the program itself, without libraries */
	int pidfd;		/* -1: none was to be had */
	int refused;		/* errno of an attach that failed; it is tried again some bursts later */
	bool exited;
	bool taken;		/* some burst has looked into it */
	bool serves_files;	/* a burst takes it alone */
	int status;		/* as of waitpid; -1: unknown */
};

struct traced_thread {
	uint32_t tid;		/* the key */
	uint32_t process;	/* place in the feed's processes */
	bool gone, in_call;
	uint32_t architecture;	/* of the call under way, with what follows */
	uint64_t number, arguments[6];
	uint64_t ip, sp;
};

/* ---- Sites, stacks, files, flows ------------------------------------------------------------------------------------------- */

struct traced_site {
	struct event_site_key key;
	uint32_t uses, closer;	/* closer: so many more have every byte looked at */
	bool taken, needed;	/* needed: a flow names it and it has no stack yet */
	uint64_t wanted;	/* one more is, with a second piece so far above the stack pointer; 0: none */
};

struct traced_snapshot;		/* feed_ptrace_stack.c */

struct traced_file {
	struct event_file_key key;
	uint32_t burst;		/* in which it was looked at last */
	struct event_file facts;
	char *path;
};

struct traced_flow {
	struct event_flow_key key;
	struct event_flow flow;
};

enum file_class { CLASS_NONE, CLASS_STORED, CLASS_PROCFS, CLASS_SYSFS, CLASS_ODD /* made up, too: who knows whether it splices */ };

#define CLASSES 64
struct device_class {
	uint32_t device;
	enum file_class class;
};

enum { PROBE_TERMINAL, PROBE_SYSFS, PROBE_NULL, PROBE_ZERO, PROBE_FULL, PROBE_RANDOM, PROBE_URANDOM, PROBES };
struct probe {
	bool done;
	uint32_t from, to;	/* EVENT_CAN_SPLICE_FROM or _TO, or EVENT_SPLICE_UNKNOWN, or 0: it cannot */
};

struct traced_calls;		/* feed_ptrace_call.c */

/* ---- The feed -------------------------------------------------------------------------------------------------------------- */

struct feed_ptrace {
	struct feed feed;
	struct feed_options options;
	struct collect collect;
	uint64_t begin_ns, begin_ticks;

	struct traced_process *processes;
	uint32_t process_count, process_room, alive;
	uint32_t programs;	/* how many numbers were given */
	uint32_t turn;		/* of more processes than a burst takes: where the next begins */

	struct table threads, sites, files, flows;
	struct traced_calls *calls;
	struct device_class classes[CLASSES];
	struct probe probes[PROBES];
	struct traced_snapshot *snapshots;
	uint32_t snapshot_count;
	uint32_t no_room;	/* sites without a stack */

	/* the burst */
	pthread_t thread;
	sem_t attached;
	int tid;
	bool running;
	bool used_up;		/* it has seen as many calls as it was to */
	uint32_t taken;		/* processes it has attached to, before traced_burst_begin returns */
	uint32_t refused_pid;
	int refused;		/* errno of the last that could not be; 0: there was none */
	uint32_t burst;		/* its number */
	uint32_t bursts, bursts_seen;	/* of all that had somebody to follow; with transfers */
	sigset_t signals_before;
	uint64_t burst_begin_ns, next_ns, gap_ns;
	uint64_t charged, charged_before;	/* calls that were charged to a flow, of all bursts; before the last one */
};

/* feed_ptrace_watch.c */
int traced_begin(struct feed_ptrace *feed, struct feed_error *error);	/* finds the targets; 0 or -errno with a sentence */
void traced_discover(struct feed_ptrace *feed);	/* who came since: children, and others that the target names */
bool traced_ask_end(struct feed_ptrace *feed, uint32_t place);	/* whether it has ended */
void traced_ask_ends(struct feed_ptrace *feed);
void traced_ask_programs(struct feed_ptrace *feed);	/* which of them run another one now */
/* The place of a process; it is added when it is new. MODEL_NONE: gone, or no memory. */
uint32_t traced_process_of(struct feed_ptrace *feed, pid_t pid);
void traced_process_ended(struct feed_ptrace *feed, uint32_t place, int status);
void traced_new_program(struct feed_ptrace *feed, uint32_t place);
bool traced_is_new_program(const struct feed_ptrace *feed, uint32_t place);	/* that was not told yet */
/* Why the process could not be traced, when the kernel said `refused`: -errno, and a sentence. */
int traced_explain(uint32_t pid, int refused, struct feed_error *error);
void traced_forget_all(struct feed_ptrace *feed);

/* feed_ptrace_burst.c */
int traced_burst_begin(struct feed_ptrace *feed);	/* returns when all are attached */
/* Waits until it has seen enough; false: the time is over, or the watch is to stop. */
bool traced_burst_wait(struct feed_ptrace *feed, uint64_t until_ns);
bool traced_is_to_stop(void);	/* by Ctrl-Z, which waits for the end of the burst */
/* At once. Nobody is attached any more then, as when it has ended by itself. */
void traced_burst_end(struct feed_ptrace *feed);

/* feed_ptrace_attach.c: in the burst's thread */
#define TRACED_THREADS_MOST 1024	/* in one burst */
void traced_attach_all(struct feed_ptrace *feed);
struct traced_thread *traced_add_thread(struct feed_ptrace *feed, uint32_t tid, uint32_t process);	/* NULL: no memory */
unsigned traced_list_threads(uint32_t pid, uint32_t tids[TRACED_THREADS_MOST]);
/* 1: a new one; 0: one that is there, or has gone; -errno: it was refused. */
int traced_seize(struct feed_ptrace *feed, uint32_t tid, uint32_t process);
/* One listing of its threads: so many are new. *ret_refused: what the kernel said of one. */
int traced_seize_listed(struct feed_ptrace *feed, uint32_t process, int *ret_refused);

/* feed_ptrace_call.c */
int traced_calls_open(struct feed_ptrace *feed);
void traced_calls_close(struct feed_ptrace *feed);
void traced_calls_forget(struct feed_ptrace *feed);	/* reads of the burst before say nothing any more */
const struct event_counts *traced_counts(const struct feed_ptrace *feed);
void traced_call(struct feed_ptrace *feed, const struct traced_thread *thread, int64_t result);

/* feed_ptrace_file.c: which file it is; its facts are taken when it is new in this burst. 0, or -errno. */
int traced_file(struct feed_ptrace *feed, const struct traced_thread *thread, uint32_t fd, bool sink, uint64_t *ret_inode,
		uint32_t *ret_device);
/* So many bytes were written to that file, and come from no read. */
void traced_file_unpaired(struct feed_ptrace *feed, uint64_t inode, uint32_t device, uint64_t bytes);
/* As traced_file, of the file mapped at an address. ret_bytes: to the end of the mapping. */
int traced_mapping(struct feed_ptrace *feed, const struct traced_thread *thread, uint64_t at, uint64_t *ret_inode,
		   uint32_t *ret_device, uint64_t *ret_bytes);
void traced_files_free(struct feed_ptrace *feed);
/* feed_ptrace_mount.c */
enum file_class traced_class(struct feed_ptrace *feed, pid_t tid, uint32_t device);
uint32_t traced_probe(struct feed_ptrace *feed, unsigned which, bool sink);
/* feed_ptrace_socket.c */
void traced_socket(const struct feed_ptrace *feed, const struct traced_thread *thread, uint32_t fd, uint64_t inode,
		   struct event_file *facts);

/* feed_ptrace_stack.c */
void traced_stack(struct feed_ptrace *feed, const struct traced_thread *thread, struct traced_site *site);
void traced_stacks_pass_on(struct feed_ptrace *feed, struct model *model);
void traced_stacks_free(struct feed_ptrace *feed);

/* Of a traced process's memory: bytes that were read, -1 when none could be. */
int64_t traced_memory(pid_t tid, void *to, size_t bytes, uint64_t from);
/* The same of a stack: over pages of large buffers that were never touched, which stay as they are in *to, to the last that is there. */
size_t traced_stack_memory(pid_t tid, void *to, size_t bytes, uint64_t from);

#endif
