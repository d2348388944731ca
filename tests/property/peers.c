/* SPDX-License-Identifier: MIT */
/* The other ends: who writes into a source's socket or pipe, who reads a sink's, and callbacks that are both. */
#include "property.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int ready_fd;

static int listener = -1;

void peers_warm(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (listener >= 0)
		return;
	ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(!bind(listener, (struct sockaddr *)&at, sizeof at) && !listen(listener, 8), "no listener: %s", strerror(errno));
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof at;
	/* A reset at the close: no port waits. */
	struct linger linger = { .l_onoff = 1 };

	getsockname(listener, (struct sockaddr *)&at, &size);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(!connect(fds[0], (struct sockaddr *)&at, sizeof at), "connect: %s", strerror(errno));
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	REQUIRE(fds[1] >= 0, "accept: %s", strerror(errno));
	for (unsigned i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void peers_make(int kind, int fds[2], unsigned buffer_class)
{
	static const int sizes[] = { 0, 2048, 16384, 100000 };

	if (kind == LEAF_TCP)
		tcp_pair(fds);
	else if (kind == LEAF_UNIX)
		REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair: %s", strerror(errno));
	else
		REQUIRE(!pipe2(fds, O_CLOEXEC), "pipe: %s", strerror(errno));
	for (unsigned i = 0; i < 2 && buffer_class; i++) {
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &sizes[buffer_class], sizeof(int));
		if (kind != LEAF_TCP)	/* its window opens by timers */
			setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &sizes[buffer_class], sizeof(int));
		if (kind == LEAF_PIPE)
			fcntl(fds[i], F_SETPIPE_SZ, sizes[buffer_class]);
	}
}

/* ---- feeding ---- */

static uint64_t feed(struct world *w, struct place *place)
{
	uint64_t left = place->raw.length - place->fed, n = 1 + dice_size(&w->dice, left);
	ssize_t done;

	if (place->peer < 0 || place->fed_all)
		return 0;
	if (!left) {
		place->fed_all = true;
		/* With SO_LINGER at 0, the close of a TCP socket would take back what is on its way. */
		if (place->draft->leaf == LEAF_PIPE || (place->draft->leaf == LEAF_UNIX && dice_one_in(&w->dice, 2))) {
			close(place->peer);
			place->peer = -1;
		} else {
			shutdown(place->peer, SHUT_WR);
		}
		return 1;
	}
	n = n < left ? n : left;
	if (place->draft->leaf == LEAF_PIPE)
		done = write(place->peer, place->raw.data + place->fed, n);
	else
		done = send(place->peer, place->raw.data + place->fed, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done <= 0)
		return 0;
	place->fed += (uint64_t)done;
	return (uint64_t)done;
}

/* ---- draining ---- */

static void die(struct world *w)
{
	w->sink_dead = true;
	close(w->sink_peer);
	w->sink_peer = -1;
}

static uint64_t drain(struct world *w, uint64_t most)
{
	unsigned char buffer[65536];
	uint64_t want = most < sizeof buffer ? most : sizeof buffer;
	ssize_t n;

	if (w->sink_peer < 0)
		return 0;
	if (w->got.length >= w->draft->dies_after) {
		die(w);
		return 1;
	}
	if (want > w->draft->dies_after - w->got.length)
		want = w->draft->dies_after - w->got.length;
	n = read(w->sink_peer, buffer, want);
	if (n <= 0)
		return 0;
	bytes_add(&w->got, buffer, (uint64_t)n);
	return (uint64_t)n;
}

/* TCP takes time, also on loopback: what is sent may not have arrived. */
bool peers_busy(struct world *w)
{
	int queued;

	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && w->place[i].draft->leaf == LEAF_TCP && w->place[i].peer >= 0 &&
		    !ioctl(w->place[i].peer, SIOCOUTQ, &queued) && queued)
			return true;
	return w->draft->sink == SINK_TCP && !ioctl(w->sink_fd, SIOCOUTQ, &queued) && queued;
}

static uint64_t drain_second(struct world *w, struct made *made)
{
	unsigned char buffer[4096];
	ssize_t n = read(made->second_peer, buffer, 1 + dice_below(&w->dice, sizeof buffer));

	if (n > 0)
		bytes_add(&made->second, buffer, (uint64_t)n);
	return n > 0 ? (uint64_t)n : 0;
}

uint64_t peers_pump(struct world *w)
{
	uint64_t moved = 0;

	for (unsigned i = 0; i < w->tees; i++)
		if (!dice_one_in(&w->dice, 4))
			moved += drain_second(w, w->tee[i]);

	for (unsigned i = 0; i < w->draft->nodes; i++)
		if (w->place[i].draft && !dice_one_in(&w->dice, 4))
			moved += feed(w, &w->place[i]);
	if (!dice_one_in(&w->dice, 4))
		moved += drain(w, 1 + dice_size(&w->dice, 200000));
	return moved;
}

void peers_drain(struct world *w)
{
	struct pollfd poll_for = { .fd = w->sink_peer, .events = POLLIN };

	for (unsigned i = 0; i < w->tees; i++)
		while (drain_second(w, w->tee[i]))
			;
	if (w->sink_peer < 0)
		return;
	while (w->sink_peer >= 0 && w->got.length < w->accepted && poll(&poll_for, 1, 1000) > 0)
		if (!drain(w, 65536))
			break;
}

/* ---- callbacks ---- */

static int64_t not_now(struct pollfd *wait)
{
	*wait = (struct pollfd){ .fd = ready_fd, .events = POLLOUT };
	return -EAGAIN;
}

static int64_t given_read(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	struct place *place = arg;
	uint64_t left = place->raw.length - place->given, n;

	REQUIRE(bytes, "a source's callback was asked for no bytes");
	if (dice_one_in(&world->dice, 6))
		return not_now(wait);
	if (!left)
		return place->node.error;
	n = dice_one_in(&world->dice, 3) ? 1 + dice_size(&world->dice, left) : left;
	n = n < bytes ? n : bytes;
	n = n < left ? n : left;
	memcpy(buffer, place->raw.data + place->given, n);
	place->given += n;
	return (int64_t)n;
}

static int64_t taken_write(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait)
{
	struct world *w = arg;
	uint64_t left = w->draft->dies_after - w->got.length, n;

	REQUIRE(bytes, "a sink's callback was given no bytes");
	if (dice_one_in(&w->dice, 6))
		return not_now(wait);
	if (!left) {
		w->sink_dead = true;
		return -ENETDOWN;
	}
	n = dice_one_in(&w->dice, 3) ? 1 + dice_size(&w->dice, bytes) : bytes;
	n = n < bytes ? n : bytes;
	n = n < left ? n : left;
	bytes_add(&w->got, buffer, n);
	w->accepted += n;
	return (int64_t)n;
}

/* Of a tee: how & 64 slow, b: fails after so many bytes. */
static int64_t second_write(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait)
{
	struct made *made = arg;
	uint64_t left = made->draft->b - made->second.length;
	uint64_t n = bytes;

	if (made->draft->how & 64 && dice_one_in(&world->dice, 2))
		return not_now(wait);
	if (!left)
		return -EDQUOT;
	if (made->draft->how & 64)
		n = 1 + dice_below(&world->dice, bytes);
	n = n < left ? n : left;
	bytes_add(&made->second, buffer, n);
	world->moves += n;
	return (int64_t)n;
}

const struct leat_source_ops given_ops = { .name = "given", .read = given_read };
const struct leat_sink_ops taken_ops = { .name = "taken", .write = taken_write };
const struct leat_sink_ops second_ops = { .name = "second", .write = second_write };
