/* SPDX-License-Identifier: MIT */
/*
 * Every public function given NULL for each of its pointers. Functions that return nothing must not crash; what was made of
 * NULL keeps -EINVAL until it is used. The last case reads the header and finds what is missing here.
 */
#include "lab.h"

#include <regex.h>

static struct leat_report report;
static struct leat_transfer transfer;

/* What the first misuse kept in it comes out of all four, and stays there. */
static void check_source_says(struct leat_source *source, int error)
{
	unsigned char byte;
	struct leat_sink sink;

	leat_to_nothing(&sink);
	CHECK_EQ(leat_plan(&sink, source, NULL, &report), error);
	CHECK_EQ(report.error, error);
	CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
	CHECK_EQ(leat_copy(&sink, source, NULL, &report), error);
	CHECK_EQ(report.error, error);
	CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_EQ(leat_begin(&transfer, &sink, source, NULL), error);
	CHECK_EQ(leat_step(&transfer), -EINVAL);
	CHECK_EQ(leat_read(source, &byte, 1, NULL), error);
	CHECK_EQ(leat_look(source), error);
	leat_close(source);
	leat_close_sink(&sink);
}

static void check_sink_says(struct leat_sink *sink, int error)
{
	struct leat_source source;

	leat_from_memory(&source, "x", 1);
	CHECK_EQ(leat_plan(sink, &source, NULL, &report), error);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	CHECK_EQ(leat_copy(sink, &source, NULL, &report), error);
	CHECK_EQ(report.error, error);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	CHECK_EQ(leat_begin(&transfer, sink, &source, NULL), error);
	CHECK_EQ(leat_end(&transfer, NULL), -EINVAL);
	CHECK_EQ(leat_look_sink(sink), error);
	leat_close(&source);
	leat_close_sink(sink);
}

static void sources(void)
{
	static const struct leat_source_ops empty = { .name = "no read" };
	struct leat_source source, view;

	leat_from_fd(NULL, 0);
	leat_from_file(NULL, 0, 0);
	leat_from_range(NULL, 0, 0, 0);
	leat_from_memory(NULL, "x", 1);
	leat_from_callback(NULL, &empty, NULL);
	leat_from_queue(NULL, NULL);
	leat_from_source(NULL, NULL);
	leat_from_memory(&source, NULL, 1);
	check_source_says(&source, -EINVAL);
	leat_from_callback(&source, NULL, NULL);
	check_source_says(&source, -EINVAL);
	leat_from_callback(&source, &empty, NULL);
	check_source_says(&source, -EINVAL);
	leat_from_queue(&source, NULL);
	check_source_says(&source, -EINVAL);
	leat_from_source(&source, NULL);
	check_source_says(&source, -EINVAL);
	leat_from_source(&view, &view);
	check_source_says(&view, -EINVAL);
	leat_from_alike(NULL, 0, NULL);
	leat_from_alike(&source, 0, NULL);
	check_source_says(&source, -EINVAL);
	leat_from_memory(&source, NULL, 0);	/* nothing of nothing is well */
	CHECK_EQ(leat_read(&source, &view, 1, NULL), 0);
	leat_promise(NULL, LEAT_IMMUTABLE);
	leat_on_release(NULL, NULL, NULL);
	CHECK_EQ(leat_look(NULL), -EINVAL);
	CHECK_EQ(leat_unread(NULL, "x", 1), -EINVAL);
	CHECK_EQ(leat_unread(&source, NULL, 1), -EINVAL);
	CHECK_EQ(leat_unread(&source, NULL, 0), 0);
	leat_close(NULL);
	leat_close(&source);
	leat_close(&source);			/* all-zero is empty */
}

