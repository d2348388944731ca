/* SPDX-License-Identifier: MIT */
#include "bench.h"

int html_write(const struct bench *b, const char *path)
{
	(void)b;
	out_error("%s is not written yet", path);
	return 0;
}
