/* SPDX-License-Identifier: MIT */
/*
 * What was seen, and what is concluded from it: the one structure that goes through the doctor. A feed fills sites, files,
 * flows and coverage (feed.h); symbol.c gives the sites frames; culprit.c names a frame of them; verdict.c judges; merge.c
 * joins flows that say the same; advice.c and cost.c add what to do and what it is worth; print/ writes it out. record.c keeps
 * it as a file, and is a feed itself. Nothing of the kernel, of ELF or of a terminal is here; model.c only holds it in memory.
 *
 * Every text in it is a stranger's: bytes of any value, cut at a bound, never to be printed as they are (escape.h).
 */
#ifndef DOCTOR_MODEL_H
#define DOCTOR_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- The ends of a flow ---------------------------------------------------------------------------------------------------- */

enum file_kind {
	FILE_UNKNOWN, FILE_REGULAR, FILE_GENERATED /* procfs, sysfs: no splice_read */, FILE_PIPE, FILE_TCP, FILE_UNIX_STREAM,
	FILE_STREAM_SOCKET, FILE_DATAGRAM /* also SEQPACKET and raw */, FILE_BLOCK, FILE_DEVICE, FILE_TERMINAL, FILE_ANONYMOUS,
	FILE_KINDS
};

struct file_address {	/* family AF_INET, AF_INET6, AF_UNIX; 0: none */
	uint16_t family, port;
	uint8_t ip[16];
};

struct file {
	uint64_t inode, device;		/* together the key; of a socket the socket's own inode */
	enum file_kind kind;
	bool can_splice_from, can_splice_to;	/* f_op->splice_read, f_op->splice_write (or sendpage) stand there */
	bool splice_unknown;		/* of the two, one that is false may be true: nobody could see it */
	bool append, direct, nonblocking, deleted;	/* O_APPEND, O_DIRECT, O_NONBLOCK, unlinked */
	bool ulp_tls;			/* kTLS is on */
	uint64_t unpaired_bytes;	/* of a sink: written to it besides what the flows carry; a write of less than 512 is not counted */
	char *path;			/* as in the process's root; NULL for a socket without one; "(deleted)" is not part of it */
	struct file_address local, peer;
};

/* ---- Where in the program -------------------------------------------------------------------------------------------------- */

enum frame_owner { OWNER_UNKNOWN, OWNER_PROGRAM, OWNER_RUNTIME /* language's own, or interpreter */, OWNER_SYSTEM /* libc, vdso */ };

struct frame {
	uint64_t ip, sp;		/* as unwound; sp 0: unknown (frame-pointer walk) */
	char *module, *function, *file;	/* each may be NULL. function: demangled */
	uint64_t module_offset;
	uint32_t line;			/* 0: unknown */
	bool inlined;
	enum frame_owner owner;
};

/* One place in one process that makes a call of interest. The frames come innermost first. */
struct site {
	uint32_t pid;			/* process (thread group) as the doctor's own pid namespace numbers it */
	uint64_t id;			/* hash of instruction pointer and stack place; what the flows name */
	struct frame *frames;
	uint32_t frame_count;
	bool truncated;			/* the unwinding ended before a thread's first frame */
	bool different_file;		/* the program's file is not the one that runs, symbols may be missing */
};

/* ---- What was moved -------------------------------------------------------------------------------------------------------- */

enum flow_how {
	HOW_SAME_BUFFER, HOW_INSIDE_BUFFER, HOW_COPIED, HOW_MAPPED /* write from a mapped file */,
	HOW_IO_URING,			/* paired as same buffer, both or one by io_uring */
	HOW_SENDFILE, HOW_SPLICE, HOW_TEE, HOW_VMSPLICE, HOW_COPY_FILE_RANGE,	/* the good side, from here on */
	HOWS
};
#define HOW_KERNEL_FROM HOW_SENDFILE

#define FLOW_SIZES 32		/* log2 of the bytes of a write */

struct flow {
	uint32_t pid;
	enum flow_how how;
	uint32_t from, to;		/* places in model.files */
	uint32_t site_read, site_write;	/* places in model.sites; MODEL_NONE where there is none. Kernel routes: site_write only */
	uint16_t call_read, call_write;	/* __NR_...; of io_uring 1000 + opcode */
	uint64_t reads, writes;		/* calls that moved something */
	uint64_t bytes;			/* of the writes */
	uint64_t again;			/* calls that ended with EAGAIN, EINTR aside */
	uint32_t smallest, largest;	/* bytes of one write */
	uint64_t sizes[FLOW_SIZES];
	uint64_t samples_equal, samples_changed, samples_weak;	/* writes whose sampled bytes were so; weak: constant bytes */
	uint64_t whole_equal, whole_changed;	/* writes of which every byte was looked at */
	uint64_t other_thread;		/* pairs whose read was another thread's */
	uint64_t first_ns, last_ns;	/* CLOCK_MONOTONIC */

