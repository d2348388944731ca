/* SPDX-License-Identifier: MIT */
/* The memory that processes share: addresses are read whole, whoever writes them, and whatever becomes of him. */
#include "../../cli/proxy/board.c"

#include "check.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct board_upstream *shared_upstream(void)
{
	struct board_upstream *up = mmap(NULL, sizeof *up, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(up != MAP_FAILED);
	return up;
}

static void fill(struct board_address addresses[BOARD_ADDRESSES], uint16_t port)
{
	memset(addresses, 0, BOARD_ADDRESSES * sizeof *addresses);
	for (int i = 0; i < BOARD_ADDRESSES; i++)
		addresses[i] = (struct board_address){ .length = sizeof addresses[i].in, .in.sin_port = port };
}

/* All of one set. Its port. */
static uint16_t read_whole(const struct board_upstream *up)
{
	struct board_address addresses[BOARD_ADDRESSES];

	CHECK_EQ(board_read(up, addresses, NULL), BOARD_ADDRESSES);
	for (int i = 1; i < BOARD_ADDRESSES; i++)
		CHECK_EQ(addresses[i].in.sin_port, addresses[0].in.sin_port);
	return addresses[0].in.sin_port;
}

static void read_while_written(void)
{
	struct board_upstream *up = shared_upstream();
	struct board_address addresses[BOARD_ADDRESSES];
	pid_t writer;

	fill(addresses, 0);
	board_write(up, addresses, BOARD_ADDRESSES);
	writer = fork();
	for (unsigned i = 1; writer == 0 && i; i++) {	/* until he is killed */
		fill(addresses, (uint16_t)i);
		board_write(up, addresses, BOARD_ADDRESSES);
	}
	for (int i = 0; i < 100000; i++)
		read_whole(up);
	kill(writer, SIGKILL);
	CHECK_EQ(waitpid(writer, NULL, 0), writer);
	munmap(up, sizeof *up);
}

/* What is written ends at memory that is not there: the writer dies in its midst. */
static void a_writer_that_dies(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct board_upstream *up = shared_upstream();
	unsigned char *edge = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct board_address addresses[BOARD_ADDRESSES];
	int status;

	CHECK(edge != MAP_FAILED && mprotect(edge + page, page, PROT_NONE) == 0);
	for (uint16_t port = 1; port < 6; port++) {
		pid_t writer;

		fill(addresses, port);
		board_write(up, addresses, BOARD_ADDRESSES);
		CHECK_EQ(read_whole(up), port);
		writer = fork();
		if (writer == 0) {
			signal(SIGSEGV, SIG_DFL);
			memset(edge, 0xff, page);
			board_write(up, (void *)(edge + page - 3 * sizeof *addresses), BOARD_ADDRESSES);
			_exit(0);
		}
		CHECK_EQ(waitpid(writer, &status, 0), writer);
		CHECK(WIFSIGNALED(status));
		alarm(20);		/* a reader who waits for him waits for ever */
		CHECK_EQ(read_whole(up), port);
		alarm(0);
	}
	munmap(edge, 2 * page);
	munmap(up, sizeof *up);
}

/* What who died had is taken back, and no more than that. */
static void a_share(void)
{
	static struct board board = { .count = 2 };
	static struct board_counts counts;
	const struct board_places places = { 2, { 7, 3 } };
	struct board_share *ours = &counts.shares[0], *others = &counts.shares[1];

	board.counts = &counts;
	for (unsigned i = 0; i < 2; i++)
		board.upstreams[i].active = &counts.upstreams[places.at[i]].active;
	for (int i = 0; i < 3; i++) {
		board_active(&board, ours, 1);
		board_active(&board, others, 1);
		board_at(&board, ours, i % 2, 1);
	}
	board_active(&board, ours, -1);
	board_at(&board, ours, 1, -1);
	board_at(&board, others, 1, 1);
	board_pipes(&board, ours, 5);
	board_pipes(&board, others, 7);
	board_pipes(&board, ours, 4);
	CHECK_EQ(counts.active, 5);
	CHECK_EQ(counts.pipes, 11);
	board_take_back(&counts, &places, ours);
	CHECK_EQ(counts.active, 3);
	CHECK_EQ(counts.pipes, 7);
	CHECK_EQ(*board.upstreams[0].active, 0);
	CHECK_EQ(*board.upstreams[1].active, 1);
	board_take_back(&counts, &places, ours);
	CHECK_EQ(counts.active, 3);
}

/* Also when who holds the lock is stopped. */
static void a_rate_that_changes(void)
{
	static struct board_counts counts;
	struct leat_bucket *bucket = &counts.rates[1];

	board_set_rate(&counts, 0);
	CHECK(bucket->bytes_per_s > 0);		/* it is waited for, else for ever */
	board_set_rate(&counts, 1000);
	CHECK_EQ(bucket->bytes_per_s, 1000);
	bucket->tokens = -1000000000;
	bucket->lock = 1;
	board_set_rate(&counts, 1000);
	CHECK_EQ(bucket->tokens, -1000000000);	/* a reload that says the same forgives nothing */
	CHECK_EQ(bucket->lock, 1);
	board_set_rate(&counts, 2000);
	CHECK_EQ(bucket->bytes_per_s, 2000);
	CHECK_EQ(bucket->tokens, 201);
	CHECK_EQ(bucket->lock, 0);
}

static struct board_address host(unsigned number)
{
	return (struct board_address){ .length = sizeof(struct sockaddr_in),
		.in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(number) } };
}

