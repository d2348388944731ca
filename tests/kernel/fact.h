/* SPDX-License-Identifier: MIT */
/*
 * fact.h: what the kernel-fact programs share. A program states its facts in one table and says a value for each:
 *
 *	name: value		the kernel's answer; name@fs when it depends on the file system
 *	name: - (reason)	not determined here, because a precondition is missing
 *	# text			for the reader: exact figures, which vary from run to run
 *
 * Exit status: 0 all facts were looked at, 1 a value the library relies on differs, 77 no fact could be
 * determined, 99 the program itself failed (set-up, time limit). Nothing here depends on libleat.
 */
#ifndef LEAT_TESTS_KERNEL_FACT_H
#define LEAT_TESTS_KERNEL_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fact {
	const char *name;   /* never changes: the key in docs/kernels.md; "name@fs" overrides "name" there */
	const char *relied; /* values the library's correctness allows, separated by '|'; NULL: only recorded */
	const char *about;  /* hazard number and what the library concludes */
};

struct fact_set {
	const struct fact *facts;
	size_t count;
	void (*run)(void);   /* once, in a scratch directory of the first file system; may be NULL */
	void (*run_on)(void); /* once for each file system, in a scratch directory there; may be NULL */
	int limit_s;         /* the whole program is killed after this; 0 means 60 */
};

#define FACT_SET(table, once, each) \
	{ .facts = (table), .count = sizeof(table) / sizeof((table)[0]), .run = (once), .run_on = (each) }

int fact_main(int argc, char **argv, const struct fact_set *set);

/* say a value; within run_on the name gets "@fs"; within fact_at() the label given there */
void fact_say(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_skip(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fact_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fact_die(const char *what); /* prints errno, exit 99 */
void fact_at(const char *label);           /* NULL: back to the file system's own label */

/* the scratch directories, for facts about two file systems */
size_t fact_dirs(void);
const char *fact_dir(size_t index);
const char *fact_fs(size_t index);
const char *fact_here(void); /* file system label of the running run_on */

const char *fact_errno(int error);
const char *fact_result(ssize_t result); /* the number, or the name of errno when negative; static, rotating */

/* set-up: each dies when it cannot be had */
int fact_file(const char *name, char byte, size_t size); /* O_RDWR | O_CREAT | O_TRUNC in the current directory */
int fact_sparse(const char *name, off_t size);
void fact_fill(int fd, char byte, size_t size);          /* pwrite from offset 0 */
void fact_tcp_pair(int ret_pair[2]);                     /* loopback, TCP_NODELAY on both */
void fact_unix_pair(int ret_pair[2]);
void fact_pipe(int ret_pipe[2]);
void fact_nonblock(int fd, bool on);
void fact_settle(int sock); /* wait until the peer has acknowledged all (at most a second) */
int fact_reopen(int fd, int flags); /* open("/proc/self/fd/N"): a private description, or -1 */

/* read exactly size bytes or until the end, waiting at most limit_ms for each piece; bytes read */
size_t fact_read(int fd, void *buf, size_t size, int limit_ms);
size_t fact_drain(int fd); /* read what is there now, without waiting */

/* time, and calls that may block: the signal ends them again and again until fact_interrupt(0) */
int64_t fact_now_us(void);
void fact_sleep_ms(int ms);
void fact_interrupt(int after_ms);

/* run fn in a child as an ordinary user (root becomes uid 54321), wait for it; -1 when that is not permitted.
 * The child says nothing itself: it leaves what it found in memory from fact_shared. */
void *fact_shared(size_t size);
int fact_as_user(void (*fn)(void *), void *arg);

#endif
