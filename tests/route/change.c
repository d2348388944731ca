/* SPDX-License-Identifier: MIT */
/* Sources that change while they are sent: cut, grown, rewritten, replaced, unlinked; and what holds still. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "check.h"
#include "ends.h"

#define SIZE (16 << 20)

/* The ways by which a file's bytes may go. All sinks get stuck, or are stepped bit by bit. */
static const struct way {
	const char *name;
	enum to to;
	enum leat_policy policy;
	uint32_t off;
	enum leat_route route;
} ways[] = {
	{ "sendfile", TO_TCP, LEAT_AUTO, 0, LEAT_ROUTE_SENDFILE },
	{ "sendfile to unix", TO_UNIX, LEAT_AUTO, 0, LEAT_ROUTE_SENDFILE },
	{ "splice", TO_PIPE, LEAT_AUTO, 0, LEAT_ROUTE_SPLICE },
	{ "splice_pipe", TO_TCP, LEAT_AUTO, 1u << LEAT_ROUTE_SENDFILE, LEAT_ROUTE_SPLICE_PIPE },
	{ "copy", TO_TCP, LEAT_COPY, 0, LEAT_ROUTE_COPY },
	{ "copy_file_range", TO_FILE, LEAT_AUTO, 0, LEAT_ROUTE_COPY_FILE_RANGE },
};
#define WAYS (sizeof ways / sizeof ways[0])

struct run {
	const struct way *way;
	char path[300], other[300];
	int fd, writer;
	struct leat_source source;
	struct to_end to;
	struct leat_transfer t;
	struct leat_report report;
};

static const unsigned char *content;

