/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const char *board_text(const struct board_address *address, char text[BOARD_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
		snprintf(text, BOARD_TEXT, "%s:%u", host, ntohs(address->in.sin_port));
	} else if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
		snprintf(text, BOARD_TEXT, "[%s]:%u", host, ntohs(address->in6.sin6_port));
	} else if (address->length > offsetof(struct sockaddr_un, sun_path) && *address->un.sun_path) {
		snprintf(text, BOARD_TEXT, "unix:%.*s", (int)sizeof address->un.sun_path, address->un.sun_path);
	} else {
		snprintf(text, BOARD_TEXT, "unix");
	}
	return text;
}

unsigned board_read(const struct board_upstream *up, struct board_address addresses[BOARD_ADDRESSES])
{
	uint32_t before, after, count;

	do {
		before = __atomic_load_n(&up->version, __ATOMIC_ACQUIRE);
		count = BOARD_GET(up->count);
		memcpy(addresses, up->addresses, sizeof up->addresses);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		after = BOARD_GET(up->version);
	} while (before != after || before & 1);
	return count;
}

void board_write(struct board_upstream *up, const struct board_address *addresses, unsigned count)
{
	BOARD_SET(up->version, up->version + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(up->addresses, addresses, count * sizeof *addresses);
	BOARD_SET(up->count, count);
	__atomic_store_n(&up->version, up->version + 1, __ATOMIC_RELEASE);
}
