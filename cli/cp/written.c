/* SPDX-License-Identifier: MIT */
#include "written.h"
#include "same.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct written {
	void *root;
	pthread_mutex_t lock;
};

struct claim {
	struct file_id to, from;
	char text[];
};

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
	*claim = (struct claim){ file_id(to), file_id(from) };
	memcpy(claim->text, text, length);
	pthread_mutex_lock(&written->lock);
	there = (struct claim **)tsearch(claim, &written->root, file_id_compare);
	pthread_mutex_unlock(&written->lock);
	if (there && *there == claim)
		return NULL;
	if (!there)
		other = "a file that there is no memory for";
	else if (file_id_compare(&(*there)->from, &claim->from) != 0)
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
