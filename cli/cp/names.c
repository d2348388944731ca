/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int grow(void **array, size_t *most, size_t needed, size_t size)
{
	size_t to = *most ? *most : 64;
	void *more;

	while (to < needed)
		to *= 2;
	if (to == *most)
		return 0;
	more = realloc(*array, to * size);
	if (!more)
		return -1;
	*array = more;
	*most = to;
	return 0;
}

static int add(struct names *names, const struct dirent *entry)
{
	size_t length = strlen(entry->d_name) + 1;

	if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
		return 0;
	if (grow((void **)&names->text, &names->room, names->length + length, 1) < 0 ||
	    grow((void **)&names->all, &names->most, names->count + 1, sizeof *names->all) < 0)
		return -1;
	memcpy(names->text + names->length, entry->d_name, length);
	names->all[names->count++] = (struct name){ entry->d_ino, names->length };
	names->length += length;
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	uint64_t x = ((const struct name *)a)->inode, y = ((const struct name *)b)->inode;

	return x < y ? -1 : x > y;
}

int names_read(struct names *names, int directory)
{
	int fd = dup(directory), error = 0;
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream) {
		error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return -error;
	}
	for (;;) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(stream);
		if (!entry || add(names, entry) < 0) {
			error = entry ? ENOMEM : errno;
			break;
		}
	}
	closedir(stream);
	if (names->count)
		qsort(names->all, names->count, sizeof *names->all, by_inode);
	errno = error;
	return -error;
}

const char *names_next(struct names *names)
{
	return names->next < names->count ? names->text + names->all[names->next++].at : NULL;
}

void names_free(struct names *names)
{
	free(names->text);
	free(names->all);
	memset(names, 0, sizeof *names);
}
