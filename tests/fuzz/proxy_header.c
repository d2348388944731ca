/* SPDX-License-Identifier: MIT */
/* The header of the PROXY protocol: what is taken is within what came, each beginning of it waits, and it says the same again. */
#include "fuzz.h"

#include "../../cli/proxy/header.c"

/* The signature of version 2 has a zero, which no seed can have: `2` stands for it. */
FUZZ_SEEDS("PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\nGET /", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", "PROXY UNKNOWN\r\n",
	   "PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 00 1\r\n", "PROXY \r\n", "PROXY",
	   "2!\x11\x01\x01zzzzyyyyxxww", "2!\x21\x01\x24zzzzzzzzzzzzzzzzyyyyyyyyyyyyyyyyxxww",
	   "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "PROXY TCP6 ::1 ::ffff:192.0.2.1 1 2\r\n",
	   "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "2 \x11\x01\x01", "GET / HTTP/1.1\r\n")

static int same(const struct sockaddr_storage *one, const struct sockaddr_storage *other)
{
	size_t size = one->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	return one->ss_family == other->ss_family && memcmp(one, other, size) == 0;
}

/* What was read, written anew, is read as the same. */
static void check_again(const struct header *header)
{
	unsigned char out[HEADER_MADE];
	struct header again;

	for (int version = 1; version <= 2; version++) {
		size_t made = header_make(version, &header->from, &header->to, out);

		FUZZ_HOLDS(made && made <= sizeof out);
		FUZZ_HOLDS(header_parse(out, made, &again) == (long)made);
		if (header->from.ss_family == AF_UNIX)
			FUZZ_HOLDS(version == 1 ? again.local : again.from.ss_family == AF_UNIX);
		else
			FUZZ_HOLDS(!again.local && same(&again.from, &header->from) && same(&again.to, &header->to));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int v2 = size && *data == '2';
	size_t length = v2 ? size - 1 + sizeof signature : size;
	unsigned char *bytes = malloc(length + 1);
	struct header header;
	long used;

	if (!bytes)
		abort();
	if (v2)
		memcpy(bytes, signature, sizeof signature);
	if (size)
		memcpy(bytes + (v2 ? sizeof signature : 0), data + v2, size - (size_t)v2);
	used = header_parse(bytes, length, &header);
	FUZZ_HOLDS(used == -EPROTO || (used >= 0 && used <= HEADER_MOST && (size_t)used <= length));
	if (used > 0) {
		struct header part;

		for (size_t i = 0; i < (size_t)used; i++)
			FUZZ_HOLDS(header_parse(bytes, i, &part) == 0);
		FUZZ_HOLDS(header.local || header.from.ss_family == AF_INET || header.from.ss_family == AF_INET6 ||
			   header.from.ss_family == AF_UNIX);
		if (!header.local) {
			check_again(&header);
			header_agree(&header.from, &header.to);
			FUZZ_HOLDS(header.from.ss_family == header.to.ss_family);
			check_again(&header);
		}
	}
	free(bytes);
	return 0;
}
