/* SPDX-License-Identifier: MIT */
/* A file read with O_DIRECT, and written to a socket. After: sendfile on that descriptor. */
#include "ends.h"

int main(int argc, char **argv)
{
	size_t bytes;
	int from, to;

	ends(argv, &from, &to, &bytes);
	if (fcntl(from, F_SETFL, O_DIRECT)) {
		perror("O_DIRECT");
		return 77;	/* tmpfs and others have none */
	}
	if (!strcmp(argv[1], "before")) {
		char *buffer = aligned_alloc(4096, 1 << 18);
		ssize_t n;

		MUST(buffer);
		while ((n = read(from, buffer, 1 << 18)) > 0)
			write_all(to, buffer, (size_t)n);
		MUST(n == 0);
	} else {
		send_file(to, from, bytes);
	}
	return 0;
}
