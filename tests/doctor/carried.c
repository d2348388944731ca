/* SPDX-License-Identifier: MIT */
/*
 * Programs whose bytes are hard to follow: behind other calls, by another thread, from another place. What they moved lies between
 * what is reported and that with what is said to be lost; and where nothing is in the way all of it is found.
 */
#include "carrying.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>

#define BLOCK 65536
#define BLOCKS 32

static uint8_t block[16 + BLOCK], copy[16 + BLOCK];
static int source, sink;
static bool full;

/* A source of other bytes in each block, and a sink. */
static void open_ends(void)
{
	char name[] = "carried-XXXXXX";

	source = mkstemp(name);
	NEED(source >= 0 && unlink(name) == 0);
	fill_pattern();
	for (unsigned i = 0; i < BLOCKS; i++) {
		for (unsigned k = 0; k < BLOCK; k += 512)
			memcpy(pattern + k, &(unsigned[]){ i, k }, 2 * sizeof i);
		NEED(pwrite(source, pattern, BLOCK, (off_t)i * BLOCK) == BLOCK);
	}
	sink = open("/dev/null", O_WRONLY);
	NEED(sink >= 0);
}

static void read_block(uint8_t *to, unsigned i)
{
	NEED(pread(source, to, BLOCK, (off_t)(i % BLOCKS) * BLOCK) == BLOCK);
}

static void write_bytes(const uint8_t *from, size_t bytes)
{
	NEED(write(sink, from, bytes) == (ssize_t)bytes);
}

/* Runs what; least: so much of what it moved is found, in 1,000. */
static void follow(void (*what)(void), unsigned least, bool none_lost)
{
	struct watching w;
	struct flow sum;

	watch(&w, what, full, 60);
	sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum);
	printf("%llu of %llu bytes, %llu lost\n", (unsigned long long)sum.bytes, (unsigned long long)w.shared->did[0].bytes,
	       (unsigned long long)w.model.coverage.lost_bytes);
	CHECK(sum.bytes <= w.shared->did[0].bytes);
	CHECK(sum.bytes + w.model.coverage.lost_bytes >= w.shared->did[0].bytes);
	CHECK(sum.bytes >= w.shared->did[0].bytes / 1000 * least);
	CHECK(!none_lost || !w.model.coverage.lost_bytes);
	CHECK_EQ(sum.samples_changed + sum.whole_changed, 0);
	watching_end(&w);
}

/* ---- Copies ---------------------------------------------------------------------------------------------------------------- */

static void copy_blocks(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		read_block(block, i);
		memcpy(copy, block, BLOCK);
		write_bytes(copy, BLOCK);
	}
	note_did(source, sink, (uint64_t)count * BLOCK);
}

static void copies_behind_small_calls(void)
{
	int event = eventfd(0, 0);
	uint64_t one = 1;

	open_ends();
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 3000; k++)
			NEED(write(event, &one, 8) == 8 && read(event, &one, 8) == 8);
		read_block(block, i);
		memcpy(copy, block, BLOCK);
		write_bytes(copy, BLOCK);
	}
	note_did(source, sink, 100 * BLOCK);
}

static void small_calls_between(void)
{
	follow(copies_behind_small_calls, 1000, true);
}

/* Of a buffer that is written from where it was read to nothing makes one think of copies. */
static void copies_behind_many_reads(void)
{
	static uint8_t kept[16][BLOCK];
	int other;

	open_ends();
	other = open("/dev/zero", O_RDONLY);
	for (unsigned i = 0; i < 6000; i++)
		NEED(read(other, block, 512) == 512 && write(sink, block, 512) == 512);
	for (unsigned i = 0; i < 16; i++)
		read_block(kept[i], i);
	for (unsigned i = 0; i < 16; i++) {
		memcpy(copy, kept[i], BLOCK);
		write_bytes(copy, BLOCK);
	}
	copy_blocks(100);
	shared->did[0].bytes += 16 * BLOCK;
}

static void many_reads_before(void)
{
	follow(copies_behind_many_reads, 860, false);
	full = true;
	follow(copies_behind_many_reads, 1000, true);
}

/* Each block through one buffer a quarter as long. */
static void copies_in_slices(void)
{
	open_ends();
	for (unsigned i = 0; i < 200; i++) {
		read_block(block, i);
		for (unsigned k = 0; k < 4; k++) {
			memcpy(copy, block + k * (BLOCK / 4), BLOCK / 4);
			write_bytes(copy, BLOCK / 4);
		}
	}
	note_did(source, sink, 200 * BLOCK);
}

