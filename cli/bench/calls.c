/* SPDX-License-Identifier: MIT */
/* From lines of strace to calls a C program can make again. */
#include "small.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char mark_name[] = "getppid";

void calls_mark(void)
{
	getppid();
}

static const struct { const char *name, *with; enum again kind; } known[] = {
	{ "sendfile", "", AGAIN_SENDFILE },
	{ "preadv2", "RWF_NOWAIT", AGAIN_PROBE },
	{ "newfstatat", "AT_EMPTY_PATH", AGAIN_FSTAT },
	{ "fstat", "", AGAIN_FSTAT },
	{ "statx", "AT_EMPTY_PATH", AGAIN_STATX },
	{ "rt_sigprocmask", "SIG_BLOCK, [PIPE]", AGAIN_BLOCK_SIGPIPE },
	{ "rt_sigprocmask", "[PIPE]", AGAIN_UNBLOCK_SIGPIPE },
	{ "rt_sigprocmask", "SIG_SETMASK", AGAIN_UNBLOCK_SIGPIPE },
	{ "rt_sigpending", "", AGAIN_SIGPENDING },
	{ "fcntl", "F_GETFL", AGAIN_GETFL },
	{ "poll", "", AGAIN_POLL },
	{ "setsockopt", "TCP_CORK", AGAIN_CORK },
	{ "getsockopt", "TCP_CORK", AGAIN_GET_CORK },
};

/* The number that ends at the closing bracket of the arguments, as the count of sendfile does. */
static long last_argument(const char *line)
{
	const char *end = strstr(line, ") "), *comma = end;

	while (comma && comma > line && comma[-1] != ' ')
		comma--;
	return comma ? strtol(comma, NULL, 10) : 0;
}

static void add(struct same_calls *calls, const char *name, const char *line)
{
	struct same_call *c = &calls->call[calls->n];
	size_t used = strlen(calls->text);
	const char *bracket;

	if (calls->n == CALLS_MAX)
		return;
	calls->n++;
	*c = (struct same_call){ .kind = AGAIN_UNKNOWN, .on_socket = strstr(line, "<socket:") != NULL };
	for (size_t i = 0; i < sizeof known / sizeof known[0] && c->kind == AGAIN_UNKNOWN; i++)
		if (strcmp(known[i].name, name) == 0 && strstr(line, known[i].with))
			c->kind = known[i].kind;
	if (c->kind == AGAIN_UNKNOWN)
		calls->unknown = "a call";
	if (c->kind == AGAIN_SENDFILE)
		c->value = last_argument(line);
	if (c->kind == AGAIN_PROBE && sscanf(line, "%*[^]]], 1, %ld", &c->place) != 1)
		c->place = 0;
	bracket = strstr(line, "TCP_CORK, [");
	if (c->kind == AGAIN_CORK && bracket)
		c->value = strtol(bracket + strlen("TCP_CORK, ["), NULL, 10);
	snprintf(calls->text + used, sizeof calls->text - used, "%s%s", used ? ", " : "", name);
}

int calls_read(struct same_calls *calls, int log)
{
	FILE *f = lseek(log, 0, SEEK_SET) == 0 ? fdopen(log, "r") : NULL;
	char *line = NULL, name[32];
	int inside = 0;
	size_t room = 0;

	if (!f) {
		close(log);
		return -EIO;
	}
	/* Marks come in pairs; each pair begins the list anew, so the last one stays. */
	while (getline(&line, &room, f) > 0) {
		if (sscanf(line, "%*d %31[a-z0-9_](", name) != 1)
			continue;
		if (strcmp(name, mark_name) == 0) {
			inside = !inside;
			if (inside)
				memset(calls, 0, sizeof *calls);
		} else if (inside) {
			add(calls, name, line);
		}
	}
	free(line);
	fclose(f);
	return calls->n ? 0 : -ENODATA;
}
