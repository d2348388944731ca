/* SPDX-License-Identifier: MIT */
#include "addr.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const struct scheme {
	const char *prefix;
	enum addr_kind kind;
} schemes[] = {
	{ "tcp://", ADDR_TCP }, { "tcp-listen://", ADDR_TCP_LISTEN }, { "unix:", ADDR_UNIX }, { "unix-listen:", ADDR_UNIX_LISTEN },
	{ "fd:", ADDR_FD },
};

static int wrong(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int wrong(char *why, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return -EINVAL;
}

/* A decimal number without sign or blanks, at most so large; -1. */
static long number(const char *text, long most)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno || *end || value > most ? -1 : value;
}

static int parse_tcp(const char *text, struct addr *addr, char *why, size_t size)
{
	const char *colon = strrchr(text, ':'), *host = text;
	size_t length;
	long port;

	if (!colon)
		return wrong(why, size, "`%s` has no port: it takes HOST:PORT", addr->text);
	length = (size_t)(colon - text);
	if (*text == '[') {
		if (length < 2 || text[length - 1] != ']')
			return wrong(why, size, "`%s` lacks the ] of its address: it takes [ADDRESS]:PORT", addr->text);
		host++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return wrong(why, size, "`%s` has an IPv6 address without brackets: it takes [ADDRESS]:PORT", addr->text);
	}
	if (length >= sizeof addr->host || memchr(host, '/', length) || memchr(host, '[', length) || memchr(host, ']', length))
		return wrong(why, size, "`%s` names no host that can be", addr->text);
	port = number(colon + 1, 65535);
	if (port < 0 || (!port && addr->kind == ADDR_TCP))
		return wrong(why, size, "`%s` has the port `%s`: it takes a number from %d to 65535", addr->text, colon + 1,
			     addr->kind == ADDR_TCP);
	if (!length && addr->kind == ADDR_TCP)
		return wrong(why, size, "`%s` has no host to connect to", addr->text);
	memcpy(addr->host, host, length);
	addr->host[length] = 0;
	snprintf(addr->port, sizeof addr->port, "%u", (unsigned)port & 65535);
	return 0;
}

static int parse_unix(const char *path, struct addr *addr, char *why, size_t size)
{
	size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;

	if (!*path)
		return wrong(why, size, "`%s` has no path", addr->text);
	if (strlen(path) > most)
		return wrong(why, size, "the path of a Unix socket has at most %zu bytes, `%s` has %zu", most, path, strlen(path));
	addr->path = path;
	return 0;
}

int addr_parse(const char *text, struct addr *addr, char *why, size_t size)
{
	*addr = (struct addr){ .kind = ADDR_FILE, .text = text, .path = text, .fd = -1, .at = AT_FDCWD };
	if (!*text)
		return wrong(why, size, "an empty word names nothing");
	if (!strcmp(text, "-")) {
		addr->kind = ADDR_STANDARD;
		return 0;
	}
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t length = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, length) != 0)
			continue;
		addr->kind = schemes[i].kind;
		if (addr->kind == ADDR_TCP || addr->kind == ADDR_TCP_LISTEN)
			return parse_tcp(text + length, addr, why, size);
		if (addr->kind != ADDR_FD)
			return parse_unix(text + length, addr, why, size);
		addr->fd = (int)number(text + length, INT_MAX);
		return addr->fd < 0 ? wrong(why, size, "`%s` has no number of a descriptor", text) : 0;
	}
	return 0;
}

int addr_lacks_family(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}