	struct finding *finding;	/* of this flow, after verdict_all; owned by the model */
};
#define MODEL_NONE UINT32_MAX

/* ---- What is concluded ----------------------------------------------------------------------------------------------------- */

enum verdict {
	VERDICT_UNKNOWN, VERDICT_KERNEL, VERDICT_BOUNCE, VERDICT_COPIED, VERDICT_MMAP_WRITE, VERDICT_CHANGED, VERDICT_SMALL,
	VERDICT_CANNOT, VERDICTS
};

enum confidence { CONFIDENCE_NONE, CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH, CONFIDENCE_CERTAIN };

enum culprit_side { SIDE_NONE, SIDE_READ, SIDE_WRITE, SIDE_LOOP, SIDE_CALLER, SIDE_THREADS /* no frame is shared */ };

struct culprit {
	uint32_t site, frame;		/* places: model.sites, its frames; MODEL_NONE: "inside the runtime", or nothing known */
	enum culprit_side side;
	uint32_t loop_read, loop_write;	/* frame of the copy loop in either site; MODEL_NONE: different threads */
	const char *inside;		/* "the Python interpreter" where no frame of the program is left; else NULL. Static, as: */
	const char *more;		/* a sentence on what would show the program's frames, or name them; NULL: nothing known */
};

struct cost {
	double user_s, kernel_route_s;	/* CPU seconds this flow burnt, and would burn on the kernel's route */
	double low_s, high_s;		/* of the difference: the calibration's spread */
	double share;			/* of the flow's CPU that would be saved, 0 to 1 */
	uint64_t kernel_calls;		/* about so many calls on the kernel's route; 0: not known */
	const char *method;		/* "calibrated on this machine"; NULL: no figure but kernel_calls */
};

/* One or several flows of one verdict, culprit and kind of ends. */
struct finding {
	enum verdict verdict;
	enum confidence confidence;
	uint8_t reason;			/* enum leat_reason: the library's words */
	uint32_t flow;			/* the largest of them: names the ends */
	uint32_t flow_count, first;	/* so many, the largest first: in model.members from `first` on */
	uint64_t bytes, reads, writes, again;
	struct culprit culprit;
	struct cost cost;
	const char *why;		/* a sentence; static */
	const char *mend;		/* a sentence, NULL: no remedy known; static */
	char *why_text;			/* owned: `why` with names of this case in it, or NULL */
};

/* ---- All of it ------------------------------------------------------------------------------------------------------------- */

enum runtime { RUNTIME_UNKNOWN, RUNTIME_C, RUNTIME_CXX, RUNTIME_RUST, RUNTIME_GO, RUNTIME_PYTHON, RUNTIME_NODE, RUNTIME_JAVA, RUNTIMES };

/* Bits: capabilities that were missing to look into a process, and to read its program's file. */
enum process_missing { MISSING_NONE, MISSING_PTRACE, MISSING_READ, MISSING_BOTH, MISSINGS };

struct process {
	uint32_t pid, parent;
	uint64_t start_ticks;		/* field 22 of /proc/PID/stat: tells a number used again */
	enum runtime runtime;
	enum process_missing missing;	/* its places have no names for that */
	char *name, *version;		/* comm; "Go 1.19" or NULL */
	char *executable;
	char *script;			/* what an interpreter runs: "copy.py"; NULL: not known, or no interpreter */
	bool exited, is_32_bit;
	int exit_status;		/* as of waitpid; -1 unknown */
};

