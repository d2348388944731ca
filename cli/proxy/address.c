/* SPDX-License-Identifier: MIT */
#include "address.h"
#include "../out.h"

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int address_parse(const char *text, int listens, struct addr *ret_addr)
{
	char why[400], tcp[400];

	if (!strncmp(text, "unix:", 5) || !strncmp(text, "fd:", 3)) {
		if (addr_parse(text, ret_addr, why, sizeof why) == 0) {
			if (ret_addr->kind == ADDR_UNIX && listens)
				ret_addr->kind = ADDR_UNIX_LISTEN;
			if (ret_addr->kind != ADDR_FD || listens)
				return 0;
			snprintf(why, sizeof why, "`%s` is no upstream: a descriptor can only be listened at", text);
		}
	} else {
		snprintf(tcp, sizeof tcp, "%s%s", listens ? "tcp-listen://" : "tcp://", text);
		if (addr_parse(tcp, ret_addr, why, sizeof why) == 0) {
			ret_addr->text = text;
			return 0;
		}
	}
	out_error("%s", why);
	return -EINVAL;
}

int address_resolve(const struct addr *addr, int passive, struct board_address *to, unsigned most)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : AI_ADDRCONFIG }, *all;
	unsigned count = 0;
	int r;

	if (addr->kind == ADDR_UNIX || addr->kind == ADDR_UNIX_LISTEN) {
		*to = (struct board_address){ .length = sizeof to->un, .un.sun_family = AF_UNIX };
		memcpy(to->un.sun_path, addr->path, strlen(addr->path));
		return 1;
	}
	r = getaddrinfo(*addr->host ? addr->host : NULL, addr->port, &hints, &all);
	if (r)
		return r;
	for (const struct addrinfo *one = all; one; one = one->ai_next) {
		if (one->ai_addrlen > sizeof to->in6)
			continue;
		if (count < most) {
			to[count].length = one->ai_addrlen;
			memcpy(&to[count].any, one->ai_addr, one->ai_addrlen);
		}
		count++;
	}
	freeaddrinfo(all);
	return (int)count;
}

int address_is_name(const struct addr *addr)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST }, *all;

	if (addr->kind != ADDR_TCP)
		return 0;
	if (getaddrinfo(addr->host, addr->port, &hints, &all))
		return 1;
	freeaddrinfo(all);
	return 0;
}

const char *address_why(int error)
{
	return error == EAI_SYSTEM ? strerror(errno) : error ? gai_strerror(error) : "no address of a stream socket";
}

/* A name as clients ask for it, *.DOMAIN, or *. */
static int is_asked_for(const char *name, size_t length)
{
	size_t label = 0;

	if (length == 1 && *name == '*')
		return 1;
	if (length > 2 && !strncmp(name, "*.", 2)) {
		name += 2;
		length -= 2;
	}
	for (size_t i = 0; i < length; i++) {
		if (name[i] == '.' ? !label : !isalnum((unsigned char)name[i]) && name[i] != '-' && name[i] != '_')
			return 0;
		label = name[i] == '.' ? 0 : label + 1;
	}
	return label > 0;
}

const char *address_upstream(const struct settings *settings, unsigned number)
{
	const char *word, *equals;

	if (number < settings->upstream.count)
		return settings->upstream.items[number];
	word = settings->sni.items[number - settings->upstream.count];
	equals = strchr(word, '=');
	if (equals && equals[1] && is_asked_for(word, (size_t)(equals - word)))
		return equals + 1;
	out_error("--sni takes NAME=ADDRESS, where NAME is a host's, *.DOMAIN or *, not `%s`", word);
	return NULL;
}
