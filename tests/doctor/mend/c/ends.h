/* SPDX-License-Identifier: MIT */
/* The ends of a patient: argv[2] says "file-tcp" and the like, argv[1] before or after. "other" is a file, too: on another file
 * system, by its name. */
#ifndef MEND_ENDS_H
#define MEND_ENDS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUST(condition) \
	do { \
		if (!(condition)) { \
			perror(#condition); \
			exit(1); \
		} \
	} while (0)

static inline int dial(const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_port = htons((uint16_t)atoi(getenv(port)));
	MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof at));
	return fd;
}

/* The one of file, tcp, pipe and unix that word begins with. */
static inline int source_of(const char *word, int file)
{
	switch (*word) {
	case 't': return dial("MEND_SOURCE");
	case 'p': return atoi(getenv("MEND_PIPE_SOURCE"));
	case 'u': return atoi(getenv("MEND_UNIX_SOURCE"));
	default: return file;
	}
}

static inline int sink_of(const char *word)
{
	switch (*word) {
	case 't': return dial("MEND_SINK");
	case 'p': return atoi(getenv("MEND_PIPE_SINK"));
	case 'u': return atoi(getenv("MEND_UNIX_SINK"));
	default: return open(getenv("MEND_COPY"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	}
}

static inline void ends(char **argv, int *from, int *to, size_t *bytes)
{
	struct stat st;
	int file = open(getenv("MEND_FILE"), O_RDONLY | O_CLOEXEC);

	MUST(file >= 0 && !fstat(file, &st));
	*bytes = (size_t)st.st_size;
	*from = source_of(argv[2], file);
	*to = sink_of(strchr(argv[2], '-') + 1);
	MUST(*to >= 0);
}

static inline void write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);

		MUST(n > 0);
		bytes += n;
		length -= (size_t)n;
	}
}

static inline void send_file(int to, int from, size_t bytes)
{
	while (bytes) {
		ssize_t n = sendfile(to, from, NULL, bytes);

		MUST(n > 0);
		bytes -= (size_t)n;
	}
}

#endif
