/* SPDX-License-Identifier: MIT */
/* Bytes that hold still: copied, promised, sealed. What a file's later changes do to bytes already sent (invariant 10). */
#include <fcntl.h>
#include <sys/mman.h>

#include "check.h"
#include "ends.h"

#define SIZE 200000

static const unsigned char *content;

struct run {
	struct from_end from;
	struct to_end to;
	struct leat_report report;
	int writer;
};

static struct run run;

/* Sends all into the queue of the sink, rewrites the file, and only then lets the peer read. */
static void send_then_rewrite(enum to to, const struct leat_options *options, enum leat_stability promise)
{
	static unsigned char other[SIZE];
	struct leat_transfer t;

	ends_alarm(20, to_names[to]);
	test_note(to_names[to]);
	content = ends_content(2 * SIZE);
	memset(&run, 0, sizeof run);
	run.writer = ends_file_with(content, SIZE, O_RDWR);
	to_make_slow(&run.to, to, 2 * SIZE, false, 0);
	leat_from_file(&run.from.source, run.writer, 0);
	leat_promise(&run.from.source, promise);
	CHECK_EQ(leat_begin(&t, &run.to.sink, &run.from.source, options), 0);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &run.report), 0);
	CHECK_EQ(run.report.bytes, SIZE);
	memset(other, 'x', sizeof other);
	CHECK_EQ(pwrite(run.writer, other, SIZE, 0), SIZE);
	to_finish(&run.to, SIZE);
	CHECK_EQ(run.to.got_size, SIZE);
}

static void run_close(void)
{
	leat_close(&run.from.source);
	to_close(&run.to);
	close(run.writer);
}

static uint64_t changed_bytes(void)
{
	uint64_t changed = 0;

	for (uint64_t i = 0; i < SIZE; i++)
		changed += run.to.got[i] != content[i];
	return changed;
}

/* What by_reference warns of. Whether it shows is the kernel's business; that it is said is ours. */
static void by_reference_is_said(void)
{
	static const enum to sinks[] = { TO_TCP, TO_UNIX };

	for (unsigned i = 0; i < 2; i++) {
		send_then_rewrite(sinks[i], NULL, LEAT_UNSTABLE);
		CHECK_EQ(run.report.by_reference, 1);
		printf("%s: %llu of %d bytes arrived as they became later\n", to_names[sinks[i]],
		       (unsigned long long)changed_bytes(), SIZE);
		run_close();
	}
}

/* Of a queue it is said when it is so for any part, also a small one that speaks for nothing else. */
static void by_reference_of_a_small_part(void)
{
	for (unsigned files = 0; files < 4; files++) {	/* as bits: which part is a file of 5000 bytes, not memory */
		struct leat_report report;
		struct leat_source whole, parts[2];
		struct leat_queue queue;
		struct to_end to;
		int fd = ends_file_with(content = ends_content(2 * SIZE), 5000, O_RDONLY);
		uint64_t bytes = 0;

		ends_alarm(20, __func__);
		to_make(&to, TO_UNIX, SIZE, true);
		leat_queue_init(&queue);
		for (unsigned i = 0; i < 2; i++) {
			if (files & 1u << i)
				leat_from_file(&parts[i], fd, 0);
			else
				leat_from_memory(&parts[i], content, 50000);
			bytes += files & 1u << i ? 5000 : 50000;
			CHECK_EQ(leat_queue_add(&queue, &parts[i]), 0);
		}
		leat_queue_end(&queue);
		leat_from_queue(&whole, &queue);
		CHECK_EQ(leat_copy(&to.sink, &whole, NULL, &report), (int64_t)bytes);
		CHECK_EQ(report.by_reference, files != 0);
		CHECK_EQ(report.source_kind, files == 3 ? LEAT_KIND_FILE : LEAT_KIND_MEMORY);
		leat_close(&whole);
		to_close(&to);
		close(fd);
	}
}

static void stable_copy(void)
{
	static const enum to sinks[] = { TO_TCP, TO_UNIX, TO_VIEW };
	struct leat_options options = { .stable = LEAT_STABLE_COPY };

	for (unsigned i = 0; i < 3; i++) {
		send_then_rewrite(sinks[i], &options, LEAT_UNSTABLE);
		CHECK_EQ(run.report.by_reference, 0);
		CHECK_EQ(run.report.route, LEAT_ROUTE_COPY);
		CHECK_EQ(run.report.route_bytes[LEAT_ROUTE_COPY], SIZE);
		CHECK_EQ(run.report.refused[LEAT_ROUTE_SENDFILE], LEAT_UNSTABLE_SOURCE);
		CHECK_EQ(run.report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_UNSTABLE_SOURCE);
		CHECK_EQ(changed_bytes(), 0u);
		run_close();
	}
}

/* Who promises need not be copied for. */
static void promised(void)
{
	struct leat_options options = { .stable = LEAT_STABLE_COPY };

	send_then_rewrite(TO_TCP, &options, LEAT_IMMUTABLE);
	CHECK_EQ(run.report.route, LEAT_ROUTE_SENDFILE);
	CHECK_EQ(run.report.by_reference, 0);
	run_close();
}

