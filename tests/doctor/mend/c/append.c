/* SPDX-License-Identifier: MIT */
/* No route of the kernel takes O_APPEND. After: without it, from the end of the file as it was found. */
#include "ends.h"

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	size_t bytes;
	int from, to;
	ssize_t n;

	ends(argv, &from, &to, &bytes);
	if (!strcmp(argv[1], "before")) {
		MUST(!fcntl(to, F_SETFL, O_APPEND));
		MUST(sendfile(to, from, NULL, bytes) < 0);
		while ((n = read(from, buffer, sizeof buffer)) > 0)
			write_all(to, buffer, (size_t)n);
	} else {
		MUST(lseek(to, 0, SEEK_END) >= 0);
		send_file(to, from, bytes);
	}
	return 0;
}