static void write_hosts(struct board_upstream *up, const unsigned *numbers, unsigned count)
{
	struct board_address addresses[BOARD_ADDRESSES];

	for (unsigned i = 0; i < count; i++)
		addresses[i] = host(numbers[i]);
	board_write(up, addresses, count);
}

/* The number of the one at that place. */
static uint32_t number_at(const struct board_upstream *up, unsigned place)
{
	uint32_t numbers[BOARD_ADDRESSES];

	CHECK(board_numbers(up, numbers) > place);
	return numbers[place];
}

static void an_address_is_out(void)
{
	struct board_upstream *up = shared_upstream();
	uint32_t numbers[BOARD_ADDRESSES];

	write_hosts(up, (unsigned[]){ 1, 2 }, 2);
	CHECK_EQ(board_numbers(up, numbers), 2);
	board_failed(up, numbers[0], 2, 100 * LEAT_SECOND);
	board_reached(up, numbers[0]);
	board_failed(up, numbers[0], 2, 100 * LEAT_SECOND);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 2);		/* not in a row */
	board_failed(up, numbers[0], 2, 100 * LEAT_SECOND);
	CHECK(!board_address_is_up(up, numbers[0], 99 * LEAT_SECOND));
	CHECK(board_address_is_up(up, numbers[0], 100 * LEAT_SECOND));
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 1);
	board_checked(up, numbers[1], 0, 2);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 1);
	board_checked(up, numbers[1], 0, 2);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 0);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, UINT64_MAX), 1);		/* a check is undone by a check alone */
	board_reached(up, numbers[1]);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 0);
	board_checked(up, numbers[0], 1, 2);
	board_checked(up, numbers[1], 1, 2);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 2);
	for (int i = 0; i < 9; i++)
		board_failed(up, numbers[0], 0, 100 * LEAT_SECOND);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 2);		/* 0 is never */
	munmap(up, sizeof *up);
}

static void its_fate_goes_with_it(void)
{
	struct board_upstream *up = shared_upstream();
	struct board_address address;
	uint32_t out;

	write_hosts(up, (unsigned[]){ 1, 2, 3 }, 3);
	out = number_at(up, 1);
	board_failed(up, out, 1, 100 * LEAT_SECOND);
	write_hosts(up, (unsigned[]){ 2, 4, 3, 2, 4 }, 5);
	CHECK_EQ(number_at(up, 0), out);
	CHECK_EQ(number_at(up, 3), out);	/* the name server says it twice */
	CHECK_EQ(number_at(up, 4), number_at(up, 1));
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 3);
	CHECK(board_find(up, out, &address) && address.in.sin_addr.s_addr == htonl(2));
	for (unsigned i = 5; i < 200; i++) {	/* it has left: its place comes round, and who was late says something of it still */
		unsigned others[BOARD_ADDRESSES];

		for (unsigned j = 0; j < BOARD_ADDRESSES; j++)
			others[j] = i * BOARD_ADDRESSES + j;
		write_hosts(up, others, BOARD_ADDRESSES);
		CHECK(!board_find(up, out, &address));
		board_failed(up, out, 1, 100 * LEAT_SECOND);
		board_checked(up, out, 0, 1);
		CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), BOARD_ADDRESSES);
	}
	write_hosts(up, (unsigned[]){ 2 }, 1);
	CHECK_EQ(board_up(up, BOARD_ADDRESSES, LEAT_SECOND), 1);	/* it begins anew */
	munmap(up, sizeof *up);
}

