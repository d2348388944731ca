/* SPDX-License-Identifier: MIT */
/*
 * Wrappers on clones: what the route matrix and rate.c have for the other routes. Their files' offsets stand inside of blocks, so
 * that nothing is shared; here they stand on blocks, on a file system that can share (reflink.h).
 */
#include "reflink.h"
#include "windows.h"

enum wraps { WRAPS_SIX, WRAPS_LIMIT, WRAPS_FRAME, WRAPS_HASH, WRAPS_KINDS };
static const char *const wraps_names[WRAPS_KINDS] = { "six wrappers", "a limit of whole blocks", "a frame", "a hash" };

/* A transfer within the file system, with what its wrappers were told. */
struct wrapped {
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report report;
	struct leat_deadline deadline;
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;
	struct leat_count inner, outer;
	struct leat_limit limit;
	struct leat_frame frame;
	struct leat_xxh3 hash;
	struct leat_rate rate;
	struct leat_progress_state shown;
	struct moves *moves;
	uint64_t logged, traced;
	unsigned trace_ends;
};

static void on_log(void *arg, const struct leat_event *event)
{
	struct wrapped *w = arg;

	w->logged += event->kind == LEAT_EVENT_MOVED ? event->bytes : 0;
	if (w->moves)
		windows_note(w->moves, event);
}

static void on_trace(void *arg, const void *id, const struct leat_event *event)
{
	struct wrapped *w = arg;

	if (event->kind != LEAT_EVENT_END)
		return;
	w->trace_ends++;
	w->traced = event->bytes;
}

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	((struct wrapped *)arg)->shown = *state;
}

/* On both ends. */
static void wrap_six(struct wrapped *w, uint64_t total_ns)
{
	leat_wrap(&w->source, leat_deadline_init(&w->deadline, 0, total_ns));
	leat_wrap(&w->source, leat_trace_init(&w->trace, NULL, LEAT_SECOND / 10, on_trace, w));
	leat_wrap(&w->source, leat_count_init(&w->inner));
	leat_wrap_sink(&w->sink, leat_log_init(&w->log, on_log, w));
	leat_wrap_sink(&w->sink, leat_progress_init(&w->progress, LEAT_SECOND / 10, on_progress, w));
	leat_wrap_sink(&w->sink, leat_count_init(&w->outer));
}

static void check_six(const struct wrapped *w, uint64_t bytes)
{
	CHECK_EQ(w->inner.bytes, bytes);
	CHECK_EQ(w->outer.bytes, bytes);
	CHECK_EQ(w->logged, bytes);
	CHECK_EQ(w->trace_ends, 1u);
	CHECK_EQ(w->traced, bytes);
	CHECK_EQ(w->shown.bytes, bytes);
	CHECK(w->shown.ended);
}

static int64_t transfer(struct wrapped *w, bool step)
{
	struct leat_options options = { .step_bytes = 5000 };
	struct leat_transfer t;
	int r;

	if (!step)
		return leat_copy(&w->sink, &w->source, NULL, &w->report);
	r = leat_begin(&t, &w->sink, &w->source, &options);
	r = r ? r : ends_drive(&t, NULL);
	leat_end(&t, &w->report);
	return r ? r : (int64_t)w->report.bytes;
}

/* What the bare range of so many bytes shares: the last block in part, where both files end with it. */
static uint64_t shares(const struct row *row, uint64_t length)
{
	if (row->route != LEAT_ROUTE_CLONE)
		return 0;
	return row->from + length < SIZE || row->to + length < OLD ? length / BLOCK * BLOCK : length;
}

