/* SPDX-License-Identifier: MIT */
#include "links.h"
#include "same.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct links { void *root; };

struct link {
	struct file_id id;
	char path[];
};

struct links *links_new(void)
{
	return calloc(1, sizeof(struct links));
}

const char *links_find(const struct links *links, const struct stat *st)
{
	const struct file_id id = file_id(st);
	struct link *const *found = tfind(&id, &links->root, file_id_compare);

	return found ? (*found)->path : NULL;
}

int links_add(struct links *links, const struct stat *st, const char *path)
{
	size_t length = strlen(path) + 1;
	struct link *link = malloc(sizeof *link + length);

	if (!link)
		return -ENOMEM;
	link->id = file_id(st);
	memcpy(link->path, path, length);
	if (tsearch(link, &links->root, file_id_compare))
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
