/* SPDX-License-Identifier: MIT */
#include "settings.h"
#include "../out.h"

#include <leat.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FILE_MOST (1 << 20)
#define FILE_NS (2 * LEAT_SECOND)
#define KEEP_ALIVE_MOST 32767	/* the kernel refuses more */

#define NOT_TAKEN "%s:%u: this line was not taken, and so nothing was"

static const char usage[] =
	"usage: leat proxy [OPTION]... LISTEN UPSTREAM...\n"
	"       leat proxy --config FILE\n"
	"\n"
	"Passes TCP and Unix connections on, by splice where it pays. LISTEN is [ADDRESS]:PORT, unix:PATH, fd:NUMBER or systemd (what it "
	"passes); UPSTREAM is HOST:PORT or unix:PATH.\n"
	"\n"
	"SIGTERM and SIGINT drain, and end at once when they come again; SIGHUP reads FILE anew and opens the log anew. No connection is "
	"dropped by that.\n"
	"\n"
	"options:\n";

static enum opt_result parse(struct settings *s, int argc, char **argv)
{
	const struct opt table[] = {
		{ "listen", OPT_LIST, &s->listen, "ADDRESS", "take connections there; may be given several times" },
		{ "upstream", OPT_LIST, &s->upstream, "ADDRESS", "pass them on there; several share them" },
		{ "sni", OPT_LIST, &s->sni, "NAME=ADDRESS",
		  "TLS connections that ask for NAME, *.DOMAIN or any (*) go there instead; TLS is not ended here" },
		{ "balance", OPT_CHOICE, &s->balance, "HOW",
		  "round-robin (default) or least connections", 0, 0, "round-robin|least" },
		{ "retries", OPT_NUMBER, &s->retries, "N",
		  "further upstreams tried when one does not connect; 2 by default", 0, 63 },
		{ "failures", OPT_NUMBER, &s->failures, "N",
		  "so many failed connects in a row take an address out; 3 by default, 0 never", 0, 1000 },
		{ "down", OPT_NUMBER, &s->down_s, "SECONDS", "for so long; 10 by default", 1, 86400 },
		{ "health", OPT_NUMBER, &s->health_s, "SECONDS",
		  "connect to each upstream so often, to see whether it is there", 1, 86400 },
		{ "resolve", OPT_NUMBER, &s->resolve_s, "SECONDS",
		  "ask for the addresses of names so often; 30 by default", 1, 86400 },
		{ "route", OPT_CHOICE, &s->route, "ROUTE",
		  "auto (default: copy what is small, splice what is large), splice or copy", 0, 0, "auto|splice|copy" },
		{ "rate", OPT_SIZE, &s->rate, "BYTES", "at most so many each second, of a connection, each way", 1 },
		{ "total-rate", OPT_SIZE, &s->total_rate, "BYTES", "the same of all connections together", 1 },
		{ "idle", OPT_NUMBER, &s->idle_s, "SECONDS",
		  "end a connection that moves nothing for so long; 300 by default, 0 never", 0, 1 << 30 },
		{ "connect", OPT_NUMBER, &s->connect_s, "SECONDS", "give up connecting after so long; 5 by default", 1, 3600 },
		{ "half-open", OPT_NUMBER, &s->half_open_s, "SECONDS",
		  "as --idle, when one side has ended; 60 by default", 1, 1 << 30 },
		{ "total", OPT_NUMBER, &s->total_s, "SECONDS", "end every connection after so long", 1, 1 << 30 },
		{ "connections", OPT_NUMBER, &s->connections, "N",
		  "refuse what comes when there are so many; else who comes when descriptors run out waits in the queue", 1, 1 << 22 },
		{ "backlog", OPT_NUMBER, &s->backlog, "N", "connections that may wait to be taken; 4096 by default", 1, 1 << 20 },
		{ "header-in", OPT_FLAG, &s->header_in, NULL,
		  "each connection begins with a PROXY protocol header, version 1 or 2" },
		{ "header-out", OPT_CHOICE, &s->header_out, "VERSION",
		  "begin each upstream connection with such a header", 0, 0, "none|v1|v2" },
		{ "user-timeout", OPT_NUMBER, &s->user_timeout_s, "SECONDS", "TCP_USER_TIMEOUT of both sides", 1, 86400 },
		{ "keep-alive", OPT_NUMBER, &s->keep_alive_s, "SECONDS",
		  "TCP keep-alive probes after so long; 32767 at most", 1, KEEP_ALIVE_MOST },
		{ "workers", OPT_NUMBER, &s->workers, "N", "processes, each with a loop; by default one for each CPU", 1, WORKERS_MOST },
		{ "drain", OPT_NUMBER, &s->drain_s, "SECONDS",
		  "after SIGTERM wait so long for connections to end; 30 by default", 0, 1 << 30 },
		{ "user", OPT_TEXT, &s->user, "NAME", "drop to this user, once the listeners are there" },
		{ "no-sandbox", OPT_FLAG, &s->no_sandbox, NULL, "neither Landlock nor seccomp" },
		{ "log", OPT_TEXT, &s->log, "FILE", "a line for each connection; - is standard output" },
		{ "log-json", OPT_FLAG, &s->log_json, NULL, "as JSON" },
		{ "metrics", OPT_TEXT, &s->metrics, "ADDRESS", "serve /metrics for Prometheus, /health and /ready" },
		{ "config", OPT_TEXT, &s->config, "FILE", "these words without dashes, one on a line; # begins a comment" },
		{ "check", OPT_FLAG, &s->check, NULL, "only say whether all of this can be, and which names have no address yet" },
		{ "", OPT_WORDS, &s->words },
		{ 0 },
	};

