/* SPDX-License-Identifier: MIT */
/*
 * What calls do besides failing: short counts, EAGAIN, EINTR, 0; at each place, on each route, blocking and stepped. The
 * bytes must be right, a stop flag and a deadline must be honoured, and nothing may spin or hang.
 */
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <stdatomic.h>
#include <sys/resource.h>

#define BYTES ((size_t)300007)
#define OFF(route) ROUTE_BIT(LEAT_ROUTE_##route)
#define FILES_OFF (OFF(CLONE) | OFF(COPY_FILE_RANGE) | OFF(SENDFILE))

/* A route, a pair it serves, and the calls of it that can be interrupted. memory: the source is memory, from is not used. */
static const struct way {
	const char *name;
	enum leat_route route;
	enum lab_kind from, to;
	enum seam_call calls[2];
	enum leat_policy policy;
	uint32_t off;
	bool memory;
} ways[] = {
	{ "clone", LEAT_ROUTE_CLONE, LAB_FILE, LAB_FILE, { SEAM_CLONE } },
	{ "copy_file_range", LEAT_ROUTE_COPY_FILE_RANGE, LAB_FILE, LAB_FILE, { SEAM_RANGE }, .off = OFF(CLONE) },
	{ "sendfile to tcp", LEAT_ROUTE_SENDFILE, LAB_FILE, LAB_TCP, { SEAM_SENDFILE } },
	{ "sendfile to a file", LEAT_ROUTE_SENDFILE, LAB_FILE, LAB_FILE, { SEAM_SENDFILE },
	  .off = OFF(CLONE) | OFF(COPY_FILE_RANGE) },
	{ "splice to a pipe", LEAT_ROUTE_SPLICE, LAB_FILE, LAB_PIPE, { SEAM_SPLICE } },
	{ "splice from a pipe", LEAT_ROUTE_SPLICE, LAB_PIPE, LAB_FILE, { SEAM_SPLICE } },
	{ "splice tcp to a pipe", LEAT_ROUTE_SPLICE, LAB_TCP, LAB_PIPE, { SEAM_SPLICE } },
	{ "splice a pipe to unix", LEAT_ROUTE_SPLICE, LAB_PIPE, LAB_UNIX, { SEAM_SPLICE } },
	{ "splice pipe to pipe", LEAT_ROUTE_SPLICE, LAB_PIPE, LAB_PIPE, { SEAM_SPLICE } },
	{ "splice_pipe from a file", LEAT_ROUTE_SPLICE_PIPE, LAB_FILE, LAB_TCP, { SEAM_FILL, SEAM_DRAIN }, .off = OFF(SENDFILE) },
	{ "splice_pipe to a file", LEAT_ROUTE_SPLICE_PIPE, LAB_TCP, LAB_FILE, { SEAM_FILL, SEAM_DRAIN } },
	{ "splice_pipe of streams", LEAT_ROUTE_SPLICE_PIPE, LAB_TCP, LAB_UNIX, { SEAM_FILL, SEAM_DRAIN }, LEAT_REQUIRE },
	{ "splice_pipe file to file", LEAT_ROUTE_SPLICE_PIPE, LAB_FILE, LAB_FILE, { SEAM_FILL, SEAM_DRAIN }, .off = FILES_OFF },
	{ "auto", LEAT_ROUTE_NONE, LAB_UNIX, LAB_TCP, { SEAM_RECV, SEAM_SEND } },
	{ "copy file to file", LEAT_ROUTE_COPY, LAB_FILE, LAB_FILE, { SEAM_PREAD, SEAM_PWRITE }, LEAT_COPY },
	{ "copy tcp to unix", LEAT_ROUTE_COPY, LAB_TCP, LAB_UNIX, { SEAM_RECV, SEAM_SEND }, LEAT_COPY },
	{ "copy pipe to pipe", LEAT_ROUTE_COPY, LAB_PIPE, LAB_PIPE, { SEAM_READ, SEAM_WRITE }, LEAT_COPY },
	{ "memory to tcp", LEAT_ROUTE_MEMORY, LAB_FILE, LAB_TCP, { SEAM_SEND }, .memory = true },
	{ "memory to a file", LEAT_ROUTE_MEMORY, LAB_FILE, LAB_FILE, { SEAM_PWRITE }, .memory = true },
	{ "memory to a pipe", LEAT_ROUTE_MEMORY, LAB_FILE, LAB_PIPE, { SEAM_WRITE }, .memory = true },
};
#define WAYS (sizeof ways / sizeof ways[0])

