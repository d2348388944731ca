/* SPDX-License-Identifier: MIT */
/* The log of strace, as the count pass of `leat bench` reads it. */
#include "fuzz.h"

#include "../../cli/bench/trace.c"

FUZZ_SEEDS("7 accept4(3<socket:[1]>, NULL, NULL, SOCK_CLOEXEC) = 5<socket:[2]>\n"
	   "7 sendfile(5<socket:[2]>, 4</tmp/file>, [0] => [4096], 4096) = 4096\n7 close(5<socket:[2]>) = 0\n",
	   "7 read(4</tmp/file>, \"\"..., 65536) = 65536\n7 write(5<socket:[2]>, \"\"..., 65536) = 65536\n",
	   "7 splice(4</tmp/a>, NULL, 6<pipe:[3]>, NULL, 65536, 0 <unfinished ...>\n8 read(3<pipe:[9]>, \"\"..., 1) = 1\n"
	   "7 <... splice resumed>) = 65536\n",
	   "7 preadv2(4</tmp/a>, <unfinished ...>\n8 nanosleep({}, NULL) = 0\n"
	   "7 <... preadv2 resumed>[{iov_base=\"\"..., iov_len=1}], 1, 0, RWF_NOWAIT) = 1\n",
	   "7 preadv2(4</tmp/a>, [{iov_base=\"\"..., iov_len=1}], 1, 0, RWF_NOWAIT) = -1 EAGAIN (Resource)\n",
	   "7 ioctl(4</tmp/a>, FICLONERANGE, {src_fd=5</tmp/b>}) = 0\n7 --- SIGPIPE {si_signo=SIGPIPE} ---\n7 +++ exited with 0 +++\n",
	   "7 recvfrom(5<TCP:[1]>, \"\"..., 100, MSG_PEEK, NULL, NULL) = 100\n")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct counts counts = { .names = 0 };
	uint64_t calls = 0, lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	FUZZ_HOLDS(counts_read(&counts, fuzz_file(data, size)) == 0);
	FUZZ_HOLDS(counts.names <= COUNT_NAMES);
	for (unsigned i = 0; i < counts.names; i++) {
		FUZZ_HOLDS(memchr(counts.by_name[i].name, 0, sizeof counts.by_name[i].name));
		FUZZ_HOLDS(counts_of(&counts, counts.by_name[i].name) <= lines);
		calls += counts.by_name[i].calls;
	}
	/* A call that another thread finishes is counted where it ends, the calls where they begin. */
	FUZZ_HOLDS(calls <= lines && counts.transfer_calls <= calls && counts.probes <= calls && counts.user_calls <= lines);
	return 0;
}
