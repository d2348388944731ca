/* SPDX-License-Identifier: MIT */
/* The words: a name for every enum value, leat_strerror, and leat_explain of many reports, however small the line. */
#include "leat.h"
#include "report.h"

#include "check.h"

#include <limits.h>

/* DESIGN.md section 5, in the order of enum leat_reason; not-applicable is the library's own. */
static const char *const reasons[LEAT_REASONS] = {
	"ok", "small", "needs-content", "changes-bytes", "opaque-source", "opaque-sink", "out-append", "src-pipe",
	"src-generated", "cross-fs", "fs-denied", "sandbox", "pipe-budget", "kernel-too-old", "tls-userspace", "ktls-off",
	"unstable-source", "source-changed", "source-short", "source-grew", "holes-unknown", "blocking-fd", "sink-datagram",
	"disabled-by-user", "not-applicable", "urgent-data",
};
static const char *const routes[LEAT_ROUTES] = {
	"none", "clone", "copy_file_range", "sendfile", "splice", "splice_pipe", "memory", "copy",
};

static void every_value_has_its_name(void)
{
	for (int i = 0; i < LEAT_REASONS; i++)
		CHECK_STR(leat_reason_name(i), reasons[i]);
	for (int i = 0; i < LEAT_ROUTES; i++)
		CHECK_STR(leat_route_name(i), routes[i]);
	for (int i = 0; i < LEAT_KINDS; i++) {
		CHECK(leat_kind_name(i) && *leat_kind_name(i));
		for (int j = 0; j < i; j++)
			CHECK(strcmp(leat_kind_name(i), leat_kind_name(j)) != 0);
	}
	CHECK_STR(leat_kind_name(LEAT_KIND_TCP), "tcp");
	CHECK_STR(leat_kind_name(LEAT_KIND_FILE), "file");
}

static void other_values_are_unknown(void)
{
	static const int others[] = { -1, INT_MIN, INT_MAX, LEAT_REASONS, 1000 };

	for (unsigned i = 0; i < sizeof others / sizeof others[0]; i++) {
		CHECK_STR(leat_reason_name((enum leat_reason)others[i]), "unknown");
		CHECK_STR(leat_route_name((enum leat_route)others[i]), "unknown");
		CHECK_STR(leat_kind_name((enum leat_kind)others[i]), "unknown");
	}
}

static void every_error_has_its_words(void)
{
	for (int error = LEAT_ESHORT; error >= LEAT_ECONTRACT; error--) {
		CHECK(*leat_strerror(error));
		CHECK_SAY(!strstr(leat_strerror(error), "nknown"), "%d has no words of its own", error);
		for (int other = LEAT_ESHORT; other > error; other--)
			CHECK(strcmp(leat_strerror(error), leat_strerror(other)) != 0);
	}
	CHECK_STR(leat_strerror(-ENOSPC), strerror(ENOSPC));
	CHECK_STR(leat_strerror(1), "no error");	/* leat_copy's own return may be handed in */
	CHECK(leat_strerror(0) && leat_strerror(INT_MIN) && leat_strerror(INT_MAX) && leat_strerror(LEAT_ECONTRACT - 1));
}

/* ---- explain ------------------------------------------------------------------------------------------------------- */

