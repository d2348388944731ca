/* SPDX-License-Identifier: MIT */
/* own-wrapper FILE COPY: a wrapper of your own. It may pass one half at first and asks for the rest when that is through. */
#include <leat.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct halves {
	struct leat_wrapper wrapper;	/* first: the library hands back this pointer */
	uint64_t half, passed;
	unsigned moves;
};

/* Lowers what may pass now. Asked often, so it changes nothing. */
static int halves_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct halves *mine = (const struct halves *)wrapper;

	if (mine->passed < mine->half && budget->bytes > mine->half - mine->passed)
		budget->bytes = mine->half - mine->passed;
	return 0;
}

/* The only charge: bytes that the sink accepted. */
static void halves_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct halves *mine = (struct halves *)wrapper;

	mine->passed += bytes;
	mine->moves++;
	printf("%llu bytes by %s\n", (unsigned long long)bytes, leat_route_name(route));
}

static const struct leat_wrapper_ops halves_ops = {
	.name = "halves", .need = LEAT_NEED_COUNTS, .allow = halves_allow, .moved = halves_moved,
};

int main(int argc, char **argv)
{
	int in = open(argc == 3 ? argv[1] : "", O_RDONLY | O_CLOEXEC);
	int out = open(argc == 3 ? argv[2] : "", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	struct halves halves = { .moves = 0 };
	struct leat_source source;
	struct leat_sink sink;
	struct stat stat;

	if (in < 0 || out < 0 || fstat(in, &stat)) {
		perror("own-wrapper FILE COPY");
		return 1;
	}
	halves.half = (uint64_t)stat.st_size / 2;
	leat_from_file(&source, in, 0);
	leat_wrap(&source, leat_wrapper_init(&halves.wrapper, &halves_ops));
	leat_to_fd(&sink, out);
	return leat_copy(&sink, &source, NULL, NULL) != (int64_t)stat.st_size || halves.moves < 2;
}
