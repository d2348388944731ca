/* SPDX-License-Identifier: MIT */
/*
 * `leat bench`: the structs its parts share, and one line for each part.
 *
 * The flow: options -> test file -> one serving process for each selected shape -> verify pass -> count pass ->
 * interleaved rounds -> statistics -> table, JSON, HTML. Every serving process stands from the beginning to the end, on
 * a CPU of its own; this process is the receiver, on another one.
 */
#ifndef BENCH_H
#define BENCH_H

#include "../net.h"
#include "../out.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* ---- shapes.c: the table ------------------------------------------------------------------------------------------- */

enum direction { FILE_TCP, TCP_TCP, FILE_FILE, DIRECTIONS };
enum family { FAMILY_LEAT, FAMILY_C, FAMILY_GO };

enum {	/* struct shape.flags */
	SHAPE_FLOOR = 1,	/* the C program the others of its direction are compared with */
	SHAPE_CONTROL = 2,	/* the floor once more, under another name: the A/A control */
	SHAPE_PACED = 4,	/* slow on purpose: says nothing about who is the limit */
	SHAPE_SPARSE = 8,	/* reads the sparse file */
};

enum {	/* struct shape.arg of a leat shape: what stands around the source */
	WITH_LIMIT = 1, WITH_SECTION = 2, WITH_COUNT = 4, WITH_LOG = 8, WITH_TRACE = 16, WITH_PROGRESS = 32,
	WITH_DEADLINE = 64, WITH_RATE = 128, WITH_HASH = 256,
	WITH_ALL = WITH_LIMIT | WITH_COUNT | WITH_LOG | WITH_TRACE | WITH_PROGRESS | WITH_DEADLINE,
	AS_CALLBACK = 512,	/* the source is a read callback: opaque */
	AS_FRAMED = 1024,	/* header memory + file + trailer memory in a queue */
	ONLY_CLONE = 2048,	/* policy require, every other route off */
};

struct job;

struct shape {
	const char *name;		/* as in the JSON */
	enum direction direction;
	enum family family;
	int (*serve)(struct job *job);	/* NULL: a Go program, go_mode says which */
	uint64_t arg;			/* leat: WITH_...; C: bytes of buffer or pipe, or 1 for a cork */
	uint32_t skip, cut;		/* bytes of the file left out at its begin and end */
	unsigned flags;
	const char *go_mode;
	const char *what;		/* one line for people */
};

extern const struct shape shapes[];
extern const size_t shapes_count;
extern const char *const direction_names[DIRECTIONS];	/* "file-tcp" */
extern const char *const family_names[];		/* "leat", "C", "Go" */

/* ---- options ------------------------------------------------------------------------------------------------------- */

enum receiver { RECEIVER_WIRE, RECEIVER_ORDINARY, RECEIVER_VERIFY /* ordinary, and hashes */ };
enum sink_mode { SINK_NONBLOCKING, SINK_BLOCKING };
enum hash { HASH_XXH3, HASH_SHA256 };
extern const char *const hash_names[];	/* "sha256" */

struct settings {
	uint64_t size, rounds, port, mss, budget_s;
	int receiver, sink, hash;	/* enum receiver, enum sink_mode, enum hash */
	int quick, sweep, overhead, all, no_go, list, ahead;
	const char *shape_list, *file, *json, *html;
};

/* ---- child.c: serving processes ------------------------------------------------------------------------------------ */

/* What one run of serve came to, as the serving process knows it. Sent over a pipe, so plain data. */
struct outcome {
	int64_t bytes;			/* moved, or a negative error */
	uint64_t cpu_ns, wall_ns;	/* of serve alone, by the process's own clocks */
	uint64_t copied_bytes;		/* by route copy, as leat reports */
	uint64_t hole_bytes, transfer_calls, waits, longest_call_ns, counted_bytes, events;
	int32_t by_leat;		/* the fields from copied_bytes on are filled */
	int32_t dst;			/* file to file: the descriptor in the serving process, until ORDER_RELEASE */
	char route[24], reason[48], explain[256], hash[72];	/* hash: in hexadecimal, of a shape that has one */
};

