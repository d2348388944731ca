/* SPDX-License-Identifier: MIT */
/* The passes over the shapes: select, start, verify, count, measure. */
#include "../net.h"
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "count.h"
#include "golang.h"
#include "measure.h"
#include "passes.h"
#include "settings.h"
#include "shapes.h"
#include "testfile.h"
#include "units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which shapes ---- */

/* Whether one word of --shape, length bytes long, names this shape. */
static int named(const struct shape *shape, const char *word, size_t length)
{
	char full[64];
	const char *const direction = direction_names[shape->direction];

	snprintf(full, sizeof full, "%s/%s", direction, shape->name);
	return (strlen(shape->name) == length && strncmp(shape->name, word, length) == 0) ||
	       (strlen(direction) == length && strncmp(direction, word, length) == 0) ||
	       (strlen(full) == length && strncmp(full, word, length) == 0);
}

/* Marks what the list names. 0, or -1 after a sentence. */
static int mark_named(const char *list, unsigned char *wanted)
{
	for (const char *at = list; *at;) {
		size_t length = strcspn(at, ",");
		unsigned found = 0;

		for (size_t i = 0; i < shapes_count; i++)
			if (named(&shapes[i], at, length))
				found += wanted[i] = 1;
		if (!found) {
			out_error("there is no shape `%.*s`; `leat bench --list` shows them all", (int)length, at);
			return -1;
		}
		at += length + (at[length] == ',');
	}
	return 0;
}

static int select_shapes(struct bench *b)
{
	unsigned char *wanted = calloc(shapes_count, 1);
	int directions[DIRECTIONS] = { 0 };

	b->runs = calloc(shapes_count, sizeof *b->runs);
	b->runs_count = 0;
	if (!wanted || !b->runs) {
		free(wanted);
		return -1;
	}
	if (!b->settings.shape_list)
		memset(wanted, 1, shapes_count);
	else if (mark_named(b->settings.shape_list, wanted)) {
		free(wanted);
		return -1;
	}
	for (size_t i = 0; i < shapes_count; i++)
		directions[shapes[i].direction] |= wanted[i];
	for (size_t i = 0; i < shapes_count; i++) {
		const struct shape *shape = &shapes[i];
		int with_it = directions[shape->direction] && shape->flags & (SHAPE_FLOOR | SHAPE_CONTROL);

		if ((!wanted[i] && !with_it) || (b->settings.no_go && shape->family == FAMILY_GO))
			continue;
		b->runs[b->runs_count].shape = shape;
		b->runs[b->runs_count++].verified = -1;
	}
	free(wanted);
	return 0;
}

static int wants(const struct bench *b, enum direction direction, enum family family)
{
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->direction == direction && b->runs[i].shape->family == family)
			return 1;
	return 0;
}

/* ---- what they need ---- */

static int make_files(struct bench *b)
{
	uint64_t size;

	out_progress(&b->out, 1, b->settings.file ? "reading the file" : "making the test file");
	if (test_file_make(&b->file, &b->settings))
		return -1;
	size = b->file.size;
	b->payload_timeout_ms = 20000 + size / (16 * MIB) * 1000;
	if (bench_run(b, FILE_FILE, "sparse")) {
		b->sparse = test_file_sparse(b->file.dir, size);
		if (b->sparse < 0)
			bench_drop(b, bench_run(b, FILE_FILE, "sparse"), "its file could not be made in %s: %s", b->file.dir,
				   strerror(-b->sparse));
	}
	return 0;
}

static int start(struct bench *b, struct run *run)
{
	int error = child_start(b, run->shape, &run->child);

	if (error == -EADDRINUSE && b->settings.port) {
		out_error("a port from %llu on is in use on 127.0.0.1; leave --port out, and free ones are taken",
			  (unsigned long long)b->settings.port);
		return -1;
	}
	if (error) {
		out_error("the server of %s could not be started: %s", run->shape->name, strerror(-error));
		return -1;
	}
	run->samples = calloc(b->settings.rounds ? b->settings.rounds : ROUNDS_ADAPTIVE_MAX, sizeof *run->samples);
	return run->samples ? 0 : -1;
}

static int start_family(struct bench *b, int go)
{
	for (unsigned i = 0; i < b->runs_count; i++) {
		struct run *run = &b->runs[i];

		if (!run->dropped && go == (run->shape->family == FAMILY_GO) && start(b, run))
			return -1;
	}
	return 0;
}

static void verify_family(struct bench *b, int go)
{
	for (unsigned i = 0; i < b->runs_count && !*b->stop; i++) {
		struct run *run = &b->runs[i];

		if (run->dropped || go != (run->shape->family == FAMILY_GO))
			continue;
		out_progress(&b->out, 0, "comparing contents: %s %s", direction_names[run->shape->direction], run->shape->name);
		measure_verify(b, run);
	}
}

