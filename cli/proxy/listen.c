/* SPDX-License-Identifier: MIT */
#include "listen.h"
#include "../out.h"
#include "../socket_file.h"
#include "notify.h"
#include "address.h"
#include "tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- One socket ------------------------------------------------------------------------------------------------------------ */

/* A check leaves all as it is. */
static int bind_at(int fd, const struct board_address *at, const struct settings *settings)
{
	if (!settings->check)
		return socket_file_bind(fd, &at->any, at->length);
	return bind(fd, &at->any, at->length) < 0 ? -errno : 0;
}

static int open_at(const struct board_address *at, const struct settings *settings, struct listener *listener)
{
	int one = 1, zero = 0, r;
	struct stat st;

	listener->fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return -errno;
	if (at->any.sa_family != AF_UNIX)
		setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (at->any.sa_family == AF_INET6)	/* [::] is both families' where it can be */
		setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	r = bind_at(listener->fd, at, settings);
	if (!r && !settings->check && listen(listener->fd, (int)settings->backlog) < 0)
		r = -errno;
	if (r < 0) {
		close(listener->fd);
		return r;
	}
	listener->made = 1;
	if (at->any.sa_family == AF_UNIX && stat(at->un.sun_path, &st) == 0) {
		listener->device = st.st_dev;
		listener->inode = st.st_ino;
	}
	return 0;
}

/*
 * Lets no new handshake begin, while those that have come to their end: so a queue can be emptied, and what is closed then resets
 * nobody. Who asked asks again a second later, and is refused. A packet begins with the TCP header.
 */
static void let_nobody_in(int fd)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),		/* the flags */
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),	/* SYN, ACK */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* A descriptor that was passed has its number in the configuration: no other socket may ever be found there. */
static void hold_number(int fd)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (nothing < 0 || dup3(nothing, fd, O_CLOEXEC) < 0)
		close(fd);
	if (nothing >= 0)
		close(nothing);
}

/* By the process that made it, or its children. */
static void close_one(struct listener *listener, int by_maker)
{
	struct sockaddr_un at;
	socklen_t size = sizeof at;

	if (by_maker && listener->made && !listener->inode)
		let_nobody_in(listener->fd);
	if (by_maker && listener->inode && getsockname(listener->fd, (struct sockaddr *)&at, &size) == 0)
		socket_file_remove(at.sun_path, &(struct stat){ .st_dev = listener->device, .st_ino = listener->inode });
	if (by_maker && !listener->made)
		hold_number(listener->fd);
	else
		close(listener->fd);
	free(listener->word);
}

/* ---- All that are asked for ------------------------------------------------------------------------------------------------ */

static struct listener *add(struct listeners *listeners, const char *word)
{
	struct listener *listener = &listeners->at[listeners->count];

	if (listeners->count == LISTEN_MOST) {
		out_error("%s: there are more than %d listeners", word, LISTEN_MOST);
		return NULL;
	}
	*listener = (struct listener){ .word = strdup(word), .fd = -1 };
	return listener->word ? listener : NULL;
}

static int keep(struct listeners *listeners, struct listener *old, const char *word)
{
	struct listener *listener = add(listeners, word);
	char *own;

	if (!listener)
		return -ENOMEM;
	own = listener->word;
	*listener = *old;
	listener->word = own;
	listener->kept = old->kept = 1;
	listeners->count++;
	return 0;
}

/* What the set before has for this word; how many. */
static int take_kept(struct listeners *listeners, struct listeners *before, const char *word)
{
	int found = 0;

	for (unsigned i = 0; before && i < before->count; i++) {
		if (before->at[i].kept || strcmp(before->at[i].word, word) != 0)
			continue;
		if (keep(listeners, &before->at[i], word) < 0)
			return -ENOMEM;
		found++;
	}
	return found;
}

/* The one of the set before that is at this address, whatever word it has there; or NULL. */
static struct listener *same_of(struct listeners *before, const struct board_address *at)
{
	for (unsigned i = 0; before && i < before->count; i++) {
		struct board_address has = { .length = sizeof has - offsetof(struct board_address, any) };

		if (!before->at[i].kept && before->at[i].made && getsockname(before->at[i].fd, &has.any, &has.length) == 0 &&
		    has.length <= at->length && memcmp(&has.any, &at->any, has.length) == 0)
			return &before->at[i];
	}
	return NULL;
}

/* Whether there is this descriptor in the set; NULL: no. */
static struct listener *with_number(struct listeners *listeners, int fd)
{
	for (unsigned i = 0; listeners && i < listeners->count; i++)
		if (listeners->at[i].fd == fd)
			return &listeners->at[i];
	return NULL;
}

static int say_twice(const char *word)
{
	out_error("the listener %s is there twice", word);
	return -EINVAL;
}