static unsigned char pattern[BYTES];
static unsigned fired;

struct run {
	struct lab_source from;
	struct lab_sink to;
	struct leat_options options;
	struct leat_report report;
	int64_t n;
	char note[160];
};

static void run_open(struct run *run, const struct way *way, bool stepped)
{
	memset(run, 0, sizeof *run);
	lab_nonblocking = stepped;
	lab_source_open(&run->from, way->from, way->memory ? 0 : BYTES);
	lab_sink_open(&run->to, way->to, BYTES + 1);
	lab_nonblocking = false;
	if (way->memory) {
		lab_fill(pattern, 0, sizeof pattern);
		leat_from_memory(&run->from.source, pattern, sizeof pattern);
	}
	run->options.policy = way->policy;
	run->options.routes_off = way->off;
	seam_reset();
	seam.clone_works = true;
}

static void run_move(struct run *run, bool stepped)
{
	struct leat_transfer transfer;
	int r;

	if (!stepped) {
		run->n = leat_copy(&run->to.sink, &run->from.source, &run->options, &run->report);
		return;
	}
	r = leat_begin(&transfer, &run->to.sink, &run->from.source, &run->options);
	if (r < 0) {
		run->n = r;
		return;
	}
	r = lab_step_all(&transfer);
	CHECK_EQ(leat_end(&transfer, &run->report), r);
	run->n = r < 0 ? r : (int64_t)run->report.bytes;
}

static void run_close(struct run *run)
{
	lab_source_close(&run->from);
	lab_sink_close(&run->to);
	test_note("");
}

static void note(struct run *run, const struct way *way, bool stepped, const char *what, uint64_t number)
{
	snprintf(run->note, sizeof run->note, "%s, %s, %s %llu", way->name, stepped ? "stepped" : "blocking", what,
		 (unsigned long long)number);
	test_note(run->note);
}

/* Everything arrived, and by the route that was meant. */
static void check_whole(struct run *run, const struct way *way)
{
	CHECK_EQ(run->n, (int64_t)BYTES);
	CHECK_EQ(run->report.error, 0);
	CHECK_EQ(run->report.bytes, BYTES);
	if (way->route != LEAT_ROUTE_NONE)
		CHECK_EQ(run->report.route_bytes[way->route], BYTES);
	lab_sink_finish(&run->to);
	lab_arrived(&run->to, BYTES);
}

static void short_counts_go_on(void)
{
	static const uint64_t mosts[] = { 613, 4095, 65537 };	/* one byte at a time: one_byte_at_a_time */

	for (unsigned i = 0; i < WAYS * 3 * 2; i++) {
		const struct way *way = &ways[i / 6];
		bool stepped = i % 2;
		struct run run;

		if (way->calls[0] == SEAM_CLONE)	/* takes all it is asked for, or nothing */
			continue;
		run_open(&run, way, stepped);
		note(&run, way, stepped, "at most", mosts[i / 2 % 3]);
		seam.most = mosts[i / 2 % 3];
		run_move(&run, stepped);
		CHECK_GE(seam.calls[way->calls[way->calls[1] != SEAM_NONE]], (way->route ? BYTES : 1) / seam.most);
		check_whole(&run, way);
		run_close(&run);
	}
}

static void one_byte_at_a_time(void)
{
	unsigned char bytes[997];

	lab_fill(bytes, 0, sizeof bytes);
	for (enum lab_kind kind = LAB_FILE; kind < LAB_KINDS; kind++) {
		struct leat_source source;
		struct lab_sink to;

		lab_sink_open(&to, kind, sizeof bytes + 1);
		leat_from_memory(&source, bytes, sizeof bytes);
		seam_reset();
		seam.most = 1;
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, NULL), (int64_t)sizeof bytes);
		CHECK_GE(seam.calls[SEAM_SEND] + seam.calls[SEAM_WRITE] + seam.calls[SEAM_PWRITE], sizeof bytes);
		lab_sink_finish(&to);
		lab_arrived(&to, sizeof bytes);
		lab_sink_close(&to);
		leat_close(&source);
	}
}

