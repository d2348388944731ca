/* SPDX-License-Identifier: MIT */
/* A user of the installed library in plain C11: a file through two wrappers into another file, then what happened. */
#define _POSIX_C_SOURCE 200809L /* fileno */
#include <leat.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	static const char text[] = "carried by the channel, not in buckets\n";
	char line[200], got[sizeof(text)];
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report report;
	struct leat_limit limit;
	struct leat_count count;
	FILE *from = tmpfile(), *to = tmpfile();

	if (!from || !to || fputs(text, from) < 0 || fflush(from) != 0)
		return 1;
	leat_from_file(&source, fileno(from), 0);
	leat_wrap(&source, leat_limit_init(&limit, 7));
	leat_wrap(&source, leat_count_init(&count));
	leat_to_file(&sink, fileno(to), 0);
	if (leat_copy(&sink, &source, NULL, &report) != 7)
		return 1;
	puts(leat_explain(&report, line, sizeof(line)));
	leat_close(&source);
	leat_close_sink(&sink);

	memset(got, 0, sizeof(got));
	if (fread(got, 1, sizeof(got), to) != 7 || strncmp(got, text, 7) != 0 || got[7] != '\0')
		return 1;
	return count.bytes == 7 && strcmp(leat_version(), LEAT_VERSION) == 0 ? 0 : 1;
}
