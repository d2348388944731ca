/* SPDX-License-Identifier: MIT */
/* relay FD FD: carries bytes both ways between two inherited sockets, in one loop, by splice; half-close is kept. */
#include <leat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct way {
	struct leat_source source;
	struct leat_sink sink;
	struct leat_transfer transfer;
	int to, state;
};

static int way_begin(struct way *way, int from, int to)
{
	fcntl(from, F_SETFL, O_NONBLOCK);
	fcntl(to, F_SETFL, O_NONBLOCK);
	leat_from_fd(&way->source, from);
	leat_to_fd(&way->sink, way->to = to);
	way->state = LEAT_WAIT;
	return leat_begin(&way->transfer, &way->sink, &way->source, NULL);
}

/* Steps until it waits or ends; the end of one way is passed on, the other way stays open. */
static void way_step(struct way *way)
{
	struct leat_report report;
	char line[256];

	while ((way->state = leat_step(&way->transfer)) == LEAT_AGAIN)
		;
	if (way->state == LEAT_WAIT)
		return;
	shutdown(way->to, SHUT_WR);
	leat_end(&way->transfer, &report);
	puts(leat_explain(&report, line, sizeof line));
}

int main(int argc, char **argv)
{
	int a = argc == 3 ? atoi(argv[1]) : -1, b = argc == 3 ? atoi(argv[2]) : -1;
	struct way ways[2];
	struct leat_wait wait;
	struct pollfd fds[4];

	if (way_begin(&ways[0], a, b) < 0 || way_begin(&ways[1], b, a) < 0)
		return fprintf(stderr, "relay FD FD: two connected sockets\n"), 1;
	do {
		for (int i = 0; i < 2; i++) {
			if (ways[i].state == LEAT_WAIT)
				way_step(&ways[i]);
			leat_wants(&ways[i].transfer, &wait);	/* one that has ended wants nothing */
			fds[2 * i] = wait.fds[0], fds[2 * i + 1] = wait.fds[1];	/* source and sink; nothing else waits */
		}
	} while ((ways[0].state == LEAT_WAIT || ways[1].state == LEAT_WAIT) && poll(fds, 4, -1) >= 0);
	return ways[0].state || ways[1].state;
}
