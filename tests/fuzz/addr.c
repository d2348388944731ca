/* SPDX-License-Identifier: MIT */
/* A word of the command line as an address: what is taken is within its bounds, what is not has a sentence. */
#include "fuzz.h"

#include "../../cli/addr.c"

FUZZ_SEEDS("file", "-", "tcp://example.org:80", "tcp://[2001:db8::1]:443", "tcp-listen://:7000", "tcp-listen://[::]:0", "unix:/run/x",
	   "unix-listen:x", "fd:3", "fd:99999999999999999999", "tcp://a:b:1", "tcp://[::1:80", "./fd:3", "tcp://:80", "tcp://h:65536")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), why[200] = "";
	struct addr addr;

	if (addr_parse(text, &addr, why, sizeof why) < 0) {
		FUZZ_HOLDS(*why && memchr(why, 0, sizeof why));
		free(text);
		return 0;
	}
	FUZZ_HOLDS(addr.text == text && *text);
	switch (addr.kind) {
	case ADDR_TCP:
	case ADDR_TCP_LISTEN:
		FUZZ_HOLDS(memchr(addr.host, 0, sizeof addr.host) && !strpbrk(addr.host, "[]/"));
		FUZZ_HOLDS(strspn(addr.port, "0123456789") == strlen(addr.port) && *addr.port && atol(addr.port) <= 65535);
		FUZZ_HOLDS(addr.kind == ADDR_TCP_LISTEN || (*addr.host && strcmp(addr.port, "0") != 0));
		break;
	case ADDR_UNIX:
	case ADDR_UNIX_LISTEN:
		FUZZ_HOLDS(addr.path > text && *addr.path && strlen(addr.path) < 108);
		break;
	case ADDR_FD:
		FUZZ_HOLDS(addr.fd >= 0);
		break;
	default:
		FUZZ_HOLDS(addr.path == text);
	}
	free(text);
	return 0;
}
