/* SPDX-License-Identifier: MIT */
/* How many descriptors this process has, to be compared with how many it had. */
#ifndef LEAT_TESTS_DESCRIPTORS_H
#define LEAT_TESTS_DESCRIPTORS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static inline unsigned count_descriptors(void)
{
	DIR *all = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!all) {
		perror("/proc/self/fd");
		exit(1);
	}
	while (readdir(all))
		count++;
	closedir(all);
	return count - 3;	/* . and .. and the directory itself */
}

#endif
