/* SPDX-License-Identifier: MIT */
#include "../net.h"
#include "small.h"
#include "testfile.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int open_socket_pair(struct small *s)
{
	struct net_options options = { .congestion = "reno" };
	int listener = net_listen(0, &options), one = 1;

	if (listener < 0) {
		options.congestion = NULL;
		listener = net_listen(0, &options);
	}
	if (listener < 0)
		return listener;
	s->in = net_connect(net_port(listener), &options);
	s->out = s->in < 0 ? s->in : net_accept(listener, 1000);
	close(listener);
	if (s->out < 0)
		return s->out;
	if (setsockopt(s->out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one))
		return -errno;
	return net_set_blocking(s->out, 0);
}

int small_open(struct small *s, const char *dir)
{
	char bytes[SMALL_BYTES];
	int error;

	memset(bytes, 'l', sizeof bytes);
	s->file = scratch_file(dir);
	if (s->file < 0)
		return s->file;
	if (pwrite(s->file, bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return -ENOSPC;
	error = open_socket_pair(s);
	if (error)
		return error;
	leat_from_file(&s->source[0], s->file, 0);
	leat_from_file(&s->source[1], s->file, 0);
	leat_promise(&s->source[1], LEAT_IMMUTABLE);
	leat_to_fd(&s->sink, s->out);
	error = leat_look(&s->source[0]);
	if (!error)
		error = leat_look(&s->source[1]);
	return error ? error : leat_look_sink(&s->sink);
}

void small_drain(struct small *s)
{
	while (recv(s->in, s->drained, sizeof s->drained, MSG_DONTWAIT | MSG_TRUNC) > 0)
		;
}

/* ---- leat's way ---- */

static void on_event(void *arg, const struct leat_event *event)
{
	*(uint64_t *)arg += event->bytes;
}

static void on_trace(void *arg, const void *id, const struct leat_event *event)
{
	(void)id;
	*(uint64_t *)arg += event->bytes;
}

static void on_progress(void *arg, const struct leat_progress_state *state)
{
	*(uint64_t *)arg += state->bytes;
}

static void wrap_six(struct six *w, struct leat_source *source)
{
	w->told = 0;
	leat_wrap(source, leat_limit_init(&w->limit, SMALL_BYTES));
	leat_wrap(source, leat_count_init(&w->count));
	leat_wrap(source, leat_log_init(&w->log, on_event, &w->told));
	leat_wrap(source, leat_trace_init(&w->trace, w, LEAT_SECOND, on_trace, &w->told));
	leat_wrap(source, leat_progress_init(&w->progress, LEAT_SECOND, on_progress, &w->told));
	leat_wrap(source, leat_deadline_init(&w->deadline, 30 * LEAT_SECOND, 60 * LEAT_SECOND));
}

static void prepare(const struct small *s, int immutable, struct response *r)
{
	r->source = s->source[immutable];
	r->sink = s->sink;
	wrap_six(&r->wrappers, &r->source);
}

static int run(struct response *r)
{
	int error = leat_begin(&r->transfer, &r->sink, &r->source, NULL);

	if (error)
		return error;
	while (leat_step(&r->transfer) == LEAT_AGAIN)
		;
	return leat_end(&r->transfer, NULL);
}

static void closed(struct response *r)
{
	leat_close(&r->source);
	leat_close_sink(&r->sink);
}

int small_by_leat(struct small *s, int immutable)
{
	struct response response;
	int error;

	prepare(s, immutable, &response);
	error = run(&response);
	closed(&response);
	return error ? error : response.wrappers.count.bytes == SMALL_BYTES ? 0 : -EIO;
}

int small_by_wrapping(struct small *s, int immutable)
{
	struct response response;

	prepare(s, immutable, &response);
	closed(&response);
	return 0;
}

long small_allocated_bytes(struct small *s)
{
	struct response response;
	long before, allocated;
	int error;

	prepare(s, 0, &response);
	before = (long)mallinfo2().uordblks;
	error = leat_begin(&response.transfer, &response.sink, &response.source, NULL);
	while (!error && leat_step(&response.transfer) == LEAT_AGAIN)
		;
	allocated = (long)mallinfo2().uordblks - before;
	return error || leat_end(&response.transfer, NULL) ? -1 : allocated;
}

/* ---- the same calls ---- */

static void sigpipe(int how)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(how, &set, how == SIG_BLOCK ? &old : NULL);
}

static int call_again(struct small *s, const struct same_call *c)
{
	int fd = c->on_socket ? s->out : s->file, value = (int)c->value;
	socklen_t length = sizeof value;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct iovec one;
	struct statx stx;
	struct stat st;
	off_t at = 0;
	sigset_t set;
	char byte;

	switch (c->kind) {
	case AGAIN_SENDFILE:
		return sendfile(s->out, s->file, &at, (size_t)c->value) == SMALL_BYTES ? 0 : -EIO;
	case AGAIN_PROBE:
		one = (struct iovec){ &byte, 1 };
		return preadv2(fd, &one, 1, c->place, RWF_NOWAIT) < 0 ? -errno : 0;
	case AGAIN_FSTAT:
		return fstat(fd, &st);
	case AGAIN_STATX:
		return statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx);
	case AGAIN_BLOCK_SIGPIPE:
		sigpipe(SIG_BLOCK);
		return 0;
	case AGAIN_UNBLOCK_SIGPIPE:
		sigpipe(SIG_UNBLOCK);
		return 0;
	case AGAIN_SIGPENDING:
		return sigpending(&set);
	case AGAIN_GETFL:
		return fcntl(fd, F_GETFL) < 0 ? -errno : 0;
	case AGAIN_POLL:
		return poll(&p, 1, 0) < 0 ? -errno : 0;
	case AGAIN_CORK:
		return setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof value);
	case AGAIN_GET_CORK:
		return getsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, &length);
	case AGAIN_UNKNOWN:
		break;
	}
	return -ENOSYS;
}

int small_by_calls(struct small *s, const struct same_calls *calls)
{
	int error = 0;

	for (unsigned i = 0; i < calls->n && !error; i++)
		error = call_again(s, &calls->call[i]);
	return error;
}

int small_by_sendfile(struct small *s)
{
	off_t at = 0;

	return sendfile(s->out, s->file, &at, SMALL_BYTES) == SMALL_BYTES ? 0 : -EIO;
}
