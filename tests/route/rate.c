/* SPDX-License-Identifier: MIT */
/* The rate limit on real routes, and one bucket for three transfers at the same time. That of clone: reflink-wrapped.c. */
#include <fcntl.h>

#include "windows.h"

static const struct lane {
	const char *name;
	enum from from;
	enum to to;
	bool hash, on_source, step;
	enum leat_route route;
	bool shared;		/* three of them: see thirds */
} lanes[] = {
	{ "sendfile", FROM_FILE, TO_TCP, false, true, false, LEAT_ROUTE_SENDFILE },
	{ "sendfile, stepped, on the sink", FROM_FILE, TO_TCP, false, false, true, LEAT_ROUTE_SENDFILE },
	{ "splice_pipe", FROM_TCP, TO_TCP, false, true, true, LEAT_ROUTE_SPLICE_PIPE },
	{ "splice", FROM_FILE, TO_PIPE, false, false, false, LEAT_ROUTE_SPLICE },
	{ "copy", FROM_FILE, TO_TCP, true, true, true, LEAT_ROUTE_COPY },
	{ "copy_file_range", FROM_FILE, TO_FILE, false, true, false, LEAT_ROUTE_COPY_FILE_RANGE },
	{ "memory", FROM_MEMORY, TO_TCP, false, true, false, LEAT_ROUTE_MEMORY },
	{ "memory, stepped, on the sink", FROM_MEMORY, TO_TCP, false, false, true, LEAT_ROUTE_MEMORY },
	{ .name = "three on a shared bucket", .shared = true },
};
/* What shares the bucket: routes that differ, a thread each. */
static const struct lane thirds[] = {
	{ "sendfile", FROM_FILE, TO_TCP, false, true, false, LEAT_ROUTE_SENDFILE },
	{ "memory, stepped", FROM_MEMORY, TO_TCP, false, false, true, LEAT_ROUTE_MEMORY },
	{ "splice", FROM_FILE, TO_PIPE, false, false, false, LEAT_ROUTE_SPLICE },
};
#define THIRDS WINDOWS_PARTS
#define LANES (sizeof lanes / sizeof lanes[0])

/* One transfer on a bucket of its own, or on a shared one, told with others in the same moves. */
struct one {
	const struct lane *lane;
	struct moves *moves;
	struct leat_bucket *bucket;	/* NULL: its own */
	uint64_t bytes, route_bytes;
	int64_t r;
	struct from_end from;
	struct to_end to;
	struct leat_deadline deadline;
	struct leat_rate rate;
	struct leat_log log;
	struct leat_xxh3 hash;
};

static void on_event(void *arg, const struct leat_event *event)
{
	struct one *one = arg;

	windows_note(one->moves, event);
	one->bytes += event->kind == LEAT_EVENT_MOVED ? event->bytes : 0;
}

static void one_make(struct one *one, const struct lane *lane, struct moves *moves, struct leat_bucket *bucket)
{
	one->lane = lane;
	one->moves = moves;
	one->bucket = bucket;
	from_make(&one->from, lane->from, WINDOWS_SIZE, !lane->step);
	to_make(&one->to, lane->to, WINDOWS_SIZE, !lane->step);
	/* 64 KiB are 4 ms of the rate: with a reader that is late by more there would be no rate to speak of. */
	if (lane->to == TO_PIPE)
		CHECK_CALL(fcntl(one->to.fd, F_SETPIPE_SZ, 1 << 20));
	leat_wrap(&one->from.source, leat_deadline_init(&one->deadline, 0, WINDOWS_RUN_NS));
	leat_wrap_sink(&one->to.sink, leat_log_init(&one->log, on_event, one));
	if (bucket)
		leat_rate_init_shared(&one->rate, bucket);
	else
		leat_rate_init(&one->rate, WINDOWS_RATE, WINDOWS_BURST);
	if (lane->on_source)
		leat_wrap(&one->from.source, &one->rate.wrapper);
	else
		leat_wrap_sink(&one->to.sink, &one->rate.wrapper);
	if (lane->hash)
		leat_wrap(&one->from.source, leat_xxh3_init(&one->hash));
}

static void *one_run(void *arg)
{
	struct one *one = arg;
	struct leat_report report;
	struct leat_transfer t;

	if (one->lane->step) {
		one->r = leat_begin(&t, &one->to.sink, &one->from.source, NULL);
		one->r = one->r ? one->r : ends_drive(&t, NULL);
		leat_end(&t, &report);
	} else {
		one->r = leat_copy(&one->to.sink, &one->from.source, NULL, &report);
	}
	one->route_bytes = report.route_bytes[one->lane->route];
	return NULL;
}

static void run_lane(unsigned number, struct moves *moves)
{
	const struct lane *lane = &lanes[number];
	static struct one ones[THIRDS];
	static struct leat_bucket bucket;
	pthread_t threads[THIRDS];
	unsigned count = lane->shared ? THIRDS : 1;

	moves->name = lane->name;
	leat_bucket_init(&bucket, WINDOWS_RATE, WINDOWS_BURST);
	for (unsigned i = 0; i < count; i++)
		one_make(&ones[i], lane->shared ? &thirds[i] : lane, moves, lane->shared ? &bucket : NULL);
	moves->begin_ns = leat_now_ns();
	for (unsigned i = 1; i < count; i++)
		if (pthread_create(&threads[i], NULL, one_run, &ones[i]))
			ends_die("thread");
	one_run(&ones[0]);
	for (unsigned i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
	moves->took_ns = leat_now_ns() - moves->begin_ns;
	for (unsigned i = 0; i < count; i++) {
		moves->r = !i || ones[i].r != -ETIMEDOUT ? ones[i].r : moves->r;
		moves->route_bytes += ones[i].route_bytes;
		if (!lane->shared)
			continue;
		moves->part[i].name = thirds[i].name;
		moves->part[i].bytes = ones[i].bytes;
	}
}

static void within_5_percent_on_every_route(void)
{
	struct from_end file;

	ends_alarm(100, __func__);
	ends_content(WINDOWS_SIZE);
	from_make(&file, FROM_FILE, WINDOWS_SIZE, true);
	from_close(&file);
	windows_judge(LANES, run_lane);
}

static const struct test tests[] = { TEST(within_5_percent_on_every_route) };
TEST_MAIN(tests)
