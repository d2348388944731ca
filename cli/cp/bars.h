/* SPDX-License-Identifier: MIT */
/* What a file system does not let be changed, whoever asks: the attributes of chattr(1), which tell only at the end of a copy. */
#ifndef CLI_CP_BARS_H
#define CLI_CP_BARS_H

struct bar {
	const char *word;	/* "immutable"; NULL: none */
	char letter;		/* 'i' of chattr */
	int is_mount;		/* something is mounted on it */
};

/* Of name in dir, which is not followed; of dir itself where name is "". */
struct bar bar_of(int dir, const char *name);

#endif