/* None of our own could have outlived an exec; one that was passed is marked so only when the set is whole, and stays in it. */
static int was_passed(int fd)
{
	int flags = fcntl(fd, F_GETFD), listens = 0, type = 0;
	socklen_t size = sizeof listens;

	return flags >= 0 && !(flags & FD_CLOEXEC) && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* A descriptor that was handed to us; the set before may have it by another word. */
static int take_descriptor(struct listeners *listeners, struct listeners *before, const char *word, int fd)
{
	struct listener *same = with_number(before, fd), *listener;

	if (with_number(listeners, fd))
		return say_twice(word);
	if (same && !same->made)
		return keep(listeners, same, word);
	listener = add(listeners, word);
	if (!listener)
		return -ENOMEM;
	if (!was_passed(fd)) {
		out_error("%s: descriptor %d is no listening socket for streams that was passed", word, fd);
		free(listener->word);
		return -EINVAL;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	listener->fd = fd;
	listeners->count++;
	return 0;
}

static int take_passed(struct listeners *listeners, struct listeners *before, const char *word)
{
	unsigned count = notify_passed();

	if (!count)
		out_error("%s: no sockets were passed; this is for a service that a .socket unit starts", word);
	for (unsigned i = 0; i < count; i++) {
		int r = take_descriptor(listeners, before, word, NOTIFY_FIRST + (int)i);

		if (r < 0)
			return r;
	}
	return count ? 0 : -ENOENT;
}

static int open_or_keep(struct listeners *listeners, struct listeners *before, const struct board_address *at, const char *word,
			const struct settings *settings)
{
	struct listener *same = same_of(before, at), *listener;
	int r;

	if (same)
		return keep(listeners, same, word);
	listener = add(listeners, word);
	if (!listener)
		return -ENOMEM;
	r = open_at(at, settings, listener);
	if (r == 0)
		listeners->count++;
	else
		free(listener->word);
	return r;
}

/* Without a host it is every address: one socket of both families, or of IPv4 where there is no other. */
static int open_addresses(struct listeners *listeners, struct listeners *before, const struct addr *addr, const char *word,
			  const struct settings *settings)
{
	struct board_address at[LISTEN_MOST];
	int count = address_resolve(addr, 1, at, LISTEN_MOST), any = addr->kind == ADDR_TCP_LISTEN && !*addr->host, r = 0;

	if (count <= 0) {
		out_error("%s: it has no address: %s", word, address_why(count));
		return -EADDRNOTAVAIL;
	}
	if (count > LISTEN_MOST) {
		out_error("%s: it has %d addresses, and there may be %d listeners", word, count, LISTEN_MOST);
		return -E2BIG;
	}
	for (int i = 0; i < count; i++) {
		r = open_or_keep(listeners, before, &at[any ? count - 1 - i : i], word, settings);
		if (r < 0 && listeners->count == LISTEN_MOST)
			return r;	/* which has been said */
		if (r == -EADDRINUSE && settings->check)	/* by who runs by these words, most often */
			r = 0;
		if (any ? !addr_lacks_family(r) : r < 0)
			break;
	}
	if (r < 0)
		out_error("%s: cannot listen: %s", word, strerror(-r));
	return r;
}

static int open_word(struct listeners *listeners, struct listeners *before, const char *word, const struct settings *settings)
{
	struct addr addr;
	int r = take_kept(listeners, before, word);

	if (r)
		return r < 0 ? r : 0;
	if (strcmp(word, "systemd") == 0)
		return take_passed(listeners, before, word);
	r = address_parse(word, 1, &addr);
	if (r < 0)
		return r;
	if (addr.kind == ADDR_FD)
		return take_descriptor(listeners, before, word, addr.fd);
	return open_addresses(listeners, before, &addr, word, settings);
}

/* A socket in the set twice would be closed twice. */
static int is_twice(const struct opt_list *words, unsigned number)
{
	for (unsigned i = 0; i < number; i++)
		if (strcmp(words->items[i], words->items[number]) == 0)
			return say_twice(words->items[number]);
	return 0;
}

int listen_open(struct listeners *listeners, struct listeners *before, const struct settings *settings)
{
	int r = 0;

	listeners->count = 0;
	for (unsigned i = 0; before && i < before->count; i++)
		before->at[i].kept = 0;
	for (unsigned i = 0; i < settings->listen.count && r >= 0; i++) {
		r = is_twice(&settings->listen, i);
		if (!r)
			r = open_word(listeners, before, settings->listen.items[i], settings);
		if (r < 0)
			settings_blame(settings, settings->listen.items[i]);
	}
	if (r < 0) {
		for (unsigned i = 0; i < listeners->count; i++)	/* what was passed cannot be had again: it stays as it is */
			listeners->at[i].kept |= !listeners->at[i].made;
		listen_close(listeners);
		for (unsigned i = 0; before && i < before->count; i++)
			before->at[i].kept = 0;
		return r;
	}
	for (unsigned i = 0; i < listeners->count; i++) {
		struct listener *listener = &listeners->at[i];

		tcp_prepare(settings, listener->fd, listener->made);
		if (!listener->made)
			fcntl(listener->fd, F_SETFD, FD_CLOEXEC);
		else if (listener->kept)
			listen(listener->fd, (int)settings->backlog);	/* a queue of another length */
		listener->kept = 0;
	}
	return 0;
}

void listen_close(struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		if (listeners->at[i].kept)
			free(listeners->at[i].word);
		else
			close_one(&listeners->at[i], 1);
	}
	listeners->count = 0;
}

void listen_drop(struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++)
		close_one(&listeners->at[i], 0);
	listeners->count = 0;
}

char *listen_text(const struct listeners *listeners)
{
	size_t size = 0;
	char *text = NULL;
	FILE *to = open_memstream(&text, &size);

	for (unsigned i = 0; to && i < listeners->count; i++) {
		struct board_address at = { .length = sizeof at - offsetof(struct board_address, any) };
		char one[BOARD_TEXT];

		getsockname(listeners->at[i].fd, &at.any, &at.length);
		fprintf(to, "%s%s", i ? ", " : "", board_text(&at, one));
	}
	return to && fclose(to) == 0 ? text : NULL;
}
