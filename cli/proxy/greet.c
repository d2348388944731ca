/* SPDX-License-Identifier: MIT */
#include "greet.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char ended[] = "it ended before it had said where to";

static int take_header(int client, const unsigned char *bytes, size_t length, struct greeting *greeting, const char **ret_why)
{
	unsigned char taken[HEADER_MOST];
	long used = header_parse(bytes, length, &greeting->header);

	if (used == 0)
		return 0;
	*ret_why = used < 0 ? "it begins with no PROXY header" : ended;
	if (used < 0 || recv(client, taken, (size_t)used, 0) != used)	/* they were seen just now: they are there */
		return -1;
	greeting->header_taken = 1;
	return 1;
}

static int look_at_hello(const unsigned char *bytes, size_t length, struct greeting *greeting, const char **ret_why)
{
	int r = hello_name(bytes, length, greeting->name);

	*ret_why = r == -EMSGSIZE ? "its TLS hello is larger than 16 KiB" : "it begins with no TLS hello";
	return r < 0 ? -1 : r;
}

int greet(const struct settings *settings, int client, struct greeting *greeting, const char **ret_why)
{
	unsigned char bytes[HELLO_MOST];
	int wants_header = settings->header_in && !greeting->header_taken, r;

	for (;;) {
		ssize_t length = recv(client, bytes, sizeof bytes, MSG_PEEK);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
			return 0;
		if (length <= 0) {
			*ret_why = length < 0 ? strerror(errno) : ended;
			return -1;
		}
		if (!wants_header)
			return look_at_hello(bytes, (size_t)length, greeting, ret_why);
		r = take_header(client, bytes, (size_t)length, greeting, ret_why);
		if (r <= 0 || !settings->sni.count)
			return r;
		wants_header = 0;
	}
}

/* "NAME=ADDRESS": whether NAME, or *.DOMAIN with one more label or several in place of the star, or * alone, stands for this name. */
static int fits(const char *entry, const char *name)
{
	size_t length = strcspn(entry, "="), given = strlen(name);

	if (*entry != '*')
		return length == given && strncasecmp(entry, name, length) == 0;
	return given >= length && strncasecmp(entry + 1, name + given - (length - 1), length - 1) == 0;
}

static int same_name(const char *one, const char *other)
{
	size_t length = strcspn(one, "=");

	return strcspn(other, "=") == length && strncasecmp(one, other, length) == 0;
}

void greet_group(const struct settings *settings, const char *name, unsigned defaults, unsigned *ret_first, unsigned *ret_count)
{
	const struct opt_list *sni = &settings->sni;

	*ret_first = 0;
	*ret_count = defaults;
	for (unsigned i = 0; *name && i < sni->count; i++) {
		if (!fits(sni->items[i], name))
			continue;
		*ret_first = defaults + i;
		*ret_count = 1;
		while (i + *ret_count < sni->count && same_name(sni->items[i], sni->items[i + *ret_count]))
			++*ret_count;
		return;
	}
}
