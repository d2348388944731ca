/* SPDX-License-Identifier: MIT */
/* What the program reads of /proc, /sys, and of other programs about themselves. Every file it opens is the input. */
#include "fuzz.h"

#include "../../cli/bench/bench.h"

static const uint8_t *input;
static size_t input_size;

static FILE *fuzz_open(const char *path, const char *mode)
{
	return fmemopen((void *)(uintptr_t)input, input_size, "r");
}

#define fopen fuzz_open
#include "../../cli/bench/machine.c"
#include "../../cli/bench/noise.c"
#define open_given open_given_file
#include "../../cli/bench/testfile.c"
#undef fopen

FUZZ_SEEDS("cpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 18446744073709551615 2 3 4 5 6 7 8 9\nintr 5\n", "123456789 18446744073709551615 3\n",
	   "version 17\ncpu0 0 0 0 0 0 0 77 88 99\ndomain0 3 0\n", "processor : 0\nmodel name\t: A CPU of some kind\nflags : x\n",
	   "0-1,4,6-7\n", "0\n", "MemTotal: 1 kB\nMemAvailable:   23232000 kB\n",
	   "ksoftirqd/0\n", "1\n")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct noise noise = { .cpu = { 0, 1 } };
	char name[96];

	input = data;
	input_size = size;
	read_cpu_name(name, sizeof name);
	FUZZ_HOLDS(memchr(name, 0, sizeof name));
	FUZZ_HOLDS(siblings(0, 1) == !!siblings(0, 1));
	FUZZ_HOLDS(timestamps_bytes() == 0 || timestamps_bytes() == 12);
	FUZZ_HOLDS(memory_available() > 0);
	for (int source = NOISE_NONE; source <= NOISE_TICKS; source++) {
		noise.source = (enum noise_source)source;
		noise_all_ns(&noise);
	}
	return 0;
}