static void wrapped_row(const struct row *row, enum wraps wraps, bool step, int from, int to)
{
	struct wrapped w = { 0 };
	uint64_t length = row->length, shared;

	leat_from_range(&w.source, from, row->from, length);
	leat_to_file(&w.sink, to, row->to);
	if (wraps == WRAPS_SIX)
		wrap_six(&w, 60 * LEAT_SECOND);
	if (wraps == WRAPS_LIMIT) {
		length = length > 4 * BLOCK ? 4 * BLOCK : length;
		leat_wrap_sink(&w.sink, leat_limit_init(&w.limit, length));
	}
	if (wraps == WRAPS_FRAME)
		leat_wrap_sink(&w.sink, leat_chunked_init(&w.frame, 3 * BLOCK));
	if (wraps == WRAPS_HASH)
		leat_wrap(&w.source, leat_xxh3_init(&w.hash));
	CHECK_GE(transfer(&w, step), (int64_t)length);
	CHECK_EQ(w.report.source_bytes, length);
	shared = wraps < WRAPS_FRAME ? shares(row, length) : 0;	/* what a frame shifts is in no block */
	CHECK_EQ(w.report.route_bytes[LEAT_ROUTE_CLONE], shared);
	CHECK_EQ(w.report.route_bytes[wraps == WRAPS_HASH ? LEAT_ROUTE_COPY : LEAT_ROUTE_COPY_FILE_RANGE], length - shared);
	if (shared)
		CHECK_GE(shared_bytes(to), shared);
	if (wraps == WRAPS_SIX)
		check_six(&w, length);
	if (wraps == WRAPS_HASH)
		CHECK_EQ(w.report.refused[LEAT_ROUTE_CLONE], LEAT_NEEDS_CONTENT);
	if (wraps != WRAPS_FRAME)
		expect_content(to, row->to, content + row->from, length);
	leat_close(&w.source);
	leat_close_sink(&w.sink);
}

/* As the route matrix, in whole blocks: the wrappers leave what is shared alone, and are charged for it. */
static void parts_of_files_wrapped(void)
{
	char note[80];
	int from, to;

	need_fs("xfs", WINDOWS_SIZE);
	from = file_in("from", content, SIZE);
	for (unsigned i = 0; i < 2 * ROWS * WRAPS_KINDS; i++) {
		enum wraps wraps = i / 2 % WRAPS_KINDS;
		unsigned row = i / 2 / WRAPS_KINDS;

		snprintf(note, sizeof note, "row %u, %s, %s", row, wraps_names[wraps], i % 2 ? "leat_step" : "leat_copy");
		test_note(note);
		to = file_in("to", content + 50000, OLD);
		wrapped_row(&rows[row], wraps, i % 2, from, to);
		close(to);
	}
	close(from);
}

/* ---- At a rate ---- */

static int rate_from;

static void run_lane(unsigned number, struct moves *moves)
{
	static const char *const names[] = { "clone", "clone, stepped, on the sink" };
	static unsigned char got[1 << 20];
	struct wrapped w = { .moves = moves };
	char name[20];
	int to;

	moves->name = names[number];
	snprintf(name, sizeof name, "at-rate-%u", number);
	to = file_in(name, "", 0);
	leat_from_file(&w.source, rate_from, 0);
	leat_to_file(&w.sink, to, 0);
	wrap_six(&w, WINDOWS_RUN_NS);
	leat_rate_init(&w.rate, WINDOWS_RATE, WINDOWS_BURST);
	if (number)
		leat_wrap_sink(&w.sink, &w.rate.wrapper);
	else
		leat_wrap(&w.source, &w.rate.wrapper);
	moves->begin_ns = leat_now_ns();
	moves->r = transfer(&w, number);
	moves->took_ns = leat_now_ns() - moves->begin_ns;
	moves->route_bytes = w.report.route_bytes[LEAT_ROUTE_CLONE];
	check_six(&w, w.report.bytes);
	CHECK_EQ(moves->route_bytes, w.report.bytes);
	CHECK_GE(shared_bytes(to), moves->route_bytes);
	for (uint64_t at = 0; at < w.report.bytes; at += sizeof got) {
		uint64_t n = w.report.bytes - at < sizeof got ? w.report.bytes - at : sizeof got;

		CHECK_EQ(pread(to, got, n, (off_t)at), (ssize_t)n);
		CHECK_BYTES(got, content + at, n);
	}
}

/* As rate.c has it for the other routes; the rate leaves the route alone, and so do the six around it. */
static void within_5_percent_of_a_rate(void)
{
	if (getenv("SANITIZER") || getenv("LEAT_EMULATED"))
		test_skip("nothing comes in time under a sanitizer, or on an emulated processor");
	need_fs("xfs", WINDOWS_SIZE);
	rate_from = file_in("at-rate", content, WINDOWS_SIZE);
	windows_judge(2, run_lane);
	close(rate_from);
}

static const struct test tests[] = { TEST(parts_of_files_wrapped), TEST(within_5_percent_of_a_rate) };
TEST_MAIN(tests)
