/* SPDX-License-Identifier: MIT */
/*
 * Cancel and restart on every route: a transfer is ended in the midst, again and again, some bytes are read and some put
 * back in between, and the next one goes on. No byte is lost, doubled or out of order (invariants 2, 7, 9).
 */
#include <fcntl.h>

#include "check.h"
#include "ends.h"

#define SIZE ((1 << 20) + 3)

enum wraps { BARE, COUNTED, HASHED, FRAMED };

struct pair {
	const char *name;
	enum from from;
	enum to to;
	enum wraps wraps;
	enum leat_route route;		/* must have carried bytes */
	uint64_t pipe_bytes;
	bool keeps;			/* something must have been kept once */
};

struct run {
	const struct pair *pair;
	struct from_end from;
	struct to_end to;
	struct leat_count inner, outer;
	struct leat_hash hash;
	struct leat_frame frame;
	uint64_t at;			/* position in the source's bytes */
	unsigned char *want;		/* what has to arrive */
	uint64_t want_size, hashed;
	uint64_t delivered, framed, carried, kept_most;
	unsigned transfers;
	uint64_t seed;
};

static uint64_t any(struct run *run, uint64_t below)
{
	run->seed ^= run->seed << 13;
	run->seed ^= run->seed >> 7;
	run->seed ^= run->seed << 17;
	return run->seed % below;
}

/* The bytes between leat_read and the sink were never given to the hash: it sees what was delivered or read through it. */
static int hash_update(void *state, const void *bytes, size_t length)
{
	struct run *run = state;

	CHECK(run->hashed + length <= run->from.size);
	CHECK_BYTES((const unsigned char *)bytes, run->from.bytes + run->hashed, length);
	run->hashed += length;
	return 0;
}

static const struct leat_hash_ops hash_ops = { .name = "check", .update = hash_update };

static void put_wrappers(struct run *run)
{
	switch (run->pair->wraps) {
	case COUNTED:
		leat_wrap(&run->from.source, leat_count_init(&run->inner));
		leat_wrap_sink(&run->to.sink, leat_count_init(&run->outer));
		break;
	case HASHED:
		leat_wrap(&run->from.source, leat_hash_init(&run->hash, &hash_ops, run));
		break;
	case FRAMED:
		leat_wrap_sink(&run->to.sink, leat_chunked_init(&run->frame, 70000));
		break;
	default:
		break;
	}
}

static void delivered(struct run *run, const struct leat_report *report)
{
	const char *what;

	memcpy(run->want + run->want_size, run->from.bytes + run->at, report->source_bytes);
	run->want_size += report->source_bytes;
	run->at += report->source_bytes;
	run->delivered += report->source_bytes;
	run->framed += report->bytes - report->source_bytes;
	run->carried += report->route_bytes[run->pair->route];
	run->kept_most = report->kept_bytes > run->kept_most ? report->kept_bytes : run->kept_most;
	run->transfers++;
	what = from_check(&run->from, run->at);
	CHECK_SAY(!what, "source: %s", what);
	what = to_check(&run->to, run->delivered + run->framed);
	CHECK_SAY(!what, "sink: %s", what);
}

/* One transfer, ended after some steps; the peer is allowed a little more each time. LEAT_DONE when it was the last. */
static int one_transfer(struct run *run)
{
	struct leat_options options = { .step_bytes = 1 + any(run, 20000), .pipe_bytes = run->pair->pipe_bytes };
	struct leat_transfer t;
	struct leat_report report, so_far;
	struct leat_wait wait;
	int r = LEAT_AGAIN, steps = (int)any(run, 12), polls = 0;

	to_allow(&run->to, run->delivered + any(run, 100000));
	CHECK_EQ(leat_begin(&t, &run->to.sink, &run->from.source, &options), 0);
	while (r > 0 && steps-- > 0) {
		r = leat_step(&t);
		if (r != LEAT_WAIT)
			continue;
		leat_wants(&t, &wait);
		poll(wait.fds, 3, 2);
		if (polls++ > 3)
			break;
	}
	CHECK_GE(r, 0);
	leat_so_far(&t, &so_far);
	CHECK_EQ(leat_end(&t, &report), r == LEAT_DONE ? 0 : -ECANCELED);
	CHECK_EQ(report.bytes, so_far.bytes);
	if (r != LEAT_DONE)
		CHECK_EQ(report.ended_by, LEAT_ENDED_BY_CANCEL);
	delivered(run, &report);
	return r;
}