static void sinks(void)
{
	static const struct leat_sink_ops empty = { .name = "no write" };
	struct leat_source source;
	struct leat_sink sink;

	leat_to_fd(NULL, 0);
	leat_to_file(NULL, 0, 0);
	leat_to_memory(NULL, &sink, 1);
	leat_to_callback(NULL, &empty, NULL);
	leat_to_nothing(NULL);
	leat_to_sink(NULL, NULL);
	leat_to_memory(&sink, NULL, 1);
	check_sink_says(&sink, -EINVAL);
	leat_to_callback(&sink, NULL, NULL);
	check_sink_says(&sink, -EINVAL);
	leat_to_callback(&sink, &empty, NULL);
	check_sink_says(&sink, -EINVAL);
	leat_to_sink(&sink, NULL);
	check_sink_says(&sink, -EINVAL);
	leat_to_sink(&sink, &sink);
	check_sink_says(&sink, -EINVAL);
	leat_to_alike(NULL, 0, NULL);
	leat_to_alike(&sink, 0, NULL);
	check_sink_says(&sink, -EINVAL);
	leat_to_memory(&sink, NULL, 0);		/* no room is no misuse: it says so with the first byte */
	leat_from_memory(&source, "x", 1);
	CHECK_EQ(leat_look_sink(&sink), 0);
	CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -ENOSPC);
	CHECK_EQ(report.side, LEAT_SIDE_SINK);
	leat_close(&source);
	CHECK_EQ(leat_look_sink(NULL), -EINVAL);
	leat_close_sink(NULL);
	leat_close_sink(&sink);
}

static void queues(void)
{
	struct leat_queue queue;
	struct leat_source part;

	leat_queue_init(NULL);
	leat_queue_init(&queue);
	leat_from_memory(&part, "x", 1);
	CHECK_EQ(leat_queue_add(NULL, &part), -EINVAL);
	CHECK_EQ(leat_queue_add(&queue, NULL), -EINVAL);
	leat_queue_end(NULL);
	CHECK_EQ(leat_read(&part, &queue, 1, NULL), 1);	/* neither took it */
	leat_close(&part);
}

static void transfers(void)
{
	static const struct leat_wait nothing = { .fds = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } }, .wake_at_ns = LEAT_NEVER };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_wait wait;
	unsigned char byte;

	leat_from_memory(&source, "xy", 2);
	leat_to_memory(&sink, &byte, 1);
	CHECK_EQ(leat_plan(NULL, NULL, NULL, NULL), -EINVAL);
	CHECK_EQ(leat_plan(NULL, &source, NULL, &report), -EINVAL);
	CHECK_EQ(leat_plan(&sink, NULL, NULL, &report), -EINVAL);
	CHECK_EQ(report.error, -EINVAL);
	CHECK_EQ(leat_plan(&sink, &source, NULL, NULL), 0);
	CHECK_EQ(leat_copy(NULL, NULL, NULL, NULL), -EINVAL);
	CHECK_EQ(leat_copy(NULL, &source, NULL, &report), -EINVAL);
	CHECK_EQ(report.side, LEAT_SIDE_CALLER);
	CHECK_EQ(leat_copy(&sink, NULL, NULL, &report), -EINVAL);
	CHECK_EQ(report.error, -EINVAL);
	CHECK_EQ(leat_begin(NULL, &sink, &source, NULL), -EINVAL);
	CHECK_EQ(leat_begin(&transfer, NULL, &source, NULL), -EINVAL);
	CHECK_EQ(leat_step(&transfer), -EINVAL);
	CHECK_EQ(leat_begin(&transfer, &sink, NULL, NULL), -EINVAL);
	CHECK_EQ(leat_end(&transfer, &report), -EINVAL);
	CHECK_EQ(leat_step(NULL), -EINVAL);
	CHECK_EQ(leat_end(NULL, NULL), -EINVAL);
	leat_wants(NULL, NULL);
	leat_wants(&transfer, NULL);
	memset(&wait, 0x55, sizeof wait);
	leat_wants(NULL, &wait);
	CHECK_BYTES(&wait, &nothing, sizeof wait);
	memset(&wait, 0x55, sizeof wait);
	leat_wants(&transfer, &wait);		/* nothing runs on it */
	CHECK_BYTES(&wait, &nothing, sizeof wait);
	CHECK_EQ(leat_wait_ms(NULL, 0), -1);
	leat_so_far(NULL, NULL);
	leat_so_far(&transfer, NULL);
	leat_so_far(NULL, &report);
	CHECK_EQ(report.bytes, 0);
	CHECK_EQ(leat_read(NULL, &byte, 1, NULL), -EINVAL);
	CHECK_EQ(leat_read(&source, NULL, 1, NULL), -EINVAL);
	CHECK_EQ(leat_read(&source, NULL, 0, NULL), 0);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), -ENOSPC);
	CHECK_EQ(byte, 'x');
	CHECK_EQ(leat_read(&source, &byte, 1, NULL), 1);
	CHECK_EQ(byte, 'y');
	leat_close(&source);
	leat_close_sink(&sink);
}

