/* SPDX-License-Identifier: MIT */
/* The log of strace, as `leat bench --overhead` reads it to make the same calls again. */
#include "fuzz.h"

#include "../../cli/bench/calls.c"

FUZZ_SEEDS("7 getppid() = 1\n7 sendfile(5<socket:[2]>, 4</tmp/f>, [0] => [4096], 4096) = 4096\n7 getppid() = 1\n",
	   "7 getppid() = 1\n7 preadv2(4</tmp/f>, [{iov_base=\"\"..., iov_len=1}], 1, 4095, RWF_NOWAIT) = 1\n7 getppid() = 1\n",
	   "7 getppid() = 1\n7 setsockopt(5<socket:[2]>, SOL_TCP, TCP_CORK, [1], 4) = 0\n7 fcntl(5, F_GETFL) = 0x2\n"
	   "7 rt_sigprocmask(SIG_BLOCK, [PIPE], [], 8) = 0\n7 poll([{fd=5}], 1, 0) = 0\n7 unheard_of(1) = 0\n7 getppid() = 1\n")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct same_calls calls = { .n = 0 };

	int r = calls_read(&calls, fuzz_file(data, size));

	FUZZ_HOLDS(r == (calls.n ? 0 : -ENODATA));
	FUZZ_HOLDS(calls.n <= CALLS_MAX);
	FUZZ_HOLDS(memchr(calls.text, 0, sizeof calls.text));
	for (unsigned i = 0; i < calls.n; i++)
		FUZZ_HOLDS(calls.call[i].kind <= AGAIN_UNKNOWN && (calls.call[i].kind != AGAIN_UNKNOWN || calls.unknown));
	return 0;
}
