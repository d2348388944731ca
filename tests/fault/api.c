/* SPDX-License-Identifier: MIT */
/*
 * Random sequences of calls on random ends, with faults under some of them: no crash, no leak, no hang, nothing left busy.
 * The calls keep to what leat.h demands of a program (idle things only are closed or made anew) and to nothing else. Every
 * sequence comes of its seed: "api SEQUENCES FIRST-SEED" by LEAT_API_RUNS and LEAT_API_SEED.
 */
#include "api.h"
#include "descriptors.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

struct world world;

static volatile int stop;
static uint64_t dice;

uint64_t below(uint64_t n)
{
	uint64_t z = dice += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return n ? (z ^ (z >> 31)) % n : 0;
}

static void on_alarm(int signal)
{
	(void)signal;
	stop = 1;
}

/* ---- transfers --------------------------------------------------------------------------------------------------------- */

static struct leat_options random_options(void)
{
	struct leat_options options = { 0 };

	options.policy = below(6) ? LEAT_AUTO : (enum leat_policy)below(3);
	options.routes_off = below(2) ? 0 : (uint32_t)below(256);
	options.stable = below(8) ? 0 : (enum leat_stable)below(3);
	options.snapshot_dir = below(2) ? -1 : world.dir;
	options.level_triggered = !below(4);
	options.ignore_changes = !below(3);
	options.step_bytes = below(3) ? 0 : 1 + below(5000);
	options.pipe_bytes = below(3) ? 0 : below(200000);
	options.buffer_bytes = below(2) ? 0 : 1 + below(40000);
	options.helper = below(3) ? NULL : &world.helper;
	options.stop = below(4) ? NULL : &stop;
	return options;
}

static void random_fault(void)
{
	static const int errors[] = { -EINTR, -EAGAIN, -EINVAL, -EIO, -ENOSPC, -EPERM, -ENOSYS, -EPIPE, -ECONNRESET, -EBADF, 0 };

	seam_reset();
	if (below(4))
		return;
	seam.most = below(2) ? 0 : 1 + below(3000);
	seam.times = 1 + (unsigned)below(3);
	seam.clone_works = below(2);
	seam_set((enum seam_call)(1 + below(SEAM_REOPEN)), below(2) ? 0 : below(5000), errors[below(sizeof errors / sizeof errors[0])]);
	if (seam.call >= SEAM_PUNCH && seam.result == 0)
		seam.result = -EIO;
}

static void begin(void)
{
	struct running *run = &world.running[below(RUNNING)];
	struct leat_options options = random_options();
	struct leat_source *source = &world.sources[below(SOURCES)];
	struct leat_sink *sink = &world.sinks[below(SINKS)];
	int r;

	if (run->runs) {
		if (run->source == source && run->sink == sink)
			CHECK_EQ(leat_begin(&run->transfer, sink, source, &options), LEAT_EWRAPPED);
		return;
	}
	stop = 0;
	r = leat_begin(&run->transfer, sink, source, &options);
	CHECK(r <= 0);
	run->runs = r == 0;
	run->last = LEAT_WAIT;
	run->bytes = 0;
	run->source = source;
	run->sink = sink;
	run->helped = options.helper != NULL;
	if (r < 0) {
		CHECK_EQ(leat_step(&run->transfer), -EINVAL);
		CHECK_EQ(leat_end(&run->transfer, NULL), -EINVAL);
	}
	world.done += r == 0;
}

static void step(struct running *run)
{
	struct leat_report report;
	struct leat_wait wait;
	int r;

	if (!run->runs)
		return;
	r = leat_step(&run->transfer);
	CHECK(r <= LEAT_AGAIN);
	if (run->last <= 0)
		CHECK_EQ(r, run->last);		/* for good */
	run->last = r;
	leat_wants(&run->transfer, &wait);
	leat_so_far(&run->transfer, &report);
	CHECK_GE(report.bytes, run->bytes);
	run->bytes = report.bytes;
	world.moved += r == LEAT_DONE;
	world.failed += r < 0;
}

