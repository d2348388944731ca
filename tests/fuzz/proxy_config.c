/* SPDX-License-Identifier: MIT */
/* The configuration file of leat proxy: what is taken has an address to listen at and an upstream, what is not has a sentence. */
#include "fuzz.h"

#include <stdarg.h>

#include "../../cli/opt.c"
#include "../../cli/proxy/settings.c"

FUZZ_SEEDS("listen 127.0.0.1:80\nupstream 192.0.2.1:80\nupstream unix:/run/x # comment\n",
	   "listen :1\nupstream a:1\nbalance least\n",
	   "listen [::]:1\nupstream a:1\nsni *.b=c:1\nsni b=unix:d\nrate 10m\ntotal-rate 1g\nidle 0\n",
	   "connect 1\nhalf-open 2\ntotal 3\n",
	   "# nothing\n\n\n", "listen a\nlisten", "upstream=a:1",
	   "header-in\nheader-out v2\nlisten :1\nupstream a:1\nretries 63\nfailures 0\n",
	   "check\nhelp\nversion\n", "config other\n", "rate x\n", "\tlisten\t:1  \n upstream  a:1\nlog -\nlog-json\nroute splice\n")

static int sentences;

void out_error(const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sentences++;
}

int out_width(void)
{
	return 80;
}

void out_wrap(FILE *to, int at, int indent, int width, const char *format, ...)
{
	static char text[4096];
	va_list args;

	(void)to;
	(void)at;
	(void)indent;
	(void)width;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
}

int version_print(int verbose)
{
	(void)verbose;
	return 0;
}

uint64_t leat_now_ns(void)
{
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], name[] = "leat proxy", config[] = "--config", *argv[] = { name, config, path, NULL };
	struct settings settings;
	int fd = fuzz_file(data, size);
	enum opt_result result;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	sentences = 0;
	result = settings_parse(&settings, 3, argv);
	FUZZ_HOLDS(result != OPT_WRONG || sentences > 0);
	if (result == OPT_GO_ON) {
		FUZZ_HOLDS(settings.listen.count && settings.upstream.count);
		FUZZ_HOLDS(settings.listen.count <= OPT_LIST_MOST && settings.upstream.count <= OPT_LIST_MOST);
		FUZZ_HOLDS(settings.connect_s >= 1 && settings.retries <= 63 && settings.workers <= 256);
		sentences = 0;
		for (unsigned i = 0; i < settings.listen.count; i++)
			settings_blame(&settings, settings.listen.items[i]);
		FUZZ_HOLDS(sentences == (int)settings.listen.count);	/* each value has one line */
		settings_free(&settings);
	}
	close(fd);
	return 0;
}
