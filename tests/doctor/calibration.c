/* SPDX-License-Identifier: MIT */
/* What a loss is worth: from given figures exactly, from measured ones within what must hold on any machine; and what is kept. */
#include "../../doctor/cost.h"

#include "../../doctor/verdict.h"
#include "made.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

static struct model model;

static struct flow *fresh(enum file_kind from, enum file_kind to)
{
	model_free(&model);
	made_process(&model, RUNTIME_C, NULL);
	return made_flow(&model, from, to, MADE_C_READ, MADE_C_WRITE);
}

static void add(enum file_kind from, enum file_kind to, uint32_t piece, uint64_t user_ns, uint64_t kernel_ns)
{
	uint32_t place = model_add_calibration(&model);

	CHECK_NE(place, MODEL_NONE);
	model.calibrations[place] = (struct calibration){
		.from = from, .to = to, .piece_bytes = piece, .user_ns = user_ns, .kernel_ns = kernel_ns,
		.low_ns = (int64_t)(user_ns - kernel_ns) - 10, .high_ns = (int64_t)(user_ns - kernel_ns) + 10, .kernel_bytes = 1 << 20,
	};
}

static const struct cost *cost_of(bool measure)
{
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(cost_all(&model, measure), 0);
	return &model.findings[0].cost;
}

static bool near(double a, double b)
{
	return a > b * 0.999999 && a < b * 1.000001;
}

static void seconds_from_given_figures(void)
{
	struct flow *flow = fresh(FILE_REGULAR, FILE_TCP);
	const struct cost *cost;

	flow->bytes = UINT64_C(2) << 30;
	flow->writes = 65536;
	add(FILE_REGULAR, FILE_TCP, 32768, 400000000, 100000000);
	cost = cost_of(false);
	CHECK(near(cost->user_s, 0.8));
	CHECK(near(cost->kernel_route_s, 0.2));
	CHECK(near(cost->share, 0.75));
	CHECK(cost->low_s < 0.6 && cost->high_s > 0.6);
	CHECK_EQ(cost->kernel_calls, 2048);
	CHECK_STR(cost->method, "calibrated on this machine");
}

static void a_slower_kernel_route_is_said(void)
{
	fresh(FILE_UNIX_STREAM, FILE_TCP);
	add(FILE_UNIX_STREAM, FILE_TCP, 32768, 260000000, 340000000);
	CHECK(cost_of(false)->low_s < 0);
	CHECK(model.findings[0].cost.share == 0);
	CHECK(model.findings[0].cost.method);
}

static void no_figure_where_none_was_taken(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	add(FILE_REGULAR, FILE_TCP, 65536, 4, 1);	/* of other pieces */
	add(FILE_REGULAR, FILE_PIPE, 32768, 4, 1);
	CHECK(!cost_of(false)->method);
	fresh(FILE_DEVICE, FILE_TCP);
	CHECK(!cost_of(true)->method);
	fresh(FILE_REGULAR, FILE_TCP)->how = HOW_SENDFILE;
	CHECK(!cost_of(true)->method);
}

static void pieces_are_rounded(void)
{
	static const struct { uint64_t mean; uint32_t piece; } table[] = {
		{ 4096, 4096 }, { 6000, 4096 }, { 6500, 8192 }, { 8192, 8192 }, { 32000, 32768 }, { 33000, 32768 },
		{ 1 << 20, 1 << 20 }, { UINT64_C(1) << 33, 1 << 20 },
	};
	struct calibration key;

	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
		struct flow *flow = fresh(FILE_BLOCK, FILE_STREAM_SOCKET);

		flow->writes = 3;
		flow->bytes = 3 * table[i].mean;
		CHECK_EQ(verdict_all(&model), 0);
		CHECK(cost_key(&model, &model.findings[0], &key));
		CHECK_EQ(key.piece_bytes, table[i].piece);
		CHECK_EQ(key.from, FILE_REGULAR);
		CHECK_EQ(key.to, FILE_TCP);
	}
}