static void end(struct running *run)
{
	struct leat_report report;
	char line[300];
	int r;

	if (!run->runs)
		return;
	r = leat_end(&run->transfer, &report);
	CHECK(r <= 0);
	CHECK_EQ(r, report.error);
	if (run->last <= 0 && r != -ENOMEM)
		CHECK_EQ(r, run->last);
	CHECK_EQ(leat_end(&run->transfer, NULL), -EINVAL);
	CHECK_EQ(leat_step(&run->transfer), -EINVAL);
	leat_explain(&report, line, sizeof line);
	run->runs = false;
}

/* A transfer that waits for ends nobody feeds is stopped by a signal. */
static void copy(void)
{
	struct itimerval soon = { .it_value = { .tv_usec = 3000 } }, never = { 0 };
	struct leat_options options = random_options();
	struct leat_report report;
	int64_t n;

	stop = 0;
	options.stop = &stop;
	setitimer(ITIMER_REAL, &soon, NULL);
	n = leat_copy(&world.sinks[below(SINKS)], &world.sources[below(SOURCES)], &options, &report);
	setitimer(ITIMER_REAL, &never, NULL);
	CHECK_EQ(n, report.error ? report.error : (int64_t)report.bytes);
	world.copied += n >= 0;
}

static void read_some(void)
{
	unsigned char bytes[3000];
	struct leat_wait wait;
	struct leat_source *source = &world.sources[below(SOURCES)];
	int64_t n = leat_read(source, bytes, below(sizeof bytes), &wait);

	CHECK(n <= (int64_t)sizeof bytes);
	if (n > 0 && below(3) == 0)
		leat_unread(source, bytes, (size_t)below((uint64_t)n + 1));
}

static void look_at_things(void)
{
	struct leat_report report;
	struct leat_options options = random_options();
	struct leat_source *source = &world.sources[below(SOURCES)];
	struct leat_sink *sink = &world.sinks[below(SINKS)];
	char line[200];

	leat_plan(sink, source, &options, &report);
	leat_explain(&report, line, below(sizeof line));
	if (!source->serves)
		leat_look(source);
	if (!sink->serves)
		leat_look_sink(sink);
	while (leat_helper_next(&world.helper))
		;
}

/* ---- the sequence -------------------------------------------------------------------------------------------------------- */

static void one_call(void)
{
	unsigned which = (unsigned)below(100);

	if (which < 12)
		make_source(&world.sources[below(SOURCES)]);
	else if (which < 20)
		make_sink(&world.sinks[below(SINKS)]);
	else if (which < 30)
		wrap_something();
	else if (which < 36)
		grow_a_queue();
	else if (which < 48)
		begin();
	else if (which < 75)
		step(&world.running[below(RUNNING)]);
	else if (which < 80)
		end(&world.running[below(RUNNING)]);
	else if (which < 82)
		copy();
	else if (which < 86)
		read_some();
	else if (which < 89)
		look_at_things();
	else if (which < 91)
		random_fault();
	else
		poke_the_far_ends();
}

static void run_sequence(uint64_t seed)
{
	unsigned descriptors = count_descriptors();

	dice = seed;
	seam_reset();
	make_world(check_note);
	for (int i = 0; i < CALLS; i++)
		one_call();
	seam_reset();
	for (int i = 0; i < RUNNING; i++)
		end(&world.running[i]);
	unmake_world();
	CHECK_EQ(count_descriptors(), descriptors);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void random_sequences(void)
{
	uint64_t runs = number("LEAT_API_RUNS", 1500), first = number("LEAT_API_SEED", 1);
	struct sigaction action = { .sa_handler = on_alarm };
	char note[40];

	CHECK_CALL(sigaction(SIGALRM, &action, NULL));
	/* ITIMER_REAL is the sequences' own: what bounds this run is CPU time and meson's limit. */
	CHECK_CALL(setrlimit(RLIMIT_CPU, &(struct rlimit){ 200, 210 }));
	for (uint64_t i = 0; i < runs; i++) {
		snprintf(note, sizeof note, "seed %llu", (unsigned long long)first + i);
		test_note(note);
		if (i % 100 == 0) {
			printf("%s\n", note);
			fflush(stdout);
		}
		run_sequence(first + i);
	}
	printf("%u transfers begun, %u done, %u failed, %u copied\n", world.done, world.moved, world.failed, world.copied);
	CHECK(runs < 100 || (world.moved > runs / 4 && world.copied > runs / 4 && world.failed > runs / 20));
}

static const struct test tests[] = {
	TEST(random_sequences),
};
TEST_MAIN(tests)
