/* SPDX-License-Identifier: MIT */
/* What is too much of something: flows, sinks, buffers of a call, reads of a write, bytes of a stack. What has no room is said. */
#include "carrying.h"

#include "doctor.skel.h"
#include "feed_bpf.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define SINKS 10000

/* Each into a file of its own, that is not there any more. */
static void many_sinks(void)
{
	static uint8_t buffer[PIECE];
	int from = source_file("many", 1);
	uint64_t done = 0;

	for (unsigned i = 0; i < SINKS; i++) {
		int to = (int)syscall(SYS_memfd_create, "sink", MFD_CLOEXEC);

		NEED(to >= 0 && pread(from, buffer, 1000, 0) == 1000 && write(to, buffer, 1000) == 1000);
		done += 1000;
		close(to);
	}
	note_did(from, from, done);
	unlink("many");
}

static void ten_thousand_flows(void)
{
	struct watching w;
	struct rusage before, after;
	struct flow sum;

	getrusage(RUSAGE_SELF, &before);
	watch(&w, many_sinks, false, 60);
	getrusage(RUSAGE_SELF, &after);
	CHECK_EQ(sum_flows(&w, w.shared->did[0].from, 0, &sum), SINKS);
	CHECK_EQ(sum.bytes, w.shared->did[0].bytes);
	CHECK_EQ(w.model.coverage.lost_flows, 0);
	printf("%ld KiB before, %ld KiB at most\n", before.ru_maxrss, after.ru_maxrss);
	if (!getenv("SANITIZER"))	/* whose shadows take more */
		CHECK(after.ru_maxrss < 64 * 1024);
	watching_end(&w);
}

/* What has no room of its own is summed up by kinds: nothing is lost but names. With no room for that either, it is counted. */
static void a_full_table(void)
{
	struct watching w;

	for (uint32_t room = 1; room <= 1000; room += 999) {
		const struct feed_options options = { .most_flows = room };
		uint64_t bytes = 0, truth;
		unsigned unnamed = 0;

		watching_prepare(&w, many_sinks);
		watching_open(&w, &options);
		watching_run(&w, 60);
		for (uint32_t i = 0; i < w.model.flow_count; i++) {
			const struct file *from = &w.model.files[w.model.flows[i].from], *to = &w.model.files[w.model.flows[i].to];

			bytes += w.model.flows[i].bytes;
			unnamed += !from->inode && !from->path && from->kind == FILE_REGULAR && to->kind == FILE_REGULAR &&
				   to->can_splice_to;
		}
		truth = w.shared->did[0].bytes;
		CHECK(w.model.flow_count <= room);
		CHECK(bytes <= truth);
		CHECK(bytes + w.model.coverage.lost_bytes >= truth);
		if (room > 1) {
			CHECK_EQ(bytes, truth);
			CHECK_EQ(unnamed, 1);
			CHECK_EQ(w.model.coverage.lost_flows, 0);
		}
		watching_end(&w);
	}
}

#define VECTORS 1024

static void long_vectors(void)
{
	static uint8_t buffer[VECTORS * 16];
	static struct iovec iov[VECTORS];
	int from = source_file("vectors", 20), to = open("/dev/null", O_WRONLY);
	uint64_t done = 0;
	ssize_t n;

	for (unsigned i = 0; i < VECTORS; i++)	/* backwards: no two buffers follow each other */
		iov[i] = (struct iovec){ buffer + (VECTORS - 1 - i) * 16, 16 };
	while ((n = readv(from, iov, VECTORS)) > 0) {
		NEED(writev(to, iov, VECTORS) == VECTORS * 16);
		done += (uint64_t)n;
		NEED(n == VECTORS * 16);
	}
	note_did(from, to, done);
	unlink("vectors");
}

