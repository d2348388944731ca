/* SPDX-License-Identifier: MIT */
/* The kernel moves the bytes already. */
#include "ward.h"

#include <sys/sendfile.h>

#define PIECE (1 << 20)

static uint64_t by_sendfile(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = sendfile(ward->to, ward->from, NULL, PIECE)) > 0)
		moved += (uint64_t)n;
	MUST(!n);
	return moved;
}

static uint64_t by_range(struct ward *ward)
{
	uint64_t moved = 0;
	ssize_t n;

	while ((n = copy_file_range(ward->from, NULL, ward->to, NULL, PIECE, 0)) > 0)
		moved += (uint64_t)n;
	MUST(!n);
	return moved;
}

static uint64_t by_splice(struct ward *ward)
{
	uint64_t moved = 0;
	int pipes[2];
	ssize_t n;

	MUST(!pipe2(pipes, O_CLOEXEC));
	while ((n = splice(ward->from, NULL, pipes[1], NULL, 65536, SPLICE_F_MOVE)) > 0)
		for (ssize_t out; n; n -= out, moved += (uint64_t)out) {
			out = splice(pipes[0], NULL, ward->to, NULL, (size_t)n, SPLICE_F_MOVE);
			MUST(out > 0);
		}
	MUST(!n);
	return moved;
}

int main(int argc, char **argv)
{
	static const struct ward_mode modes[] = {
		{ "sendfile", by_sendfile }, { "range", by_range }, { "splice", by_splice }, { NULL, NULL },
	};

	return ward_main(argc, argv, modes);
}
