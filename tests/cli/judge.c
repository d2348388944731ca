/* SPDX-License-Identifier: MIT */
/* The judging of `leat bench` (DESIGN.md section 8), on samples made up here. */
#include "../../cli/bench/bench.h"
#include "../../cli/bench/figures.h"
#include "../../cli/bench/measure.h"
#include "../../cli/bench/units.h"
#include "check.h"

#include <math.h>

/* What figures.c wants of measure.c. */
const double noise_limit = 0.06;

/* ---- a run of four shapes ---- */

#define ROUNDS_MOST 41

static const struct shape made_shapes[] = {
	{ .name = "c-sendfile", .direction = FILE_TCP, .flags = SHAPE_FLOOR },
	{ .name = "c-sendfile-again", .direction = FILE_TCP, .flags = SHAPE_CONTROL },
	{ .name = "raw", .direction = FILE_TCP },
	{ .name = "wrapped", .direction = FILE_TCP },
};
#define SHAPES (sizeof made_shapes / sizeof made_shapes[0])

struct made {
	struct bench bench;
	struct run runs[SHAPES];
	struct sample samples[SHAPES][ROUNDS_MOST];
};

/* CPU of the shapes over that of the floor; every other round by spread more, the others by spread less. */
static struct bench *make(struct made *made, unsigned rounds, const double over[SHAPES], const double spread[SHAPES])
{
	memset(made, 0, sizeof *made);
	made->bench.runs = made->runs;
	made->bench.runs_count = SHAPES;
	made->bench.rounds = rounds;
	for (unsigned s = 0; s < SHAPES; s++) {
		made->runs[s].shape = &made_shapes[s];
		made->runs[s].samples = made->samples[s];
		for (unsigned r = 0; r < rounds; r++)
			made->samples[s][r] = (struct sample){
				.cpu_ns = 1e8 * (over[s] + (r % 2 ? spread[s] : -spread[s])), .wall_ns = 1e8, .bytes = GIB,
			};
	}
	return &made->bench;
}

static const struct verdict *find(const struct verdict *verdicts, unsigned n, const char *of, double at_most)
{
	for (unsigned i = 0; i < n; i++)
		if (verdicts[i].figure->kind == FIGURE_RATIO && strcmp(verdicts[i].figure->of, of) == 0 &&
		    verdicts[i].figure->at_most == at_most)
			return &verdicts[i];
	return NULL;
}

static void fewer_than_21_pairs_are_not_judged(void)
{
	static const double over[SHAPES] = { 1, 1, 0.8, 0.8 }, spread[SHAPES] = { 0 };
	static const unsigned counts[] = { 1, 3, 20, 21, 41 };
	struct made *made = malloc(sizeof *made);

	CHECK(made);
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		struct verdict verdicts[VERDICTS];
		const struct verdict *v;
		char text[64], want[64];
		unsigned n = figures_judge(make(made, counts[i], over, spread), verdicts);

		CHECK_EQ(n, 2);
		v = find(verdicts, n, "wrapped", 1.03);
		CHECK(v);
		CHECK_EQ(v->judgement, counts[i] < 21 ? TOO_FEW_ROUNDS : HOLDS);
		snprintf(want, sizeof want, counts[i] < 21 ? "too few rounds to judge (%u of 21)" : "holds", counts[i]);
		CHECK_STR(judgement_text(v->judgement, v->ratio.n, text, sizeof text), want);
	}
	free(made);
}

/* Nor are they missed: 20 rounds far off say as little as 20 rounds within. */
static void few_rounds_are_no_miss(void)
{
	static const double over[SHAPES] = { 1, 1, 1, 2 }, spread[SHAPES] = { 0 };
	struct made *made = malloc(sizeof *made);
	struct verdict verdicts[VERDICTS];
	const struct verdict *v;

	CHECK(made);
	v = find(verdicts, figures_judge(make(made, 20, over, spread), verdicts), "wrapped", 1.03);
	CHECK_EQ(v->judgement, TOO_FEW_ROUNDS);
	v = find(verdicts, figures_judge(make(made, 21, over, spread), verdicts), "wrapped", 1.03);
	CHECK_EQ(v->judgement, MISSED);
	free(made);
}

/* A median beyond the figure holds only when its interval has the figure, and the control's is no narrower. */
static void the_interval_counts_beside_the_control(void)
{
	static const double over[SHAPES] = { 1, 1, 1, 1.035 };
	static const struct { double control, wrapped; enum judgement want; } rows[] = {
		{ 0.02, 0.01, HOLDS }, { 0.001, 0.01, MISSED }, { 0.02, 0.001, MISSED },
	};
	struct made *made = malloc(sizeof *made);

	CHECK(made);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const double spread[SHAPES] = { 0, rows[i].control, 0, rows[i].wrapped };
		struct bench *b = make(made, 40, over, spread);
		struct verdict verdicts[VERDICTS];
		const struct verdict *v = find(verdicts, figures_judge(b, verdicts), "wrapped", 1.03);

		CHECK(v);
		CHECK_EQ(v->judgement, rows[i].want);
	}
	free(made);
}

