/* SPDX-License-Identifier: MIT */
/* read and write in a loop. After: the call of the kernel that joins these two ends. */
#include "ends.h"

static void loop(int from, int to)
{
	static char buffer[1 << 16];
	ssize_t n;

	while ((n = read(from, buffer, sizeof buffer)) > 0)
		write_all(to, buffer, (size_t)n);
	MUST(n == 0);
}

static void copy_range(int from, int to, size_t bytes)
{
	while (bytes) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, bytes, 0);

		MUST(n > 0);
		bytes -= (size_t)n;
	}
}

/* One end is a pipe of our own: what was taken is always given before more is taken. */
static void splice_through(int from, int to)
{
	int ends_of_pipe[2];
	ssize_t n;

	MUST(!pipe2(ends_of_pipe, O_CLOEXEC));
	while ((n = splice(from, NULL, ends_of_pipe[1], NULL, 1 << 16, SPLICE_F_MOVE)) > 0) {
		while (n > 0) {
			ssize_t out = splice(ends_of_pipe[0], NULL, to, NULL, (size_t)n, SPLICE_F_MOVE);

			MUST(out > 0);
			n -= out;
		}
	}
	MUST(n == 0);
}

static void splice_direct(int from, int to)
{
	ssize_t n;

	while ((n = splice(from, NULL, to, NULL, 1 << 20, SPLICE_F_MOVE)) > 0)
		;
	MUST(n == 0);
}

int main(int argc, char **argv)
{
	size_t bytes;
	int from, to;

	ends(argv, &from, &to, &bytes);
	if (!strcmp(argv[1], "before"))
		loop(from, to);
	else if (strstr(argv[2], "pipe"))
		splice_direct(from, to);
	else if (!strcmp(argv[2], "file-file"))
		copy_range(from, to, bytes);
	else if (!strncmp(argv[2], "file-", 5))
		send_file(to, from, bytes);
	else
		splice_through(from, to);
	return 0;
}