static void thousand_buffers(void)
{
	struct watching w;
	struct flow sum;

	watch(&w, long_vectors, false, 30);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK_EQ(w.model.coverage.cut_vectors, 0);
	CHECK(sum.bytes <= w.shared->did[0].bytes);
	CHECK(sum.bytes + w.model.coverage.lost_bytes >= w.shared->did[0].bytes);
	printf("%llu of %llu bytes, %llu lost\n", (unsigned long long)sum.bytes, (unsigned long long)w.shared->did[0].bytes,
	       (unsigned long long)w.model.coverage.lost_bytes);
	watching_end(&w);
}

/* Reads behind each other until a buffer is full, as of a network, and then one write. */
static void gather(size_t piece)
{
	static uint8_t buffer[1 << 20];
	int from = source_file("gathered", 3 * sizeof buffer / PIECE), to = open("/dev/null", O_WRONLY);
	size_t have = 0;
	uint64_t done = 0;
	ssize_t n;

	while ((n = read(from, buffer + have, piece < sizeof buffer - have ? piece : sizeof buffer - have)) > 0) {
		have += (size_t)n;
		if (have < sizeof buffer)
			continue;
		NEED(write(to, buffer, have) == (ssize_t)have);
		done += have;
		have = 0;
	}
	note_did(from, to, done);
	unlink("gathered");
}

static void gather_segments(void)
{
	gather(1448);
}

static void short_reads(void)
{
	struct watching w;
	struct flow sum;

	watch(&w, gather_segments, false, 30);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK_EQ(sum.bytes, w.shared->did[0].bytes);
	CHECK_EQ(sum.writes, 3);
	CHECK_EQ(w.model.coverage.unpaired_write_bytes, sum.bytes);	/* by which the file was made */
	CHECK_EQ(w.model.coverage.lost_pairs + w.model.coverage.lost_bytes, 0);
	watching_end(&w);
}

#define BUFFERS 32

/* As many connections do, by turns: more reads wait for their write than there is room for. */
static void gather_in_turns(void)
{
	enum { BYTES = 1 << 20, SEGMENT = 1448 };
	static uint8_t buffers[BUFFERS][BYTES];
	int from = source_file("gathered", 2 * BYTES / PIECE), to = open("/dev/null", O_WRONLY);
	uint64_t done = 0;

	for (int turn = 0; turn < 3; turn++) {
		for (size_t at = 0; at < BYTES; at += SEGMENT)
			for (unsigned i = 0; i < BUFFERS; i++) {
				size_t bytes = BYTES - at < SEGMENT ? BYTES - at : SEGMENT;

				NEED(pread(from, buffers[i] + at, bytes, (off_t)at) == (ssize_t)bytes);
			}
		for (unsigned i = 0; i < BUFFERS; i++) {
			NEED(write(to, buffers[i], BYTES) == BYTES);
			done += BYTES;
		}
	}
	note_did(from, to, done);
	unlink("gathered");
}

static void more_reads_than_room(void)
{
	struct watching w;
	struct flow sum;

	watch(&w, gather_in_turns, false, 60);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	printf("%llu of %llu bytes, %llu lost\n", (unsigned long long)sum.bytes, (unsigned long long)w.shared->did[0].bytes,
	       (unsigned long long)w.model.coverage.lost_bytes);
	CHECK(sum.bytes <= w.shared->did[0].bytes);
	CHECK(sum.bytes + w.model.coverage.lost_bytes >= w.shared->did[0].bytes);
	watching_end(&w);
}

static void gather_less(void)
{
	gather(600);
}

/* More of them than a write is cut into: the rest is lost, and that is said. */
static void very_short_reads(void)
{
	struct watching w;
	struct flow sum;

	watch(&w, gather_less, false, 30);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK(sum.bytes > w.shared->did[0].bytes / 2 && sum.bytes < w.shared->did[0].bytes);
	CHECK(sum.bytes + w.model.coverage.lost_bytes >= w.shared->did[0].bytes);
	CHECK(w.model.coverage.lost_pairs > 0);
	watching_end(&w);
}