/* Takes some bytes out of the stream, and sometimes puts some of them back. */
static void read_between(struct run *run)
{
	unsigned char bytes[3000];
	struct leat_wait wait;
	int64_t n = leat_read(&run->from.source, bytes, 1 + any(run, sizeof bytes), &wait);
	uint64_t back;

	if (n == -EAGAIN)
		return;
	CHECK_GE(n, 0);
	CHECK_BYTES(bytes, run->from.bytes + run->at, (size_t)n);
	back = any(run, 2) ? any(run, (uint64_t)n + 1) : 0;
	if (run->pair->wraps == COUNTED)
		run->inner.bytes -= (uint64_t)n;	/* charged there, and never at the sink */
	if (run->pair->wraps == HASHED || run->from.own_offset)
		back = 0;	/* a hash would see them twice; a descriptor's own offset cannot tell of them */
	run->at += (uint64_t)n;
	if (back) {
		CHECK_EQ(leat_unread(&run->from.source, bytes + n - back, back), 0);
		run->at -= back;
	}
}

static void unframe(struct run *run)
{
	unsigned char *got = run->to.got;
	uint64_t in = 0, out = 0;

	for (;;) {
		char *after;
		uint64_t length = strtoull((char *)got + in, &after, 16);

		in = (uint64_t)((unsigned char *)after - got) + 2;
		CHECK(in + length + 2 <= run->to.got_size);
		memmove(got + out, got + in, length);
		out += length;
		in += length + 2;
		if (!length)
			break;
	}
	CHECK_EQ(in, run->to.got_size);
	run->to.got_size = out;
}

/* Files start again where they were: unread bytes live in the source struct, the rest in its position. Returns the most that
 * was kept by a cancel. */
static uint64_t interrupt_all_along(const struct pair *pair, uint64_t seed)
{
	static struct run run;

	memset(&run, 0, sizeof run);
	run.pair = pair;
	run.seed = seed * 0x9e3779b97f4a7c15u + 1;
	run.want = malloc(2 * SIZE);
	from_make(&run.from, pair->from, SIZE, false);
	to_make_slow(&run.to, pair->to, 2 * SIZE, false, 0);
	put_wrappers(&run);
	while (one_transfer(&run) != LEAT_DONE)
		if (pair->wraps != FRAMED && pair->to != TO_CALLBACK && any(&run, 3) == 0)
			read_between(&run);
	if (pair->wraps == COUNTED) {
		CHECK_EQ(run.inner.bytes, run.delivered);
		CHECK_EQ(run.outer.bytes, run.delivered);
	}
	CHECK_EQ(run.at, SIZE);
	to_finish(&run.to, run.delivered + run.framed);
	CHECK_EQ(run.to.got_size, run.want_size + run.framed);
	if (pair->wraps == FRAMED)
		unframe(&run);
	CHECK_BYTES(run.to.got, run.want, run.want_size);
	CHECK_SAY(run.carried, "%s carried nothing", leat_route_name(pair->route));
	CHECK_SAY(run.transfers > 5, "interrupted only %u times", run.transfers);
	from_close(&run.from);
	to_close(&run.to);
	free(run.want);
	return run.kept_most;
}

