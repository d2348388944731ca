/* SPDX-License-Identifier: MIT */
/* response FILE PORT: header, file and trailer as one job; each part keeps its own route and has its own report. */
#include <leat.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void on_release(void *arg, const struct leat_report *report)
{
	struct leat_source *part = arg;
	char line[256];

	printf("part: %s\n", leat_explain(report, line, sizeof line));
	leat_close(part);
}

int main(int argc, char **argv)
{
	static const char header[] = "here it comes\n", trailer[] = "that was it\n";
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int file = open(argc == 3 ? argv[1] : "", O_RDONLY | O_CLOEXEC), sock = socket(AF_INET, SOCK_STREAM, 0);
	struct leat_source parts[3], whole;
	struct leat_queue queue;
	struct leat_sink sink;
	struct leat_report report;
	char line[256];
	int64_t bytes;

	peer.sin_port = htons((uint16_t)(argc == 3 ? atoi(argv[2]) : 0));
	if (file < 0 || sock < 0 || connect(sock, (struct sockaddr *)&peer, sizeof peer)) {
		perror("response FILE PORT");
		return 1;
	}
	leat_queue_init(&queue);
	leat_from_memory(&parts[0], header, strlen(header));
	leat_from_file(&parts[1], file, 0);
	leat_from_memory(&parts[2], trailer, strlen(trailer));
	for (int i = 0; i < 3; i++) {
		leat_on_release(&parts[i], on_release, &parts[i]);
		leat_queue_add(&queue, &parts[i]);
	}
	leat_queue_end(&queue);
	leat_from_queue(&whole, &queue);
	leat_to_fd(&sink, sock);

	bytes = leat_copy(&sink, &whole, NULL, &report);
	printf("whole: %s\n", leat_explain(&report, line, sizeof line));
	leat_close(&whole);
	leat_close_sink(&sink);
	return bytes < 0;
}
