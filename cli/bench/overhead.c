/* SPDX-License-Identifier: MIT */
/*
 * What leat adds to the calls it makes. A 4 KiB file goes to a non-blocking TCP socket through six wrappers: begin, step and
 * end; putting the wrappers on is measured apart, and taken off. The facts of both ends are gathered beforehand. strace lists
 * the calls of one such transfer; a C program then makes exactly these, on the same descriptors, in the same process, in turns
 * with leat and with itself (the control). One process holds both ends of the connection and drains it between the turns,
 * untimed: nobody has to be woken.
 */
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "count.h"
#include "figures.h"
#include "overhead.h"
#include "settings.h"
#include "small.h"
#include "stats.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BY_LEAT, BY_WRAPPING, BY_CALLS, BY_CALLS_AGAIN, WAYS };
#define WHY_BYTES 200
#define TURNS 100		/* of every way in a round */
#define ROUNDS_MAX 201
#define ROUNDS_DEFAULT 31

static const char *const row_names[OVERHEAD_ROWS] = { "with change detection", "source declared immutable" };
static const unsigned calls_at_most[OVERHEAD_ROWS] = { 6, 4 };

struct shared {		/* between the measuring process and us */
	double ns[OVERHEAD_ROWS][WAYS][ROUNDS_MAX], bare_ns[ROUNDS_MAX];
	long allocated_bytes;
	int error;
	unsigned rounds;
};

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int run_way(struct small *s, const struct same_calls *calls, unsigned row, int way)
{
	if (row == OVERHEAD_ROWS)
		return small_by_sendfile(s);
	if (way == BY_LEAT)
		return small_by_leat(s, (int)row);
	return way == BY_WRAPPING ? small_by_wrapping(s, (int)row) : small_by_calls(s, &calls[row]);
}

/* ---- the list of calls ---- */

/* In the recorded process: a few transfers, each between marks, when told to. */
static void record_child(const struct bench *b, const struct same_calls *calls, unsigned row, int way, int go)
{
	struct small s;
	char byte;

	pin_to(b->cpu_server);
	if (small_open(&s, b->file.dir))
		_exit(1);
	if (read(go, &byte, 1) != 1)
		_exit(1);
	for (int i = 0; i < 3; i++) {
		calls_mark();
		if (run_way(&s, calls, row, way))
			_exit(1);
		calls_mark();
		small_drain(&s);
	}
	_exit(0);
}

/* Lists the calls of one way of one row. 0, or -errno with the reason in why. */
static int record(struct bench *b, const struct same_calls *calls, unsigned row, int way, struct same_calls *ret_calls,
		  char why[WHY_BYTES])
{
	int go[2], error, status = 0;
	struct tracer tracer;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	pid = child_fork();
	if (pid == 0)
		record_child(b, calls, row, way, go[0]);
	if (pid < 0) {
		snprintf(why, WHY_BYTES, "no process could be started: %s", strerror(-pid));
		error = pid;
		goto out;
	}
	error = tracer_start(&tracer, pid, b->cpu_server, why, WHY_BYTES);
	if (!error) {
		if (write(go[1], "g", 1) != 1)
			error = -EPIPE;
		waitpid(pid, &status, 0);
		tracer_stop(&tracer);
		if (calls_read(ret_calls, tracer.log) || status) {
			snprintf(why, WHY_BYTES, "the small transfer failed under strace");
			error = -EIO;
		}
	} else {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
out:
	close(go[0]);
	close(go[1]);
	return error;
}

/* Lists the calls of both rows, and looks whether the C program makes the same ones. 0, or -1 with the reason in why. */
static int list_calls(struct bench *b, struct same_calls calls[OVERHEAD_ROWS], char why[WHY_BYTES])
{
	struct same_calls again;

	for (unsigned row = 0; row < OVERHEAD_ROWS; row++) {
		if (record(b, calls, row, BY_LEAT, &calls[row], why))
			return -1;
		if (calls[row].unknown) {
			snprintf(why, WHY_BYTES, "it does not know how to make one of: %.150s", calls[row].text);
			return -1;
		}
		if (record(b, calls, row, BY_CALLS, &again, why))
			return -1;
		if (strcmp(again.text, calls[row].text)) {
			snprintf(why, WHY_BYTES, "it made other calls: %.150s", again.text);
			return -1;
		}
	}
	return 0;
}

/* ---- the times ---- */

/* The first error stays: or-ed, two would be a third. */
static void note_error(struct shared *shared, int error)
{
	if (!shared->error)
		shared->error = error;
}

static double turn(struct small *s, const struct same_calls *calls, unsigned row, int way, struct shared *shared)
{
	uint64_t began;

	small_drain(s);
	began = thread_ns();
	for (int i = 0; i < SMALL_TURN; i++)
		note_error(shared, run_way(s, calls, row, way));
	return (double)(thread_ns() - began) / (SMALL_TURN * TURNS);
}

static void measure_child(const struct bench *b, const struct same_calls *calls, struct shared *shared)
{
	struct small s;

	pin_to(b->cpu_server);
	shared->error = small_open(&s, b->file.dir);
	if (shared->error)
		_exit(0);
	shared->allocated_bytes = small_allocated_bytes(&s);
	for (unsigned round = 0; round < shared->rounds; round++)
		for (int t = 0; t < TURNS; t++)
			for (unsigned step = 0; step < OVERHEAD_ROWS * WAYS + 1; step++) {
				/* Each way takes each place in the order, so that none always follows the same other. */
				unsigned at = (step + (unsigned)t) % (OVERHEAD_ROWS * WAYS + 1), row = at / WAYS;
				double *sum = row < OVERHEAD_ROWS ? &shared->ns[row][at % WAYS][round] : &shared->bare_ns[round];

				if (row < OVERHEAD_ROWS && at % WAYS > BY_WRAPPING && !calls[row].n)
					continue;
				*sum += turn(&s, calls, row, (int)(at % WAYS), shared);
			}
	_exit(0);
}

static int measure(struct bench *b, const struct same_calls *calls, struct shared *shared)
{
	uint64_t began = now_ns();
	pid_t pid = child_fork();
	int status = 0;

	if (pid == 0)
		measure_child(b, calls, shared);
	if (pid < 0)
		return shared->error = pid;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (*b->stop || now_ns() - began > UINT64_C(120000000000))
			kill(pid, SIGKILL);
		usleep(10000);
	}
	return status || shared->error ? -1 : 0;
}

