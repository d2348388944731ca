/* SPDX-License-Identifier: MIT */
/* explain FILE: which route would a file take, and why not a better one? Nothing is moved. */
#include <leat.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void show(const char *what, struct leat_sink *sink, struct leat_source *source, const struct leat_options *options)
{
	struct leat_report report;
	char line[256];
	int error = leat_plan(sink, source, options, &report);

	printf("%-28s %s", what, leat_explain(&report, line, sizeof line));
	printf("%s%s\n", error ? " -> " : "", error ? leat_strerror(error) : "");
}

int main(int argc, char **argv)
{
	struct leat_options copy = { .policy = LEAT_COPY }, require = { .policy = LEAT_REQUIRE };
	int file = open(argc == 2 ? argv[1] : "", O_RDONLY | O_CLOEXEC), pair[2], ends[2];
	struct leat_source source, generated;
	struct leat_sink sock, end;
	struct leat_count count;
	struct leat_xxh3 hash;

	if (file < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(ends)) {
		perror("explain FILE");
		return 1;
	}
	leat_to_fd(&sock, pair[0]);
	leat_to_fd(&end, ends[1]);

	leat_from_file(&source, file, 0);
	show("a file to a socket", &sock, &source, NULL);
	show("the same, to a pipe", &end, &source, NULL);
	show("with policy copy", &sock, &source, &copy);
	leat_wrap(&source, leat_count_init(&count));
	show("with a counter", &sock, &source, NULL);
	leat_wrap(&source, leat_xxh3_init(&hash));
	show("with a counter and a hash", &sock, &source, NULL);
	show("that, with policy require", &sock, &source, &require);
	leat_close(&source);

	leat_from_fd(&generated, open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	show("a file of procfs", &sock, &generated, NULL);
	return 0;
}
