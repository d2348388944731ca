/* SPDX-License-Identifier: MIT */
/*
 * Every row of the decline table, injected into a real transfer of its route: at byte 0, in the middle, before the last byte
 * and at the end of the stream. Either the next route brings the right bytes, with the reason in the report, or, for rows
 * that count only at the start, the error comes after exactly the bytes it should, and a second transfer brings the rest.
 */
#include "decline.h"
#include "lab.h"
#include "route/route.h"
#include "seam.h"
#include "transfer.h"

#define BYTES ((size_t)300007)
#define CLONE_BYTES ((size_t)(2 * ROUTE_CALL_BYTES) + 7)	/* two whole calls, and the rest */
#define CLONE_REST ((size_t)ROUTE_CALL_BYTES + 1)		/* the third call is the first after so much */
#define OFF(route) ROUTE_BIT(LEAT_ROUTE_##route)

/* The ways a kernel route is taken, and the call that fails. */
static const struct way {
	enum leat_route route;
	enum seam_call call;
	enum lab_kind from, to;
	uint32_t off;
} ways[] = {
	{ LEAT_ROUTE_CLONE, SEAM_CLONE, LAB_FILE, LAB_FILE, 0 },
	{ LEAT_ROUTE_COPY_FILE_RANGE, SEAM_RANGE, LAB_FILE, LAB_FILE, OFF(CLONE) },
	{ LEAT_ROUTE_SENDFILE, SEAM_SENDFILE, LAB_FILE, LAB_TCP, 0 },
	{ LEAT_ROUTE_SENDFILE, SEAM_SENDFILE, LAB_FILE, LAB_FILE, OFF(CLONE) | OFF(COPY_FILE_RANGE) },
	{ LEAT_ROUTE_SPLICE, SEAM_SPLICE, LAB_FILE, LAB_PIPE, 0 },
	{ LEAT_ROUTE_SPLICE, SEAM_SPLICE, LAB_PIPE, LAB_FILE, 0 },
	{ LEAT_ROUTE_SPLICE, SEAM_SPLICE, LAB_TCP, LAB_PIPE, 0 },
	{ LEAT_ROUTE_SPLICE, SEAM_SPLICE, LAB_PIPE, LAB_PIPE, 0 },
	{ LEAT_ROUTE_SPLICE_PIPE, SEAM_FILL, LAB_FILE, LAB_TCP, OFF(SENDFILE) },
	{ LEAT_ROUTE_SPLICE_PIPE, SEAM_DRAIN, LAB_FILE, LAB_TCP, OFF(SENDFILE) },
	{ LEAT_ROUTE_SPLICE_PIPE, SEAM_FILL, LAB_TCP, LAB_FILE, 0 },
	{ LEAT_ROUTE_SPLICE_PIPE, SEAM_DRAIN, LAB_TCP, LAB_FILE, 0 },
	{ LEAT_ROUTE_SPLICE_PIPE, SEAM_FILL, LAB_UNIX, LAB_TCP, 0 },	/* two streams: begins with copy */
	{ LEAT_ROUTE_SPLICE_PIPE, SEAM_DRAIN, LAB_TCP, LAB_TCP, 0 },
};
#define WAYS (sizeof ways / sizeof ways[0])

static unsigned fired, declined, finals;

static bool two_streams(const struct way *way)
{
	return way->from >= LAB_UNIX && way->to >= LAB_UNIX;
}

static size_t bytes_of(const struct way *way)
{
	return way->call == SEAM_CLONE ? CLONE_BYTES : BYTES;
}

/* 0, the middle, before the last byte, the call that would bring the end of a stream. False: the way has no such place. */
static bool place_of(const struct way *way, unsigned which, uint64_t *ret_after)
{
	size_t bytes = bytes_of(way);
	const uint64_t places[] = { 0, 100001, bytes - 1, bytes };

	*ret_after = which == 2 && way->call == SEAM_CLONE ? CLONE_REST : places[which];
	if (two_streams(way))	/* copy brought some of it, nobody knows how much */
		return which < 2;
	return which < 3 || (way->from != LAB_FILE && way->call != SEAM_DRAIN);
}

static void inject(const struct way *way, uint64_t after, int error)
{
	seam_reset();
	seam.clone_works = true;
	seam.most = 65535;
	seam.times = UINT32_MAX;
	seam_set(way->call, after, -error);
}

/* The rest of what an error left, without faults: nothing was lost. */
static void bring_the_rest(struct lab_source *from, struct lab_sink *to, size_t bytes)
{
	struct leat_report report;

	seam_reset();
	CHECK_EQ(leat_copy(&to->sink, &from->source, NULL, &report), (int64_t)bytes);
	CHECK_EQ(report.kept_bytes, 0);
}