static int listen_upstream(struct bench *b)
{
	if (!bench_floor(b, TCP_TCP))
		return 0;
	b->upstream = net_listen((uint16_t)b->settings.port, &b->net);
	if (b->upstream >= 0)
		return 0;
	if (b->settings.port)
		out_error("port %llu is in use on 127.0.0.1 (%s); leave --port out, and a free one is taken",
			  (unsigned long long)b->settings.port, strerror(-b->upstream));
	else
		out_error("no port could be had on 127.0.0.1: %s", strerror(-b->upstream));
	return -1;
}

/* The Go programs join when they are built; until then everything else is verified. */
static int start_go(struct bench *b)
{
	int patience_ms = b->settings.quick ? 6000 : 60000;

	golang_finish(&b->go, patience_ms);
	if (b->go.usable) {
		int error = start_family(b, 1);

		verify_family(b, 1);
		golang_remove(&b->go);
		return error;
	}
	for (unsigned i = 0; i < b->runs_count; i++)
		if (b->runs[i].shape->family == FAMILY_GO) {
			b->runs[i].dropped = 1;
			snprintf(b->runs[i].why, sizeof b->runs[i].why, "%s", b->go.missing);
		}
	if (!*b->stop)
		bench_note(b, "%s: the Go programs are left out", b->go.missing);
	return 0;
}

static void say_limits(struct bench *b)
{
	unsigned limited = 0, samples = 0;

	for (unsigned i = 0; i < b->runs_count; i++) {
		samples += b->runs[i].dropped ? 0 : b->rounds;
		if (!b->runs[i].dropped && b->rounds && b->runs[i].receiver_limits * 2 > (int)b->rounds)
			limited++;
	}
	if (b->noisy_kept * 10 > samples)
		bench_note(b, "others kept these CPUs busy: %u of %u sample%s noisy, so all figures are rough (see the A/A "
			   "control)", b->noisy_kept, samples, samples == 1 ? " is" : "s are");
	if (limited)
		bench_note(b, "in %u of %u shape%s the server stood idle for more than a fifth of the time: there the receiver was "
			      "the limit, so trust CPU per GiB and not GiB/s", limited, b->runs_count, b->runs_count == 1 ? "" : "s");
}

int passes_run(struct bench *b)
{
	int go;

	if (select_shapes(b))
		return -1;
	if (make_files(b) || listen_upstream(b))
		return -1;
	go = wants(b, FILE_TCP, FAMILY_GO) || wants(b, TCP_TCP, FAMILY_GO);
	if (go)
		golang_begin(&b->go, b->file.dir);
	if (start_family(b, 0))
		return -1;
	pin_to(b->cpu_receiver);
	out_progress(&b->out, 1, "comparing contents%s", go && b->go.builder > 0 ? " (and building the Go programs)" : "");
	verify_family(b, 0);
	if (go && !*b->stop && start_go(b))
		return -1;
	if (*b->stop)
		return 0;
	if (bench_left(b)) {
		test_file_warm(&b->file);
		count_pass(b);
		b->rounds = measure_rounds(b);
	}
	if (test_file_changed(&b->file, b->settings.file))
		return -1;
	if (!bench_left(b) && !*b->stop) {
		out_error("nothing was measured: all %u shapes are left out", b->runs_count);
		return -1;
	}
	say_limits(b);
	return 0;
}

int passes_also(struct bench *b, int counted, int timed)
{
	if (select_shapes(b) || start_family(b, 0))
		return -1;
	verify_family(b, 0);
	if (counted && bench_left(b) && !*b->stop)
		count_pass(b);
	if (timed && !*b->stop)
		b->rounds = measure_rounds(b);
	return test_file_changed(&b->file, b->settings.file) ? -1 : 0;
}

static void end_runs(struct bench *b)
{
	for (unsigned i = 0; i < b->runs_count; i++) {
		child_stop(&b->runs[i].child);
		free(b->runs[i].samples);
	}
	free(b->runs);
}

void passes_end(struct bench *b)
{
	for (unsigned i = 0; i < b->also_count; i++) {
		end_runs(b->also[i]);
		free(b->also[i]);
	}
	end_runs(b);
	golang_remove(&b->go);
	for (int i = 0; i < 3; i++) {
		int fd = (int[]){ b->file.fd, b->sparse, b->upstream }[i];

		if (fd >= 0)
			close(fd);
	}
	free(b->overhead);
	free(b->sweep);
}