static struct stat3 ratios(const double *over, const double *under, unsigned n)
{
	double *values = malloc(n * sizeof *values);
	struct stat3 s;

	for (unsigned i = 0; values && i < n; i++)
		values[i] = over[i] / under[i];
	s = stats_of(values, values ? n : 0);
	free(values);
	return s;
}

static void fill(struct overhead *o, const struct same_calls *calls, struct shared *shared)
{
	unsigned n = shared->rounds;

	for (unsigned i = 0; i < OVERHEAD_ROWS * n; i++)
		shared->ns[i / n][BY_LEAT][i % n] -= shared->ns[i / n][BY_WRAPPING][i % n];

	o->bytes = SMALL_BYTES;
	o->wrappers = SMALL_WRAPPERS;
	o->struct_bytes = sizeof(struct leat_transfer);
	o->allocated_bytes = shared->allocated_bytes > 0 ? (uint64_t)shared->allocated_bytes : 0;
	o->bare_ns = stats_of(shared->bare_ns, n);
	for (unsigned r = 0; r < OVERHEAD_ROWS; r++) {
		struct overhead_row *row = &o->rows[r];

		row->name = row_names[r];
		row->leat_ns = stats_of(shared->ns[r][BY_LEAT], n);
		row->over_bare = ratios(shared->ns[r][BY_LEAT], shared->bare_ns, n);
		row->at_most = 1.15;
		row->calls_at_most = calls_at_most[r];
		row->calls_count = calls[r].n;
		snprintf(row->calls, sizeof row->calls, "%s", calls[r].text);
		if (!calls[r].n)
			continue;
		row->same_ns = stats_of(shared->ns[r][BY_CALLS], n);
		row->ratio = ratios(shared->ns[r][BY_LEAT], shared->ns[r][BY_CALLS], n);
		row->control = ratios(shared->ns[r][BY_CALLS_AGAIN], shared->ns[r][BY_CALLS], n);
		row->judgement = row->calls_count > row->calls_at_most ? MISSED : judge(row->ratio, row->control, row->at_most);
	}
}

int overhead_run(struct bench *b)
{
	struct same_calls *calls = calloc(OVERHEAD_ROWS, sizeof *calls);
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char why[WHY_BYTES] = "";
	int error = -1;

	if (!calls || shared == MAP_FAILED) {
		out_error("no memory");
		goto out;
	}
	out_progress(&b->out, 1, "measuring what leat adds to its calls");
	pin_to(b->cpu_receiver);
	if (list_calls(b, calls, why)) {
		memset(calls, 0, OVERHEAD_ROWS * sizeof *calls);
		bench_note(b, "there is no C program to compare the small transfer with (%s): only a bare sendfile", why);
	}
	shared->rounds = b->settings.rounds ? (unsigned)b->settings.rounds : ROUNDS_DEFAULT;
	if (shared->rounds > ROUNDS_MAX)
		shared->rounds = ROUNDS_MAX;
	error = measure(b, calls, shared);
	b->overhead = error ? NULL : calloc(1, sizeof *b->overhead);
	if (b->overhead)
		fill(b->overhead, calls, shared);
	else if (!*b->stop)
		out_error("the small transfer failed: %s", leat_strerror(shared->error));
out:
	free(calls);
	if (shared != MAP_FAILED)
		munmap(shared, sizeof *shared);
	return *b->stop ? 0 : error;
}
