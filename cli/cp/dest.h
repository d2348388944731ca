/* SPDX-License-Identifier: MIT */
/*
 * A destination file that appears whole or not at all: written without a name (O_TMPFILE), or under a temporary one beside it,
 * and given its name when all is there. Until then, and after whatever ends the program, the old file is untouched.
 */
#ifndef CLI_CP_DEST_H
#define CLI_CP_DEST_H

#include <limits.h>
#include <stdint.h>
#include <sys/stat.h>

enum dest_way {
	DEST_DIRECT,		/* a device, FIFO, terminal, file of /proc, or what is open already: written to as it is */
	DEST_IN_PLACE,		/* --in-place, or what is there of a file to be resumed */
	DEST_WITHOUT_NAME,	/* O_TMPFILE */
	DEST_TEMPORARY,
};

#define DEST_IN_PLACE_ONLY (-4200)	/* below every -errno: it cannot be replaced, and the sentence says why */

struct dest {
	const char *shown;		/* for sentences */
	int dir, dir_is_ours;		/* where the name is; to be closed */
	int fd;				/* -1: not open */
	enum dest_way way;
	int taken;			/* something has the name */
	int exists;			/* and it is what the new file replaces, with its mode and owner */
	int magic;			/* its name is a link of /proc */
	int sized;			/* it was given a length before all is there */
	int only_read;			/* resume: it is as long as it shall be, open to be read, and complete if it is the same */
	struct stat was;		/* if it exists */
	uint64_t start;			/* resume: so many bytes are there already */
	char name[NAME_MAX + 1];	/* in dir, symlinks followed */
	int source_dir;			/* of a tree, else -1: no temporary name is one that it has */
	char temporary[NAME_MAX + 1];	/* empty until it is needed */
};

struct dest_options {
	int in_place, resume, sync;
	int read_back;		/* what was written will be read */
	int in_tree;		/* no link is followed; what has the name is replaced, whatever it is but a directory; flushing the
				 * directory is left to others */
	int source_dir;		/* in_tree: the directory of the source */
	uint64_t whole;		/* resume: it will be so long */
	int timeout_ms;		/* of a FIFO that nobody reads; -1: none */
	int fresh;		/* the directory was made by us: nothing can be left over in it */
	mode_t mode, mask;	/* of a new file, permission bits alone; the umask, which it is less */
};

/*
 * Opens what shall become path, relative to the directory at (AT_FDCWD), and is called shown. source: of the file that is
 * read, so as not to be written to, and to have as many names; or NULL. 0, or -errno or DEST_IN_PLACE_ONLY after a sentence on stderr.
 */
int dest_open(struct dest *dest, int at, const char *path, const char *shown, const struct stat *source,
	      const struct dest_options *options);
/* Whether both would be one file; a device may well be both. */
int dest_is_same(const struct dest *a, const struct dest *b);
/* It will have so many bytes, and holes: given that length at once, none needs to be made at its end by taking a block there,
 * which XFS waits for the disk with (sparse files of 4 GiB: 15 ms). Not of what may stay as a part: its length says how far it is. */
void dest_size(struct dest *dest, uint64_t length, const struct dest_options *options);
/* What is there is complete: nothing is to be written. 0, or as dest_open. */
int dest_adopt(struct dest *dest);
/* It is not: goes on as if it had not been asked. As dest_open. */
int dest_reject(struct dest *dest, const struct stat *source, const struct dest_options *options);
/* It is as long as this, and gets owner, access list and mode of the one it replaces, or what a new one has. 0, or as dest_open. */
int dest_take_over(struct dest *dest, const struct dest_options *options, uint64_t length);
/* Flushes it if asked, and gives it a temporary name: only a rename, which needs no room, is left for dest_commit. 0, or as dest_open. */
int dest_stand_by(struct dest *dest, const struct dest_options *options);
/* Gives it its name, and flushes it first if asked. 0, or as dest_open: the old file is there still, but where the
 * sentence says that only flushing failed. */
int dest_commit(struct dest *dest, const struct dest_options *options);
/* Closes. What was not committed is gone, but for a part that may be resumed. */
void dest_close(struct dest *dest, int keep_part);

/* Says what went wrong. -error. */
int dest_failed(const struct dest *dest, const char *what, int error);

#endif
