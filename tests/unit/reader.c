/* SPDX-License-Identifier: MIT */
/* Read-ahead requests: done whole, given back once and in order, with no wake-up lost, and forgotten when told. */
#include "with_helper.h"

static void makes_an_evicted_range_resident(void)
{
	const uint64_t size = 8 * MIB, from = 12305, bytes = 3 * MIB + 1;
	int before = count_descriptors(), fd = make_file(size), mine;

	begin(0);
	evict(fd, size);
	mine = CHECK_CALL(dup(fd));
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), mine, from, bytes), 0);
	close(mine);	/* allowed: it was duplicated */
	CHECK(wait_next() == transfer(0));
	CHECK_EQ(cold_pages(fd, from, bytes), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), (off_t)size);
	CHECK(!next());
	CHECK(!readable(0));
	leat_helper_end(&helper);
	close(fd);
	CHECK_EQ(count_descriptors(), before);
}

static void reads_at_most_4_mib(void)
{
	static const struct {
		uint64_t offset, bytes, read;
	} rows[] = {
		{ 0, 4 * MIB, 4 * MIB }, { 0, UINT64_MAX, 4 * MIB }, { 5 * MIB, LEAT_UNKNOWN, MIB }, { 100, 1, 1 }, { 0, 0, 0 },
		{ 6 * MIB, 5, 0 }, { UINT64_C(1) << 60, 4096, 0 }, { INT64_MAX, 4096, 0 }, { UINT64_MAX - 10, 4096, 0 },
	};
	int fd = make_file(6 * MIB);

	begin(0);
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		kernel.read_bytes = 0;
		CHECK_EQ(helper_read_ahead(&helper, transfer(i), fd, rows[i].offset, rows[i].bytes), 0);
		CHECK(wait_next() == transfer(i));
		CHECK_EQ((uint64_t)kernel.read_bytes, rows[i].read);
	}
	leat_helper_end(&helper);
	close(fd);
}

static void gives_each_once_in_order(void)
{
	const unsigned count = 200;
	int fd = make_file(64 * KIB), before = count_descriptors();

	begin(0);
	kernel.gate = true;
	for (unsigned i = 0; i < count; i++) {
		transfer(i)->bits = TRANSFER_COLD | TRANSFER_RUNS;
		CHECK_EQ(helper_read_ahead(&helper, transfer(i), fd, 0, 1), 0);
	}
	CHECK_EQ(sem_wait(&kernel.entered), 0);
	CHECK(!next());
	CHECK(!readable(0));
	CHECK_EQ(transfer(0)->bits, TRANSFER_COLD | TRANSFER_RUNS);
	open_gate();
	for (unsigned i = 0; i < count; i++) {
		CHECK(wait_next() == transfer(i));
		CHECK_EQ(transfer(i)->bits, TRANSFER_RUNS);	/* it may ask again */
	}
	CHECK(!next());
	CHECK(!readable(20));
	CHECK_EQ(count_descriptors(), before + 1);
	leat_helper_end(&helper);
	close(fd);
}

