/* SPDX-License-Identifier: MIT */
/* wrapped FILE PORT: a file to 127.0.0.1:PORT with five wrappers around it, and it still goes by sendfile. */
#include <leat.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	(void)arg;
	fprintf(stderr, "%llu bytes%s\n", (unsigned long long)state->bytes, state->ended ? ", done" : "");
}

static void on_event(void *arg, const struct leat_event *event)
{
	if (event->kind == LEAT_EVENT_END)
		fprintf(stderr, "%s: ended by %s\n", (const char *)arg, leat_route_name(event->route));
}

int main(int argc, char **argv)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int file = open(argc == 3 ? argv[1] : "", O_RDONLY | O_CLOEXEC), sock = socket(AF_INET, SOCK_STREAM, 0);
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit limit;
	struct leat_count count;
	struct leat_log log;
	struct leat_progress progress;
	struct leat_deadline deadline;
	struct leat_report report;
	char line[256];
	int64_t bytes;

	peer.sin_port = htons((uint16_t)(argc == 3 ? atoi(argv[2]) : 0));
	if (file < 0 || sock < 0 || connect(sock, (struct sockaddr *)&peer, sizeof peer)) {
		perror("wrapped FILE PORT");
		return 1;
	}
	leat_from_file(&source, file, 0);
	leat_wrap(&source, leat_limit_init(&limit, 1 << 30));
	leat_wrap(&source, leat_count_init(&count));
	leat_wrap(&source, leat_log_init(&log, on_event, argv[1]));
	leat_wrap(&source, leat_progress_init(&progress, LEAT_SECOND / 2, on_progress, NULL));
	leat_to_fd(&sink, sock);
	leat_wrap_sink(&sink, leat_deadline_init(&deadline, 30 * LEAT_SECOND, 0));

	bytes = leat_copy(&sink, &source, NULL, &report);
	puts(leat_explain(&report, line, sizeof line));
	printf("counted %llu\n", (unsigned long long)count.bytes);
	leat_close(&source);
	leat_close_sink(&sink);
	return bytes < 0;
}