static void check_declined(const struct way *way, enum leat_reason reason, const struct leat_report *report)
{
	uint64_t sum = 0;

	CHECK_EQ(report->bytes, bytes_of(way));
	CHECK_EQ(report->error, 0);
	CHECK_EQ(report->refused[way->route], reason);
	CHECK_EQ(report->route_bytes[way->route], seam.moved[way->call]);
	CHECK_EQ(report->ended_by, LEAT_ENDED_BY_SOURCE);
	CHECK_EQ(seam.fired, 1);	/* a route that was left is not asked again */
	for (int route = 0; route < LEAT_ROUTES; route++)
		sum += report->route_bytes[route];
	CHECK_EQ(sum, report->bytes);
	declined++;
}

static void check_final(const struct way *way, int64_t n, int error, const struct leat_report *report)
{
	CHECK_EQ(n, -error);
	CHECK_EQ(report->error, -error);
	CHECK_EQ(report->error_route, way->route);
	CHECK_EQ(report->ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_EQ(report->refused[way->route], LEAT_OK);
	CHECK_EQ(report->route_bytes[way->route], seam.moved[way->call]);
	if (!two_streams(way))
		CHECK_EQ(report->bytes, seam.moved[way->call]);
	CHECK_EQ(seam.fired, 1);
	finals++;
}

static void check_offsets(const struct lab_source *from, const struct lab_sink *to, uint64_t bytes)
{
	if (from->kind == LAB_FILE)
		CHECK_EQ(lseek(from->fd, 0, SEEK_CUR), (off_t)bytes);
	if (to->kind == LAB_FILE)
		CHECK_EQ(lseek(to->fd, 0, SEEK_CUR), (off_t)bytes);
}

/* Every look at it is 30 ms later: calls seem neither so short that they grow nor so long that they shrink. */
static uint64_t even_clock(void *arg)
{
	static uint64_t now_ns = LEAT_SECOND;

	(void)arg;
	return now_ns += 30 * (LEAT_SECOND / 1000);
}

/* One fault in one transfer. declines: the reason that is expected, or LEAT_OK for a final error. */
static void one(const struct way *way, uint64_t after, int error, enum leat_reason declines)
{
	size_t bytes = bytes_of(way);
	struct leat_options options = { .routes_off = way->off, .clock_ns = even_clock };
	struct leat_report report;
	struct lab_source from;
	struct lab_sink to;
	char note[160];
	int64_t n;

	snprintf(note, sizeof note, "%s by %s (%s), %s to %s, at byte %llu", strerror(error), leat_route_name(way->route),
		 seam_name(way->call), lab_kind_name(way->from), lab_kind_name(way->to), (unsigned long long)after);
	test_note(note);
	lab_source_open(&from, way->from, bytes);
	lab_sink_open(&to, way->to, bytes + 1);
	inject(way, after, error);
	n = leat_copy(&to.sink, &from.source, &options, &report);
	CHECK_SAY(seam.fired > 0, "the fault did not come");
	if (way->call != SEAM_CLONE)
		CHECK_EQ(seam.moved[way->call], after);
	fired++;
	check_offsets(&from, &to, report.bytes);
	if (declines) {
		CHECK_EQ(n, (int64_t)bytes);
		check_declined(way, declines, &report);
	} else {
		check_final(way, n, error, &report);
		bring_the_rest(&from, &to, bytes - report.bytes);
	}
	lab_sink_finish(&to);
	lab_arrived(&to, bytes);
	lab_source_close(&from);
	lab_sink_close(&to);
	test_note("");
}

static void every_row_everywhere(void)
{
	unsigned count;
	const struct decline_row *rows = decline_rows(&count);

	for (unsigned i = 0; i < count; i++) {
		uint32_t covered = 0;

		for (unsigned w = 0; w < WAYS; w++) {
			if (!(rows[i].routes & ROUTE_BIT(ways[w].route)))
				continue;
			covered |= ROUTE_BIT(ways[w].route);
			for (unsigned which = 0; which < 4; which++) {
				uint64_t after;

				if (place_of(&ways[w], which, &after))
					one(&ways[w], after, rows[i].error,
					    after && rows[i].at_start_only ? LEAT_OK : rows[i].reason);
			}
		}
		CHECK_EQ(covered, rows[i].routes);
	}
	printf("%u rows, %u faults came: %u declined, %u final\n", count, fired, declined, finals);
}

/* Whatever is not in the table is an error for good, also at byte 0; hazard 29 for clone's ENOSPC, EDQUOT, EIO. */
static void every_other_errno_is_final(void)
{
	unsigned before = fired;

	for (int error = 1; error <= EHWPOISON; error++) {
		if (error == EAGAIN || error == EINTR)	/* moves.c */
			continue;
		for (unsigned w = 0; w < WAYS; w++) {
			enum leat_reason reason;

			if (ways[w].call == SEAM_CLONE && error != ENOSPC && error != EDQUOT && error != EIO && error % 16)
				continue;	/* 12 MiB each: a choice is enough */
			if (!decline_reason(ways[w].route, -error, false, &reason))
				one(&ways[w], 0, error, LEAT_OK);
			if (error % 8 == ENOSPC % 8 && !decline_reason(ways[w].route, -error, true, &reason))
				one(&ways[w], 100001, error, LEAT_OK);
		}
	}
	printf("%u faults came\n", fired - before);
}

static void clone_errors_are_final(void)
{
	static const int errors[] = { ENOSPC, EDQUOT, EIO };

	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct leat_report report;
		struct lab_source from;
		struct lab_sink to;

		lab_source_open(&from, LAB_FILE, 4096);
		lab_sink_open(&to, LAB_FILE, 8192);
		inject(&ways[0], 0, errors[i]);
		CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, &report), -errors[i]);
		CHECK_EQ(seam.fired, 1);
		CHECK_EQ(seam.calls[SEAM_RANGE] + seam.calls[SEAM_SENDFILE] + seam.calls[SEAM_PWRITE] + seam.calls[SEAM_FILL], 0);
		CHECK_EQ(report.bytes, 0);
		CHECK_EQ(report.side, LEAT_SIDE_SINK);
		lab_sink_finish(&to);
		lab_arrived(&to, 0);
		lab_source_close(&from);
		lab_sink_close(&to);
	}
}

