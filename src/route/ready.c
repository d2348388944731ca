/* SPDX-License-Identifier: MIT */
/*
 * What is ready at the two ends: asked before a call that could wait, on a descriptor that blocks, and after one that gave
 * nothing and does not say why. EAGAIN from splice has more than one cause, and so has 0.
 */
#include "route.h"
#include "endpoint.h"
#include "pipe.h"
#include "sys.h"
#include "wrap/wrap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* A write of this much never blocks on a pipe that poll calls writable (POSIX: PIPE_BUF). */
#define BLOCKING_PIPE_BYTES 4096
/*
 * Half the room alone made calls as large as TCP had grown the buffer so far: by 2.6 MB until the receiver first lags, by 4.2 MB
 * from then on, so 540 to 852 calls a GiB for the same transfer. 1 MiB fits in half of either: 1024 to 1040, in 40 runs. To a
 * receiver that never lags it costs no more CPU than can be told (1.01; 14 pairs, 0.87 to 1.24), to one that does 1.05.
 */
#define BLOCKING_SOCKET_BYTES MIB
/*
 * A write of this much never blocks on a terminal that poll calls writable: what a pseudo terminal has free is counted in 256
 * bytes, and newlines and tabs become eight bytes at most. One of 4096 waits until somebody reads. A MB by 32 bytes takes 0.2 s,
 * by single ones 5.3 (6.18).
 */
#define BLOCKING_TERMINAL_BYTES 32

static bool ready(int fd, short events)
{
	struct pollfd poll = { .fd = fd, .events = events };

	return sys_poll(&poll, 1, 0) != 0;
}

bool source_has(const struct transfer *t)
{
	return !(t->blocking & BLOCKING_SOURCE) || ready(t->source_fd, POLLIN);
}

bool sink_writable(const struct transfer *t)
{
	return ready(t->sink_fd, POLLOUT);
}