/* What was not seen. A report with any of it never says "clean". */
struct coverage {
	uint64_t reads, writes, read_bytes, write_bytes;	/* all of the class, paired or not */
	uint64_t unpaired_read_bytes, unpaired_write_bytes;
	uint64_t lost_pairs, lost_bytes;	/* evicted or raced slots */
	uint64_t missed_calls;		/* of whatever process: the kernel ran none of our program for them */
	uint64_t lost_flows;		/* table full: their bytes stand in lost_bytes */
	uint64_t unheard_flows;		/* of processes whose beginning was not heard of: their bytes, too */
	uint64_t cut_vectors;		/* longer than are walked */
	uint64_t io_uring_calls, io_uring_blind;	/* enters; requests with buffers we cannot read */
	uint64_t calls_32_bit;
	uint64_t aio_requests;	/* of native AIO (io_submit): where they move bytes, and when, is not seen */
	uint64_t mapped_read_bytes;	/* read straight into mappings of files, at least: in those they are without a write */
	uint64_t tls_records;		/* unpaired writes that begin as TLS does */
	uint64_t no_stack;		/* sites without room for a stack */
	uint64_t unnamed;		/* stacks whose program's files could not be read to their end */
	uint64_t ended;			/* stacks of processes that had ended before they could be looked at; their bytes are counted */
	uint32_t sampled_1_in;		/* 1: every call */
	uint32_t bursts, bursts_seen;	/* ptrace: how many, and in how many a transfer was seen */
	uint32_t untraced;		/* processes that none of them has looked into: they are not in the model */
};

/* What one pair of ends costs on this machine, in ns of CPU for a GiB: measured by cost.c, kept with a recording. */
struct calibration {
	enum file_kind from, to;	/* REGULAR, PIPE, TCP or UNIX_STREAM */
	uint32_t piece_bytes;		/* of the reads and writes; a power of two */
	enum flow_how how;		/* SAME_BUFFER, COPIED or MAPPED */
	bool apart;			/* the kernel's route is that between two file systems */
	uint64_t user_ns, kernel_ns;	/* what the program does: median; less the median of the differences, round by round */
	int64_t low_ns, high_ns;	/* of the differences: the quartiles */
	uint64_t kernel_bytes;		/* that one call of the kernel's route moved */
};

enum engine { ENGINE_BPF, ENGINE_PTRACE };

struct model {
	enum engine engine;
	uint64_t begin_ns, end_ns;	/* of the watch */
	struct process *processes;
	struct file *files;
	struct site *sites;
	struct flow *flows;
	struct calibration *calibrations;
	struct finding *findings;	/* largest loss first; kernel ones last */
	uint32_t process_count, file_count, site_count, flow_count, finding_count, calibration_count;
	uint32_t *members;		/* places of the flows, finding by finding; one for each flow that has a finding */
	uint32_t *by_pid, by_pid_count;	/* places of the processes in the order of their numbers, as far as model_index knows them */
	struct coverage coverage;
};

/*
 * model.c. Each add gives the place of a new element, all zero, or MODEL_NONE without memory or at the bound of that table;
 * what earlier adds gave as a pointer may have moved. Strings are owned by the model and freed with it.
 */
#define MODEL_PROCESSES_MAX	(1u << 16)
#define MODEL_FILES_MAX		(1u << 20)
#define MODEL_SITES_MAX		(1u << 18)
#define MODEL_FLOWS_MAX		(1u << 20)
#define MODEL_CALIBRATIONS_MAX	256
#define MODEL_FRAMES_MAX	256	/* of a site */

uint32_t model_add_process(struct model *model);
uint32_t model_add_file(struct model *model);
uint32_t model_add_site(struct model *model);
uint32_t model_add_flow(struct model *model);
uint32_t model_add_calibration(struct model *model);
/* Room for one more frame at the site's end, or NULL. */
struct frame *model_add_frame(struct site *site);
void model_drop_frames(struct site *site);	/* all of them */
void model_free_texts(const struct process *process);	/* of one that is in no model, or leaves it */
const struct process *model_process(const struct model *model, uint32_t pid);	/* the first of that number, or NULL */
/* Makes model_process quick until a process is added: flows are many, and so may processes be. 0, or -ENOMEM. */
int model_index(struct model *model);
/* A recording's numbers are a stranger's: their sums stop at the largest there is. */
uint64_t model_plus(uint64_t a, uint64_t b);
/* Two files on two file systems; one and the same file. False where nobody knows. */
bool model_two_filesystems(const struct file *from, const struct file *to);
bool model_one_file(const struct file *from, const struct file *to);
/* What stands at a place; NULL for MODEL_NONE and for places that are not there. */
const struct file *model_file(const struct model *model, uint32_t place);
const struct site *model_site(const struct model *model, uint32_t place);
const struct flow *model_flow(const struct model *model, uint32_t place);
const struct frame *model_frame(const struct model *model, uint32_t site, uint32_t frame);
void model_drop_findings(struct model *model);	/* and what the flows say of them */
void model_free(struct model *model);		/* leaves it all zero */

#endif