static void run_open(struct run *run, const struct way *way, const char *name)
{
	memset(run, 0, sizeof *run);
	run->way = way;
	ends_alarm(30, name);
	test_note(way->name);
	content = ends_content(SIZE + 100000);
	snprintf(run->path, sizeof run->path, "%s/source", ends_dir());
	snprintf(run->other, sizeof run->other, "%s/other", ends_dir());
	run->writer = CHECK_CALL(open(run->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	CHECK_EQ(ends_write_all(run->writer, content, SIZE), (uint64_t)SIZE);
	run->fd = CHECK_CALL(open(run->path, O_RDONLY | O_CLOEXEC));
	leat_from_file(&run->source, run->fd, 0);
	to_make_slow(&run->to, way->to, SIZE + 100000, false, 0);
	usleep(12000);	/* a change within one tick of the file's clock cannot be seen; the manual says so */
}

/* Steps until the sink is full, or some of the file has gone. */
static void run_begin(struct run *run, const struct leat_options *more)
{
	struct leat_options options = more ? *more : (struct leat_options){ 0 };
	struct leat_report so_far = { 0 };
	int r = LEAT_AGAIN;

	options.policy = run->way->policy;
	options.routes_off = run->way->off;
	options.step_bytes = 100000;
	CHECK_EQ(leat_begin(&run->t, &run->to.sink, &run->source, &options), 0);
	for (int i = 0; r == LEAT_AGAIN && so_far.bytes < 5000000; i++) {
		r = leat_step(&run->t);
		leat_so_far(&run->t, &so_far);
	}
	CHECK_GE(r, LEAT_WAIT);
	CHECK(so_far.route_bytes[run->way->route] > 0 && so_far.bytes < SIZE);
}

static int run_end(struct run *run)
{
	int r;

	to_allow(&run->to, UINT64_MAX);
	r = ends_drive(&run->t, NULL);
	CHECK_EQ(leat_end(&run->t, &run->report), r);
	to_finish(&run->to, run->report.bytes);
	CHECK_EQ(run->to.got_size, run->report.bytes);
	return r;
}

static void run_close(struct run *run)
{
	leat_close(&run->source);
	to_close(&run->to);
	close(run->fd);
	close(run->writer);
	unlink(run->path);
	unlink(run->other);
}

static void cut_to(const char *name, uint64_t size)
{
	static struct run run;

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t zeros = 0;

		run_open(&run, &ways[i], name);
		run_begin(&run, NULL);
		CHECK_CALL(ftruncate(run.writer, (off_t)size));
		CHECK_EQ(run_end(&run), LEAT_ESHORT);
		CHECK_EQ(run.report.noted, LEAT_SOURCE_SHORT);
		CHECK_EQ(run.report.side, LEAT_SIDE_SOURCE);
		CHECK_EQ(run.report.error_route, run.way->route);
		CHECK(run.report.bytes < SIZE);
		CHECK_BYTES(run.to.got, content, size < run.report.bytes ? size : run.report.bytes);
		for (uint64_t at = size; at < run.report.bytes; at++)
			zeros += run.to.got[at] == 0 && content[at] != 0;
		printf("%s, cut to %llu: %llu bytes arrived, %llu of them became zeros\n", run.way->name,
		       (unsigned long long)size, (unsigned long long)run.report.bytes, (unsigned long long)zeros);
		run_close(&run);
	}
}

static void cut_in_the_midst_of_a_page(void)
{
	cut_to(__func__, SIZE - 4096 * 3 - 1000);
}

static void cut_below_what_is_queued(void)
{
	cut_to(__func__, 5000);
}

static void cut_to_nothing(void)
{
	cut_to(__func__, 0);
}

/* Cut and written again to the old size: only the times tell. */
static void cut_and_extended(void)
{
	static struct run run;

	for (unsigned i = 0; i < WAYS; i++) {
		run_open(&run, &ways[i], __func__);
		run_begin(&run, NULL);
		CHECK_CALL(ftruncate(run.writer, SIZE / 2));
		CHECK_CALL(ftruncate(run.writer, SIZE));
		CHECK_EQ(run_end(&run), LEAT_ECHANGED);
		CHECK_EQ(run.report.noted, LEAT_SOURCE_CHANGED);
		CHECK_EQ(run.report.side, LEAT_SIDE_SOURCE);
		CHECK_EQ(run.report.bytes, (uint64_t)SIZE);
		run_close(&run);
	}
}

static void rewritten(void)
{
	static struct run run;
	struct leat_options ignore = { .ignore_changes = 1 };

	for (unsigned i = 0; i < 3 * WAYS; i++) {
		run_open(&run, &ways[i / 3], __func__);
		if (i % 3 == 2)
			leat_promise(&run.source, LEAT_IMMUTABLE);
		run_begin(&run, i % 3 == 1 ? &ignore : NULL);
		CHECK_EQ(pwrite(run.writer, content + 7, 100, SIZE - 300), 100);
		CHECK_EQ(run_end(&run), i % 3 ? 0 : LEAT_ECHANGED);
		CHECK_EQ(run.report.noted, i % 3 ? LEAT_OK : LEAT_SOURCE_CHANGED);
		CHECK_EQ(run.report.bytes, (uint64_t)SIZE);
		CHECK_BYTES(run.to.got, content, SIZE - 300);
		CHECK_BYTES(run.to.got + SIZE - 300, content + 7, 100);
		run_close(&run);
	}
}

/* What was there at begin is sent, no more of it. */
static void grown(void)
{
	static struct run run;

	for (unsigned i = 0; i < 2 * WAYS; i++) {
		run_open(&run, &ways[i / 2], __func__);
		if (i % 2)
			leat_from_range(&run.source, run.fd, 0, SIZE);
		run_begin(&run, NULL);
		CHECK_EQ(pwrite(run.writer, content, 5000, SIZE), 5000);
		CHECK_EQ(run_end(&run), 0);
		CHECK_EQ(run.report.noted, LEAT_SOURCE_GREW);
		CHECK_EQ(run.report.bytes, (uint64_t)SIZE);
		CHECK_BYTES(run.to.got, content, SIZE);
		run_close(&run);
	}
}

/* The advice to all who write files that are served: a new file, and rename. The old one is sent to its end. */
static void replaced_by_rename(void)
{
	static struct run run;
	int fresh;

	for (unsigned i = 0; i < WAYS; i++) {
		run_open(&run, &ways[i], __func__);
		run_begin(&run, NULL);
		fresh = CHECK_CALL(open(run.other, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		CHECK_EQ(write(fresh, "new", 3), 3);
		CHECK_CALL(rename(run.other, run.path));
		close(fresh);
		CHECK_EQ(run_end(&run), 0);
		CHECK_EQ(run.report.bytes, (uint64_t)SIZE);
		CHECK_BYTES(run.to.got, content, SIZE);
		run_close(&run);
	}
}

static void unlinked(void)
{
	static struct run run;

	for (unsigned i = 0; i < WAYS; i++) {
		run_open(&run, &ways[i], __func__);
		run_begin(&run, NULL);
		CHECK_CALL(unlink(run.path));
		CHECK_EQ(run_end(&run), 0);
		CHECK_BYTES(run.to.got, content, SIZE);
		run_close(&run);
	}
}

/* ---- Ranges that are not there ---- */

static void ranges_that_are_not_there(void)
{
	static const struct {
		uint64_t offset, length, bytes;
		int result;
	} rows[] = {
		{ 0, 1001, 1000, LEAT_ESHORT },	   { 999, 2, 1, LEAT_ESHORT },	  { 1000, 1, 0, LEAT_ESHORT },
		{ 5000, 10, 0, LEAT_ESHORT },	   { 0, 0, 0, 0 },		  { 1000, 0, 0, 0 },
		{ 5000, 0, 0, 0 },		   { 0, 1000, 1000, 0 },	  { INT64_MAX - 5, 6, 0, -EOVERFLOW },
		{ INT64_MAX, 0, 0, 0 },		   { 1, UINT64_MAX, 0, -EOVERFLOW }, { UINT64_MAX, 1, 0, -EOVERFLOW },
	};
	int fd = ends_file_with(content = ends_content(SIZE + 100000), 1000, O_RDONLY);

	ends_alarm(30, __func__);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0] * TO_KINDS; i++) {
		const __typeof__(rows[0]) *row = &rows[i / TO_KINDS];
		struct leat_source source;
		struct leat_report report;
		struct to_end to;
		uint64_t calls = 0;
		static char note[60];

		snprintf(note, sizeof note, "row %u to %s", i / TO_KINDS, to_names[i % TO_KINDS]);
		test_note(note);
		to_make(&to, i % TO_KINDS, 2000, true);
		leat_from_range(&source, fd, row->offset, row->length);
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), row->result ? row->result : (int64_t)row->bytes);
		CHECK_EQ(report.bytes, row->bytes);
		for (int route = 0; route < LEAT_ROUTES; route++)
			calls += report.route_calls[route];
		if (!row->length)
			CHECK_EQ(calls, 0u);	/* nothing asked, nothing called (hazard 13) */
		if (row->result == LEAT_ESHORT)
			CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
		leat_close(&source);
		to_close(&to);
	}
	close(fd);
}

static void a_file_that_ends_before_its_offset(void)
{
	int fd = ends_file_with(content = ends_content(SIZE + 100000), 1000, O_RDONLY);
	struct leat_source source;
	struct leat_sink sink;

	leat_to_nothing(&sink);
	leat_from_file(&source, fd, 1000);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 0);
	leat_from_file(&source, fd, 70000);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 0);
	lseek(fd, 70000, SEEK_SET);
	leat_from_fd(&source, fd);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 70000);
	close(fd);
}

static const struct test tests[] = {
	TEST(cut_in_the_midst_of_a_page), TEST(cut_below_what_is_queued), TEST(cut_to_nothing), TEST(cut_and_extended),
	TEST(rewritten), TEST(grown), TEST(replaced_by_rename), TEST(unlinked), TEST(ranges_that_are_not_there),
	TEST(a_file_that_ends_before_its_offset),
};
TEST_MAIN(tests)