/* A snapshot that the file system cannot make is a copy. */
static void no_snapshot_is_a_copy(void)
{
	struct leat_options options = { .stable = LEAT_STABLE_SNAPSHOT };
	int dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		test_skip("no /dev/shm");
	options.snapshot_dir = dir;	/* another file system than the source's, or one without reflinks */
	send_then_rewrite(TO_TCP, &options, LEAT_UNSTABLE);
	CHECK_EQ(run.report.route, LEAT_ROUTE_COPY);
	CHECK_EQ(run.report.refused[LEAT_ROUTE_SENDFILE], LEAT_UNSTABLE_SOURCE);
	CHECK_EQ(changed_bytes(), 0u);
	run_close();
	options.snapshot_dir = -1;
	send_then_rewrite(TO_TCP, &options, LEAT_UNSTABLE);
	CHECK_EQ(run.report.route, LEAT_ROUTE_COPY);
	run_close();
	close(dir);
}

/* Between files nothing is by reference: the kernel routes stay. */
static void file_to_file_needs_no_copy(void)
{
	struct leat_options options = { .stable = LEAT_STABLE_COPY };

	send_then_rewrite(TO_FILE, &options, LEAT_UNSTABLE);
	CHECK(run.report.route == LEAT_ROUTE_COPY_FILE_RANGE || run.report.route == LEAT_ROUTE_CLONE);
	CHECK_EQ(run.report.by_reference, 0);
	CHECK_EQ(changed_bytes(), 0u);
	run_close();
}

static void require_and_stable_is_refused(void)
{
	struct leat_options options = { .stable = LEAT_STABLE_COPY, .policy = LEAT_REQUIRE };
	struct leat_report report;
	int fd = ends_file_with(content = ends_content(2 * SIZE), SIZE, O_RDONLY);
	struct leat_source source;
	struct to_end to;

	ends_alarm(20, __func__);
	to_make(&to, TO_TCP, SIZE, false);
	leat_from_file(&source, fd, 0);
	CHECK_EQ(leat_plan(&to.sink, &source, &options, &report), LEAT_EREFUSED);
	CHECK_EQ(report.refused[LEAT_ROUTE_SENDFILE], LEAT_UNSTABLE_SOURCE);
	CHECK_EQ(leat_copy(&to.sink, &source, &options, &report), LEAT_EREFUSED);
	CHECK_EQ(report.bytes, 0u);
	to_close(&to);
	close(fd);
}

/* ---- Sealed memory ---- */

static int memory_file(int seals)
{
	int fd = CHECK_CALL(memfd_create("leat", MFD_CLOEXEC | MFD_ALLOW_SEALING));

	CHECK_EQ(ends_write_all(fd, content, SIZE), SIZE);
	if (seals)
		CHECK_CALL(fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

static void sealed_memory(void)
{
	static const struct {
		int seals, result;
	} rows[] = {
		{ F_SEAL_WRITE | F_SEAL_SHRINK, 0 }, { F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 0 },
		{ F_SEAL_WRITE, -EPERM }, { F_SEAL_SHRINK, -EPERM }, { 0, -EPERM },
	};
	struct leat_options options = { .stable = LEAT_STABLE_COPY };

	content = ends_content(2 * SIZE);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int fd = memory_file(rows[i].seals);
		struct leat_source source;
		struct leat_report report;
		struct to_end to;

		ends_alarm(20, __func__);
		to_make(&to, TO_TCP, SIZE, true);
		leat_from_file(&source, fd, 0);
		leat_promise(&source, LEAT_SEALED);
		CHECK_EQ(leat_copy(&to.sink, &source, &options, &report), rows[i].result ? rows[i].result : SIZE);
		if (!rows[i].result) {
			CHECK_EQ(report.route, LEAT_ROUTE_SENDFILE);
			CHECK_EQ(report.by_reference, 0);
		} else {
			CHECK_EQ(report.bytes, 0u);
			CHECK_EQ(report.side, LEAT_SIDE_SOURCE);
		}
		leat_close(&source);
		to_close(&to);
		close(fd);
	}
}

/* A file that is no memory at all cannot be sealed. */
static void sealed_is_checked(void)
{
	int fd = ends_file_with(content = ends_content(2 * SIZE), SIZE, O_RDONLY);
	struct leat_source source;
	struct leat_sink sink;

	leat_from_file(&source, fd, 0);
	leat_promise(&source, LEAT_SEALED);
	leat_to_nothing(&sink);
	CHECK(leat_copy(&sink, &source, NULL, NULL) < 0);
	CHECK(leat_look(&source) < 0);
	leat_promise(&source, LEAT_UNSTABLE);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), SIZE);
	close(fd);
}

static const struct test tests[] = {
	TEST(by_reference_is_said), TEST(by_reference_of_a_small_part), TEST(stable_copy), TEST(promised), TEST(no_snapshot_is_a_copy),
	TEST(file_to_file_needs_no_copy), TEST(require_and_stable_is_refused), TEST(sealed_memory), TEST(sealed_is_checked),
};
TEST_MAIN(tests)
