/* SPDX-License-Identifier: MIT */
/* A TLS ClientHello: the name is one, and is the same however much follows it; each beginning of it waits. */
#include "fuzz.h"

#include "../../cli/proxy/hello.c"

/* Version, random, no session, a cipher, no compression, and the name. */
static const unsigned char seed[] = "\x16\x03\x01\x00\x3c\x01\x00\x00\x38\x03\x03" "0123456789abcdef0123456789abcdef" "\x00\x00\x02\x13\x01"
				    "\x01\x00\x00\x0d\x00\x00\x00\x09\x00\x07\x00\x00\x04" "a.bc";
/* The same in two records, and one that asks for no name. */
static const unsigned char cut[] = "\x16\x03\x01\x00\x06\x01\x00\x00\x38\x03\x03" "\x16\x03\x01\x00\x36" "0123456789abcdef0123456789abcdef"
				   "\x00\x00\x02\x13\x01" "\x01\x00\x00\x0d\x00\x00\x00\x09\x00\x07\x00\x00\x04" "a.bc";
static const unsigned char nameless[] = "\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" "0123456789abcdef0123456789abcdef"
					"\x00\x00\x02\x13\x01\x01\x00";

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct { const unsigned char *bytes; size_t size; } seeds[] = {
		{ seed, sizeof seed - 1 }, { cut, sizeof cut - 1 }, { nameless, sizeof nameless - 1 },
	};
	const char *dir = getenv("FUZZ_CORPUS");
	char name[HELLO_NAME], path[4096];

	(void)argc;
	(void)argv;
	FUZZ_HOLDS(hello_name(seed, sizeof seed - 1, name) == 1 && strcmp(name, "a.bc") == 0);
	FUZZ_HOLDS(hello_name(cut, sizeof cut - 1, name) == 1 && strcmp(name, "a.bc") == 0);
	FUZZ_HOLDS(hello_name(nameless, sizeof nameless - 1, name) == 1 && !*name);
	for (size_t i = 0; dir && i < sizeof seeds / sizeof seeds[0]; i++) {
		FILE *file;

		snprintf(path, sizeof path, "%s/seed%zu", dir, i);
		file = fopen(path, "we");
		if (!file || fwrite(seeds[i].bytes, 1, seeds[i].size, file) != seeds[i].size || fclose(file))
			abort();
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[HELLO_NAME], part[HELLO_NAME];
	int r = hello_name(data, size, name);

	FUZZ_HOLDS(r == 0 || r == 1 || r == -EPROTO || r == -EMSGSIZE);
	if (r == 1)
		FUZZ_HOLDS(memchr(name, 0, sizeof name));
	for (const char *at = name; r == 1 && *at; at++)
		FUZZ_HOLDS(!isupper((unsigned char)*at));
	/* What a beginning says stands: to wait, or what the whole says. */
	for (size_t i = 0; i < size; i += 1 + i / 16) {
		int before = hello_name(data, i, part);

		FUZZ_HOLDS(before == 0 || before == r || (before < 0 && r < 0));
		FUZZ_HOLDS(before != 1 || strcmp(part, name) == 0);
	}
	return 0;
}
