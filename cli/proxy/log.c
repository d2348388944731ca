/* SPDX-License-Identifier: MIT */
#include "log.h"
#include "../escape.h"
#include "../json.h"
#include "../out.h"
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* A FIFO that nobody reads yet is kept open by ourselves: what it has room for waits there. */
static int open_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);

	return fd < 0 && errno == ENXIO ? open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : fd;
}

/*
 * O_NONBLOCK belongs to the open file, which others have as well: it is opened anew for ourselves. That takes a right to it, which
 * not everybody has to a pipe that he was given; Linux 6.4 has another way for those.
 */
static int open_output(struct log *log)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) && !S_ISSOCK(st.st_mode)) {
		log->fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (log->fd >= 0)
			return log->fd;
		log->how = LOG_NOWAIT;
	} else if (S_ISSOCK(st.st_mode)) {
		log->how = LOG_SEND;
	}
	return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
}

int log_open(struct log *ret_log, const char *path)
{
	struct log log = { .how = LOG_WRITE };

	log.fd = strcmp(path, "-") == 0 ? open_output(&log) : open_path(path);
	if (log.fd >= 0) {
		*ret_log = log;
		return 0;
	}
	out_error("%s: %s", path, strerror(errno));
	return -errno;
}

static void way_json(struct json *json, const char *name, const struct leat_report *report)
{
	uint64_t spliced, copied;

	relay_split(report, &spliced, &copied);
	json_open(json, name, '{');
	json_integer(json, "bytes", report->bytes);
	json_integer(json, "spliced", spliced);
	json_integer(json, "copied", copied);
	json_text(json, "reason", leat_reason_name(relay_reason(report)));
	json_close(json, '}');
}

/* By what it ended, or NULL. */
static const char *trouble_of(const struct log_line *line)
{
	return line->error ? leat_strerror(line->error) : line->unread ? "unread" : NULL;
}

static void write_json(FILE *to, const char *when, const char *from, const struct log_line *line)
{
	struct json json = { .to = to, .flat = true };
	char at[BOARD_TEXT];

	json_open(&json, NULL, '{');
	json_text(&json, "time", when);
	json_text(&json, "client", from);
	json_text(&json, "upstream", line->upstream);
	json_text(&json, "address", line->address ? board_text(line->address, at) : NULL);
	json_number(&json, "connect_seconds", (double)line->connect_ns / 1e9);
	json_number(&json, "seconds", (double)line->took_ns / 1e9);
	if (line->reports) {
		way_json(&json, "from_client", &line->reports[CLIENT]);
		way_json(&json, "from_upstream", &line->reports[UPSTREAM]);
	}
	json_text(&json, "refused", line->refused);
	json_text(&json, "error", trouble_of(line));
	json_close(&json, '}');
	json_end(&json);
}

static void way_text(FILE *to, const char *arrow, const struct leat_report *report)
{
	uint64_t spliced, copied;

	relay_split(report, &spliced, &copied);
	fprintf(to, " %s %llu (%llu spliced, %llu copied, %s)", arrow, (unsigned long long)report->bytes, (unsigned long long)spliced,
		(unsigned long long)copied, leat_reason_name(relay_reason(report)));
}

static void write_text(FILE *to, const char *when, const char *from, const struct log_line *line)
{
	char at[BOARD_TEXT];

	fprintf(to, "%s ", when);
	escape(to, ESCAPE_TERMINAL, from);
	fputc(' ', to);
	escape(to, ESCAPE_TERMINAL, line->upstream ? line->upstream : "-");
	if (line->upstream && line->address && strcmp(board_text(line->address, at), line->upstream) != 0) {
		fputc('=', to);
		escape(to, ESCAPE_TERMINAL, at);
	}
	fprintf(to, " %.3f s", (double)line->took_ns / 1e9);
	if (line->reports) {
		way_text(to, ">", &line->reports[CLIENT]);
		way_text(to, "<", &line->reports[UPSTREAM]);
	}
	fprintf(to, " %s\n", line->refused ? line->refused : trouble_of(line) ? trouble_of(line) : "ok");
}

static ssize_t put(const struct log *log, char *text, size_t size)
{
	const struct iovec line = { text, size };
	ssize_t r;

	if (log->how == LOG_SEND)
		return send(log->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (log->how == LOG_WRITE)
		return write(log->fd, text, size);
	r = pwritev2(log->fd, &line, 1, -1, RWF_NOWAIT);
	return r < 0 && errno == EOPNOTSUPP ? write(log->fd, text, size) : r;
}

int log_write(const struct log *log, int json, const struct log_line *line)
{
	char from[BOARD_TEXT], when[40], *text = NULL;
	size_t size = 0;
	struct timespec now;
	struct tm utc;
	FILE *to = log->fd >= 0 ? open_memstream(&text, &size) : NULL;
	int r = -1;

	if (!to)
		return log->fd >= 0 ? -1 : 0;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	size = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(when + size, sizeof when - size, ".%03ldZ", now.tv_nsec / 1000000);
	(json ? write_json : write_text)(to, when, board_text(line->from, from), line);
	if (fclose(to) == 0 && text && put(log, text, size) == (ssize_t)size)
		r = 0;
	free(text);
	return r;
}
