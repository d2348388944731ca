/* SPDX-License-Identifier: MIT */
/* The life of a helper: begun, ended while busy, idle, let down by the system, forked; and what it must leave alone. */
#include "with_helper.h"

static void costs_one_descriptor_until_asked(void)
{
	int before = count_descriptors(), fd;

	begin(0);
	fd = leat_helper_fd(&helper);
	CHECK_EQ(count_descriptors(), before + 1);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(!readable(0));
	CHECK(!next());
	CHECK_EQ(worker(), 0);
	helper_forget(&helper, transfer(0));
	leat_helper_end(&helper);
	CHECK_EQ(count_descriptors(), before);
}

static void nothing_and_zeros_are_valid(void)
{
	struct leat_helper zeros = { 0 };
	struct pipe pipe;

	CHECK_EQ(leat_helper_init(NULL, 0), -EINVAL);
	CHECK_EQ(leat_helper_fd(NULL), -1);
	CHECK(!leat_helper_next(NULL));
	CHECK_EQ(leat_helper_pipes(NULL), 0u);
	leat_helper_end(NULL);
	CHECK_EQ(leat_helper_fd(&zeros), -1);
	CHECK(!leat_helper_next(&zeros));
	CHECK_EQ(leat_helper_pipes(&zeros), 0u);
	CHECK_LE(helper_read_ahead(&zeros, transfer(0), 0, 0, 1), -1);
	helper_forget(&zeros, transfer(0));
	CHECK(!helper_take_pipe(&zeros, &pipe));
	CHECK(!helper_may_make(&zeros));
	helper_put_buffer(&zeros, malloc(100), 100);
	CHECK(!helper_take_buffer(&zeros, 100));
	leat_helper_end(&zeros);
	begin(0);
	leat_helper_end(&helper);
	leat_helper_end(&helper);
}

static void *open_gate_later(void *arg)
{
	usleep(30000);
	*(unsigned *)arg = kernel.reads;
	open_gate();
	return NULL;
}

static void ends_while_busy(void)
{
	int fd = make_file(4 * MIB), before = count_descriptors();
	unsigned reads = 0;
	pthread_t thread;

	begin(0);
	kernel.gate = true;
	for (unsigned i = 0; i < 10; i++)
		CHECK_EQ(helper_read_ahead(&helper, transfer(i), fd, 0, 4 * MIB), 0);
	CHECK_EQ(sem_wait(&kernel.entered), 0);
	CHECK_EQ(pthread_create(&thread, NULL, open_gate_later, &reads), 0);
	leat_helper_end(&helper);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ((unsigned)kernel.reads, reads);	/* it did not go on after the read it stood in */
	CHECK_EQ(reads, 1);
	CHECK_EQ(count_descriptors(), before);
	wait_for_no_worker();
	close(fd);
}

static void ends_with_ready_ones_untaken(void)
{
	int fd = make_file(64 * KIB), before = count_descriptors();

	for (unsigned i = 0; i < 100; i++) {
		begin(0);
		CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
		CHECK_EQ(helper_read_ahead(&helper, transfer(1), fd, 0, 1), 0);
		if (i & 1)
			CHECK(readable(SOON_MS));
		leat_helper_end(&helper);
	}
	CHECK_EQ(count_descriptors(), before);
	close(fd);
}

static void the_worker_blocks_all_signals(void)
{
	/* 32 and 33 are libc's own, 64 is valgrind's. */
	const unsigned long long never = 1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 3ull << 31 | 1ull << 63;
	unsigned long long blocked = 0;
	char path[64], line[256];
	sigset_t none, after;
	int fd = make_file(64 * KIB);
	FILE *file;

	begin(0);
	sigemptyset(&none);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	for (int i = 1; i < 65; i++)
		CHECK_EQ(sigismember(&after, i), 0);
	CHECK(wait_next() == transfer(0));
	snprintf(path, sizeof path, "/proc/self/task/%d/status", worker());
	file = fopen(path, "r");
	CHECK(file);
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	fclose(file);
	CHECK_EQ(blocked | never, ~0ull);
	leat_helper_end(&helper);
	close(fd);
}

static void an_idle_worker_ends_and_comes_back(void)
{
	int fd = make_file(64 * KIB);

	begin(0);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
		CHECK(wait_next() == transfer(0));
		CHECK(worker());
		wait_for_no_worker();
	}
	leat_helper_end(&helper);
	close(fd);
}

static void says_what_it_cannot_get(void)
{
	int fd = make_file(64 * KIB), before = count_descriptors();

	begin(0);
	kernel.dup_error = -EMFILE;
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), -EMFILE);
	kernel.dup_error = 0;
	kernel.thread_error = -EAGAIN;
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), -EAGAIN);
	kernel.thread_error = 0;
	kernel.no_memory = true;
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), -ENOMEM);
	kernel.no_memory = false;
	CHECK_LE(helper_read_ahead(&helper, transfer(0), -1, 0, 1), -1);
	helper_forget(&helper, transfer(0));
	CHECK(!next());
	CHECK(!readable(0));
	CHECK_EQ(count_descriptors(), before + 1);
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
	CHECK(wait_next() == transfer(0));
	leat_helper_end(&helper);
	kernel.eventfd_error = -EMFILE;
	CHECK_EQ(leat_helper_init(&helper, 0), -EMFILE);
	CHECK_EQ(leat_helper_fd(&helper), -1);
	leat_helper_end(&helper);
	CHECK_EQ(count_descriptors(), before);
	close(fd);
}

