/* SPDX-License-Identifier: MIT */
/*
 * --all: what is asked of other conditions than those the run has: raw against the C sendfile loop with segments as on a
 * network and with the ordinary receiver (on a blocking sink, as the C loop has it, and on a non-blocking one), and the calls on
 * a blocking sink. Each is a bench of its own, of a few shapes, with the file and the CPUs of the first.
 */
#include "../out.h"
#include "bench.h"
#include "child.h"
#include "machine.h"
#include "passes.h"
#include "settings.h"
#include "shapes.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>

enum { COUNTED = 1, TIMED = 2 };

static const struct way {
	int receiver, sink;
	uint64_t mss;
	const char *shape_list, *what;
	int passes;
} ways[] = {
	{ RECEIVER_WIRE, SINK_NONBLOCKING, 0, "file-tcp/raw,file-tcp/wrapped", "wire receiver and loopback MSS", COUNTED | TIMED },
	{ RECEIVER_WIRE, SINK_NONBLOCKING, 1448, "file-tcp/raw", "MSS 1448", TIMED },
	{ RECEIVER_ORDINARY, SINK_BLOCKING, 0, "file-tcp/raw", "ordinary receiver, blocking sink as the C loop's", TIMED },
	{ RECEIVER_ORDINARY, SINK_NONBLOCKING, 0, "file-tcp/raw,file-tcp/c-sendfile-poll", "ordinary receiver, non-blocking sink", TIMED },
	{ RECEIVER_WIRE, SINK_BLOCKING, 0, "file-tcp/raw,file-tcp/wrapped", "blocking sink", COUNTED },
};

_Static_assert(sizeof ways / sizeof ways[0] <= ALSO_MAX, "there is room for all of them");

/* One that the first run was, or that a single CPU cannot do. */
static int needless(const struct bench *b, const struct way *way)
{
	const struct settings *s = &b->settings;

	if (way->receiver == RECEIVER_WIRE && b->cpu_receiver == b->cpu_server)
		return 1;
	return s->receiver == way->receiver && s->sink == way->sink && s->mss == way->mss;
}

static struct bench *bench_like(const struct bench *b, const struct way *way)
{
	struct bench *also = malloc(sizeof *also);

	if (!also)
		return NULL;
	*also = *b;
	also->is_also = 1;
	also->also_count = also->runs_count = also->notes_count = 0;
	also->rounds = also->noisy_repeated = also->noisy_kept = 0;
	also->runs = NULL;
	also->seen_mss = 0;
	also->self_check = -1;
	also->counted_by = NULL;
	also->settings.receiver = way->receiver;
	also->settings.sink = way->sink;
	also->settings.mss = way->mss;
	also->settings.shape_list = way->shape_list;
	also->settings.no_go = 1;
	also->settings.budget_s = (b->settings.budget_s + 2) / 3;
	also->began_ns = now_ns();
	machine_set_mss(also);
	return also;
}

static void take_over(struct bench *b, const struct bench *also)
{
	unsigned room = sizeof b->notes / sizeof b->notes[0];

	b->out = also->out;
	for (unsigned i = 0; i < also->notes_count && b->notes_count < room; i++)
		memcpy(b->notes[b->notes_count++], also->notes[i], sizeof b->notes[0]);
	if (also->self_check == 0)
		b->self_check = 0;
	b->file.changed |= also->file.changed;
}

int also_run(struct bench *b)
{
	const struct run *raw = bench_run(b, FILE_TCP, "raw");
	int error = 0;

	if (!raw || raw->dropped)
		return 0;
	/* Their ports are wanted again. */
	for (unsigned i = 0; i < b->runs_count; i++)
		child_stop(&b->runs[i].child);
	for (size_t i = 0; i < sizeof ways / sizeof ways[0] && !error && !*b->stop; i++) {
		struct bench *also = needless(b, &ways[i]) ? NULL : bench_like(b, &ways[i]);

		if (!also)
			continue;
		out_progress(&also->out, 1, "once more: %s", ways[i].what);
		error = passes_also(also, ways[i].passes & COUNTED && b->counted_by, ways[i].passes & TIMED);
		for (unsigned r = 0; r < also->runs_count; r++)
			child_stop(&also->runs[r].child);
		take_over(b, also);
		b->also[b->also_count++] = also;
	}
	return error;
}
