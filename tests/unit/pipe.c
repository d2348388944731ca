/* SPDX-License-Identifier: MIT */
/* Pipes of ours: sizes, budget, pool, and above all that no byte survives in a pipe that is used again. */
#include "check.h"
#include "descriptors.h"

#include "helper.h"
#include "pipe.h"
#include "sys.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* What the kernel is made to say. */
static struct {
	int pipe_error;
	uint64_t largest;	/* refuses more, as without privilege; 0: as it likes */
	uint64_t given;		/* every pipe has this size; 0: as it likes */
	int size_error;		/* of setting, not of asking */
	unsigned pipes;		/* calls of sys_pipe */
	uint64_t wanted[16];
	unsigned wanted_count;
} kernel;

int __real_sys_pipe(int fd[2]);
int __wrap_sys_pipe(int fd[2]);
int64_t __real_sys_pipe_size(int fd, uint64_t wanted);
int64_t __wrap_sys_pipe_size(int fd, uint64_t wanted);

int __wrap_sys_pipe(int fd[2])
{
	kernel.pipes++;
	return kernel.pipe_error ? kernel.pipe_error : __real_sys_pipe(fd);
}

int64_t __wrap_sys_pipe_size(int fd, uint64_t wanted)
{
	if (wanted && kernel.wanted_count < 16)
		kernel.wanted[kernel.wanted_count++] = wanted;
	if (wanted && kernel.size_error)
		return kernel.size_error;
	if (kernel.given)
		return (int64_t)kernel.given;
	if (kernel.largest && wanted > kernel.largest)
		wanted = 0;
	return __real_sys_pipe_size(fd, wanted);
}

static void begin(void)
{
	memset(&kernel, 0, sizeof kernel);
}

static uint64_t bytes_in(const struct pipe *pipe)
{
	int bytes = -1;

	CHECK_CALL(ioctl(pipe->fd[0], FIONREAD, &bytes));
	return (uint64_t)bytes;
}

static void gives_what_was_asked(void)
{
	struct pipe pipe;
	int before = count_descriptors();

	begin();
	CHECK_EQ(pipe_open(&pipe, MIB, NULL), 0);
	CHECK_EQ(pipe.bytes, 0);
	CHECK_EQ(pipe.size, (uint64_t)CHECK_CALL(fcntl(pipe.fd[0], F_GETPIPE_SZ)));
	CHECK_EQ(pipe.size, MIB);
	for (int i = 0; i < 2; i++) {
		CHECK(fcntl(pipe.fd[i], F_GETFD) & FD_CLOEXEC);
		CHECK(fcntl(pipe.fd[i], F_GETFL) & O_NONBLOCK);
	}
	pipe_close(&pipe, NULL);
	CHECK_EQ(pipe.fd[0], -1);
	CHECK_EQ(pipe.fd[1], -1);
	pipe_close(&pipe, NULL);
	CHECK_EQ(count_descriptors(), before);
}

static void gives_never_less_than_64_kib(void)
{
	static const uint64_t asked[] = { 0, 1, 4096, 64 * KIB - 1, 64 * KIB, 100 * 1000 };
	struct pipe pipe;

	begin();
	for (unsigned i = 0; i < sizeof asked / sizeof *asked; i++) {
		CHECK_EQ(pipe_open(&pipe, asked[i], NULL), 0);
		CHECK_GE(pipe.size, 64 * KIB);
		CHECK_GE(pipe.size, asked[i]);
		pipe_close(&pipe, NULL);
	}
}

static void asks_for_less_when_refused(void)
{
	static const uint64_t ladder[] = { 1 * MIB, 512 * KIB, 256 * KIB };
	struct pipe pipe;

	begin();
	kernel.largest = 256 * KIB;
	CHECK_EQ(pipe_open(&pipe, MIB, NULL), 0);
	CHECK_EQ(pipe.size, 256 * KIB);
	CHECK_EQ(kernel.wanted_count, 3);
	CHECK_BYTES(kernel.wanted, ladder, sizeof ladder);
	pipe_close(&pipe, NULL);

	begin();
	kernel.largest = 1;
	CHECK_EQ(pipe_open(&pipe, 700 * 1000, NULL), 0);
	CHECK_EQ(pipe.size, 64 * KIB);
	pipe_close(&pipe, NULL);
}

static void lives_with_no_memory_for_more(void)
{
	struct pipe pipe;

	begin();
	kernel.size_error = -ENOMEM;
	CHECK_EQ(pipe_open(&pipe, MIB, NULL), 0);
	CHECK_EQ(pipe.size, 64 * KIB);
	pipe_close(&pipe, NULL);
}