struct job {	/* in the serving process: one transfer */
	const struct shape *shape;
	const struct settings *settings;
	int file;			/* its own open file; offset 0 */
	uint64_t size;			/* of the file */
	int in, out;			/* relay: in and out are sockets; else out is the socket or the new file */
	int plant;			/* a second open file to read one byte of, once, for the self-check; -1: no */
	uint64_t until_ns;
	struct outcome *outcome;
};

struct child {
	pid_t pid;			/* 0: not running */
	int orders, answers;		/* our ends of two pipes */
	int listener;
	uint16_t port;
};

enum order { ORDER_RUN = 'r', ORDER_PLANT = 'p', ORDER_RELEASE = 'c' };

struct bench;
/* Starts the serving process of a shape. 0 or -errno. */
int child_start(struct bench *b, const struct shape *shape, struct child *child);
int child_order(struct child *child, enum order order);
/* Waits for the answer to one transfer. 0, -ETIMEDOUT, -EPIPE when the process is gone. Go answers by one byte. */
int child_answer(struct child *child, struct outcome *outcome, int timeout_ms);
void child_stop(struct child *child);
/* How the process ended, as the end of a sentence; "does not answer" when it still runs. */
const char *child_obituary(const struct child *child, char *text, size_t size);
/* CPU time of the process, its ended threads too; nanoseconds. 0: it is gone. */
uint64_t child_cpu_ns(const struct child *child);
/* Pins the calling thread; cpu -1: leaves it alone. */
int pin_to(int cpu);
/* ahead.c: goes on before all other processes, in a child; the caller waits for it and ends with its status. 0, or
 * -errno when it goes on as before. */
int ahead_begin(const volatile sig_atomic_t *stop);
/* The planted read, when the job still owes it. Called by serve functions between payload calls. */
void job_between(void *job);
/* fork; the child dies with its parent, and is deaf to the terminal's ^C. In the parent its pid, or -errno: never a pid to
 * hand to kill, which takes -1 for every process there is. */
pid_t child_fork(void);
/* A second open file of the same file, with an offset of its own. fd or -errno. */
int open_again(int fd, int flags);

/* ---- serve functions ----------------------------------------------------------------------------------------------- */

int serve_leat(struct job *job);		/* serve.c: any leat shape */
int serve_c_sendfile(struct job *job);		/* baseline.c; arg 1: corked */
int serve_c_copy(struct job *job);		/* arg: buffer bytes */
int serve_c_splice(struct job *job);		/* arg: pipe bytes */
int serve_c_relay(struct job *job);		/* arg: pipe bytes */
int serve_c_copy_file_range(struct job *job);
/* The bytes of the framed shape around the file. */
extern const char framed_header[], framed_trailer[];

/* ---- tool.c ----------------------------------------------------------------------------------------------------------- */

/* Runs a program of the PATH with one argument, and takes what it prints. 0, or -1 with the sentence in why: it is not
 * there, hangs, fails. */
int tool_says(const char *name, const char *argument, char *said, size_t said_size, char *why, size_t size);
/* How a process ended, as the end of a sentence. */
const char *tool_end(int status, char *text, size_t size);

/* ---- golang.c ------------------------------------------------------------------------------------------------------ */

struct golang {
	pid_t builder;		/* 0: not building */
	int usable;		/* the program stands in binary */
	char dir[4096], binary[4096 + 16], version[64];
	int log;		/* what the build says on stderr */
	char missing[160];	/* why not usable */
};

void golang_begin(struct golang *go, const char *tmp_dir);	/* starts `go build` beside us, when go is there */
void golang_finish(struct golang *go, int timeout_ms);
/* In the serving process: becomes the Go program. Returns only when that failed. */
void golang_exec(const struct bench *b, const struct shape *shape, int orders, int answers, int listener);
void golang_remove(struct golang *go);

/* ---- testfile.c ---------------------------------------------------------------------------------------------------- */

struct test_file {
	int fd;			/* an unlinked file: nothing is left behind whatever happens */
	uint64_t size;
	int generated, changed;		/* changed: that was said */
	struct timespec mtime;		/* of a given one, when it was opened */
	char dir[4096];
};