/* ---- Stacks ---------------------------------------------------------------------------------------------------------------- */

struct taken {
	unsigned calls, with_more;
	uint64_t want, more_at;
	size_t bytes;
};

/* As if every stack ended too early. */
static int wants_more(void *context, struct site *site, const struct feed_stack *stack, uint64_t *ret_want)
{
	struct taken *taken = context;

	CHECK(stack->ip && stack->sp && stack->register_count && stack->ip_count);
	CHECK_EQ(stack->bytes_at, stack->sp);
	taken->calls++;
	if (stack->more) {
		taken->with_more++;
		CHECK(stack->more_count > 0);
		CHECK_EQ(stack->more_at - stack->sp, 40000);
		return 0;
	}
	taken->bytes = stack->byte_count;
	*ret_want = stack->sp + 40000;
	return 1;
}

static void deep_stack(void)
{
	volatile uint8_t room[100000];	/* two pages of three are never touched: they are not there */
	static uint8_t buffer[PIECE];
	int from = source_file("deep", 40), to = open("/dev/null", O_WRONLY);

	for (unsigned i = 0; i < sizeof room; i += 3 * 4096)
		room[i] = 1;
	for (int i = 0; i < 40; i++) {
		NEED(read(from, buffer, PIECE) == PIECE);
		NEED(write(to, buffer, PIECE) == PIECE);
		usleep(10000);
	}
	unlink("deep");
}

static void a_second_snapshot(void)
{
	struct taken taken = { 0 };
	const struct feed_options options = { .take_stack = wants_more, .take_context = &taken };
	struct watching w;

	watching_prepare(&w, deep_stack);
	watching_open(&w, &options);
	watching_run(&w, 30);
	CHECK(taken.bytes > 16384 && taken.bytes <= 32768);
	CHECK(taken.with_more >= 2);
	CHECK_EQ(w.model.coverage.no_stack, 0);
	watching_end(&w);
}

/* ---- Epochs ------------------------------------------------------------------------------------------------------------------ */

static volatile int *turn;

static void waits_without_a_call(void)
{
	static uint8_t buffer[PIECE];
	int from, to;

	*turn = 1;
	while (*turn == 1)
		;
	from = source_file("epochs", 5);
	to = open("/dev/null", O_WRONLY);
	note_did(from, to, carry(from, to, buffer));
	unlink("epochs");
}

/* Who was met as a stranger is asked about again in each epoch, also when 65,536 of them have begun since. */
static void epochs_come_round(void)
{
	struct feed_bpf *feed;
	struct watching w;
	struct flow sum;
	uint64_t *mark, bit;

	turn = mmap(NULL, sizeof *turn, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(turn != MAP_FAILED);
	watching_prepare(&w, waits_without_a_call);
	watching_open(&w, NULL);
	feed = (struct feed_bpf *)w.feed;
	mark = &feed->skeleton->bss->watched[feed->watched[0].tgid >> 6];
	bit = UINT64_C(1) << (feed->watched[0].tgid & 63);
	__atomic_fetch_and(mark, ~bit, __ATOMIC_SEQ_CST);
	watching_go(&w);
	while (!*turn)
		usleep(1000);
	__atomic_fetch_or(mark, bit, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&feed->skeleton->data->watch_epoch, 65536, __ATOMIC_SEQ_CST);
	*turn = 2;
	watching_run(&w, 20);
	CHECK(sum_flows(&w, w.shared->did[0].from, w.shared->did[0].to, &sum) > 0);
	CHECK_EQ(sum.bytes, w.shared->did[0].bytes);
	watching_end(&w);
}

static const struct test tests[] = {
	TEST(ten_thousand_flows), TEST(a_full_table), TEST(thousand_buffers), TEST(short_reads), TEST(very_short_reads),
	TEST(more_reads_than_room), TEST(a_second_snapshot), TEST(epochs_come_round),
};
TEST_MAIN(tests)