static void helpers_and_words(void)
{
	struct leat_helper zero = { { 0 } };

	CHECK_EQ(leat_helper_init(NULL, 0), -EINVAL);
	CHECK_EQ(leat_helper_fd(NULL), -1);
	CHECK_EQ(leat_helper_fd(&zero), -1);
	CHECK(leat_helper_next(NULL) == NULL);
	CHECK(leat_helper_next(&zero) == NULL);
	CHECK_EQ(leat_helper_pipes(NULL), 0);
	CHECK_EQ(leat_helper_pipes(&zero), 0);
	leat_helper_end(NULL);
	leat_helper_end(&zero);
	CHECK(leat_explain(NULL, NULL, 0) == NULL);
	CHECK(leat_version() && leat_features() && leat_now_ns());
	CHECK(leat_route_name(0) && leat_reason_name(0) && leat_kind_name(0) && leat_strerror(0));
	CHECK_EQ(leat_xxh3_result(NULL), 0);
	leat_bucket_init(NULL, 1, 1);
}

/* ---- wrappers ---------------------------------------------------------------------------------------------------------- */

static void refuses(struct leat_wrapper *wrapper)
{
	struct leat_source source;
	struct leat_sink sink;

	CHECK(wrapper != NULL);
	leat_from_memory(&source, "x", 1);
	leat_wrap(&source, wrapper);
	check_source_says(&source, -EINVAL);
	leat_to_nothing(&sink);
	leat_wrap_sink(&sink, wrapper);
	check_sink_says(&sink, -EINVAL);
}

static void nobody_to_prepare(void)
{
	struct leat_source source;

	leat_wrap(NULL, NULL);
	leat_wrap_sink(NULL, NULL);
	leat_from_memory(&source, "x", 1);
	leat_wrap(&source, NULL);
	check_source_says(&source, -EINVAL);
	CHECK(!leat_wrapper_init(NULL, NULL));
	CHECK(!leat_limit_init(NULL, 1));
	CHECK(!leat_limit_init_exact(NULL, 1));
	CHECK(!leat_section_init(NULL, 1, 1));
	CHECK(!leat_rate_init(NULL, 1, 1));
	CHECK(!leat_rate_init_shared(NULL, NULL));
	CHECK(!leat_deadline_init(NULL, 1, 1));
	CHECK(!leat_deadline_init_shared(NULL, 1, 1, NULL));
	CHECK(!leat_count_init(NULL));
	CHECK(!leat_log_init(NULL, NULL, NULL));
	CHECK(!leat_trace_init(NULL, NULL, 0, NULL, NULL));
	CHECK(!leat_progress_init(NULL, 0, NULL, NULL));
	CHECK(!leat_hash_init(NULL, NULL, NULL));
	CHECK(!leat_xxh3_init(NULL));
	CHECK(!leat_tee_init(NULL, NULL, LEAT_TEE_FAIL, NULL, 0));
	CHECK(!leat_frame_init(NULL, NULL, 0));
	CHECK(!leat_chunked_init(NULL, 0));
}

static void newer(void)
{
}

static int take_all(void *state, const void *bytes, size_t length)
{
	return 0;
}

/* A wrapper made of NULL, or of what cannot work, is refused where it is put on. */
static void wrappers_of_nothing(void)
{
	static const struct leat_wrapper_ops nameless = { .need = LEAT_NEED_COUNTS }, changeless = { "c", LEAT_NEED_CHANGE },
					     needy = { "n", (enum leat_need)9 };
	static const struct leat_hash_ops updateless = { .name = "h" }, nameless_hash = { .update = take_all },
					  newer_hash = { .name = "h", .update = take_all, .reserved = { newer } };
	static const struct leat_frame_ops nameless_frame = { 0 }, newer_frame = { .name = "f", .reserved = { NULL, newer } };
	struct leat_wrapper wrapper;
	struct leat_bucket bucket;
	struct leat_rate rate;
	struct leat_deadline deadline;
	struct leat_log log;
	struct leat_trace trace;
	struct leat_progress progress;
	struct leat_hash hash;
	struct leat_frame frame;

	memset(&wrapper, 0, sizeof wrapper);
	refuses(&wrapper);
	refuses(leat_wrapper_init(&wrapper, NULL));
	refuses(leat_wrapper_init(&wrapper, &nameless));
	refuses(leat_wrapper_init(&wrapper, &changeless));
	refuses(leat_wrapper_init(&wrapper, &needy));
	refuses(leat_rate_init(&rate, 0, 0));
	refuses(leat_rate_init_shared(&rate, NULL));
	leat_bucket_init(&bucket, 0, 0);
	refuses(leat_rate_init_shared(&rate, &bucket));
	refuses(leat_deadline_init_shared(&deadline, 1, 1, NULL));
	refuses(leat_log_init(&log, NULL, NULL));
	refuses(leat_trace_init(&trace, NULL, 0, NULL, NULL));
	refuses(leat_progress_init(&progress, 1, NULL, NULL));
	refuses(leat_hash_init(&hash, NULL, NULL));
	refuses(leat_hash_init(&hash, &updateless, NULL));
	refuses(leat_hash_init(&hash, &nameless_hash, NULL));
	refuses(leat_hash_init(&hash, &newer_hash, NULL));
	refuses(leat_frame_init(&frame, NULL, 0));
	refuses(leat_frame_init(&frame, &nameless_frame, 0));
	refuses(leat_frame_init(&frame, &newer_frame, 0));
}