static void a_pool_that_cannot_grow_closes(void)
{
	struct pipe pipe = { .fd = { 100, 101 } }, other;

	begin(2);
	kernel.no_memory = true;
	CHECK(helper_may_make(&helper));
	CHECK(!helper_put_pipe(&helper, &pipe, true));
	kernel.no_memory = false;
	CHECK(helper_may_make(&helper));
	CHECK(helper_may_make(&helper));
	CHECK(!helper_may_make(&helper));
	CHECK_EQ(leat_helper_pipes(&helper), 2u);
	CHECK(!helper_put_pipe(&helper, &pipe, false));
	CHECK_EQ(leat_helper_pipes(&helper), 1u);
	CHECK(helper_put_pipe(&helper, &pipe, true));
	CHECK_EQ(leat_helper_pipes(&helper), 1u);	/* idle, and open */
	CHECK(helper_take_pipe(&helper, &other));
	CHECK_EQ(other.fd[1], 101);
	CHECK(!helper_put_pipe(&helper, &other, false));
	leat_helper_end(&helper);
}

/* F_SETLK locks belong to the process, and closing any descriptor of the file drops them. */
static void keeps_the_record_locks_of_the_process(void)
{
	struct flock lock = { .l_type = F_RDLCK, .l_start = 10, .l_len = 5 }, other = { .l_type = F_WRLCK };
	int fd = make_file(64 * KIB);

	begin(0);
	CHECK_CALL(fcntl(fd, F_SETLK, &lock));
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), -EBUSY);
	CHECK_CALL(fcntl(fd, F_OFD_GETLK, &other));
	CHECK_EQ(other.l_type, F_RDLCK);
	CHECK_EQ(other.l_pid, getpid());
	lock.l_type = F_UNLCK;
	CHECK_CALL(fcntl(fd, F_SETLK, &lock));
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
	CHECK(wait_next() == transfer(0));
	leat_helper_end(&helper);
	close(fd);
}

static void in_the_child(int fd)
{
	struct pipe pipe;

	/* The requests are the parent's, so lost here on purpose: kept in reach of leak checkers. */
	memcpy(&transfers[4], &helper, sizeof helper);
	CHECK(!next());		/* although one is ready in the parent */
	CHECK_EQ(helper_read_ahead(&helper, transfer(3), fd, 0, 1), -ECHILD);
	helper_forget(&helper, transfer(1));
	CHECK(!helper_take_pipe(&helper, &pipe));
	leat_helper_end(&helper);
	CHECK_EQ(leat_helper_fd(&helper), -1);
#ifndef __SANITIZE_THREAD__	/* it forbids threads after a fork */
	CHECK_EQ(leat_helper_init(&helper, 0), 0);
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
	CHECK(wait_next() == transfer(0));
	leat_helper_end(&helper);
#endif
}

static void a_child_leaves_the_parents_helper_alone(void)
{
	struct pipe pipe = { .fd = { -1, -1 } };
	int fd = make_file(64 * KIB), status;
	pid_t child;

	begin(0);
	CHECK(helper_may_make(&helper));
	CHECK_EQ(sys_pipe(pipe.fd), 0);
	CHECK(helper_put_pipe(&helper, &pipe, true));
	CHECK_EQ(helper_read_ahead(&helper, transfer(0), fd, 0, 1), 0);
	CHECK(readable(SOON_MS));
	kernel.gate = true;
	CHECK_EQ(helper_read_ahead(&helper, transfer(1), fd, 0, 1), 0);
	CHECK_EQ(sem_wait(&kernel.entered), 0);
	fflush(stdout);
	child = CHECK_CALL(fork());
	if (child == 0) {
		kernel.gate = false;
		in_the_child(fd);
		_exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	CHECK(readable(0));
	CHECK(wait_next() == transfer(0));
	open_gate();
	CHECK(wait_next() == transfer(1));
	CHECK(helper_take_pipe(&helper, &pipe));
	CHECK(helper_put_pipe(&helper, &pipe, true));
	leat_helper_end(&helper);
	close(fd);
}

static const struct test tests[] = {
	TEST(costs_one_descriptor_until_asked),
	TEST(nothing_and_zeros_are_valid),
	TEST(ends_while_busy),
	TEST(ends_with_ready_ones_untaken),
	TEST(the_worker_blocks_all_signals),
	TEST(an_idle_worker_ends_and_comes_back),
	TEST(says_what_it_cannot_get),
	TEST(a_pool_that_cannot_grow_closes),
	TEST(keeps_the_record_locks_of_the_process),
	TEST(a_child_leaves_the_parents_helper_alone),
};
TEST_MAIN(tests)
