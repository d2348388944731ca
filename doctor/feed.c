/* SPDX-License-Identifier: MIT */
/* What the feeds share: the sentence of one that cannot begin. */
#include "feed.h"

#include <stdarg.h>
#include <stdio.h>

int feed_fail(struct feed_error *error, int status, int result, const char *format, ...)
{
	va_list args;

	error->status = status;
	va_start(args, format);
	vsnprintf(error->text, sizeof error->text, format, args);
	va_end(args);
	return result;
}