/* Sets dir: TMPDIR, or /var/tmp. */
void test_dir(struct test_file *file);
/* Makes the test file, or opens settings.file. 0, or -1 after a sentence. Lowers settings.size when there is no room. */
int test_file_make(struct test_file *file, struct settings *settings, struct out *out);
/* Whether a given file is another one than at the start, by size and time; says so once. */
int test_file_changed(struct test_file *file, const char *name);
/* A sparse file of this size with 1/64 of data. fd, or -errno. */
int test_file_sparse(const char *dir, uint64_t size);
/* Reads it once, so that its pages are in the cache; waits until they are written back. */
void test_file_warm(const struct test_file *file);
/* A new unlinked file in dir. fd or -errno. */
int scratch_file(const char *dir);

/* ---- digest.c: a 64-bit content check of our own, so that the library does not check itself ------------------------- */

struct digest { uint64_t lane[4], bytes; unsigned char held[32]; };
void digest_init(struct digest *d);
void digest_update(struct digest *d, const void *bytes, size_t length);
uint64_t digest_result(const struct digest *d);
/* Of what this shape should deliver. 0, or -errno. */
struct expected { uint64_t digest, bytes; uint32_t skip, cut; int file, framed; };
int digest_expected(int file, uint64_t size, const struct shape *shape, struct expected *ret_expected);

/* ---- receive.c ----------------------------------------------------------------------------------------------------- */

struct intake {
	uint64_t bytes, wall_ns, calls, empty_calls;
	uint64_t helper_cpu_ns;		/* of the process that feeds a relay for the ordinary receiver */
	int mss;
	struct digest digest;
};

/* Connects to the child and takes everything it sends. 0, -ETIMEDOUT, or -errno. */
int receive(struct bench *b, const struct child *child, enum direction direction, enum receiver how, int timeout_ms,
	    struct intake *intake);

/* ---- noise.c: CPU time of everything on our CPUs, from the best source this kernel has ------------------------------ */

enum noise_source { NOISE_NONE, NOISE_CPUACCT, NOISE_SCHEDSTAT, NOISE_TICKS };
struct noise { enum noise_source source; int cpu[2]; pid_t ksoftirqd[2]; };
void noise_init(struct noise *noise, int cpu_a, int cpu_b);
const char *noise_name(enum noise_source source);
uint64_t noise_all_ns(const struct noise *noise);
uint64_t noise_softirq_ns(const struct noise *noise);

/* ---- measure.c ----------------------------------------------------------------------------------------------------- */

struct sample { double cpu_ns, wall_ns, bytes, foreign /* share of one CPU */; };

struct run;
/* One transfer of one shape. 0, or -errno after the reason was put into run->why. */
int measure_transfer(struct bench *b, struct run *run, enum receiver how, struct intake *in);
/* The same, timed, and again while others were busy. */
int measure_sample(struct bench *b, struct run *run, struct sample *ret_sample);
/* CPU time of others on our CPUs between two marks, as a share of one CPU; helper_ns: of processes of ours that are gone. */
struct marks { uint64_t wall, own, server, all, soft; };
void measure_mark(const struct bench *b, const struct run *run, struct marks *m);
double measure_foreign(const struct bench *b, const struct marks *from, const struct marks *to, uint64_t helper_ns);
#define ROUNDS_ADAPTIVE_MAX 21	/* unless they are given */
extern const double noise_limit;	/* a share above which a sample is taken again */
/* The verify pass of one shape; sets run->verified. */
void measure_verify(struct bench *b, struct run *run);
/* All rounds. Returns how many were done. */
unsigned measure_rounds(struct bench *b);

/* ---- count.c: system calls as strace saw them ------------------------------------------------------------------------ */

#define COUNT_NAMES 48
struct counts {
	int valid;
	unsigned transfers;			/* how many were counted together */
	uint64_t bytes;				/* they moved */
	double foreign;				/* how busy others were, as in struct sample */
	uint64_t user_in_bytes, user_out_bytes;	/* payload read into and written from the process's memory */
	uint64_t user_calls;			/* read- and write-like calls on the payload, probes not among them */
	uint64_t probes;			/* preadv2(RWF_NOWAIT) of at most one byte */
	uint64_t transfer_calls;		/* sendfile, splice, copy_file_range, read, write, ... on the payload */
	unsigned names;
	struct { char name[24]; uint64_t calls; } by_name[COUNT_NAMES];
};