static void in_slices(void)
{
	for (int i = 0; i < 2; i++) {
		full = i;
		follow(copies_in_slices, 950, false);
	}
}

/* ---- Threads --------------------------------------------------------------------------------------------------------------- */

static sem_t is_full, is_empty;

static void *write_with_header(void *arg)
{
	for (unsigned i = 0; i < 200; i++) {
		sem_wait(&is_full);
		memset(block, (int)i, 16);
		write_bytes(block, sizeof block);
		sem_post(&is_empty);
	}
	return arg;
}

static void *write_without_beginning(void *arg)
{
	for (unsigned i = 0; i < 200; i++) {
		sem_wait(&is_full);
		write_bytes(block + 16 + 20000, BLOCK - 20000);
		sem_post(&is_empty);
	}
	return arg;
}

static void by_two_threads(void *(*writer)(void *), uint64_t bytes)
{
	pthread_t thread;

	open_ends();
	sem_init(&is_full, 0, 0);
	sem_init(&is_empty, 0, 1);
	NEED(pthread_create(&thread, NULL, writer, NULL) == 0);
	for (unsigned i = 0; i < 200; i++) {
		sem_wait(&is_empty);
		read_block(block + 16, i);
		sem_post(&is_full);
	}
	pthread_join(thread, NULL);
	note_did(source, sink, 200 * bytes);
}

static void header_by_another(void)
{
	by_two_threads(write_with_header, BLOCK);
}

static void the_rest_by_another(void)
{
	by_two_threads(write_without_beginning, BLOCK - 20000);
}

static void another_thread_writes(void)
{
	follow(header_by_another, 1000, true);
	follow(the_rest_by_another, 1000, true);
}

/* ---- Two ways to a call ---------------------------------------------------------------------------------------------------- */

#define TURNS 20000

static unsigned run_of, one_in;

static __attribute__((noinline)) void large_way(unsigned i)
{
	read_block(block, i);
	write_bytes(block, BLOCK);
	__asm__ volatile("");	/* no call is the last thing it does: its own address stands on the stack */
}

static __attribute__((noinline)) void small_way(unsigned i)
{
	read_block(block, i);
	write_bytes(block, BLOCK / 2);
	__asm__ volatile("");
}

/* The calls are the same ones, as deep in the stack; the lengths tell who made them. */
static void two_ways(void)
{
	uint64_t bytes = 0;

	open_ends();
	for (unsigned i = 0; i < TURNS; i++) {
		bool small = i / run_of % one_in == one_in - 1;

		(small ? small_way : large_way)(i);
		bytes += small ? BLOCK / 2 : BLOCK;
	}
	note_did(source, sink, bytes);
}

static unsigned log2_of(unsigned n)
{
	return 31 - (unsigned)__builtin_clz(n);
}

/* Of two paths that take turns, long or short, and of one that is seldom gone, hardly any bytes are the other one's. */
static void each_way_has_its_own(void)
{
	static const struct { unsigned run_of, one_in; } rows[] = { { 1, 2 }, { 8, 2 }, { 100, 2 }, { 1500, 2 }, { 1, 40 }, { 1, 200 } };

	full = false;
	for (unsigned r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		uint64_t all = 0, wrong = 0;
		struct watching w;

		run_of = rows[r].run_of;
		one_in = rows[r].one_in;
		watch(&w, two_ways, false, 60);
		for (size_t i = 0; i < w.model.flow_count; i++) {
			const struct flow *flow = &w.model.flows[i];
			uint64_t large = flow->sizes[log2_of(BLOCK)], small = flow->sizes[log2_of(BLOCK / 2)];

			all += large + small;
			wrong += large < small ? large : small;
		}
		printf("runs of %u, one in %u: %llu of %llu calls are charged to the other way\n", run_of, one_in,
		       (unsigned long long)wrong, (unsigned long long)all);
		CHECK_EQ(all, TURNS);
		CHECK_LE(wrong, TURNS / 50);
		watching_end(&w);
	}
}

static const struct test tests[] = {
	TEST(each_way_has_its_own), TEST(small_calls_between), TEST(many_reads_before), TEST(in_slices), TEST(another_thread_writes),
};
TEST_MAIN(tests)
