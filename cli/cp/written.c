/* SPDX-License-Identifier: MIT */
#include "written.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct written {
	void *root;
	pthread_mutex_t lock;
};

struct claim {
	dev_t to_dev, from_dev;
	ino_t to_ino, from_ino;
	char text[];
};

static int compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->to_dev != y->to_dev)
		return x->to_dev < y->to_dev ? -1 : 1;
	return x->to_ino < y->to_ino ? -1 : x->to_ino > y->to_ino;
}

struct written *written_new(void)
{
	struct written *written = calloc(1, sizeof *written);

	if (written)
		pthread_mutex_init(&written->lock, NULL);
	return written;
}

const char *written_claim(struct written *written, const struct stat *to, const struct stat *from, const char *text)
{
	size_t length = strlen(text) + 1;
	struct claim *claim = malloc(sizeof *claim + length), **there;
	const char *other = NULL;

	if (!claim)
		return "a file that there is no memory for";
	*claim = (struct claim){ to->st_dev, from->st_dev, to->st_ino, from->st_ino };
	memcpy(claim->text, text, length);
	pthread_mutex_lock(&written->lock);
	there = (struct claim **)tsearch(claim, &written->root, compare);
	pthread_mutex_unlock(&written->lock);
	if (there && *there == claim)
		return NULL;
	if (!there)
		other = "a file that there is no memory for";
	else if ((*there)->from_dev != claim->from_dev || (*there)->from_ino != claim->from_ino)
		other = (*there)->text;
	free(claim);
	return other;
}

void written_free(struct written *written)
{
	if (written) {
		tdestroy(written->root, free);
		pthread_mutex_destroy(&written->lock);
	}
	free(written);
}
