/* SPDX-License-Identifier: MIT */
#include "dial.h"
#include "conn.h"
#include "tcp.h"

#include <errno.h>
#include <unistd.h>

/* It would be short for the next upstream too. */
int dial_is_ours(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM || error == -EADDRNOTAVAIL;
}

/* It may be there again in a moment: who waits for it has not failed. */
static int is_short(int error)
{
	return dial_is_ours(error) && error != -EADDRNOTAVAIL;
}

static int begin(struct dial *dial, const struct conn_rules *rules, const struct board_address *to, int *ret_fd)
{
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return -errno;
	dial->is_unix = to->any.sa_family == AF_UNIX;
	if (!dial->is_unix)
		tcp_prepare(rules->settings, fd, 0);
	r = connect(fd, &to->any, to->length) < 0 ? -errno : 1;
	if (r < 0 && r != -EINPROGRESS) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return r == 1;
}

/* The address that was tried has failed. */
static void failed(struct dial *dial, struct conn_rules *rules, int error)
{
	dial->error = error;
	if (dial->upstream >= 0 && !dial_is_ours(error))
		balance_met(rules->board, &rules->balance, dial->upstream, dial->address, error, rules->now_ns);
}

/* It has failed by all its addresses. */
static void leave(struct dial *dial, struct conn_rules *rules)
{
	dial_left(dial, rules);
	dial->tries++;
}

/* 0: each is tried. */
static uint32_t next_address(struct dial *dial, struct conn_rules *rules, struct board_address *to)
{
	dial->address = balance_address(rules->board, dial->upstream, &dial->tried_addresses, rules->now_ns, to);
	return dial->address;
}

/* The next address of the upstream, or the next upstream. 0, or -1: there is none. */
static int choose(struct dial *dial, struct conn_rules *rules, struct board_address *to)
{
	for (;;) {
		if (dial->upstream >= 0 && next_address(dial, rules, to)) {
			dial->last = dial->upstream;
			dial->last_address = dial->address;
			return 0;
		}
		if (dial->upstream >= 0)
			leave(dial, rules);
		if (dial->tries > rules->settings->retries)
			return -1;
		dial->upstream = balance_pick(rules->board, &rules->balance, dial->first, dial->count, dial->tried, rules->now_ns);
		if (dial->upstream < 0)
			return -1;
		board_at(rules->board, rules->share, dial->upstream, 1);
		dial->tried |= UINT64_C(1) << dial->upstream;
		dial->tried_addresses = 0;
	}
}

/* TCP would wait by itself for room in the queue of who listens; a Unix socket says at once that there is none. */
enum dial_state dial_next(struct dial *dial, struct conn_rules *rules, int error, int *ret_fd)
{
	struct board_address to;
	int r = error;

	if (error == -EAGAIN)
		dial->tried_addresses = 0;
	do {
		if (r < 0 && r != -EAGAIN)
			failed(dial, rules, r);
		if (choose(dial, rules, &to) < 0)
			return DIAL_NONE;
		r = begin(dial, rules, &to, ret_fd);
		dial->lacks = is_short(r) ? r : 0;
		if (dial->lacks || (r == -EAGAIN && dial->is_unix))
			return DIAL_LATER;
	} while (r < 0);
	return r ? DIAL_THERE : DIAL_GOES;
}

void dial_reached(const struct dial *dial, struct conn_rules *rules)
{
	balance_met(rules->board, &rules->balance, dial->upstream, dial->address, 0, rules->now_ns);
	BOARD_ADD(rules->board->upstreams[dial->upstream].connections, 1);
}

void dial_left(struct dial *dial, struct conn_rules *rules)
{
	if (dial->upstream >= 0)
		board_at(rules->board, rules->share, dial->upstream, -1);
	dial->upstream = -1;
}
