/* SPDX-License-Identifier: MIT */
/* What the count pass of `leat bench` reads from the log of strace. */
#include "../../cli/bench/child.h"
#include "../../cli/bench/count.h"
#include "../../cli/bench/tool.h"
#include "check.h"

/* What tracing itself would call: nothing is traced here. */
pid_t child_fork(void)
{
	return -1;
}

const char *tool_end(int status, char *text, size_t size)
{
	return text;
}

int pin_to(int cpu)
{
	return 0;
}

static struct counts counted(const char *lines)
{
	struct counts counts = { .names = 0 };
	FILE *file = tmpfile();
	int log;

	CHECK(file && fputs(lines, file) >= 0 && fflush(file) == 0);
	log = CHECK_CALL(dup(fileno(file)));
	fclose(file);
	CHECK_EQ(counts_read(&counts, log), 0);
	return counts;
}

#define ACCEPT "7 accept4(3<socket:[1]>, NULL, NULL, SOCK_CLOEXEC) = 5<socket:[2]>\n"
#define SENDFILE "7 sendfile(5<socket:[2]>, 4</tmp/file>, [0] => [4096], 4096) = 4096\n"
#define READ "7 read(4</tmp/file>, \"\"..., 1) = 1\n"
#define PROBE "7 preadv2(4</tmp/file>, [{iov_base=\"x\", iov_len=1}], 1, 4096, RWF_NOWAIT) = 1\n"
#define PROBE_BEGINS "7 preadv2(4</tmp/file>,  <unfinished ...>\n"
#define PROBE_ENDS "7 <... preadv2 resumed>[{iov_base=\"x\", iov_len=1}], 1, 4096, RWF_NOWAIT) = 1\n"
#define READ_ENDS "7 <... preadv2 resumed>[{iov_base=\"\"..., iov_len=8192}], 1, 4096, 0) = 8192\n"
#define OTHER_THREAD "8 nanosleep({tv_sec=0, tv_nsec=100000000}, NULL) = 0\n"

static void check_calls(const struct counts *counts, uint64_t probes, uint64_t user_calls, uint64_t user_in_bytes)
{
	CHECK_EQ(counts->probes, probes);
	CHECK_EQ(counts->user_calls, user_calls);
	CHECK_EQ(counts->user_in_bytes, user_in_bytes);
	CHECK_EQ(counts->transfer_calls, 2 + user_calls);	/* two of sendfile */
	CHECK_EQ(counts_of(counts, "sendfile"), 2);
	CHECK_EQ(counts_of(counts, "preadv2") + counts_of(counts, "read"), probes + user_calls);
}

static void a_probe_is_no_read(void)
{
	struct counts counts = counted(ACCEPT SENDFILE PROBE SENDFILE "7 close(5<socket:[2]>) = 0\n");

	check_calls(&counts, 1, 0, 0);
	CHECK_EQ(counts_of(&counts, "close"), 0);	/* after the last payload */
	counts = counted(ACCEPT SENDFILE READ PROBE SENDFILE);
	check_calls(&counts, 1, 1, 1);
}

/* Its flags stand in the second half, then. */
static void a_probe_that_another_thread_cuts_in_two_is_no_read(void)
{
	struct counts counts = counted(ACCEPT SENDFILE PROBE_BEGINS OTHER_THREAD PROBE_ENDS SENDFILE);

	check_calls(&counts, 1, 0, 0);
	CHECK_EQ(counts_of(&counts, "nanosleep"), 1);
	counts = counted(ACCEPT SENDFILE PROBE_BEGINS OTHER_THREAD READ_ENDS SENDFILE);
	check_calls(&counts, 0, 1, 8192);
}

static const struct test tests[] = {
	TEST(a_probe_is_no_read),
	TEST(a_probe_that_another_thread_cuts_in_two_is_no_read),
};
TEST_MAIN(tests)