/* Calls counted while others were busy are not judged; reads of payload are, for nobody else can cause one. */
static void counts_of_a_busy_machine_are_not_judged(void)
{
	static const double over[SHAPES] = { 1, 1, 1, 1 }, spread[SHAPES] = { 0 };
	static const double busy[] = { 0, 0.2 };
	struct made *made = malloc(sizeof *made);

	CHECK(made);
	for (size_t i = 0; i < sizeof busy / sizeof busy[0]; i++) {
		struct bench *b = make(made, 21, over, spread);
		struct verdict verdicts[VERDICTS];
		unsigned n, calls = 0;

		for (unsigned s = 0; s < SHAPES; s++)
			made->runs[s].counts = (struct counts){ .valid = 1, .bytes = GIB, .foreign = busy[i], .transfer_calls = 200 };
		n = figures_judge(b, verdicts);
		for (unsigned v = 0; v < n; v++) {
			if (verdicts[v].figure->kind == FIGURE_RATIO)
				continue;
			calls++;
			if (verdicts[v].figure->kind == FIGURE_PAYLOAD_CALLS)
				CHECK_EQ(verdicts[v].judgement, HOLDS);
			else
				CHECK_EQ(verdicts[v].judgement, busy[i] > noise_limit ? OTHERS_BUSY : HOLDS);
		}
		CHECK(calls >= 4);
	}
	free(made);
}

/*
 * A wrapper that costs calls, and receivers that are late in all ways: raw is disturbed by just what the wrappers cost in one count,
 * wrapped by nothing in another. What is kept of each tells the cost, whatever pair would have hidden it.
 */
static void what_a_wrapper_costs_is_not_hidden(void)
{
	static const double over[SHAPES] = { 1, 1, 1, 1 }, spread[SHAPES] = { 0 };
	static const struct {
		enum sink_mode sink;
		uint64_t idle, cost;
		int raw[3], wrapped[3];		/* what disturbed each count */
		double differ;
	} rows[] = {
		{ SINK_NONBLOCKING, 260, 16, { 16, 0, 40 }, { 0, 7, 0 }, 16 },
		{ SINK_NONBLOCKING, 260, 16, { 0, 16, 16 }, { 2, 0, 0 }, 16 },
		{ SINK_NONBLOCKING, 260, 0, { 0, 30, 16 }, { 20, 16, 0 }, 0 },
		{ SINK_BLOCKING, 1024, 16, { -300, 0, -16 }, { 200, 5, 0 }, 16 },
		{ SINK_BLOCKING, 1024, 0, { -300, -16, 0 }, { 0, 5, 90 }, 0 },
	};
	struct made *made = malloc(sizeof *made);

	CHECK(made);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct bench *b = make(made, 21, over, spread);
		struct counts *raw = &made->runs[2].counts, *wrapped = &made->runs[3].counts;
		struct verdict verdicts[VERDICTS];
		unsigned n, found = 0;

		b->settings.sink = rows[i].sink;
		for (int try = 0; try < 3; try++) {
			struct counts of_raw = { .valid = 1, .bytes = GIB }, of_wrapped = of_raw;

			of_raw.transfer_calls = rows[i].idle + (uint64_t)rows[i].raw[try];
			of_wrapped.transfer_calls = rows[i].idle + rows[i].cost + (uint64_t)rows[i].wrapped[try];
			if (less_disturbed(&of_raw, raw, rows[i].sink == SINK_BLOCKING))
				*raw = of_raw;
			if (less_disturbed(&of_wrapped, wrapped, 0))
				*wrapped = of_wrapped;
		}
		n = figures_judge(b, verdicts);
		for (unsigned v = 0; v < n; v++) {
			if (verdicts[v].figure->kind != FIGURE_CALLS_DIFFER)
				continue;
			found++;
			CHECK(fabs(verdicts[v].value - rows[i].differ) < 0.5);
			CHECK_EQ(verdicts[v].judgement, rows[i].cost ? MISSED : HOLDS);
		}
		CHECK_EQ(found, 1);
	}
	free(made);
}

static void a_count_that_is_none_is_not_kept(void)
{
	struct counts none = { 0 }, some = { .valid = 1, .bytes = GIB, .transfer_calls = 300 };

	for (int may_wait = 0; may_wait < 2; may_wait++) {
		CHECK(!less_disturbed(&none, &some, may_wait));
		CHECK(less_disturbed(&some, &none, may_wait));
		CHECK(!less_disturbed(&some, &some, may_wait));
	}
}

static const struct test tests[] = {
	TEST(fewer_than_21_pairs_are_not_judged), TEST(few_rounds_are_no_miss), TEST(the_interval_counts_beside_the_control),
	TEST(counts_of_a_busy_machine_are_not_judged), TEST(what_a_wrapper_costs_is_not_hidden),
	TEST(a_count_that_is_none_is_not_kept),
};
TEST_MAIN(tests)
