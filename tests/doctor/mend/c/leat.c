/* SPDX-License-Identifier: MIT */
/* read and write in a loop. After: leat_copy, which finds the route for any two ends. */
#include <leat.h>

#include "ends.h"

int main(int argc, char **argv)
{
	static char buffer[1 << 16];
	struct leat_source source;
	struct leat_sink sink;
	size_t bytes;
	ssize_t n;
	int from, to;

	ends(argv, &from, &to, &bytes);
	if (!strcmp(argv[1], "before")) {
		while ((n = read(from, buffer, sizeof buffer)) > 0)
			write_all(to, buffer, (size_t)n);
		MUST(n == 0);
		return 0;
	}
	leat_from_fd(&source, from);
	leat_to_fd(&sink, to);
	MUST(leat_copy(&sink, &source, NULL, NULL) == (int64_t)bytes);
	leat_close(&source);
	leat_close_sink(&sink);
	return 0;
}