struct tracer { pid_t pid; int log; uint64_t cpu_ns /* of strace, once stopped */; };
/* Attaches strace to every thread of the process. 0, or -errno after the reason was put into why. */
int tracer_start(struct tracer *tracer, pid_t pid, int cpu, char *why, size_t size);
/* Detaches. */
void tracer_stop(struct tracer *tracer);
/* Adds what the log says between the first and the last payload call of each transfer. Closes log. */
int counts_read(struct counts *counts, int log);
uint64_t counts_of(const struct counts *counts, const char *name);
/* The count pass over all runs, with its self-check. */
void count_pass(struct bench *b);

/* ---- stats.c ------------------------------------------------------------------------------------------------------- */

struct stat3 { unsigned n; double median, min, max, low, high /* bootstrap 95 % interval of the median */; };
struct stat3 stats_of(const double *values, unsigned n);

/* ---- figures.c: ratios and the figures they must reach --------------------------------------------------------------- */

enum figure_kind { FIGURE_RATIO, FIGURE_CALLS, FIGURE_PAYLOAD_CALLS, FIGURE_CALLS_DIFFER };
/* A figure may be meant for one way of measuring only. */
enum figure_when { ALWAYS, WIRE, WIRE_AND_LOOPBACK_MSS, NOT_WIRE_AND_LOOPBACK_MSS, SINK_IS_NONBLOCKING, SINK_IS_BLOCKING };
struct figure {
	const char *what;
	enum figure_kind kind;
	enum direction direction;
	const char *of, *over;		/* names of shapes */
	double at_most;
	enum figure_when when;
};
#define ROUNDS_TO_JUDGE 21
enum judgement { TOO_FEW_ROUNDS, MISSED, HOLDS, OTHERS_BUSY };
struct verdict {
	const struct figure *figure;
	const struct bench *of;		/* the run it was measured in: this one, or one of its others (--all) */
	enum judgement judgement;
	int known, disturbed;		/* disturbed: others were busy while the calls were counted */
	struct stat3 ratio;
	double value;
};
#define VERDICTS 32
unsigned figures_judge(const struct bench *b, struct verdict verdicts[VERDICTS]);
/* What it is about, and in which conditions. */
const char *verdict_text(const struct verdict *verdict, char *text, size_t size);
/* ", MSS 1448": what a bench of --all has that others have not. */
const char *conditions_text(const struct bench *b, char *text, size_t size);
/* A ratio beside that of the A/A control of the same rounds. */
enum judgement judge(struct stat3 ratio, struct stat3 control, double at_most);
/* "holds", "MISSED", "too few rounds to judge (3 of 21)" */
const char *judgement_text(enum judgement judgement, unsigned rounds, char *text, size_t size);
/* CPU per GiB of a run over that of another, round by round. */
struct stat3 ratio_of(const struct bench *b, const struct run *run, const struct run *over);
struct stat3 cpu_ms_per_gib(const struct bench *b, const struct run *run);
struct stat3 gib_per_s(const struct bench *b, const struct run *run);
/* n of one count for each GiB that was counted. */
double per_gib(const struct counts *counts, uint64_t n);
/* Bytes through user space for each GiB, as strace saw them; else as leat reports; NAN when nobody knows. */
double user_bytes_per_gib(const struct run *run);

/* ---- overhead.c, sweep.c -------------------------------------------------------------------------------------------- */

/* begin + step + end of one small transfer through leat, beside a C program that makes the same calls. */
enum { OVERHEAD_ROWS = 2 };
struct overhead_row {
	const char *name;
	struct stat3 leat_ns, same_ns, ratio, control, over_bare;	/* CPU of one transfer */
	unsigned calls_count, calls_at_most;
	double at_most;
	enum judgement judgement;
	char calls[400];		/* in order, as strace saw them */
};
struct overhead {
	struct overhead_row rows[OVERHEAD_ROWS];
	struct stat3 bare_ns;		/* a sendfile and nothing else */
	uint64_t bytes, wrappers, struct_bytes, allocated_bytes;
};

/* The same bytes by three ways, 1 B to 64 MiB. */
enum sweep_way { SWEEP_MEMORY, SWEEP_COPY, SWEEP_SENDFILE, SWEEP_WAYS };
#define SWEEP_POINTS 24
struct sweep_point { uint64_t bytes; struct stat3 cpu_ns[SWEEP_WAYS]; };
struct sweep { unsigned points_count; struct sweep_point points[SWEEP_POINTS]; };
extern const char *const sweep_way_names[SWEEP_WAYS];

