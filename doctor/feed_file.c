/* SPDX-License-Identifier: MIT */
/* A recording as a feed: all of it is there at once, no process of it is looked at, and no rights are needed. */
#include "feed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "record.h"

#define NAME_MOST 200	/* bytes of a path, its last ones: what is wrong stands behind it */

struct feed_recording {
	struct feed feed;
	struct model model;	/* until it is collected */
	bool collected;
};

static void say_why(struct feed_error *error, const char *path, int result, const struct record_error *where)
{
	size_t length = strlen(path);
	const char *name = length > NAME_MOST ? path + length - NAME_MOST : path, *cut = name == path ? "" : "…";

	error->status = EXIT_USAGE;
	if (where->what)
		snprintf(error->text, sizeof error->text, "%s%s, line %u: %s", cut, name, where->line, where->what);
	else if (result == -ENOMEM)
		snprintf(error->text, sizeof error->text, "%s%s, line %u: it wants more memory than a recording may take", cut, name,
			 where->line);
	else
		snprintf(error->text, sizeof error->text, "%s%s cannot be read: %s", cut, name, strerror(-result));
}

static int file_open(struct feed **ret_feed, const struct feed_options *options, struct feed_error *ret_error)
{
	struct feed_recording *recording = calloc(1, sizeof *recording);
	struct record_error where;
	int result;

	if (!recording)
		return -ENOMEM;
	recording->feed.ops = &feed_file;
	result = record_load(&recording->model, options->file, &where);
	if (result) {
		say_why(ret_error, options->file, result, &where);
		free(recording);
		return result;
	}
	*ret_feed = &recording->feed;
	return 0;
}

static int file_poll(struct feed *feed, struct model *model, int timeout_ms)
{
	return FEED_OVER;
}

/* The model becomes the recording, with the engine that it was made by: the report is that one's. */
static int file_collect(struct feed *feed, struct model *model)
{
	struct feed_recording *recording = (struct feed_recording *)feed;

	if (recording->collected)
		return 0;
	recording->collected = true;
	model_free(model);
	*model = recording->model;
	memset(&recording->model, 0, sizeof recording->model);
	return 0;
}

static void file_close(struct feed *feed)
{
	struct feed_recording *recording = (struct feed_recording *)feed;

	if (!recording)
		return;
	model_free(&recording->model);
	free(recording);
}

const struct feed_ops feed_file = {
	.name = "recording",
	.open = file_open,
	.poll = file_poll,
	.collect = file_collect,
	.close = file_close,
};
