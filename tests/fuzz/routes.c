/* SPDX-License-Identifier: MIT */
/* LEAT_ROUTES of the environment. */
#include "fuzz.h"

static const char *environment;

static const char *fuzz_getenv(const char *name)
{
	return environment;
}

#define secure_getenv fuzz_getenv
#include "../../src/sys.c"

FUZZ_SEEDS("sendfile", "sendfile,splice copy", "clone, copy_file_range , splice_pipe,,", "memory", "none", " ")

const char *leat_route_name(enum leat_route route)
{
	static const char *const names[] = { "none", "clone", "copy_file_range", "sendfile", "splice", "splice_pipe", "memory",
					     "copy" };

	return names[route];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t never = ROUTE_BIT(LEAT_ROUTE_MEMORY) | ROUTE_BIT(LEAT_ROUTE_COPY), off, more;
	char *text = fuzz_text(data, size), *longer = malloc(size + 20);

	environment = text;
	off = read_routes_off();
	FUZZ_HOLDS(!(off & never));
	FUZZ_HOLDS(!(off >> LEAT_ROUTES));
	/* One word more allows that route, and nothing else. */
	if (!longer)
		abort();
	snprintf(longer, size + 20, "%s,sendfile", text);
	environment = longer;
	more = read_routes_off();
	FUZZ_HOLDS(more == (off & ~ROUTE_BIT(LEAT_ROUTE_SENDFILE)));
	free(longer);
	free(text);
	return 0;
}
