/* SPDX-License-Identifier: MIT */
/* epoll FILE: a file to the socket that is standard output, with five wrappers, stepped by an epoll loop. */
#include <leat.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>

static void on_progress(void *name, const struct leat_progress_state *state)
{
	fprintf(stderr, "%s: %llu bytes%s\n", (char *)name, (unsigned long long)state->bytes, state->ended ? ", done" : "");
}

static void on_event(void *name, const struct leat_event *event)
{
	if (event->kind == LEAT_EVENT_END)
		fprintf(stderr, "%s: ended by %s\n", (char *)name, leat_route_name(event->route));
}

int main(int argc, char **argv)
{
	int file = open(argc == 2 ? argv[1] : "", O_RDONLY | O_CLOEXEC), sock = fileno(stdout);
	int loop = epoll_create1(EPOLL_CLOEXEC), state;
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit limit;
	struct leat_count count;
	struct leat_log log;
	struct leat_progress progress;
	struct leat_deadline deadline;
	struct leat_transfer transfer;
	struct leat_wait wait;
	struct leat_report report;
	char line[256];

	if (file < 0 || fcntl(sock, F_SETFL, O_NONBLOCK) || epoll_ctl(loop, EPOLL_CTL_ADD, sock, &event))
		return perror("epoll FILE, with a socket as standard output"), 1;
	leat_from_file(&source, file, 0);
	leat_wrap(&source, leat_limit_init(&limit, 1 << 30));
	leat_wrap(&source, leat_count_init(&count));
	leat_wrap(&source, leat_log_init(&log, on_event, argv[1]));
	leat_wrap(&source, leat_progress_init(&progress, LEAT_SECOND / 2, on_progress, argv[1]));
	leat_to_fd(&sink, sock);
	leat_wrap_sink(&sink, leat_deadline_init(&deadline, 30 * LEAT_SECOND, 0));

	if ((state = leat_begin(&transfer, &sink, &source, NULL)) < 0)
		return fprintf(stderr, "begin: %s\n", leat_strerror(state)), 1;
	/* LEAT_AGAIN: its turn is over, but it has work: the loop looks at its other events, and waits for none. */
	while ((state = leat_step(&transfer)) > 0) {
		leat_wants(&transfer, &wait);	/* the socket is watched already: only the time is news */
		epoll_wait(loop, &event, 1, state == LEAT_AGAIN ? 0 : leat_wait_ms(&wait, leat_now_ns()));
	}
	leat_end(&transfer, &report);
	fprintf(stderr, "%s\ncounted %llu\n", leat_explain(&report, line, sizeof line), (unsigned long long)count.bytes);
	leat_close(&source);
	leat_close_sink(&sink);
	return report.error != 0;
}