static const struct pair pairs[] = {
	{ "file to tcp", FROM_FILE, TO_TCP, COUNTED, LEAT_ROUTE_SENDFILE },
	{ "fd to unix", FROM_FD, TO_UNIX, COUNTED, LEAT_ROUTE_SENDFILE },
	{ "range to pty", FROM_RANGE, TO_PTY, BARE, LEAT_ROUTE_SENDFILE },
	{ "file to pipe", FROM_FILE, TO_PIPE, COUNTED, LEAT_ROUTE_SPLICE },
	{ "pipe to tcp", FROM_PIPE, TO_TCP, COUNTED, LEAT_ROUTE_SPLICE },
	{ "tcp to pipe", FROM_TCP, TO_PIPE, COUNTED, LEAT_ROUTE_SPLICE },
	{ "tcp to tcp", FROM_TCP, TO_TCP, COUNTED, LEAT_ROUTE_SPLICE_PIPE, .keeps = true },
	{ "tcp to tcp, small pipe", FROM_TCP, TO_TCP, BARE, LEAT_ROUTE_SPLICE_PIPE, .pipe_bytes = 4096, .keeps = true },
	{ "unix to unix", FROM_UNIX, TO_UNIX, COUNTED, LEAT_ROUTE_SPLICE_PIPE, .keeps = true },
	{ "tcp to fd", FROM_TCP, TO_FD, COUNTED, LEAT_ROUTE_SPLICE_PIPE },
	{ "memory to tcp", FROM_MEMORY, TO_TCP, COUNTED, LEAT_ROUTE_MEMORY },
	{ "callback to tcp", FROM_CALLBACK, TO_TCP, COUNTED, LEAT_ROUTE_COPY, .keeps = true },
	{ "proc to tcp", FROM_PROC, TO_TCP, COUNTED, LEAT_ROUTE_COPY },
	{ "file to file", FROM_FILE, TO_FILE, COUNTED, LEAT_ROUTE_COPY_FILE_RANGE },
	{ "fd to fd", FROM_FD, TO_FD, COUNTED, LEAT_ROUTE_COPY_FILE_RANGE },
	{ "fd to append", FROM_FD, TO_APPEND, BARE, LEAT_ROUTE_COPY },
	{ "file to tcp, hash", FROM_FILE, TO_TCP, HASHED, LEAT_ROUTE_COPY },
	{ "tcp to tcp, hash", FROM_TCP, TO_TCP, HASHED, LEAT_ROUTE_COPY, .keeps = true },
	{ "pipe to tcp, hash", FROM_PIPE, TO_TCP, HASHED, LEAT_ROUTE_COPY, .keeps = true },
	{ "queue to tcp", FROM_QUEUE, TO_TCP, COUNTED, LEAT_ROUTE_SENDFILE },
	{ "view to view", FROM_VIEW, TO_VIEW, COUNTED, LEAT_ROUTE_SENDFILE },
	{ "file to tcp, frame", FROM_FILE, TO_TCP, FRAMED, LEAT_ROUTE_SENDFILE },
	{ "tcp to tcp, frame", FROM_TCP, TO_TCP, FRAMED, LEAT_ROUTE_SPLICE_PIPE },
	{ "pipe to unix, frame", FROM_PIPE, TO_UNIX, FRAMED, LEAT_ROUTE_SPLICE },
	{ "callback to callback", FROM_CALLBACK, TO_CALLBACK, BARE, LEAT_ROUTE_COPY },
};

static void every_route(void)
{
	static char note[100];
	uint64_t seeds = getenv("SANITIZER") ? 4 : 8;

	ends_content(2 * SIZE);
	for (unsigned i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		uint64_t kept = 0;

		for (uint64_t seed = 0; seed < seeds; seed++) {
			snprintf(note, sizeof note, "%s, seed %llu", pairs[i].name, (unsigned long long)seed);
			test_note(note);
			ends_alarm(20, note);
			kept += interrupt_all_along(&pairs[i], seed);
		}
		CHECK_SAY(!pairs[i].keeps || kept, "nothing was ever kept");
	}
}

static const struct test tests[] = { TEST(every_route) };
TEST_MAIN(tests)
