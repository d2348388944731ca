/* SPDX-License-Identifier: MIT */
/*
 * The route matrix: kind × kind × wrappers × blocking mode × sizes. One case for each kind of source. What each cell must
 * show is written by hand in expect.c.
 */
#include "cell.h"
#include "check.h"

static uint64_t sizes[] = { 0, 1, 4095, 4096, 4097, 32 * 1024 + 1, (1 << 20) + 3 };

/* Sanitizers and valgrind look at the same code with any size: three will do. */
static bool left_out(uint64_t size)
{
	return getenv("SANITIZER") && size != 0 && size != sizes[4] && size != sizes[5];
}

static void from(enum from kind)
{
	unsigned wrong = 0, cells = 0;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	for (int i = 0; i < 3; i++)
		sizes[2 + i] = page - 1 + (uint64_t)i;
	ends_content((1 << 20) + 3);
	for (enum to to = 0; to < TO_KINDS; to++)
		for (enum wraps wraps = 0; wraps < WRAPS_KINDS; wraps++)
			for (unsigned i = 0; i < MODES * sizeof sizes / sizeof sizes[0]; i++) {
				struct cell cell = { kind, to, wraps, i % MODES, sizes[i / MODES] };

				if (left_out(cell.size))
					continue;
				wrong += cell_run(&cell) != 0;
				cells++;
				CHECK_SAY(wrong < 20, "%u of %u cells are wrong, the rest is not tried", wrong, cells);
			}
	ends_alarm(0, "");
	CHECK_SAY(!wrong, "%u of %u cells are wrong", wrong, cells);
	printf("%u cells\n", cells);
}

#define FROM(name, kind) \
	static void name(void) \
	{ \
		from(kind); \
	}

FROM(fd, FROM_FD)
FROM(file, FROM_FILE)
FROM(range, FROM_RANGE)
FROM(generated, FROM_PROC)
FROM(memory, FROM_MEMORY)
FROM(pipe_, FROM_PIPE)
FROM(fifo, FROM_FIFO)
FROM(tcp, FROM_TCP)
FROM(unix_, FROM_UNIX)
FROM(pty, FROM_PTY)
FROM(zero, FROM_ZERO)
FROM(callback, FROM_CALLBACK)
FROM(queue, FROM_QUEUE)
FROM(view, FROM_VIEW)

static const struct test tests[] = {
	TEST(fd),   TEST(file), TEST(range), TEST(generated), TEST(memory), TEST(pipe_), TEST(fifo),
	TEST(tcp),  TEST(unix_), TEST(pty),  TEST(zero),      TEST(callback), TEST(queue), TEST(view),
};
TEST_MAIN(tests)
