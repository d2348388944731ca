/* SPDX-License-Identifier: MIT */
/* epoll FILE PORT: a file to 127.0.0.1:PORT, stepped by an epoll loop that may do other things meanwhile. */
#define _GNU_SOURCE
#include <leat.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int file = open(argc == 3 ? argv[1] : "", O_RDONLY | O_CLOEXEC), sock = socket(AF_INET, SOCK_STREAM, 0);
	int loop = epoll_create1(EPOLL_CLOEXEC), state;
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_count count;
	struct leat_transfer transfer;
	struct leat_wait wait;
	struct leat_report report;
	char line[256];

	peer.sin_port = htons((uint16_t)(argc == 3 ? atoi(argv[2]) : 0));
	if (file < 0 || sock < 0 || loop < 0 || connect(sock, (struct sockaddr *)&peer, sizeof peer) ||
	    fcntl(sock, F_SETFL, O_NONBLOCK) || epoll_ctl(loop, EPOLL_CTL_ADD, sock, &event)) {
		perror("epoll FILE PORT");
		return 1;
	}
	leat_from_file(&source, file, 0);
	leat_wrap(&source, leat_count_init(&count));
	leat_to_fd(&sink, sock);

	state = leat_begin(&transfer, &sink, &source, NULL);
	if (state < 0) {
		fprintf(stderr, "begin: %s\n", leat_strerror(state));
		return 1;
	}
	/* LEAT_AGAIN: its turn is over, but it has work: a server would step its other transfers first. */
	while ((state = leat_step(&transfer)) > 0) {
		if (state == LEAT_AGAIN)
			continue;
		leat_wants(&transfer, &wait);	/* the socket is watched already: only the time is news */
		epoll_wait(loop, &event, 1, leat_wait_ms(&wait, leat_now_ns()));
	}
	leat_end(&transfer, &report);
	puts(leat_explain(&report, line, sizeof line));
	leat_close(&source);
	leat_close_sink(&sink);
	return report.error != 0;
}