static void refuses_a_pipe_too_small(void)
{
	struct leat_helper pool;
	struct pipe pipe;
	int before;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 2), 0);
	before = count_descriptors();
	kernel.given = 8 * KIB;
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(pipe_open(&pipe, MIB, i & 1 ? &pool : NULL), -ENOBUFS);
		CHECK_EQ(pipe.fd[0], -1);
		CHECK_EQ(pipe.fd[1], -1);
	}
	CHECK_EQ(kernel.pipes, 10);
	CHECK_EQ(count_descriptors(), before);
	leat_helper_end(&pool);
}

static void failures_do_not_use_up_the_cap(void)
{
	static const int errors[] = { -EMFILE, -ENFILE };
	struct leat_helper pool;
	struct pipe a, b, c;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 2), 0);
	for (int i = 0; i < 10; i++) {
		kernel.pipe_error = errors[i & 1];
		CHECK_EQ(pipe_open(&a, MIB, &pool), errors[i & 1]);
		CHECK_EQ(a.fd[0], -1);
	}
	kernel.pipe_error = 0;
	CHECK_EQ(pipe_open(&a, MIB, &pool), 0);
	CHECK_EQ(pipe_open(&b, MIB, &pool), 0);
	CHECK_EQ(pipe_open(&c, MIB, &pool), -ENOBUFS);
	pipe_close(&a, &pool);
	pipe_close(&b, &pool);
	leat_helper_end(&pool);
}

static void says_when_descriptors_run_out(void)
{
	struct rlimit limit, low;
	struct pipe pipe;
	int lowest, error;

	begin();
	CHECK_CALL(getrlimit(RLIMIT_NOFILE, &limit));
	lowest = CHECK_CALL(dup(0));
	close(lowest);
	low = limit;
	low.rlim_cur = (rlim_t)lowest + 1;	/* room for one of the two */
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &low));
	error = pipe_open(&pipe, MIB, NULL);
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_EQ(error, -EMFILE);
	CHECK_EQ(pipe.fd[0], -1);
}

static void an_empty_pipe_is_used_again(void)
{
	struct leat_helper pool;
	struct pipe pipe;
	int before, fd;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 0), 0);
	CHECK_EQ(pipe_open(&pipe, MIB, &pool), 0);
	fd = pipe.fd[0];
	pipe_close(&pipe, &pool);
	before = count_descriptors();
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(pipe_open(&pipe, MIB, &pool), 0);
		CHECK_EQ(pipe.fd[0], fd);
		CHECK_EQ(pipe.size, MIB);
		CHECK_EQ(pipe.bytes, 0);
		CHECK_EQ(write(pipe.fd[1], "abc", 3), 3);
		CHECK_EQ(read(pipe.fd[0], (char[3]){ 0 }, 3), 3);
		pipe_close(&pipe, &pool);
	}
	CHECK_EQ(kernel.pipes, 1);
	CHECK_EQ(kernel.wanted_count, 1);
	CHECK_EQ(count_descriptors(), before);
	leat_helper_end(&pool);
	CHECK_EQ(count_descriptors(), before - 3);
}

static void a_pipe_with_bytes_is_never_used_again(void)
{
	struct leat_helper pool;
	struct pipe pipe;
	int before;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 4), 0);
	before = count_descriptors();
	/* counted: 0 known, 1 forgotten (the kernel knows better), 2 known, but the pipe was drained behind our back */
	for (int i = 0; i < 300; i++) {
		CHECK_EQ(pipe_open(&pipe, MIB, &pool), 0);
		CHECK_EQ(bytes_in(&pipe), 0);
		CHECK_EQ(read(pipe.fd[0], (char[1]){ 0 }, 1), -1);
		CHECK_EQ(write(pipe.fd[1], "canary", 6), 6);
		pipe.bytes = i % 3 == 1 ? 0 : 6;
		if (i % 3 == 2)
			CHECK_EQ(read(pipe.fd[0], (char[6]){ 0 }, 6), 6);
		pipe_close(&pipe, &pool);
		CHECK_EQ(count_descriptors(), before);
	}
	CHECK_EQ(kernel.pipes, 300);
	leat_helper_end(&pool);
}

static void the_cap_counts_lent_and_idle_ones(void)
{
	struct leat_helper pool;
	struct pipe pipes[20], more;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 20), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20; i++)
			CHECK_EQ(pipe_open(&pipes[i], 64 * KIB, &pool), 0);
		CHECK_EQ(pipe_open(&more, 64 * KIB, &pool), -ENOBUFS);
		CHECK_EQ(more.fd[0], -1);
		pipes[7].bytes = 1;		/* closed, and makes room for a new one */
		for (int i = 0; i < 20; i++)
			pipe_close(&pipes[i], &pool);
	}
	CHECK_EQ(kernel.pipes, 22);
	leat_helper_end(&pool);
}