static void ways_have_their_own_figures(void)
{
	struct calibration key;
	struct flow *flow = fresh(FILE_REGULAR, FILE_TCP);

	flow->how = HOW_COPIED;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(cost_key(&model, &model.findings[0], &key));
	CHECK_EQ(key.how, HOW_COPIED);
	flow->how = HOW_MAPPED;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(cost_key(&model, &model.findings[0], &key));
	CHECK_EQ(key.how, HOW_MAPPED);
	flow->how = HOW_IO_URING;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(cost_key(&model, &model.findings[0], &key));
	CHECK_EQ(key.how, HOW_SAME_BUFFER);
}

/* Within a file system copy_file_range, between two sendfile: what one costs says nothing of the other. */
static void another_filesystem_has_its_own_figures(void)
{
	fresh(FILE_REGULAR, FILE_REGULAR);
	model.files[0].device = 7;
	model.files[1].device = 8;
	add(FILE_REGULAR, FILE_REGULAR, 32768, 400000000, 100000000);
	CHECK(!cost_of(false)->method);
	model.calibrations[0].apart = true;
	CHECK(cost_of(false)->method);
	model.files[1].device = 7;
	CHECK(!cost_of(false)->method);
}

/* ---- Measured here --------------------------------------------------------------------------------------------------------------- */

static void every_pair_can_be_measured(void)
{
	static const enum file_kind kinds[] = { FILE_REGULAR, FILE_TCP, FILE_UNIX_STREAM, FILE_PIPE };
	char note[32];

	for (unsigned i = 0; i < 17; i++) {
		struct calibration c = { .from = kinds[i % 16 / 4], .to = kinds[i % 4], .piece_bytes = 32768, .apart = i == 16 };

		snprintf(note, sizeof note, "kinds %d to %d", c.from, c.to);
		test_note(note);
		CHECK_EQ(cost_measure(&c, 1), 0);	/* the least there is: three rounds */
		CHECK(c.user_ns > 1000000 && c.kernel_ns > 1000000);	/* a GiB in 1 ms: no machine does */
		CHECK(c.low_ns <= c.high_ns);
		CHECK(c.kernel_bytes > 0 && c.kernel_bytes <= 4 << 20);
	}
}

/* What is known from every machine: sendfile to a socket costs less than 4 KiB at a time, and a second copy costs something. */
static void figures_are_in_order(void)
{
	struct calibration small = { .from = FILE_REGULAR, .to = FILE_TCP, .piece_bytes = 4096 };

	CHECK_EQ(cost_measure(&small, COST_BUDGET_NS), 0);
	CHECK_SAY(small.low_ns > 0, "reading and writing 4 KiB at a time costs %llu ns a GiB, sendfile %llu",
		  (unsigned long long)small.user_ns, (unsigned long long)small.kernel_ns);
	CHECK(small.low_ns <= (int64_t)(small.user_ns - small.kernel_ns) * 2);
}

