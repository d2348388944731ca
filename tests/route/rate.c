/* SPDX-License-Identifier: MIT */
/*
 * The rate limit on real routes: in any window of a second after the first burst, what was delivered stays within 5 % of the
 * rate. More is never excused; less is tried up to three times, because it may be the machine's.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"
#include "ends.h"

#define SIZE (64 << 20)
#define MS (LEAT_SECOND / 1000)
#define RATE 16000000
#define BURST 500000
#define RUN_NS (7 * LEAT_SECOND / 2)
#define MOST_MOVES 20000

static const struct lane {
	const char *name;
	enum from from;
	enum to to;
	bool hash, on_source, step;
	enum leat_route route;
} lanes[] = {
	{ "sendfile", FROM_FILE, TO_TCP, false, true, false, LEAT_ROUTE_SENDFILE },
	{ "sendfile, stepped, on the sink", FROM_FILE, TO_TCP, false, false, true, LEAT_ROUTE_SENDFILE },
	{ "splice_pipe", FROM_TCP, TO_TCP, false, true, true, LEAT_ROUTE_SPLICE_PIPE },
	{ "splice", FROM_FILE, TO_PIPE, false, false, false, LEAT_ROUTE_SPLICE },
	{ "copy", FROM_FILE, TO_TCP, true, true, true, LEAT_ROUTE_COPY },
	{ "copy_file_range", FROM_FILE, TO_FILE, false, true, false, LEAT_ROUTE_COPY_FILE_RANGE },
};
#define LANES (sizeof lanes / sizeof lanes[0])

struct moves {
	unsigned count;
	uint64_t begin_ns, route_bytes, bytes, took_ns;
	int64_t r;
	struct { uint64_t at_ns, bytes; } move[MOST_MOVES];	/* bytes: in all, with this one */
};

static void on_event(void *arg, const struct leat_event *event)
{
	struct moves *moves = arg;

	if (event->kind != LEAT_EVENT_MOVED || moves->count == MOST_MOVES)
		return;
	moves->bytes += event->bytes;
	moves->move[moves->count].at_ns = event->now_ns;
	moves->move[moves->count++].bytes = moves->bytes;
}

static void run_lane(const struct lane *lane, struct moves *moves)
{
	static struct from_end from;
	static struct to_end to;
	struct leat_deadline deadline;
	struct leat_rate rate;
	struct leat_log log;
	struct leat_xxh3 hash;
	struct leat_report report;
	struct leat_transfer t;

	from_make(&from, lane->from, SIZE, !lane->step);
	to_make(&to, lane->to, SIZE, !lane->step);
	leat_wrap(&from.source, leat_deadline_init(&deadline, 0, RUN_NS));
	leat_wrap_sink(&to.sink, leat_log_init(&log, on_event, moves));
	leat_rate_init(&rate, RATE, BURST);
	if (lane->on_source)
		leat_wrap(&from.source, &rate.wrapper);
	else
		leat_wrap_sink(&to.sink, &rate.wrapper);
	if (lane->hash)
		leat_wrap(&from.source, leat_xxh3_init(&hash));
	moves->begin_ns = leat_now_ns();
	if (lane->step) {
		moves->r = leat_begin(&t, &to.sink, &from.source, NULL);
		moves->r = moves->r ? moves->r : ends_drive(&t, NULL);
		leat_end(&t, &report);
	} else {
		moves->r = leat_copy(&to.sink, &from.source, NULL, &report);
	}
	moves->took_ns = leat_now_ns() - moves->begin_ns;
	moves->route_bytes = report.route_bytes[lane->route];
	_exit(0);
}

/* The least and the most in a window of a second that begins after the burst has gone out, as parts of the rate. */
static void windows(const struct moves *moves, double *ret_least, double *ret_most)
{
	uint64_t end = moves->begin_ns + RUN_NS;
	unsigned first = 0;

	*ret_least = 99;
	*ret_most = 0;
	while (first < moves->count && moves->move[first].bytes < BURST)
		first++;
	for (unsigned i = first, j = first; i < moves->count; i++) {
		uint64_t from_ns = moves->move[i].at_ns;
		double part;

		if (from_ns + LEAT_SECOND > end)
			break;
		while (j + 1 < moves->count && moves->move[j + 1].at_ns < from_ns + LEAT_SECOND)
			j++;
		/* From just before move i: with it. And from just after it: without it, one move more at the end. */
		part = (double)(moves->move[j].bytes - (i ? moves->move[i - 1].bytes : 0)) / RATE;
		*ret_most = i > first && part > *ret_most ? part : *ret_most;
		part = (double)(moves->move[j].bytes - moves->move[i].bytes) / RATE;
		*ret_least = part < *ret_least ? part : *ret_least;
	}
}

static unsigned check_lane(const struct lane *lane, const struct moves *moves, bool last)
{
	double least, most;

	test_note(lane->name);
	windows(moves, &least, &most);
	printf("%-32s %6.2f MB in %4d ms, windows %.3f to %.3f of the rate, %u moves\n", lane->name, (double)moves->bytes / 1e6,
	       (int)(moves->took_ns / MS), least, most, moves->count);
	CHECK_EQ(moves->r, -ETIMEDOUT);
	CHECK_SAY(moves->route_bytes * 10 > moves->bytes * 9, "only %llu bytes by the route",
		  (unsigned long long)moves->route_bytes);
	CHECK_SAY(most <= 1.05, "%.3f of the rate in some second", most);
	CHECK_SAY(!last || least >= 0.95, "only %.3f of the rate in some second", least);
	return least < 0.95;
}

static void within_5_percent_on_every_route(void)
{
	struct moves *moves = mmap(NULL, sizeof *moves * LANES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct from_end file;
	pid_t pids[LANES];
	int status;

	CHECK(moves != MAP_FAILED);
	ends_alarm(100, __func__);
	ends_content(SIZE);
	from_make(&file, FROM_FILE, SIZE, true);
	from_close(&file);
	for (unsigned attempt = 1, slow = 1; slow; attempt++) {
		memset(moves, 0, sizeof *moves * LANES);
		for (unsigned i = 0; i < LANES; i++) {
			fflush(stdout);
			pids[i] = CHECK_CALL(fork());
			if (!pids[i])
				run_lane(&lanes[i], &moves[i]);
		}
		for (unsigned i = 0; i < LANES; i++) {
			CHECK_CALL(waitpid(pids[i], &status, 0));
			CHECK_EQ(status, 0);
		}
		slow = 0;
		for (unsigned i = 0; i < LANES; i++)
			slow += check_lane(&lanes[i], &moves[i], attempt == 3);
	}
}

static const struct test tests[] = { TEST(within_5_percent_on_every_route) };
TEST_MAIN(tests)
