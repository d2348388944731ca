/* SPDX-License-Identifier: MIT */
/* Sinks of every kind, with the peers that receive. */
#include "ends.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *const to_names[TO_KINDS] = {
	"fd", "file", "append", "pipe", "tcp", "unix", "pty", "memory", "callback", "nothing", "view",
};

/* How much to read now: what is allowed, and at a rate in pieces of 10 ms. 0: nothing yet. */
static uint64_t may_receive(const struct to_end *end, uint64_t *begin_ns)
{
	uint64_t most = __atomic_load_n(&end->allowed, __ATOMIC_ACQUIRE), earned;
	uint64_t bytes_per_s = __atomic_load_n(&end->bytes_per_s, __ATOMIC_RELAXED);

	if (most && bytes_per_s) {
		*begin_ns = *begin_ns ? *begin_ns : leat_now_ns();
		earned = (leat_now_ns() - *begin_ns) / 10000000 * (bytes_per_s / 100);
		most = earned < most ? earned : most;
	}
	most = most < end->room ? most : end->room;
	return most > end->got_size ? most - end->got_size : 0;
}

static void *receive(void *arg)
{
	struct to_end *end = arg;
	uint64_t begin_ns = 0;

	while (end->got_size < end->room) {
		uint64_t most = may_receive(end, &begin_ns);
		ssize_t n = most ? read(end->peer, end->got + end->got_size, most) : -1;

		if (!most)
			usleep(__atomic_load_n(&end->bytes_per_s, __ATOMIC_RELAXED) ? 5000 : 500);
		if (!most || (n < 0 && errno == EINTR))
			continue;
		if (n <= 0)
			break;
		__atomic_add_fetch(&end->got_size, (uint64_t)n, __ATOMIC_RELEASE);
	}
	return NULL;
}

void to_pace(struct to_end *end, uint64_t bytes_per_s)
{
	__atomic_store_n(&end->bytes_per_s, bytes_per_s, __ATOMIC_RELAXED);
}

void to_allow(struct to_end *end, uint64_t allowed)
{
	__atomic_store_n(&end->allowed, allowed, __ATOMIC_RELEASE);
}

/* After -EAGAIN the same bytes must come again, perhaps more of them. */
static int64_t take(void *arg, const void *bytes, size_t size, int more, struct pollfd *wait)
{
	struct to_end *end = arg;
	uint64_t n = size < 7000 ? size : 7000;

	if (end->again && (size < end->again || memcmp(end->got + end->got_size, bytes, end->again) != 0))
		return -EBADMSG;
	end->again = 0;
	if (end->got_size + n > end->room)
		return -EOVERFLOW;
	if (++end->asked % 3 == 2) {
		memcpy(end->got + end->got_size, bytes, n);
		end->again = n;
		*wait = (struct pollfd){ .fd = end->always, .events = POLLOUT };
		return -EAGAIN;
	}
	memcpy(end->got + end->got_size, bytes, n);
	end->got_size += n;
	return (int64_t)n;
}

static const struct leat_sink_ops take_ops = { .name = "take", .write = take };

static void open_to(struct to_end *end)
{
	static const char old[ENDS_PAD] = "old content";
	int pair[2] = { -1, -1 };

	switch (end->kind) {
	case TO_FD: case TO_FILE: case TO_APPEND:
		end->fd = ends_file(O_RDWR | O_TRUNC | (end->kind == TO_APPEND ? O_APPEND : 0));
		if (ends_write_all(end->fd, old, ENDS_PAD) != ENDS_PAD)
			ends_die("old content");
		end->own_offset = end->kind != TO_FILE;
		end->offset = lseek(end->fd, end->kind == TO_FILE ? 55 : ENDS_PAD, SEEK_SET);
		break;
	case TO_PIPE:
		if (pipe2(pair, O_CLOEXEC) < 0)
			ends_die("pipe");
		end->fd = pair[1];
		end->peer = pair[0];
		break;
	case TO_TCP: case TO_VIEW: case TO_UNIX:
		ends_pair(end->kind != TO_UNIX, pair);
		end->fd = pair[0];
		end->peer = pair[1];
		break;
	case TO_PTY:
		ends_pty(&end->peer, &end->fd);
		break;
	default:
		break;
	}
}

static void init_sink(struct to_end *end)
{
	struct leat_sink *sink = &end->sink;

	switch (end->kind) {
	case TO_FILE:
		leat_to_file(sink, end->fd, ENDS_PAD);
		break;
	case TO_MEMORY:
		leat_to_memory(sink, end->got, end->room);
		break;
	case TO_CALLBACK:
		leat_to_callback(sink, &take_ops, end);
		break;
	case TO_NOTHING:
		leat_to_nothing(sink);
		break;
	case TO_VIEW:
		leat_to_fd(&end->below, end->fd);
		leat_to_sink(sink, &end->below);
		break;
	default:
		leat_to_fd(sink, end->fd);
		break;
	}
}

void to_make(struct to_end *end, enum to kind, uint64_t room, bool blocking)
{
	to_make_slow(end, kind, room, blocking, UINT64_MAX);
}

void to_make_slow(struct to_end *end, enum to kind, uint64_t room, bool blocking, uint64_t allowed)
{
	memset(end, 0, sizeof *end);
	end->kind = kind;
	end->allowed = allowed;
	end->room = room;
	end->got = malloc(room + 1);
	end->fd = end->peer = end->always = -1;
	end->offset = -1;
	if (!end->got)
		ends_die("room for what arrives");
	open_to(end);
	if (kind == TO_CALLBACK)
		end->always = eventfd(1, EFD_CLOEXEC);
	if (end->peer >= 0) {
		ends_nonblock(end->fd, !blocking);
		if (pthread_create(&end->receiver, NULL, receive, end))
			ends_die("receiver");
		end->receiving = true;
	}
	end->flags = end->fd < 0 ? 0 : fcntl(end->fd, F_GETFL);
	init_sink(end);
}

void to_finish(struct to_end *end, uint64_t bytes)
{
	ssize_t n;

	if (end->kind == TO_MEMORY)
		end->got_size = bytes;
	to_allow(end, UINT64_MAX);
	/* A terminal that is closed may drop what the kernel has not carried over yet: that was accepted, and is no loss of ours. */
	for (int i = 0; end->receiving && end->kind == TO_PTY && i < 5000; i++)
		if (__atomic_load_n(&end->got_size, __ATOMIC_ACQUIRE) < bytes)
			usleep(1000);
	if (end->receiving) {
		close(end->fd);	/* the receiver gets the end, or of a terminal an error */
		end->fd = -1;
		pthread_join(end->receiver, NULL);
		end->receiving = false;
	} else if (end->fd >= 0) {
		n = pread(end->fd, end->got, end->room, ENDS_PAD);
		end->got_size = n < 0 ? 0 : (uint64_t)n;
	}
}

void to_close(struct to_end *end)
{
	to_finish(end, __atomic_load_n(&end->got_size, __ATOMIC_ACQUIRE));
	leat_close_sink(&end->sink);
	leat_close_sink(&end->below);
	if (end->fd >= 0)
		close(end->fd);
	if (end->peer >= 0)
		close(end->peer);
	if (end->always >= 0)
		close(end->always);
	free(end->got);
}
