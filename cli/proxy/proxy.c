/* SPDX-License-Identifier: MIT */
/* leat proxy: passes connections on, by splice where it pays. A master, which owns the listeners; workers, each with a loop; a keeper. */
#include "../cmd.h"
#include "../out.h"
#include "generation.h"
#include "master.h"
#include "names.h"

/* Opens what there is to open, and closes it again. */
static int check(struct settings *settings)
{
	static struct board_counts counts;
	static struct places places = { .counts = &counts };
	struct generation *generation;
	int r = generation_open(&generation, NULL, settings, &places);

	if (r < 0)
		return EXIT_USAGE;
	names_begin(generation);
	generation_close(generation);
	puts("ok");
	return EXIT_OK;
}

int proxy_main(int argc, char **argv)
{
	struct settings settings;
	enum opt_result parsed = settings_parse(&settings, argc, argv);

	if (parsed != OPT_GO_ON)
		return parsed == OPT_SHOWN ? EXIT_OK : EXIT_USAGE;
	return settings.check ? check(&settings) : master_run(&settings, argc, argv);
}