static bool waits(const struct way *way, enum seam_call call)
{
	if (call == SEAM_CLONE || call == SEAM_RANGE || call == SEAM_PREAD || call == SEAM_PWRITE)
		return false;
	return way->from != LAB_FILE || way->to != LAB_FILE || way->memory;
}

/* error once or three times in a row, at each place: the transfer goes on as if nothing had been. */
static void interrupt_everywhere(int error)
{
	static const uint64_t places[] = { 0, 1, 4096, 100001, BYTES - 1, BYTES };

	for (unsigned i = 0; i < WAYS * 2 * 6 * 2; i++) {
		const struct way *way = &ways[i / 24];
		enum seam_call call = way->calls[i / 12 % 2];
		uint64_t after = places[i / 2 % 6];
		bool stepped = i % 2, end = after == BYTES, urgent;
		struct run run;

		if (!call || (call == SEAM_CLONE && after) || (end && (way->from == LAB_FILE || call == way->calls[1])))
			continue;
		if ((error == EAGAIN && !waits(way, call)) || (!way->route && after > 4096))
			continue;
		run_open(&run, way, stepped);
		note(&run, way, stepped, seam_name(call), after);
		seam.most = 65535;
		/* A socket that has bytes and says EAGAIN twice stands at urgent data, for all that splice knows. */
		urgent = error == EAGAIN && way->from == LAB_TCP && (call == SEAM_SPLICE || call == SEAM_FILL);
		seam.times = i % 3 || urgent ? 1 : 3;
		seam_set(call, after, -error);
		run_move(&run, stepped);
		CHECK_EQ(seam.fired, seam.times);
		check_whole(&run, way);
		run_close(&run);
		fired++;
	}
	printf("%u came\n", fired);
}

static void eintr_is_no_error(void)
{
	fired = 0;
	interrupt_everywhere(EINTR);
}

static void eagain_waits_and_goes_on(void)
{
	fired = 0;
	interrupt_everywhere(EAGAIN);
}

/* ---- EINTR for good: the stop flag and deadlines are looked at ------------------------------------------------------- */

static volatile int stop;

static void stop_at_100(void)
{
	stop = seam.fired >= 100;
}

static void endless_eintr_honours_the_stop_flag(void)
{
	for (unsigned i = 0; i < WAYS * 2 * 2; i++) {
		const struct way *way = &ways[i / 4];
		enum seam_call call = way->calls[i / 2 % 2];
		bool stepped = i % 2;
		struct run run;

		if (!call || !way->route)
			continue;
		run_open(&run, way, stepped);
		note(&run, way, stepped, seam_name(call), 0);
		stop = 0;
		run.options.stop = &stop;
		seam.times = UINT32_MAX;
		seam.most = 65535;
		seam.on_fire = stop_at_100;
		seam_set(call, call == SEAM_CLONE ? 0 : 100001, -EINTR);
		run_move(&run, stepped);
		CHECK_EQ(seam.fired, 100);
		CHECK_EQ(run.n, -ECANCELED);
		CHECK_EQ(run.report.error, -ECANCELED);
		CHECK_EQ(run.report.side, LEAT_SIDE_CALLER);
		/* The report is exact, and a second transfer brings the rest. */
		stop = 0;
		seam_reset();
		lab_nonblocking = false;
		CHECK_EQ(leat_copy(&run.to.sink, &run.from.source, NULL, NULL), (int64_t)(BYTES - run.report.bytes));
		lab_sink_finish(&run.to);
		lab_arrived(&run.to, BYTES);
		run_close(&run);
	}
}

static void endless_eintr_honours_a_deadline(void)
{
	for (unsigned i = 0; i < WAYS; i++) {
		const struct way *way = &ways[i];
		struct leat_deadline deadline;
		struct run run;

		run_open(&run, way, false);
		note(&run, way, false, seam_name(way->calls[0]), 0);
		leat_wrap(&run.from.source, leat_deadline_init(&deadline, 0, LEAT_SECOND / 5));
		seam.times = UINT32_MAX;
		seam_set(way->calls[0], 0, -EINTR);
		run_move(&run, false);
		CHECK_EQ(run.n, -ETIMEDOUT);
		CHECK(seam.fired > 1);
		CHECK_STR(run.report.culprit, "deadline");
		run_close(&run);
	}
}

