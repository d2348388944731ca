/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that another thread closes while a call is under way: nobody can say which file it was, when the call ends, but
 * the bytes did pass, and are counted; and what another file had in that buffer before is not taken for them.
 */
#include "watching.h"

#include <ctype.h>
#include <pthread.h>
#include <sys/syscall.h>

#define PIECE 8192

static uint8_t pattern[PIECE], buffer[PIECE];
static int from, to;
static volatile pid_t carrier;

static void fill(unsigned seed)
{
	for (unsigned i = 0; i < PIECE; i++)
		pattern[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
}

static void *carries(void *pieces)
{
	carrier = (pid_t)syscall(SYS_gettid);
	for (unsigned i = *(unsigned *)pieces; i; i--) {
		NEED(read(from, buffer, PIECE) == PIECE);
		NEED(write(to, buffer, PIECE) == PIECE);
	}
	return NULL;
}

/* The kernel says by number in which call a thread waits. */
static void wait_until_in(long call)
{
	char path[64], text[32] = "";

	for (unsigned i = 0; i < 10000; i++) {
		int fd;

		snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)carrier);
		fd = carrier ? open(path, O_RDONLY) : -1;
		if (fd >= 0) {
			ssize_t n = pread(fd, text, sizeof text - 1, 0);

			close(fd);
			text[n > 0 ? n : 0] = 0;
			if (isdigit((unsigned char)*text) && strtol(text, NULL, 10) == call)
				return;
		}
		usleep(1000);
	}
	NEED(!"in the call");
}

static void source_closed(void)
{
	unsigned pieces = 2;
	pthread_t thread;
	int line[2];

	NEED(pipe(line) == 0);
	from = line[0];
	to = (int)syscall(SYS_memfd_create, "sink", 0);
	NEED(to >= 0);
	fill(1);
	NEED(write(line[1], pattern, PIECE) == PIECE);
	NEED(pthread_create(&thread, NULL, carries, &pieces) == 0);
	wait_until_in(SYS_read);
	close(from);
	fill(2);
	NEED(write(line[1], pattern, PIECE) == PIECE);
	NEED(pthread_join(thread, NULL) == 0);
	shared->did[0] = (struct did){ .to = inode_of(to), .bytes = 2 * PIECE };
}

static void sink_closed(void)
{
	unsigned pieces = 1;
	pthread_t thread;
	uint64_t source;
	int line[2];

	NEED(pipe(line) == 0 && fcntl(line[1], F_SETPIPE_SZ, PIECE) == PIECE);
	from = (int)syscall(SYS_memfd_create, "source", 0);
	to = line[1];
	fill(3);
	NEED(from >= 0 && write(from, pattern, PIECE) == PIECE && lseek(from, 0, SEEK_SET) == 0);
	source = inode_of(from);
	NEED(write(to, pattern, 1) == 1);
	NEED(pthread_create(&thread, NULL, carries, &pieces) == 0);
	wait_until_in(SYS_write);
	close(to);
	while (read(line[0], pattern, PIECE) > 0)
		;
	NEED(pthread_join(thread, NULL) == 0);
	shared->did[0] = (struct did){ .from = source, .bytes = PIECE };
}

/* The flow without a name for one end, of so many bytes; nothing else of that end, nor lost. */
static void check_nameless(const struct watching *w, uint64_t bytes, bool sink)
{
	unsigned nameless = 0;
	struct flow sum;

	CHECK(sum_flows(w, w->shared->did[0].from, w->shared->did[0].to, &sum) > 0);
	CHECK_EQ(sum.bytes, w->shared->did[0].bytes);
	CHECK_EQ(sum.samples_changed + sum.whole_changed, 0);
	for (uint32_t i = 0; i < w->model.flow_count; i++) {
		const struct flow *flow = &w->model.flows[i];
		const struct file *end = &w->model.files[sink ? flow->to : flow->from];

		if (end->kind != FILE_UNKNOWN)
			continue;
		nameless++;
		CHECK(end->splice_unknown && !end->inode && !end->device && !end->path);
		CHECK_EQ(flow->bytes, bytes);
	}
	CHECK_EQ(nameless, 1);
	CHECK_EQ(w->model.coverage.lost_bytes, 0);
}

static void a_source(void)
{
	struct watching w;

	watch(&w, source_closed, true, 20);
	check_nameless(&w, PIECE, false);
	watching_end(&w);
}

static void a_sink(void)
{
	struct watching w;

	watch(&w, sink_closed, true, 20);
	check_nameless(&w, PIECE, true);
	watching_end(&w);
}

/* Where flows are so many that only the kinds of their ends are kept: of that end not even this is known. */
static void a_source_among_too_many(void)
{
	const struct feed_options options = { .full = true, .most_flows = 3 };
	struct watching w;
	unsigned nameless = 0;

	watching_prepare(&w, source_closed);
	watching_open(&w, &options);
	watching_run(&w, 20);
	for (uint32_t i = 0; i < w.model.flow_count; i++) {
		const struct file *from_end = &w.model.files[w.model.flows[i].from];

		CHECK(from_end->kind != FILE_UNKNOWN || from_end->splice_unknown);
		nameless += from_end->kind == FILE_UNKNOWN;
	}
	CHECK_EQ(nameless, 1);
	watching_end(&w);
}

static const struct test tests[] = { TEST(a_source), TEST(a_sink), TEST(a_source_among_too_many) };
TEST_MAIN(tests)