/* A loop that takes only one at a time is woken for the rest, and one that takes all is not woken for nothing. */
static void stays_readable_while_one_is_left(void)
{
	int fd = make_file(64 * KIB);

	begin(0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(helper_read_ahead(&helper, transfer(i), fd, 0, 1), 0);
	while (kernel.read_bytes < 3)
		usleep(100);
	kernel.gate = true;
	CHECK_EQ(helper_read_ahead(&helper, transfer(3), fd, 0, 1), 0);
	CHECK_EQ(sem_wait(&kernel.entered), 0);		/* so the first three are ready */
	for (unsigned i = 0; i < 3; i++) {
		CHECK(readable(0));
		CHECK(next() == transfer(i));
	}
	CHECK(!next());
	CHECK(!readable(0));
	open_gate();
	CHECK(wait_next() == transfer(3));
	leat_helper_end(&helper);
	close(fd);
}

/* Thousands, with as few descriptors as a default shell gives. past: the worker ends after each pause, and is made anew. */
static void ask_thousands(bool past)
{
	static unsigned char came[5000];
	const unsigned count = sizeof came;
	unsigned asked = 0, answered = 0, random = 1;
	int fd = make_file(256 * KIB), before = count_descriptors();
	struct transfer *t;

	begin(0);
	kernel.past = past;
	memset(came, 0, sizeof came);
	while (answered < count) {
		unsigned burst = (random = random * 1103515245 + 12345) >> 24;
		int error = 0;

		for (burst = past || burst < 128 ? 1 + burst % 3 : burst; burst && asked < count && !error; burst--) {
			error = helper_read_ahead(&helper, transfer(asked), fd, asked % 64 * 4 * KIB, 4 * KIB);
			asked += !error;
		}
		CHECK(!error || error == -EMFILE);
		CHECK_SAY(asked == answered || readable(SOON_MS), "a wake-up was lost after %u", answered);
		while ((t = next()) != NULL) {
			unsigned i = (unsigned)((struct leat_transfer *)t - transfers);

			CHECK(i < asked);
			CHECK_EQ(came[i], 0);
			came[i] = 1;
			answered++;
		}
	}
	CHECK(!next());
	leat_helper_end(&helper);
	CHECK_EQ(count_descriptors(), before);
	close(fd);
}

static void thousands_of_requests(void)
{
	ask_thousands(false);
}

static void a_worker_comes_and_goes(void)
{
	ask_thousands(true);
	wait_for_no_worker();
}

static void forgets_what_waits_is_read_and_is_ready(void)
{
	int fd = make_file(64 * KIB), before = count_descriptors();

	begin(0);
	kernel.gate = true;
	for (unsigned i = 0; i < 5; i++)
		CHECK_EQ(helper_read_ahead(&helper, transfer(i), fd, 0, 64 * KIB), 0);
	CHECK_EQ(sem_wait(&kernel.entered), 0);
	helper_forget(&helper, transfer(4));	/* the last */
	helper_forget(&helper, transfer(2));	/* one in the middle */
	helper_forget(&helper, transfer(0));	/* returns although the worker stands in its read */
	helper_forget(&helper, transfer(9));	/* was never there */
	open_gate();
	CHECK(wait_next() == transfer(1));
	CHECK(wait_next() == transfer(3));
	CHECK(!next());

	CHECK_EQ(helper_read_ahead(&helper, transfer(5), fd, 0, 1), 0);
	CHECK_EQ(helper_read_ahead(&helper, transfer(6), fd, 0, 1), 0);
	CHECK(wait_next() == transfer(5));
	CHECK(readable(SOON_MS));	/* 6 is ready, or 5's signal is still there */
	usleep(20000);
	helper_forget(&helper, transfer(6));
	CHECK(!next());
	CHECK(!readable(20));
	CHECK_EQ(count_descriptors(), before + 1);
	leat_helper_end(&helper);
	close(fd);
}

static void a_forgotten_one_may_ask_again(void)
{
	int fd = make_file(MIB);

	begin(0);
	for (int i = 0; i < 500; i++) {
		kernel.gate = true;
		CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, MIB), 0);
		CHECK_EQ(sem_wait(&kernel.entered), 0);
		helper_forget(&helper, transfer(0));
		CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
		open_gate();
		CHECK(wait_next() == transfer(0));
		CHECK(!next());
		CHECK(!readable(0));
	}
	/* What was forgotten is not read to its end: one read of it, and one of the second request. */
	CHECK_LE((unsigned)kernel.reads, 1000);
	leat_helper_end(&helper);
	close(fd);
}

/* Forgetting at any moment of a request's life: either it was taken before, or it never comes. */
static void forgets_at_any_moment(void)
{
	int fd = make_file(256 * KIB), before = count_descriptors();
	unsigned random = 7;

	begin(0);
	for (int i = 0; i < 3000; i++) {
		CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 256 * KIB), 0);
		CHECK_EQ(helper_read_ahead(&helper, transfer(1), fd, 0, 1), 0);
		for (unsigned spin = (random = random * 1103515245 + 12345) >> 17; spin; spin--)
			atomic_signal_fence(memory_order_seq_cst);
		helper_forget(&helper, transfer(0));
		CHECK(wait_next() == transfer(1));
		CHECK(!next());
	}
	leat_helper_end(&helper);
	CHECK_EQ(count_descriptors(), before);
	close(fd);
}

static void read_errors_are_the_transfers_to_meet(void)
{
	int fd = make_file(256 * KIB);

	begin(0);
	kernel.read_error = -EIO;
	kernel.read_errors = 1;
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 256 * KIB), 0);
	CHECK(wait_next() == transfer(0));
	CHECK_EQ((unsigned)kernel.reads, 1);
	kernel.read_error = -EINTR;
	kernel.read_errors = 3;
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 256 * KIB), 0);
	CHECK(wait_next() == transfer(0));
	CHECK_EQ((uint64_t)kernel.read_bytes, 256 * KIB);
	leat_helper_end(&helper);
	close(fd);
}

static const struct test tests[] = {
	TEST(makes_an_evicted_range_resident),
	TEST(reads_at_most_4_mib),
	TEST(gives_each_once_in_order),
	TEST(stays_readable_while_one_is_left),
	TEST(thousands_of_requests),
	TEST(a_worker_comes_and_goes),
	TEST(forgets_what_waits_is_read_and_is_ready),
	TEST(a_forgotten_one_may_ask_again),
	TEST(forgets_at_any_moment),
	TEST(read_errors_are_the_transfers_to_meet),
};
TEST_MAIN(tests)
