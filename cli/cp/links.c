/* SPDX-License-Identifier: MIT */
#include "links.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct links { void *root; };

struct link {
	dev_t dev;
	ino_t ino;
	char path[];
};

static int compare(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

struct links *links_new(void)
{
	return calloc(1, sizeof(struct links));
}

const char *links_find(const struct links *links, dev_t dev, ino_t ino)
{
	const struct link key = { .dev = dev, .ino = ino };
	struct link *const *found = tfind(&key, &links->root, compare);

	return found ? (*found)->path : NULL;
}

int links_add(struct links *links, dev_t dev, ino_t ino, const char *path)
{
	size_t length = strlen(path) + 1;
	struct link *link = malloc(sizeof *link + length);

	if (!link)
		return -ENOMEM;
	link->dev = dev;
	link->ino = ino;
	memcpy(link->path, path, length);
	if (tsearch(link, &links->root, compare))
		return 0;
	free(link);
	return -ENOMEM;
}

void links_free(struct links *links)
{
	if (links)
		tdestroy(links->root, free);
	free(links);
}