uint64_t source_ready(const struct transfer *t)
{
	int64_t bytes = sys_readable_bytes(t->source_fd);

	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* tee(2) looks into a pipe without taking: 1, 0 at its end, -EAGAIN. Without a pipe of ours it is poll that tells the end. */
static int64_t probe_pipe(struct transfer *t)
{
	struct pollfd poll = { .fd = t->base->fd };
	char byte;
	int64_t n;

	if (t->pipe.fd[0] < 0 && pipe_open(&t->pipe, 0, t->options.helper) < 0)
		return sys_poll(&poll, 1, 0) > 0 ? source_ready(t) > 0 : -EAGAIN;
	n = sys_tee(t->source_fd, t->pipe.fd[1], 1, SPLICE_F_NONBLOCK);
	if (n == 1)
		sys_read(t->pipe.fd[0], &byte, 1);
	return n;
}

struct move source_probe(struct transfer *t)
{
	char byte;
	int64_t n;

	if (source_ready(t))
		return route_verdict(VERDICT_MORE);
	if (!source_has(t))
		return route_verdict(VERDICT_WAIT_SOURCE);
	/* Not by poll: it shows no end on a FIFO opened after its writer left, and shows a reset as one. */
	n = kind_is_socket(t->base->facts.kind) ? sys_recv(t->source_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) : probe_pipe(t);
	if (n == -EAGAIN)
		return route_verdict(VERDICT_WAIT_SOURCE);
	if (n < 0)
		return route_error(t, t->route->id, (int)n, LEAT_SIDE_SOURCE);
	if (n && kind_is_socket(t->base->facts.kind) && !source_ready(t))
		return source_stalled(t, false);
	return route_verdict(n ? VERDICT_MORE : VERDICT_END);
}

/* What stands behind urgent data is no news to who waits by edges. Poll tells of it again: then it is seen the second time. */
static bool waits_at_urgent(const struct transfer *t)
{
	bool edges = !(t->blocking & BLOCKING_CALLER) && !t->options.level_triggered;

	return edges && t->base->facts.kind == LEAT_KIND_TCP && sys_at_urgent(t->source_fd);
}

/* So often in a row bytes may come right behind the call that found none. Oftener, they are none for splice (a sockmap's). */
#define STALLS_MOST 16

struct move source_stalled(struct transfer *t, bool ended)
{
	bool again = t->stalls, urgent;
	char byte;
	int64_t n;

	t->stalls += t->stalls < STALLS_MOST;
	if (!kind_is_socket(t->base->facts.kind) || (!ended && !again && !waits_at_urgent(t)))
		return route_verdict(ended ? VERDICT_END : VERDICT_WAIT_SOURCE);
	n = sys_recv(t->source_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n == -EAGAIN) {
		t->stalls = 1;
		return route_verdict(VERDICT_WAIT_SOURCE);
	}
	if (n < 0)
		return route_error(t, t->route->id, (int)n, LEAT_SIDE_SOURCE);
	if (!n)
		return route_verdict(VERDICT_END);
	urgent = sys_at_urgent(t->source_fd);
	if (!urgent && t->stalls < STALLS_MOST)		/* they came just now */
		return route_verdict(VERDICT_MORE);
	return (struct move){
		.verdict = VERDICT_DECLINED, .error = -EIO, .reason = urgent ? LEAT_URGENT_DATA : LEAT_FS_DENIED,
	};
}

/*
 * A call of leat_copy may wait by itself, which spares the probes and a poll for each wake-up, when nobody is owed word in the
 * meantime: no stop flag, and no wrapper that is asked anew after a signal or told of waits. (A limit says the same each time.)
 * Not from a pipe of the caller's: the kernel would hold the pipe meanwhile, and who writes to it, or looks at it, would stand
 * still in the kernel until this peer reads, O_NONBLOCK or not (kernel fact splice-holds-pipe).
 */
static bool kernel_may_wait(const struct transfer *t)
{
	if (!kind_is_socket(t->out->facts.kind) || t->options.stop || t->route->id == LEAT_ROUTE_SPLICE)
		return false;
	for (const struct leat_wrapper *w = t->first; w; w = w->down)
		if (w->ops->event || (w->ops->allow && w->ops != &limit_ops && w->ops != &section_ops))
			return false;
	return true;
}

/* TCP_NOTSENT_LOWAT of the socket, or its system's; UINT32_MAX: it has none. Asked once in a transfer: facts.blocks of a sink
 * that is a socket. */
static uint32_t low_water(const struct transfer *t)
{
	struct leat_facts *facts = &t->out->facts;
	uint32_t most = 0;
	unsigned size = sizeof most;

	if (facts->blocks)
		return (uint32_t)facts->blocks;
	if (facts->kind == LEAT_KIND_UNIX || sys_socket_option(t->sink_fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, &size) < 0)
		most = UINT32_MAX;
	facts->blocks = most ? most : sys_unsent_most();
	return (uint32_t)facts->blocks;
}

/* Bytes that TCP takes before it waits until fewer are unsent. UINT32_MAX: any. */
static uint32_t unsent_room(const struct transfer *t)
{
	uint32_t most = low_water(t);
	int64_t unsent = most == UINT32_MAX ? -1 : sys_unsent_bytes(t->sink_fd);

	return unsent < 0 ? UINT32_MAX : unsent < most ? most - (uint32_t)unsent : 0;
}

/*
 * What a call may have that never waits: half the room, for the kernel counts whole buffers, not payload (kernel fact
 * sndbuf-half-room). SPLICE_F_NONBLOCK does not help on a blocking socket.
 */
static uint64_t socket_room(const struct transfer *t, bool writable)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 }, queued, room, unsent;
	unsigned size = sizeof info;

	if (sys_socket_option(t->sink_fd, SOL_SOCKET, SO_MEMINFO, info, &size) < 0)
		return writable ? BLOCKING_SOCKET_BYTES : 0;
	queued = info[SK_MEMINFO_WMEM_QUEUED] > info[SK_MEMINFO_WMEM_ALLOC] ? info[SK_MEMINFO_WMEM_QUEUED] :
									      info[SK_MEMINFO_WMEM_ALLOC];
	if (queued + 2 >= info[SK_MEMINFO_SNDBUF])
		return 0;
	unsent = unsent_room(t);
	if (!unsent)		/* where poll said otherwise just before: somebody else writes to this socket, too */
		return 0;
	/* Not yet a third is free, as poll wants it: a fifth will do for who asks by the clock. What holds bytes is connected. */
	if (!writable && (unsent < UINT32_MAX || !queued || info[SK_MEMINFO_SNDBUF] - queued < info[SK_MEMINFO_SNDBUF] / 5))
		return 0;
	room = (info[SK_MEMINFO_SNDBUF] - queued) / 2;
	return room < unsent ? room : unsent;
}

/* How many of the bytes a call may have; false: it would have to wait, and must not. */
bool sink_room(const struct transfer *t, uint64_t *bytes)
{
	uint64_t most = BLOCKING_SOCKET_BYTES, room;
	bool waits;

	if (!(t->blocking & BLOCKING_SINK) || !kind_waits(t->out->facts.kind))
		return true;
	if (!kind_is_socket(t->out->facts.kind)) {
		most = t->out->facts.kind == LEAT_KIND_TERMINAL ? BLOCKING_TERMINAL_BYTES : BLOCKING_PIPE_BYTES;
		*bytes = *bytes < most ? *bytes : most;
		return sink_writable(t);
	}
	waits = kernel_may_wait(t);
	if (waits && *bytes <= most)
		return true;
	room = socket_room(t, waits || sink_writable(t));
	if (waits && room < most)	/* it would wait: then once for all it has, each call less spares a wake-up */
		return true;
	room = room < most ? room : most;
	*bytes = *bytes < room ? *bytes : room;
	return room > 0;
}