/* The wait itself: interrupted it is waited again, and what came meanwhile is moved; failing it is the caller's error. */
static int waited_pipe;

static void give_and_close(void)
{
	CHECK_EQ(write(waited_pipe, pattern, 100), 100);
	close(waited_pipe);
}

static void poll_may_fail(void)
{
	static const int errors[] = { -EINTR, -ENOMEM, -EINVAL };

	lab_fill(pattern, 0, sizeof pattern);
	for (unsigned i = 0; i < 3; i++) {
		struct leat_source source;
		struct leat_report report;
		struct lab_sink to;
		int fds[2];
		int64_t n;

		lab_pair(LAB_PIPE, fds);
		lab_sink_open(&to, LAB_FILE, BYTES);
		leat_from_fd(&source, fds[0]);
		waited_pipe = fds[1];
		seam_reset();
		seam_set(SEAM_POLL, 0, errors[i]);
		seam.on_fire = give_and_close;
		n = leat_copy(&to.sink, &source, NULL, &report);
		CHECK_EQ(seam.fired, 1);
		CHECK_EQ(n, errors[i] == -EINTR ? 100 : errors[i]);
		CHECK_EQ(report.side, errors[i] == -EINTR ? LEAT_SIDE_NONE : LEAT_SIDE_CALLER);
		if (n < 0)
			CHECK_EQ(leat_copy(&to.sink, &source, NULL, NULL), 100);
		lab_sink_finish(&to);
		lab_arrived(&to, 100);
		lab_sink_close(&to);
		leat_close(&source);
		close(fds[0]);
	}
}

static void *give_later(void *arg)
{
	usleep(50000);
	give_and_close();
	return arg;
}

/* poll takes no more entries than a process may have descriptors, and does not ask whether they are empty. */
static void waiting_with_few_descriptors(void)
{
	struct rlimit before, few;
	struct leat_source source;
	struct leat_sink sink;
	unsigned char got[100];
	pthread_t giver;
	int fds[2];
	int64_t n;

	lab_fill(pattern, 0, sizeof pattern);
	lab_pair(LAB_PIPE, fds);
	waited_pipe = fds[1];
	leat_from_fd(&source, fds[0]);
	leat_to_memory(&sink, got, sizeof got);
	CHECK_EQ(pthread_create(&giver, NULL, give_later, NULL), 0);
	CHECK_CALL(getrlimit(RLIMIT_NOFILE, &before));
	few = before;
	few.rlim_cur = 2;
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &few));
	n = leat_copy(&sink, &source, NULL, NULL);
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &before));
	pthread_join(giver, NULL);
	CHECK_EQ(n, 100);
	CHECK(lab_differs(got, 0, 100) < 0);
	leat_close(&source);
	leat_close_sink(&sink);
	close(fds[0]);
}

/* ---- 0 ----------------------------------------------------------------------------------------------------------------- */

/* Hazard 23: a kernel route that gives nothing of a file which has more is left, with a reason; nothing is cut short. */
static void nothing_from_a_file_with_more_is_another_route(void)
{
	static const unsigned which[] = { 1, 2, 3, 4, 9, 12 };
	static const uint64_t places[] = { 0, 100001, BYTES - 1 };

	for (unsigned i = 0; i < 6 * 3 * 2; i++) {
		const struct way *way = &ways[which[i / 6]];
		bool stepped = i % 2;
		struct run run;

		run_open(&run, way, stepped);
		note(&run, way, stepped, "nothing at", places[i / 2 % 3]);
		seam.most = 65535;
		seam.times = UINT32_MAX;
		seam_set(way->calls[0], places[i / 2 % 3], 0);
		run_move(&run, stepped);
		CHECK_EQ(seam.fired, 1);
		CHECK_EQ(run.n, (int64_t)BYTES);
		CHECK_EQ(run.report.refused[way->route], LEAT_SRC_GENERATED);
		CHECK_EQ(run.report.route_bytes[way->route], places[i / 2 % 3]);
		lab_sink_finish(&run.to);
		lab_arrived(&run.to, BYTES);
		run_close(&run);
	}
}