#define ENDS(from, to) .source_kind = LEAT_KIND_##from, .sink_kind = LEAT_KIND_##to
#define BY(route_, bytes_, calls_) \
	.route = LEAT_ROUTE_##route_, .bytes = bytes_, .source_bytes = bytes_, .route_bytes[LEAT_ROUTE_##route_] = bytes_, \
	.route_calls[LEAT_ROUTE_##route_] = calls_
#define REFUSED(route_, reason_) .refused[LEAT_ROUTE_##route_] = reason_

static const struct {
	const char *line;
	struct leat_report report;
} lines[] = {
	{ "file \u2192 tcp: 1048576 bytes by sendfile in 1 call; 3 wrappers kept it (they need no content)",
	  { ENDS(FILE, TCP), BY(SENDFILE, 1048576, 1), .wrappers = 3, .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 tcp: 1 byte by sendfile in 2 calls; 1 wrapper kept it (it needs no content); ended by limit",
	  { ENDS(FILE, TCP), BY(SENDFILE, 1, 2), .wrappers = 1, .ended_by = LEAT_ENDED_BY_WRAPPER, .culprit = "limit" } },
	{ "file \u2192 tcp: 10 bytes by copy in 1 call; no sendfile: needs-content:sha256",
	  { ENDS(FILE, TCP), BY(COPY, 10, 1), REFUSED(SENDFILE, LEAT_NEEDS_CONTENT), .wrappers = 2, .content_wrappers = 1,
	    .refused_by[LEAT_ROUTE_SENDFILE] = "sha256", REFUSED(CLONE, LEAT_NOT_APPLICABLE),
	    .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 callback: 10 bytes by copy in 1 call; no kernel route: tls-userspace",
	  { ENDS(FILE, CALLBACK), BY(COPY, 10, 1), REFUSED(CLONE, LEAT_TLS_USERSPACE), REFUSED(SENDFILE, LEAT_TLS_USERSPACE),
	    .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 file: 9 bytes by copy_file_range in 1 call, 5 kept as holes; no clone: fs-denied",
	  { ENDS(FILE, FILE), .bytes = 9, .route = LEAT_ROUTE_COPY_FILE_RANGE, .route_bytes[LEAT_ROUTE_COPY_FILE_RANGE] = 4,
	    .route_calls[LEAT_ROUTE_COPY_FILE_RANGE] = 1, .hole_bytes = 5, REFUSED(CLONE, LEAT_FS_DENIED),
	    .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 file: 5 bytes, 5 kept as holes",
	  { ENDS(FILE, FILE), .bytes = 5, .hole_bytes = 5, .route = LEAT_ROUTE_CLONE, .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 file: 7 bytes by copy_file_range in 1 call; noted source-grew",
	  { ENDS(FILE, FILE), BY(COPY_FILE_RANGE, 7, 1), .noted = LEAT_SOURCE_GREW, .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "tcp \u2192 tcp: 0 bytes; failed at the sink: Broken pipe",
	  { ENDS(TCP, TCP), .side = LEAT_SIDE_SINK, .error = -EPIPE, .ended_by = LEAT_ENDED_BY_ERROR } },
	{ "tcp \u2192 tcp: 5 bytes by copy in 1 call; 3 bytes kept for the next transfer; failed: Operation canceled",
	  { ENDS(TCP, TCP), BY(COPY, 5, 1), .kept_bytes = 3, .error = -ECANCELED, .ended_by = LEAT_ENDED_BY_CANCEL } },
	{ "tcp \u2192 file: 5 bytes by copy in 1 call; 1 byte kept for the next transfer; failed in a wrapper deadline: "
	  "Connection timed out",
	  { ENDS(TCP, FILE), BY(COPY, 5, 1), .kept_bytes = 1, .error = -ETIMEDOUT, .side = LEAT_SIDE_WRAPPER,
	    .culprit = "deadline", .ended_by = LEAT_ENDED_BY_ERROR } },
	/* What was declined on the way. */
	{ "pipe \u2192 file: 9 bytes by copy in 1 call; no splice: fs-denied",
	  { ENDS(PIPE, FILE), BY(COPY, 9, 1), REFUSED(SENDFILE, LEAT_SRC_PIPE), REFUSED(SPLICE, LEAT_FS_DENIED),
	    .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "pipe \u2192 memory: 9 bytes by copy in 1 call; no sendfile: src-pipe",
	  { ENDS(PIPE, MEMORY), BY(COPY, 9, 1), REFUSED(SENDFILE, LEAT_SRC_PIPE), REFUSED(SPLICE, LEAT_NOT_APPLICABLE),
	    .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 file: 9 bytes by sendfile in 1 call; no copy_file_range: src-generated",
	  { ENDS(FILE, FILE), BY(SENDFILE, 9, 1), REFUSED(COPY_FILE_RANGE, LEAT_SRC_GENERATED),
	    .ended_by = LEAT_ENDED_BY_SOURCE } },
	{ "file \u2192 tcp: 0 bytes; no sendfile: sandbox; failed: no kernel route, and policy require forbids a copy",
	  { ENDS(FILE, TCP), .route = LEAT_ROUTE_SENDFILE, REFUSED(SENDFILE, LEAT_SANDBOX), .error = LEAT_EREFUSED,
	    REFUSED(COPY, LEAT_DISABLED_BY_USER), .ended_by = LEAT_ENDED_BY_ERROR } },
	{ "file \u2192 tcp: would go by sendfile", { ENDS(FILE, TCP), .route = LEAT_ROUTE_SENDFILE } },
	{ "memory \u2192 tcp: 8 bytes by memory in 1 call", { ENDS(MEMORY, TCP), BY(MEMORY, 8, 1),
	  .wrappers = 1, .content_wrappers = 1, .ended_by = LEAT_ENDED_BY_SOURCE } },
	/* Refused before the first byte: the why is the point. */
	{ "file \u2192 tcp: 0 bytes; no sendfile: needs-content:hash; failed: no kernel route, and policy require forbids a copy",
	  { ENDS(FILE, TCP), .wrappers = 1, .content_wrappers = 1, .error = LEAT_EREFUSED, .ended_by = LEAT_ENDED_BY_ERROR,
	    REFUSED(CLONE, LEAT_NOT_APPLICABLE), REFUSED(SENDFILE, LEAT_NEEDS_CONTENT), REFUSED(COPY, LEAT_DISABLED_BY_USER),
	    .refused_by[LEAT_ROUTE_SENDFILE] = "hash" } },
};

static void one_line_for_each_report(void)
{
	char line[512];

	for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		memset(line, 'x', sizeof line);
		CHECK(leat_explain(&lines[i].report, line, sizeof line) == line);
		CHECK_STR(line, lines[i].line);
	}
}

/* Valid UTF-8 as far as this file needs it: whole sequences of up to three bytes. */
static int is_whole_utf8(const char *text)
{
	for (; *text; text++) {
		int more = (*text & 0xe0) == 0xc0 ? 1 : (*text & 0xf0) == 0xe0 ? 2 : 0;

		for (; more; more--)
			if ((*++text & 0xc0) != 0x80)
				return 0;
	}
	return 1;
}

static void any_size_of_line_is_kept(void)
{
	char line[600], whole[600];

	for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		leat_explain(&lines[i].report, whole, sizeof whole);
		for (size_t size = 0; size < strlen(whole) + 3; size++) {
			size_t length;

			memset(line, 'x', sizeof line);
			CHECK(leat_explain(&lines[i].report, line, size) == line);
			CHECK_EQ(line[size], 'x');	/* never a byte beyond */
			if (!size)
				continue;
			length = strnlen(line, sizeof line);
			CHECK(length < size);
			CHECK(strncmp(line, whole, length) == 0);
			CHECK_SAY(length + 3 >= size || length == strlen(whole), "%zu of %zu used", length, size);
			CHECK_SAY(is_whole_utf8(line), "a character cut in two at %zu", size);
		}
	}
}

static void null_is_fine(void)
{
	char line[32] = "before";

	CHECK(leat_explain(NULL, NULL, 0) == NULL);
	CHECK(leat_explain(&lines[0].report, NULL, 100) == NULL);
	CHECK(leat_explain(NULL, line, sizeof line) == line);
	CHECK_STR(line, "");
	strcpy(line, "before");
	CHECK(leat_explain(&lines[0].report, line, 0) == line);
	CHECK_STR(line, "before");
}

/* A wrapper's name may be anything a user reads from a configuration; a log line must stay one line. */
static void hostile_names_stay_in_the_line(void)
{
	static char long_name[2000];
	struct leat_report report = lines[2].report;
	char line[256];

	report.refused_by[LEAT_ROUTE_SENDFILE] = "%s%n%1000000d";
	CHECK(strstr(leat_explain(&report, line, sizeof line), "needs-content:%s%n%1000000d") != NULL);
	report.refused_by[LEAT_ROUTE_SENDFILE] = "a\nb\r\033[31mc\001\177d";
	leat_explain(&report, line, sizeof line);
	for (const char *c = line; *c; c++)
		CHECK_SAY((unsigned char)*c >= ' ' && *c != 0x7f, "control character 0x%02x in the line", (unsigned char)*c);
	CHECK(strstr(line, "needs-content:a?b?") != NULL);
	memset(long_name, 'n', sizeof long_name - 1);
	report.refused_by[LEAT_ROUTE_SENDFILE] = long_name;
	report.culprit = long_name;
	report.error = -EIO;
	CHECK_EQ(strlen(leat_explain(&report, line, sizeof line)), sizeof line - 1);
	report.refused_by[LEAT_ROUTE_SENDFILE] = "";
	CHECK(strstr(leat_explain(&report, line, sizeof line), "needs-content:") != NULL);
}

/* A report is plain data of the caller's: bytes of any value end in words, not in memory beside it. */
static void a_report_of_anything_is_explained(void)
{
	uint64_t seed = 20260101;
	char line[4096];

	for (int round = 0; round < 20000; round++) {
		struct leat_report report;
		unsigned char *at = (unsigned char *)&report;

		for (size_t i = 0; i < sizeof report; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			at[i] = (unsigned char)(seed >> (round % 2 ? 33 : 61));
		}
		for (int route = 0; route < LEAT_ROUTES; route++)
			report.refused_by[route] = seed >> route & 1 ? "name" : NULL;
		report.culprit = seed & 1 ? "culprit" : NULL;
		leat_explain(&report, line, sizeof line);
		CHECK(strlen(line) < sizeof line - 1);
	}
}

/* ---- filling --------------------------------------------------------------------------------------------------------- */

static void the_route_is_what_carried_most(void)
{
	struct leat_report report = { .route = LEAT_ROUTE_CLONE };

	report_close(&report, 5);
	CHECK_EQ(report.route, LEAT_ROUTE_CLONE);	/* nothing moved: what was planned */
	CHECK_EQ(report.end_ns, 5);
	report.route_bytes[LEAT_ROUTE_COPY] = 10;
	report.route_bytes[LEAT_ROUTE_SENDFILE] = 11;
	report_close(&report, 6);
	CHECK_EQ(report.route, LEAT_ROUTE_SENDFILE);
}

static void runs_of_one_part_add_up(void)
{
	struct leat_report sum = { .begin_ns = 50 }, run = {
		.bytes = 3, .source_bytes = 2, .hole_bytes = 1, .source_waits = 4, .sink_waits = 5, .other_waits = 6,
		.cold_waits = 7, .begin_ns = 10, .longest_call_ns = 9, .route_bytes[LEAT_ROUTE_COPY] = 3,
		.route_calls[LEAT_ROUTE_COPY] = 8,
	};

	report_add(&sum, &run);
	report_add(&sum, &run);
	CHECK_EQ(sum.bytes, 6);
	CHECK_EQ(sum.source_bytes, 4);
	CHECK_EQ(sum.hole_bytes, 2);
	CHECK_EQ(sum.source_waits, 8);
	CHECK_EQ(sum.sink_waits, 10);
	CHECK_EQ(sum.other_waits, 12);
	CHECK_EQ(sum.cold_waits, 14);
	CHECK_EQ(sum.begin_ns, 10);
	CHECK_EQ(sum.longest_call_ns, 9);
	CHECK_EQ(sum.route_bytes[LEAT_ROUTE_COPY], 6);
	CHECK_EQ(sum.route_calls[LEAT_ROUTE_COPY], 16);
}

static const struct test tests[] = {
	TEST(every_value_has_its_name),
	TEST(other_values_are_unknown),
	TEST(every_error_has_its_words),
	TEST(one_line_for_each_report),
	TEST(any_size_of_line_is_kept),
	TEST(null_is_fine),
	TEST(hostile_names_stay_in_the_line),
	TEST(a_report_of_anything_is_explained),
	TEST(the_route_is_what_carried_most),
	TEST(runs_of_one_part_add_up),
};
TEST_MAIN(tests)