static void no_descriptor_is_left(void)
{
	struct calibration c = { .from = FILE_TCP, .to = FILE_TCP, .piece_bytes = 65536 };
	int before = dup(0), after;

	CHECK_EQ(cost_measure(&c, 1), 0);
	after = dup(0);
	CHECK_EQ(after, before + 1);
	close(before);
	close(after);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

static char home[] = "/tmp/leat-cost.XXXXXX";

static void make_home(void)
{
	strcpy(home + strlen(home) - 6, "XXXXXX");
	CHECK(mkdtemp(home));
	setenv("HOME", home, 1);
	unsetenv("XDG_CACHE_HOME");
}

static void drop_home(void)
{
	nftw(home, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void figures_are_kept(void)
{
	uint64_t user_ns;
	char path[4096];

	make_home();
	fresh(FILE_REGULAR, FILE_TCP);
	CHECK(cost_of(true)->method);
	CHECK_EQ(model.calibration_count, 1);
	user_ns = model.calibrations[0].user_ns;
	fresh(FILE_REGULAR, FILE_TCP);
	cost_cache_load(&model);
	CHECK_EQ(model.calibration_count, 1);
	CHECK_EQ(model.calibrations[0].user_ns, user_ns);
	cost_cache_load(&model);	/* none twice */
	CHECK_EQ(model.calibration_count, 1);
	CHECK(cost_of(true)->method);
	CHECK_EQ(model.calibrations[0].user_ns, user_ns);
	/* Another one's directory, or one that others can write to, is neither read nor written. */
	snprintf(path, sizeof path, "%s/.cache/leat", home);
	CHECK_CALL(chmod(path, 0777));
	fresh(FILE_REGULAR, FILE_TCP);
	cost_cache_load(&model);
	CHECK_EQ(model.calibration_count, 0);
	drop_home();
}

static void a_link_is_not_followed(void)
{
	char path[4096], target[4096];

	make_home();
	snprintf(path, sizeof path, "%s/.cache", home);
	CHECK_CALL(mkdir(path, 0700));
	snprintf(path, sizeof path, "%s/.cache/leat", home);
	snprintf(target, sizeof target, "%s/elsewhere", home);
	CHECK_CALL(mkdir(target, 0700));
	CHECK_CALL(symlink(target, path));
	fresh(FILE_REGULAR, FILE_TCP);
	add(FILE_REGULAR, FILE_TCP, 32768, 2, 1);
	cost_cache_save(&model);
	CHECK_CALL(rmdir(target));	/* it is empty */
	drop_home();
}

/*
 * Not by the clock on the wall, as others may have the CPU: no pair is begun when the budget is spent, and the one that had begun
 * just before takes no more than the rest of the second. Of the process, as what waits for its own threads would wait alone, too.
 * An emulated processor is an old one, at a tenth of the speed.
 */
static void all_of_it_takes_less_than_a_second(void)
{
	static const enum file_kind kinds[] = { FILE_REGULAR, FILE_TCP, FILE_UNIX_STREAM, FILE_PIPE };
	uint64_t begin, most_ns = getenv("LEAT_EMULATED") ? UINT64_C(10000000000) : 1000000000;
	char stack[64];

	make_home();
	fresh(FILE_REGULAR, FILE_TCP);
	for (unsigned i = 0; i < 64; i++) {
		snprintf(stack, sizeof stack, "S read -|P pump_%u p.c:%u|P main p.c:1", i / 16, i / 16 + 2);
		made_flow(&model, kinds[i / 4 % 4], kinds[i % 4], stack, stack)->bytes <<= i / 16;
	}
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_GE(model.finding_count, 64);
	begin = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	CHECK_EQ(cost_all(&model, true), 0);
	CHECK_LE(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - begin, most_ns);
	CHECK(model.findings[0].cost.method);	/* the largest first */
	for (uint32_t i = 0; i < model.finding_count; i++) {
		struct calibration key;

		CHECK(cost_key(&model, &model.findings[i], &key));
		begin = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
		CHECK_EQ(cost_measure(&key, 1), 0);
		CHECK_LE(COST_BUDGET_NS + cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - begin, most_ns);
	}
	drop_home();
}

static const struct test tests[] = {
	TEST(seconds_from_given_figures),
	TEST(a_slower_kernel_route_is_said),
	TEST(no_figure_where_none_was_taken),
	TEST(pieces_are_rounded),
	TEST(ways_have_their_own_figures),
	TEST(another_filesystem_has_its_own_figures),
	TEST(every_pair_can_be_measured),
	TEST(figures_are_in_order),
	TEST(no_descriptor_is_left),
	TEST(figures_are_kept),
	TEST(a_link_is_not_followed),
	TEST(all_of_it_takes_less_than_a_second),
};
TEST_MAIN(tests)
