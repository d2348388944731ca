/* SPDX-License-Identifier: MIT */
/* Serving processes: how they are started, told what to do, and ended; and what any process here may want. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench;
struct settings;
struct shape;

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
/* The planted read, when the job still owes it. Called by serve functions between payload calls. */
void job_between(void *job);
/* fork; the child dies with its parent, and is deaf to the terminal's ^C. In the parent its pid, or -errno: never a pid to
 * hand to kill, which takes -1 for every process there is. */
pid_t child_fork(void);
/* A second open file of the same file, with an offset of its own. fd or -errno. */
int open_again(int fd, int flags);

#endif