static void it_outlives_a_reload(void)
{
	struct board_upstream *up = shared_upstream(), *next = shared_upstream();

	write_hosts(up, (unsigned[]){ 1, 2, 3 }, 3);
	board_failed(up, number_at(up, 0), 2, 100 * LEAT_SECOND);
	board_failed(up, number_at(up, 1), 1, 100 * LEAT_SECOND);
	board_checked(up, number_at(up, 2), 0, 1);
	write_hosts(next, (unsigned[]){ 9, 3, 1, 2 }, 4);
	board_inherit(next, up, 0, 0);
	CHECK_EQ(board_up(next, BOARD_ADDRESSES, LEAT_SECOND), 4);
	board_inherit(next, up, 0, 1);
	CHECK(!board_address_is_up(next, number_at(next, 1), LEAT_SECOND));
	CHECK_EQ(board_up(next, BOARD_ADDRESSES, LEAT_SECOND), 3);
	board_inherit(next, up, 1, 1);
	CHECK(!board_address_is_up(next, number_at(next, 3), LEAT_SECOND));
	CHECK_EQ(board_up(next, BOARD_ADDRESSES, LEAT_SECOND), 2);
	CHECK_EQ(board_up(next, BOARD_ADDRESSES, 100 * LEAT_SECOND), 3);
	board_failed(next, number_at(next, 2), 2, 100 * LEAT_SECOND);	/* the second one */
	CHECK(!board_address_is_up(next, number_at(next, 2), LEAT_SECOND));
	munmap(up, sizeof *up);
	munmap(next, sizeof *next);
}

/* Of some hosts all connects fail, and this is told at any time, also when they have just left. */
static void tell_of_even_hosts(struct board_upstream *up)
{
	for (prctl(PR_SET_PDEATHSIG, SIGKILL);;) {
		uint32_t numbers[BOARD_ADDRESSES];
		unsigned count = board_numbers(up, numbers), even = 0;

		for (unsigned i = 0; i < count; i++) {
			struct board_address address;

			if (board_find(up, numbers[i], &address) && ntohl(address.in.sin_addr.s_addr) % 2 == 0)
				numbers[even++] = numbers[i];
		}
		for (int again = 0; again < 20; again++)
			for (unsigned i = 0; i < even; i++)
				board_failed(up, numbers[i], 1, 100 * LEAT_SECOND);
	}
}

static void told_while_they_change(void)
{
	struct board_upstream *up = shared_upstream();
	unsigned seen = 0;
	pid_t teller;

	write_hosts(up, (unsigned[]){ 1 }, 1);
	teller = fork();
	if (teller == 0)
		tell_of_even_hosts(up);
	for (unsigned i = 0; i < 300000; i++) {
		unsigned hosts[BOARD_ADDRESSES];

		for (unsigned j = 0; j < BOARD_ADDRESSES; j++)
			hosts[j] = (i / (j % 4 + 1) * BOARD_ADDRESSES + j) * 2654435761U >> 8;	/* some stay a while */
		write_hosts(up, hosts, BOARD_ADDRESSES);
		for (unsigned j = 0; j < BOARD_ADDRESSES; j++) {
			int is_up = board_address_is_up(up, number_at(up, j), LEAT_SECOND);

			CHECK(is_up || hosts[j] % 2 == 0);
			seen += !is_up;
		}
	}
	CHECK(seen);		/* else nothing was told */
	kill(teller, SIGKILL);
	CHECK_EQ(waitpid(teller, NULL, 0), teller);
	munmap(up, sizeof *up);
}

static const struct test tests[] = {
	TEST(read_while_written), TEST(a_writer_that_dies), TEST(a_share), TEST(a_rate_that_changes), TEST(an_address_is_out),
	TEST(its_fate_goes_with_it), TEST(it_outlives_a_reload), TEST(told_while_they_change),
};
TEST_MAIN(tests)