/* A sink that takes nothing and says nothing, for good; and a pipe of ours that holds bytes and gives none. */
static void taking_nothing_is_an_error_not_a_loop(void)
{
	for (unsigned i = 0; i < WAYS * 2; i++) {
		const struct way *way = &ways[i / 2];
		enum seam_call call = way->calls[way->calls[1] != SEAM_NONE];
		bool stepped = i % 2;
		struct run run;

		if (call != SEAM_SEND && call != SEAM_WRITE && call != SEAM_PWRITE && call != SEAM_DRAIN)
			continue;
		run_open(&run, way, stepped);
		note(&run, way, stepped, seam_name(call), 0);
		seam.times = UINT32_MAX;
		seam.most = 65535;
		seam_set(call, way->route ? 100001 : 0, 0);
		run_move(&run, stepped);
		CHECK_EQ(run.n, -EIO);
		CHECK_EQ(run.report.side, LEAT_SIDE_SINK);
		CHECK_EQ(run.report.bytes, seam.after);
		CHECK_EQ(seam.fired, 1);
		run_close(&run);
	}
}

/* Hazard 13: the file ends before its promised length; exactly what there was arrives. */
static void nothing_from_a_file_without_more_is_short(void)
{
	static const unsigned which[] = { 1, 2, 3, 4, 9, 12, 14 };

	for (unsigned i = 0; i < 7 * 2; i++) {
		const struct way *way = &ways[which[i / 2]];
		bool stepped = i % 2;
		struct run run;

		run_open(&run, way, stepped);
		note(&run, way, stepped, "bytes of more:", BYTES);
		leat_from_range(&run.from.source, run.from.fd, 0, BYTES + 5000);
		run_move(&run, stepped);
		CHECK_EQ(run.n, LEAT_ESHORT);
		CHECK_EQ(run.report.bytes, BYTES);
		CHECK_EQ(run.report.side, LEAT_SIDE_SOURCE);
		CHECK_EQ(run.report.noted, LEAT_SOURCE_SHORT);
		lab_sink_finish(&run.to);
		lab_arrived(&run.to, BYTES);
		run_close(&run);
	}
}

/* Hazard 13: a transfer of nothing makes no transfer call. */
static void nothing_makes_no_call(void)
{
	for (unsigned i = 0; i < 6 * LAB_KINDS; i++) {
		struct leat_source source;
		struct leat_report report;
		struct leat_limit limit;
		struct lab_sink to;
		int file = i / LAB_KINDS % 3 ? lab_file(1000) : lab_empty_file();

		seam_reset();
		lab_sink_open(&to, (enum lab_kind)(i % LAB_KINDS), 10);
		leat_from_file(&source, file, i / LAB_KINDS % 3 == 1 ? 1000 : 0);
		if (i / LAB_KINDS % 3 == 2)
			leat_wrap(&source, leat_limit_init(&limit, 0));
		if (i / LAB_KINDS >= 3)
			leat_from_range(&source, file, 0, 0);
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), 0);
		CHECK_EQ(report.bytes, 0);
		for (int call = SEAM_CLONE; call <= SEAM_SEND; call++)
			CHECK_SAY(seam.calls[call] == 0, "%s was called", seam_name((enum seam_call)call));
		for (int route = 0; route < LEAT_ROUTES; route++)
			CHECK_EQ(report.route_calls[route], 0);
		lab_sink_finish(&to);
		lab_arrived(&to, 0);
		lab_sink_close(&to);
		leat_close(&source);
		close(file);
	}
}

static const struct test tests[] = {
	TEST(short_counts_go_on),
	TEST(one_byte_at_a_time),
	TEST(eintr_is_no_error),
	TEST(eagain_waits_and_goes_on),
	TEST(endless_eintr_honours_the_stop_flag),
	TEST(endless_eintr_honours_a_deadline),
	TEST(poll_may_fail),
	TEST(waiting_with_few_descriptors),
	TEST(nothing_from_a_file_with_more_is_another_route),
	TEST(taking_nothing_is_an_error_not_a_loop),
	TEST(nothing_from_a_file_without_more_is_short),
	TEST(nothing_makes_no_call),
};
TEST_MAIN(tests)