/* Under require there is no next route: refused before the first byte, with the reason. */
static void require_does_not_fall_to_copy(void)
{
	struct leat_options options = { .policy = LEAT_REQUIRE, .routes_off = OFF(SPLICE_PIPE) };
	struct leat_report report;
	struct lab_source from;
	struct lab_sink to;

	lab_source_open(&from, LAB_FILE, BYTES);
	lab_sink_open(&to, LAB_TCP, BYTES + 1);
	inject(&ways[2], 0, EPERM);
	CHECK_EQ(leat_copy(&to.sink, &from.source, &options, &report), LEAT_EREFUSED);
	CHECK_EQ(seam.fired, 1);
	CHECK_EQ(report.bytes, 0);
	CHECK_EQ(report.error, LEAT_EREFUSED);
	CHECK_EQ(report.refused[LEAT_ROUTE_SENDFILE], LEAT_SANDBOX);
	lab_sink_finish(&to);
	lab_arrived(&to, 0);
	lab_source_close(&from);
	lab_sink_close(&to);
}

/* Clone, copy_file_range, sendfile and splice_pipe all say no, one after the other, each at another byte. */
static void on_fire_next(void)
{
	static const enum seam_call next[SEAM_CALLS] = { [SEAM_CLONE] = SEAM_RANGE, [SEAM_RANGE] = SEAM_SENDFILE,
							 [SEAM_SENDFILE] = SEAM_FILL, [SEAM_FILL] = SEAM_FILL };
	unsigned total = seam.later + 1;

	if (seam.call == SEAM_FILL)
		return;
	seam_set(next[seam.call], 50001, -EINVAL);
	seam.later = total;
}

static void all_the_way_down(void)
{
	struct leat_report report;
	struct lab_source from;
	struct lab_sink to;

	lab_source_open(&from, LAB_FILE, BYTES);
	lab_sink_open(&to, LAB_FILE, BYTES + 1);
	inject(&ways[0], 0, EINVAL);
	seam.on_fire = on_fire_next;
	CHECK_EQ(leat_copy(&to.sink, &from.source, NULL, &report), (int64_t)BYTES);
	CHECK_EQ(seam.call, SEAM_FILL);
	CHECK_EQ(seam.fired, 1);
	for (int route = LEAT_ROUTE_CLONE; route <= LEAT_ROUTE_SPLICE_PIPE; route++) {
		if (route == LEAT_ROUTE_SPLICE)
			continue;
		CHECK_EQ(report.refused[route], LEAT_FS_DENIED);
		CHECK_EQ(report.route_bytes[route], route == LEAT_ROUTE_CLONE ? 0 : 50001);
	}
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_COPY], BYTES - 3 * 50001);
	lab_sink_finish(&to);
	lab_arrived(&to, BYTES);
	lab_source_close(&from);
	lab_sink_close(&to);
}

static const struct test tests[] = {
	TEST(every_row_everywhere),
	TEST(every_other_errno_is_final),
	TEST(clone_errors_are_final),
	TEST(require_does_not_fall_to_copy),
	TEST(all_the_way_down),
};
TEST_MAIN(tests)
