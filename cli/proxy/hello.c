/* SPDX-License-Identifier: MIT */
/*
 * A ClientHello may be cut into several records, so the walk goes over the handshake's bytes with the records' headers left out.
 * Each length is checked against what holds it before a byte is taken.
 */
#include "hello.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { RECORD_HANDSHAKE = 22, CLIENT_HELLO = 1, EXTENSION_SERVER_NAME = 0, NAME_HOST = 0, RECORD_HEADER = 5 };

struct view { const unsigned char *at; size_t left; int failed; };

static const unsigned char *take(struct view *view, size_t bytes)
{
	const unsigned char *at = view->at;

	if (view->failed || bytes > view->left) {
		view->failed = 1;
		return NULL;
	}
	view->at += bytes;
	view->left -= bytes;
	return at;
}

/* A big endian number of so many bytes. */
static size_t number(struct view *view, int bytes)
{
	const unsigned char *at = take(view, (size_t)bytes);
	size_t value = 0;

	for (int i = 0; at && i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* What stands behind its own length, which has so many bytes. */
static struct view within(struct view *view, int bytes)
{
	size_t length = number(view, bytes);
	const unsigned char *at = take(view, length);

	return (struct view){ at, at ? length : 0, view->failed };
}

static int name_of(struct view names, char name[HELLO_NAME])
{
	struct view list = within(&names, 2);

	while (!list.failed && list.left) {
		size_t type = number(&list, 1);
		struct view one = within(&list, 2);

		if (one.failed)
			break;
		if (type != NAME_HOST)
			continue;
		if (!one.left || one.left >= HELLO_NAME || memchr(one.at, 0, one.left))
			return -EPROTO;
		for (size_t i = 0; i < one.left; i++)
			name[i] = (char)tolower(one.at[i]);
		name[one.left] = 0;
		return 1;
	}
	return list.failed ? -EPROTO : 1;
}

static int name_in_hello(struct view hello, char name[HELLO_NAME])
{
	struct view extensions;

	take(&hello, 2 + 32);		/* version, random */
	within(&hello, 1);		/* session */
	within(&hello, 2);		/* ciphers */
	within(&hello, 1);		/* compressions */
	if (hello.failed)
		return -EPROTO;
	if (!hello.left)
		return 1;
	extensions = within(&hello, 2);
	while (!extensions.failed && extensions.left) {
		size_t type = number(&extensions, 2);
		struct view one = within(&extensions, 2);

		if (!one.failed && type == EXTENSION_SERVER_NAME)
			return name_of(one, name);
	}
	return extensions.failed ? -EPROTO : 1;
}

/* The handshake's bytes of the records that are there. Its length, or -EPROTO. */
static long join(const unsigned char *bytes, size_t length, unsigned char *handshake)
{
	size_t joined = 0;

	for (size_t at = 0; at < length;) {
		size_t record, there;

		if (bytes[at] != RECORD_HANDSHAKE || (at + 1 < length && bytes[at + 1] != 3))
			return -EPROTO;
		if (length - at < RECORD_HEADER)
			break;
		record = (size_t)bytes[at + 3] << 8 | bytes[at + 4];
		if (!record || record > 16384)
			return -EPROTO;
		at += RECORD_HEADER;
		there = record < length - at ? record : length - at;
		memcpy(handshake + joined, bytes + at, there);
		joined += there;
		at += there;
		if (joined >= 4 && joined >= 4 + ((size_t)handshake[1] << 16 | (size_t)handshake[2] << 8 | handshake[3]))
			break;		/* what follows is not of it */
	}
	return (long)joined;
}

int hello_name(const unsigned char *bytes, size_t length, char ret_name[HELLO_NAME])
{
	unsigned char handshake[HELLO_MOST];
	struct view view;
	size_t hello;
	long joined;

	if (length > HELLO_MOST)
		length = HELLO_MOST;
	joined = join(bytes, length, handshake);
	ret_name[0] = 0;
	if (joined < 0 || (joined > 0 && handshake[0] != CLIENT_HELLO))
		return -EPROTO;
	if (joined >= 4) {
		hello = (size_t)handshake[1] << 16 | (size_t)handshake[2] << 8 | handshake[3];
		if ((size_t)joined >= 4 + hello) {
			view = (struct view){ handshake + 4, hello, 0 };
			return name_in_hello(view, ret_name);
		}
		if (4 + hello > HELLO_MOST - RECORD_HEADER)
			return -EMSGSIZE;
	}
	return length < HELLO_MOST ? 0 : -EMSGSIZE;
}
