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
	struct claim *before;	/* of a file that is no more, and had that inode: its text may be in use */
	char text[];
};

struct written *written_new(void)
{
	struct written *written = calloc(1, sizeof *written);

	if (written)
		pthread_mutex_init(&written->lock, NULL);
	return written;
}

static struct claim *claim_new(const struct stat *to, const struct stat *from, const char *text)
{
	size_t length = strlen(text) + 1;
	struct claim *claim = malloc(sizeof *claim + length);

	if (!claim)
		return NULL;
	*claim = (struct claim){ .to = file_id(to), .from = file_id(from) };
	memcpy(claim->text, text, length);
	return claim;
}

static const char *other_than(const struct claim *there, const struct file_id *from)
{
	return file_id_compare(&there->from, from) != 0 ? there->text : NULL;
}

const char *written_claim(struct written *written, const struct stat *to, const struct stat *from, const char *text)
{
	struct claim *claim = claim_new(to, from, text), **there;
	const char *other;

	if (!claim)
		return "a file that there is no memory for";
	pthread_mutex_lock(&written->lock);
	there = (struct claim **)tsearch(claim, &written->root, file_id_compare);
	pthread_mutex_unlock(&written->lock);
	if (there && *there == claim)
		return NULL;
	other = there ? other_than(*there, &claim->from) : "a file that there is no memory for";
	free(claim);
	return other;
}

const char *written_by(struct written *written, const struct stat *to, const struct stat *from)
{
	const struct file_id id = file_id(to), source = file_id(from);
	struct claim *const *there;

	pthread_mutex_lock(&written->lock);
	there = (struct claim *const *)tfind(&id, &written->root, file_id_compare);
	pthread_mutex_unlock(&written->lock);
	return there ? other_than(*there, &source) : NULL;
}

void written_note(struct written *written, const struct stat *to, const struct stat *from, const char *text)
{
	struct claim *claim = claim_new(to, from, text), **there;

	if (!claim)
		return;
	pthread_mutex_lock(&written->lock);
	there = (struct claim **)tsearch(claim, &written->root, file_id_compare);
	if (there && *there != claim) {
		claim->before = *there;
		*there = claim;
	} else if (!there) {
		free(claim);
	}
	pthread_mutex_unlock(&written->lock);
}

static void claim_free(void *node)
{
	for (struct claim *claim = node, *before; claim; claim = before) {
		before = claim->before;
		free(claim);
	}
}

void written_free(struct written *written)
{
	if (written) {
		tdestroy(written->root, claim_free);
		pthread_mutex_destroy(&written->lock);
	}
	free(written);
}