	return opt_parse(table, argc, argv, usage);
}

/* All of it, at most so much: bytes, or -errno. A FIFO may have nobody who writes, and SIGTERM waits while the master reads. */
static ssize_t read_in_time(int fd, char *to, size_t most)
{
	uint64_t until_ns = leat_now_ns() + FILE_NS;
	struct pollfd file = { fd, POLLIN, 0 };
	size_t length = 0;
	ssize_t n = 1;

	while (n && length < most) {
		uint64_t now_ns = leat_now_ns();

		if (poll(&file, 1, now_ns < until_ns ? (int)((until_ns - now_ns) / 1000000 + 1) : 0) == 0)
			return -ETIMEDOUT;
		n = read(fd, to + length, most - length);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		length += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)length;
}

/* The whole file, with a 0 behind it. NULL after a sentence. */
static char *read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *text = malloc(FILE_MOST + 1);
	ssize_t length = fd < 0 ? -errno : text ? read_in_time(fd, text, FILE_MOST + 1) : -ENOMEM;

	if (length < 0 || length > FILE_MOST || memchr(text, 0, (size_t)length)) {
		out_error("%s: %s", path, length == -ETIMEDOUT ? "its end did not come in 2 s" : length < 0 ? strerror((int)-length) :
			  length > FILE_MOST ? "it is larger than 1 MiB" : "it is no text");
		free(text);
		text = NULL;
	} else {
		text[length] = 0;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	for (end = text + strlen(text); end > text && isspace((unsigned char)end[-1]); end--)
		;
	*end = 0;
	return text;
}

/* "word value" as an option; allocated. NULL when it has no word. */
static char *as_option(const char *line)
{
	size_t length = strcspn(line, " \t");
	const char *value = line + length + strspn(line + length, " \t");
	char *option;

	return asprintf(&option, "--%.*s%s%s", (int)length, line, *value ? "=" : "", value) < 0 ? NULL : option;
}

/* A # begins a comment where a word could begin. */
static void cut_comment(char *line)
{
	for (char *at = line; *at; at++) {
		if (*at == '#' && (at == line || isspace((unsigned char)at[-1]))) {
			*at = 0;
			return;
		}
	}
}

static enum opt_result take_line(struct settings *s, char *word, const char *path, unsigned number)
{
	char *argv[] = { s->name, NULL, NULL };
	const char *config = s->config;
	enum opt_result result;

	if (s->lines_count == SETTINGS_LINES) {
		out_error("%s: it has more than %d words", path, SETTINGS_LINES);
		return OPT_WRONG;
	}
	argv[1] = s->lines[s->lines_count] = as_option(word);
	if (!argv[1]) {
		out_error("no memory for %s", path);
		return OPT_WRONG;
	}
	s->line_numbers[s->lines_count++] = number;
	result = parse(s, 2, argv);
	if (result == OPT_SHOWN || s->config != config) {
		out_error("`%s` is no word for a file", word);
		result = OPT_WRONG;
	}
	if (result == OPT_WRONG)
		out_error(NOT_TAKEN, path, number);
	return result;
}

