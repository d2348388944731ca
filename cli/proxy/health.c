/* SPDX-License-Identifier: MIT */
#include "health.h"
#include "dial.h"
#include "header.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Each address of an upstream is tried: they are one row of descriptors. */
struct checks {
	struct pollfd fds[BOARD_UPSTREAMS * BOARD_ADDRESSES];
	uint8_t upstream[BOARD_UPSTREAMS * BOARD_ADDRESSES];
	uint32_t address[BOARD_UPSTREAMS * BOARD_ADDRESSES];	/* its number */
	uint8_t there[BOARD_UPSTREAMS * BOARD_ADDRESSES];
	unsigned count, open;
};

/* Who expects a header gets one that says it is us, not a client. */
static void greet(const struct settings *settings, int fd)
{
	const struct sockaddr_storage nobody = { 0 };
	unsigned char header[HEADER_MADE];

	if (settings->header_out != HEADER_NONE)
		send(fd, header, header_make(settings->header_out == HEADER_V1 ? 1 : 2, &nobody, &nobody, header), MSG_NOSIGNAL);
}

static void over(struct checks *checks, unsigned i, const struct settings *settings, int is_there)
{
	if (is_there) {
		greet(settings, checks->fds[i].fd);
		checks->there[i] = 1;
	}
	close(checks->fds[i].fd);
	checks->fds[i].fd = -1;
	checks->open--;
}

/* Short in here, or a Unix socket with no room in its queue, which who comes waits for. */
static int says_nothing(int error)
{
	return error == EAGAIN || dial_is_ours(-error);
}

/* Of an address that could not be asked nothing is known. */
static void begin(struct checks *checks, const struct board_address *to, uint8_t upstream, uint32_t number,
		  const struct settings *settings)
{
	struct pollfd *at = &checks->fds[checks->count];
	int error;

	at->fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (at->fd < 0)
		return;
	at->events = POLLOUT;
	checks->upstream[checks->count] = upstream;
	checks->address[checks->count] = number;
	error = connect(at->fd, &to->any, to->length) < 0 ? errno : 0;
	if (says_nothing(error)) {
		close(at->fd);
		return;
	}
	checks->open++;
	if (error != EINPROGRESS)
		over(checks, checks->count, settings, !error);
	checks->count++;
}

static void finish(struct checks *checks, const struct settings *settings, uint64_t until_ns)
{
	while (checks->open) {
		uint64_t now_ns = leat_now_ns();
		int count = now_ns < until_ns ? poll(checks->fds, checks->count, (int)((until_ns - now_ns) / 1000000 + 1)) : 0;

		if (count < 0 && errno == EINTR)
			continue;
		for (unsigned i = 0; i < checks->count; i++) {
			int error = ETIMEDOUT;
			socklen_t size = sizeof error;

			if (checks->fds[i].fd < 0 || (count > 0 && !checks->fds[i].revents))
				continue;
			if (count > 0)
				getsockopt(checks->fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
			over(checks, i, settings, error == 0);
		}
	}
}

void health_check(struct board *board, const struct settings *settings)
{
	struct checks *checks = calloc(1, sizeof *checks);
	struct board_address addresses[BOARD_ADDRESSES];
	uint32_t numbers[BOARD_ADDRESSES];
	uint64_t limit = settings->failures ? settings->failures : 1;

	if (!checks)
		return;		/* the next time */
	for (unsigned i = 0; i < board->count; i++) {
		unsigned count = board_read(&board->upstreams[i], addresses, numbers);

		for (unsigned j = 0; j < count; j++)
			begin(checks, &addresses[j], (uint8_t)i, numbers[j], settings);
	}
	finish(checks, settings, leat_now_ns() + settings->connect_s * LEAT_SECOND);
	for (unsigned i = 0; i < checks->count; i++)
		board_checked(&board->upstreams[checks->upstream[i]], checks->address[i], checks->there[i], limit);
	free(checks);
}