static void a_small_pipe_of_the_pool_grows(void)
{
	struct leat_helper pool;
	struct pipe pipe;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 1), 0);
	CHECK_EQ(pipe_open(&pipe, 64 * KIB, &pool), 0);
	CHECK_EQ(pipe.size, 64 * KIB);
	pipe_close(&pipe, &pool);
	kernel.size_error = -ENOMEM;
	CHECK_EQ(pipe_open(&pipe, MIB, &pool), 0);
	CHECK_EQ(pipe.size, 64 * KIB);
	pipe_close(&pipe, &pool);
	kernel.size_error = 0;
	CHECK_EQ(pipe_open(&pipe, MIB, &pool), 0);
	CHECK_EQ(pipe.size, MIB);
	CHECK_EQ(fcntl(pipe.fd[1], F_GETPIPE_SZ), (int)MIB);
	pipe_close(&pipe, &pool);
	CHECK_EQ(pipe_open(&pipe, 64 * KIB, &pool), 0);
	CHECK_EQ(pipe.size, MIB);
	pipe_close(&pipe, &pool);
	CHECK_EQ(kernel.pipes, 1);
	leat_helper_end(&pool);
}

static void closing_what_is_not_open_is_fine(void)
{
	struct leat_helper pool;
	struct pipe never = { .fd = { -1, -1 } }, zeros = { 0 };
	int before;

	begin();
	CHECK_EQ(leat_helper_init(&pool, 1), 0);
	before = count_descriptors();
	pipe_close(&never, NULL);
	pipe_close(&never, &pool);
	pipe_close(&zeros, NULL);
	pipe_close(&zeros, &pool);
	CHECK_EQ(count_descriptors(), before);
	CHECK_EQ(pipe_open(&never, MIB, &pool), 0);
	pipe_close(&never, &pool);
	leat_helper_end(&pool);
}

/* In a child, as a user of no privilege, and no one else's budget: opens pipes of 1 MiB until his is used up. */
static void use_up_the_budget(void)
{
	const uid_t nobody = 64000 + (uid_t)getpid() % 1000;
	static struct pipe pipes[4096];
	struct rlimit limit;
	struct leat_helper pool;
	unsigned count = 0, smaller = 0;
	int error;

	CHECK_CALL(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;	/* the budget shall run out first */
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &limit));
	CHECK_CALL(setgroups(0, NULL));
	CHECK_CALL(setresgid(nobody, nobody, nobody));
	CHECK_CALL(setresuid(nobody, nobody, nobody));
	CHECK_EQ(leat_helper_init(&pool, 4096), 0);
	for (; (error = pipe_open(&pipes[count], MIB, &pool)) == 0; count++) {
		CHECK_GE(pipes[count].size, 64 * KIB);
		CHECK_EQ(pipes[count].size, (uint64_t)fcntl(pipes[count].fd[1], F_GETPIPE_SZ));
		smaller += pipes[count].size < MIB;
		CHECK_SAY(count < 4095, "no budget here");
	}
	CHECK_EQ(error, -ENOBUFS);
	CHECK_EQ(pipes[count].fd[0], -1);
	CHECK(count > 0);
	printf("%u pipes, %u of them smaller than 1 MiB\n", count, smaller);
	pipe_close(&pipes[0], &pool);
	CHECK_EQ(pipe_open(&pipes[0], MIB, &pool), 0);
	CHECK_EQ(pipes[0].size, MIB);
	for (unsigned i = 0; i < count; i++)
		pipe_close(&pipes[i], &pool);
	leat_helper_end(&pool);
	exit(0);
}

static void the_budget_of_a_user(void)
{
	FILE *file = fopen("/proc/sys/fs/pipe-user-pages-soft", "r");
	long pages = 0;
	int status;
	pid_t child;

	if (geteuid() != 0)
		test_skip("needs root, to become a user of no privilege");
	if (!file || fscanf(file, "%ld", &pages) != 1 || pages == 0 || pages > 16384)
		test_skip("pipe-user-pages-soft is not as usual: %ld", pages);
	fclose(file);
	begin();
	fflush(stdout);
	child = CHECK_CALL(fork());
	if (child == 0)
		use_up_the_budget();
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

static const struct test tests[] = {
	TEST(gives_what_was_asked),
	TEST(gives_never_less_than_64_kib),
	TEST(asks_for_less_when_refused),
	TEST(lives_with_no_memory_for_more),
	TEST(refuses_a_pipe_too_small),
	TEST(failures_do_not_use_up_the_cap),
	TEST(says_when_descriptors_run_out),
	TEST(an_empty_pipe_is_used_again),
	TEST(a_pipe_with_bytes_is_never_used_again),
	TEST(the_cap_counts_lent_and_idle_ones),
	TEST(a_small_pipe_of_the_pool_grows),
	TEST(closing_what_is_not_open_is_fine),
	TEST(the_budget_of_a_user),
};
TEST_MAIN(tests)