static enum opt_result take_file(struct settings *s, const char *path)
{
	enum opt_result result = OPT_GO_ON;
	char *text = read_file(path);
	unsigned number = 1;

	for (char *line = text, *next; line && result == OPT_GO_ON; line = next, number++) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		cut_comment(line);
		line = trim(line);
		if (*line)
			result = take_line(s, line, path, number);
	}
	result = text ? result : OPT_WRONG;
	free(text);
	return result;
}

/* LISTEN UPSTREAM... */
static enum opt_result take_words(struct settings *s)
{
	for (unsigned i = 0; i < s->words.count; i++) {
		struct opt_list *list = i ? &s->upstream : &s->listen;

		if (list->count == OPT_LIST_MOST) {
			out_error("there are more than %d upstreams", OPT_LIST_MOST);
			return OPT_WRONG;
		}
		list->items[list->count++] = s->words.items[i];
	}
	return OPT_GO_ON;
}

static void set_defaults(struct settings *s, char *name)
{
	*s = (struct settings){
		.name = name, .retries = 2, .failures = 3, .down_s = 10, .resolve_s = 30, .idle_s = 300, .connect_s = 5,
		.half_open_s = 60, .backlog = 4096, .drain_s = 30,
	};
}

/* The command line twice: for where the file is, and again behind it, as what stands there counts more. Options move the words of
 * an argv, so each gets one of its own. */
static enum opt_result parse_all(struct settings *s, int argc, char **argv, char **copy)
{
	size_t bytes = ((size_t)argc + 1) * sizeof *argv;
	enum opt_result result;
	const char *path;

	result = parse(s, argc, memcpy(copy, argv, bytes));
	if (result != OPT_GO_ON)
		return result;
	path = s->config;
	set_defaults(s, argv[0]);
	result = path ? take_file(s, path) : OPT_GO_ON;
	if (result == OPT_GO_ON)
		result = parse(s, argc, memcpy(copy, argv, bytes));
	return result == OPT_GO_ON ? take_words(s) : result;
}

/* < 0: what the first of two entries of --sni stands for is more exact; > 0: the second; 0: it is the same name. */
static int by_name(const char *one, const char *other)
{
	size_t length = strcspn(one, "="), others = strcspn(other, "=");

	if ((*one == '*') != (*other == '*'))
		return *one == '*' ? 1 : -1;
	if (length != others)
		return length > others ? -1 : 1;
	return strncasecmp(one, other, length);
}

/* So the first that fits a name is the most exact one, and those of the same name stand together, as they were given. */
static void sort_names(struct opt_list *sni)
{
	for (unsigned i = 1; i < sni->count; i++) {
		const char *word = sni->items[i];
		unsigned at = i;

		for (; at && by_name(word, sni->items[at - 1]) < 0; at--)
			sni->items[at] = sni->items[at - 1];
		sni->items[at] = word;
	}
}

enum opt_result settings_parse(struct settings *s, int argc, char **argv)
{
	char **copy = malloc(((size_t)argc + 1) * sizeof *argv);
	enum opt_result result;

	set_defaults(s, argv[0]);
	result = copy ? parse_all(s, argc, argv, copy) : OPT_WRONG;
	free(copy);
	if (result == OPT_GO_ON && (!s->listen.count || !s->upstream.count)) {
		out_error("it takes an address to LISTEN at and an UPSTREAM; `leat proxy --help` says more");
		result = OPT_WRONG;
	}
	if (result == OPT_GO_ON && s->log_json && !s->log) {
		out_error("--log-json says how the lines of --log look, and there is no --log");
		result = OPT_WRONG;
	}
	if (result == OPT_GO_ON)
		sort_names(&s->sni);
	else
		settings_free(s);
	return result;
}

/* Values stand in the lines themselves. */
void settings_blame(const struct settings *s, const char *value)
{
	for (unsigned i = 0; i < s->lines_count; i++) {
		uintptr_t at = (uintptr_t)value - (uintptr_t)s->lines[i];

		if (at <= strlen(s->lines[i]))
			out_error(NOT_TAKEN, s->config, s->line_numbers[i]);
	}
}

void settings_free(struct settings *s)
{
	for (unsigned i = 0; i < s->lines_count; i++)
		free(s->lines[i]);
	s->lines_count = 0;
}
