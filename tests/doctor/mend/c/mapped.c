/* SPDX-License-Identifier: MIT */
/* A file mapped, and written from the mapping. After: sendfile. */
#include <sys/mman.h>

#include "ends.h"

int main(int argc, char **argv)
{
	size_t bytes;
	int from, to;

	ends(argv, &from, &to, &bytes);
	if (!strcmp(argv[1], "before")) {
		char *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, from, 0);

		MUST(map != MAP_FAILED);
		write_all(to, map, bytes);
	} else {
		send_file(to, from, bytes);
	}
	return 0;
}