static void tees_of_nothing(void)
{
	struct leat_tee tee;
	struct leat_sink second, view;
	struct leat_count count;
	unsigned char buffer[16];

	leat_to_nothing(&second);
	refuses(leat_tee_init(&tee, NULL, LEAT_TEE_FAIL, NULL, 0));
	refuses(leat_tee_init(&tee, &second, LEAT_TEE_FAIL, NULL, sizeof buffer));
	refuses(leat_tee_init(&tee, &second, LEAT_TEE_WAIT, NULL, 0));	/* nothing could ever pass */
	refuses(leat_tee_init(&tee, &second, (enum leat_tee_policy)7, buffer, sizeof buffer));
	leat_to_sink(&view, &second);
	refuses(leat_tee_init(&tee, &view, LEAT_TEE_FAIL, buffer, sizeof buffer));	/* second is to be bare */
	refuses(leat_tee_init(&tee, &second, LEAT_TEE_FAIL, buffer, sizeof buffer));	/* the view's */
	leat_close_sink(&view);
	leat_wrap_sink(&second, leat_count_init(&count));
	refuses(leat_tee_init(&tee, &second, LEAT_TEE_FAIL, buffer, sizeof buffer));
	leat_close_sink(&second);
}

/* ---- nothing is missing ------------------------------------------------------------------------------------------------ */

static char *read_all(const char *root, const char *path)
{
	char name[512], *text = calloc(1, 1 << 18);
	FILE *file;

	CHECK(text != NULL);
	snprintf(name, sizeof name, "%s/%s", root, path);
	file = fopen(name, "r");
	CHECK_SAY(file != NULL, "%s: %s", name, strerror(errno));
	CHECK(fread(text, 1, (1 << 18) - 1, file) > 0);
	fclose(file);
	return text;
}

static void every_function_is_here(void)
{
	const char *root = getenv("LEAT_SOURCE");
	char *header, *here;
	regmatch_t match[2];
	unsigned count = 0;
	regex_t prototype;

	if (!root)
		test_skip("LEAT_SOURCE does not say where the header is");
	header = read_all(root, "include/leat.h");
	here = read_all(root, "tests/fault/null.c");
	CHECK_EQ(regcomp(&prototype, "\n[a-z][a-z0-9_ ]*[ *](leat_[a-z0-9_]+)\\(", REG_EXTENDED), 0);
	for (char *at = header; !regexec(&prototype, at, 2, match, 0); at += match[1].rm_eo) {
		char call[64];

		snprintf(call, sizeof call, "%.*s(", (int)(match[1].rm_eo - match[1].rm_so), at + match[1].rm_so);
		CHECK_SAY(strstr(here, call) != NULL, "%s) is not called here", call);
		count++;
	}
	CHECK_SAY(count >= 65, "only %u functions found", count);
	printf("%u functions\n", count);
	regfree(&prototype);
	free(header);
	free(here);
}

static const struct test tests[] = {
	TEST(sources),
	TEST(sinks),
	TEST(queues),
	TEST(transfers),
	TEST(helpers_and_words),
	TEST(nobody_to_prepare),
	TEST(wrappers_of_nothing),
	TEST(tees_of_nothing),
	TEST(every_function_is_here),
};
TEST_MAIN(tests)