/* 0, or -1 after a sentence. */
int overhead_run(struct bench *b);
int sweep_run(struct bench *b);

/* ---- bench.c --------------------------------------------------------------------------------------------------------- */

struct run {		/* one selected shape */
	const struct shape *shape;
	struct child child;
	struct sample *samples;		/* by round; bytes 0: missing */
	struct outcome outcome;		/* of the last transfer */
	struct counts counts;
	int verified;			/* -1 not looked at, 0 wrong, 1 right */
	int receiver_limits;		/* rounds in which the server stood idle */
	int dropped;
	char why[200];			/* of dropped, or of a missing figure */
};

#define ALSO_MAX 4

struct machine { char cpu[96], kernel[96], when[32]; long cpus; uint64_t memory_bytes; };

struct result {		/* --json, --html */
	const char *option, *path;	/* path NULL: not wanted */
	void (*write)(const struct bench *b, FILE *f);
	int given;			/* the descriptor the path names, or -1 */
	int created, regular;
	dev_t dev;
	ino_t ino;
};
#define RESULTS 2

struct bench {
	struct settings settings;
	struct result results[RESULTS];
	struct out out;
	struct machine machine;
	struct test_file file;
	int sparse;			/* fd of the sparse file, or -1 */
	struct golang go;
	struct noise noise;
	struct net_options net;
	int cpu_server, cpu_receiver;	/* -1: not pinned */
	int upstream;			/* listener relays connect to */
	int seen_mss;			/* as the connections had it */
	uint64_t began_ns, payload_timeout_ms;
	struct run *runs;
	unsigned runs_count, rounds, noisy_repeated, noisy_kept;
	const char *counted_by;		/* "strace 6.1", or NULL */
	char strace_version[32];
	int self_check;			/* -1 not made, 0 the planted read was not seen, 1 seen */
	char not_counted[200];		/* why the calls are not counted */
	struct overhead *overhead;
	struct sweep *sweep;
	struct bench *also[ALSO_MAX];	/* --all: the same in other conditions, a few shapes each */
	unsigned also_count;
	int is_also;			/* one of these: file and CPUs are those of the first */
	const volatile sig_atomic_t *stop;	/* the signal that asked us to */
	unsigned expected_count;	/* content digests, made once */
	struct expected expected[8];
	unsigned notes_count;
	char notes[24][240];		/* sentences for the reader of the results */
};

void machine_find(struct bench *b);	/* machine.c */
void machine_set_mss(struct bench *b);	/* as the settings have it */
int passes_run(struct bench *b);	/* passes.c: 0, or -1 after a sentence */
int passes_also(struct bench *b, int counted, int timed);	/* the same, where file, CPUs and network are there */
int also_run(struct bench *b);		/* also.c: 0, or -1 after a sentence */
void passes_end(struct bench *b);	/* ends every process, gives everything back */
/* The run of a shape, NULL when it was not selected. */
struct run *bench_run(const struct bench *b, enum direction direction, const char *name);
struct run *bench_floor(const struct bench *b, enum direction direction);
struct run *bench_control(const struct bench *b, enum direction direction);
/* Says it on stderr and keeps it for the JSON and the page. */
void bench_note(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes a shape out of the run, with a sentence. */
void bench_drop(struct bench *b, struct run *run, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Why its last transfer failed. */
const char *run_error_text(const struct run *run);
/* More than this part of the budget is spent. Never so when the rounds are given: then they take what they take. */
int out_of_time(const struct bench *b, double part);
uint64_t now_ns(void);
/* "1 round", "3 rounds" */
const char *rounds_text(unsigned rounds, char text[24]);

/* ---- results ---------------------------------------------------------------------------------------------------------- */

void table_print(const struct bench *b);
void json_write(const struct bench *b, FILE *f);
void html_write(const struct bench *b, FILE *f);
/* results.c: opens the files of --json and --html, and leaves them as they are. 0, or -1 after a sentence. */
int results_check(struct bench *b);
int results_write(struct bench *b);	/* 0, or -1 after a sentence */
void results_end(struct bench *b);	/* removes what results_check created and nothing was written to */

#endif
