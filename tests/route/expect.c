/* SPDX-License-Identifier: MIT */
/*
 * The table of pairs. Letters are the routes of a plan, in its order: C clone, R copy_file_range, F sendfile, S splice, P
 * splice_pipe, M memory, Y copy. After a blank: routes and why they are refused; all others are not-applicable.
 */
#include "expect.h"

#include <string.h>

/* By what the ends are to the kernel: a view is what it stands on, a FIFO is a pipe, a range is a file. */
enum class_from { FILES, MADE_UP, MEMORY, PIPES, STREAMS, OPAQUE, CLASSES };

static const enum class_from class_of[FROM_KINDS] = {
	[FROM_FD] = FILES,   [FROM_FILE] = FILES,     [FROM_RANGE] = FILES,	[FROM_PROC] = MADE_UP, [FROM_MEMORY] = MEMORY,
	[FROM_PIPE] = PIPES, [FROM_FIFO] = PIPES,     [FROM_TCP] = STREAMS,	[FROM_UNIX] = STREAMS, [FROM_PTY] = MADE_UP,
	[FROM_ZERO] = MADE_UP, [FROM_CALLBACK] = OPAQUE, [FROM_QUEUE] = FILES, [FROM_VIEW] = FILES,
};

#define GENERATED	"Y CRFSP:src-generated"
#define CALLED		"Y CRFSP:opaque-source"
#define CALLING		"Y CRFSP:opaque-sink"

static const char *const table[CLASSES][TO_KINDS] = {
	[FILES] = {
		[TO_FD] = "CRFPY",
		[TO_FILE] = "CRPY",	/* sendfile would write at the descriptor's own offset, and move it */
		[TO_APPEND] = "Y CRFP:out-append",
		[TO_PIPE] = "SY",
		[TO_TCP] = "FPY", [TO_UNIX] = "FPY", [TO_VIEW] = "FPY", [TO_PTY] = "FPY",
		[TO_MEMORY] = "Y", [TO_NOTHING] = "Y",
		[TO_CALLBACK] = CALLING,
	},
	[MADE_UP] = {
		[TO_FD] = GENERATED, [TO_FILE] = GENERATED, [TO_APPEND] = GENERATED, [TO_PIPE] = GENERATED, [TO_TCP] = GENERATED,
		[TO_UNIX] = GENERATED, [TO_PTY] = GENERATED, [TO_MEMORY] = GENERATED, [TO_NOTHING] = GENERATED,
		[TO_VIEW] = GENERATED, [TO_CALLBACK] = CALLING,
	},
	[MEMORY] = {
		[TO_FD] = "M", [TO_FILE] = "M", [TO_APPEND] = "M", [TO_PIPE] = "M", [TO_TCP] = "M", [TO_UNIX] = "M",
		[TO_PTY] = "M", [TO_MEMORY] = "M", [TO_NOTHING] = "M", [TO_VIEW] = "M", [TO_CALLBACK] = "M CRFSP:opaque-sink",
	},
	[PIPES] = {
		[TO_FD] = "SY F:src-pipe", [TO_FILE] = "SY F:src-pipe",
		[TO_APPEND] = "Y F:src-pipe S:out-append",
		[TO_PIPE] = "SY F:src-pipe", [TO_TCP] = "SY F:src-pipe", [TO_UNIX] = "SY F:src-pipe",
		[TO_VIEW] = "SY F:src-pipe", [TO_PTY] = "SY F:src-pipe", [TO_MEMORY] = "Y F:src-pipe",
		[TO_NOTHING] = "Y F:src-pipe", [TO_CALLBACK] = CALLING,
	},
	[STREAMS] = {
		[TO_FD] = "PY", [TO_FILE] = "PY",
		[TO_APPEND] = "Y P:out-append",
		[TO_PIPE] = "SY",
		[TO_TCP] = "PY", [TO_UNIX] = "PY", [TO_VIEW] = "PY", [TO_PTY] = "PY",
		[TO_MEMORY] = "Y", [TO_NOTHING] = "Y",
		[TO_CALLBACK] = CALLING,
	},
	[OPAQUE] = {
		[TO_FD] = CALLED, [TO_FILE] = CALLED, [TO_APPEND] = CALLED, [TO_PIPE] = CALLED, [TO_TCP] = CALLED,
		[TO_UNIX] = CALLED, [TO_PTY] = CALLED, [TO_MEMORY] = CALLED, [TO_NOTHING] = CALLED, [TO_VIEW] = CALLED,
		[TO_CALLBACK] = CALLED,
	},
};

static enum leat_route route_of(char letter)
{
	switch (letter) {
	case 'C': return LEAT_ROUTE_CLONE;
	case 'R': return LEAT_ROUTE_COPY_FILE_RANGE;
	case 'F': return LEAT_ROUTE_SENDFILE;
	case 'S': return LEAT_ROUTE_SPLICE;
	case 'P': return LEAT_ROUTE_SPLICE_PIPE;
	case 'M': return LEAT_ROUTE_MEMORY;
	case 'Y': return LEAT_ROUTE_COPY;
	default: ends_die("a letter of the table");
	}
}

static enum leat_reason reason_of(const char *word, size_t length)
{
	static const struct { const char *word; enum leat_reason reason; } words[] = {
		{ "src-generated", LEAT_SRC_GENERATED }, { "opaque-source", LEAT_OPAQUE_SOURCE },
		{ "opaque-sink", LEAT_OPAQUE_SINK }, { "out-append", LEAT_OUT_APPEND }, { "src-pipe", LEAT_SRC_PIPE },
	};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strlen(words[i].word) == length && !memcmp(word, words[i].word, length))
			return words[i].reason;
	ends_die("a word of the table");
}

/* "F:src-pipe S:out-append" */
static void take_refusals(struct expect *expect, const char *text)
{
	while (*text == ' ') {
		size_t letters = strcspn(++text, ":"), length = strcspn(text + letters + 1, " ");

		for (size_t i = 0; i < letters; i++)
			expect->refused[route_of(text[i])] = reason_of(text + letters + 1, length);
		text += letters + 1 + length;
	}
}

void expect_make(struct expect *expect, enum from from, enum to to, bool hash)
{
	const char *text = table[class_of[from]][to];

	memset(expect, 0, sizeof *expect);
	for (int route = 0; route < LEAT_ROUTES; route++)
		expect->refused[route] = LEAT_NOT_APPLICABLE;
	take_refusals(expect, strchr(text, ' ') ? strchr(text, ' ') : "");
	expect->auto_copy = class_of[from] == STREAMS && !hash && (to == TO_TCP || to == TO_UNIX || to == TO_VIEW);
	for (; *text && *text != ' '; text++) {
		enum leat_route route = route_of(*text);

		/* A wrapper that must see the bytes leaves those routes on which they are in user space anyway. */
		if (hash && route != LEAT_ROUTE_COPY && route != LEAT_ROUTE_MEMORY) {
			expect->refused[route] = LEAT_NEEDS_CONTENT;
			continue;
		}
		expect->in_plan[route] = true;
		expect->refused[route] = LEAT_OK;
		expect->first = expect->first ? expect->first : route;
	}
}
