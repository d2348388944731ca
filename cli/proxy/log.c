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
#include <time.h>
#include <unistd.h>

int log_open(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	if (fd >= 0)
		return fd;
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

static void write_json(FILE *to, const char *when, const char *from, const struct log_line *line)
{
	struct json json = { .to = to, .flat = true };

	json_open(&json, NULL, '{');
	json_text(&json, "time", when);
	json_text(&json, "client", from);
	json_text(&json, "upstream", line->upstream);
	json_number(&json, "connect_seconds", (double)line->connect_ns / 1e9);
	json_number(&json, "seconds", (double)line->took_ns / 1e9);
	if (line->reports) {
		way_json(&json, "from_client", &line->reports[CLIENT]);
		way_json(&json, "from_upstream", &line->reports[UPSTREAM]);
	}
	json_text(&json, "refused", line->refused);
	json_text(&json, "error", line->error ? leat_strerror(line->error) : NULL);
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
	fprintf(to, "%s %s ", when, from);
	escape(to, ESCAPE_TERMINAL, line->upstream ? line->upstream : "-");
	fprintf(to, " %.3f s", (double)line->took_ns / 1e9);
	if (line->reports) {
		way_text(to, ">", &line->reports[CLIENT]);
		way_text(to, "<", &line->reports[UPSTREAM]);
	}
	fprintf(to, " %s\n", line->refused ? line->refused : line->error ? leat_strerror(line->error) : "ok");
}

void log_write(int fd, int json, const struct log_line *line)
{
	char from[BOARD_TEXT], when[40], *text = NULL;
	size_t size = 0;
	struct timespec now;
	struct tm utc;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	size = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(when + size, sizeof when - size, ".%03ldZ", now.tv_nsec / 1000000);
	(json ? write_json : write_text)(to, when, board_text(line->from, from), line);
	if (fclose(to) == 0 && text) {
		ssize_t written = write(fd, text, size);

		(void)written;		/* a full disk must not stop a proxy */
	}
	free(text);
}
