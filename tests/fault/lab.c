/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "lab.h"

#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>

#define PIECE 65536

bool lab_nonblocking, lab_held;

static char dir[64];
static pid_t dir_owner;

__attribute__((constructor)) static void bounded(void)
{
	alarm(240);
}

const char *lab_kind_name(enum lab_kind kind)
{
	static const char *const names[] = { "file", "pipe", "unix", "tcp" };

	return names[kind];
}

static uint64_t word_at(uint64_t index)
{
	index = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return index ^ (index >> 29);
}

void lab_fill(void *data, uint64_t at, size_t bytes)
{
	unsigned char *out = data;

	for (size_t i = 0; i < bytes;) {
		uint64_t word = word_at((at + i) / 8);
		size_t off = (at + i) % 8, n = 8 - off < bytes - i ? 8 - off : bytes - i;

		memcpy(out + i, (unsigned char *)&word + off, n);
		i += n;
	}
}

int64_t lab_differs(const void *data, uint64_t at, size_t bytes)
{
	unsigned char right[4096];
	const unsigned char *in = data;

	for (size_t i = 0; i < bytes; i += sizeof right) {
		size_t n = bytes - i < sizeof right ? bytes - i : sizeof right;

		lab_fill(right, at + i, n);
		if (memcmp(in + i, right, n) == 0)
			continue;
		for (size_t j = 0; j < n; j++)
			if (in[i + j] != right[j])
				return (int64_t)(i + j);
	}
	return -1;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	if (getpid() == dir_owner)
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *lab_dir(void)
{
	const char *base = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof dir, "%s/leat-fault.XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
	if (!mkdtemp(dir)) {
		perror(dir);
		exit(1);
	}
	dir_owner = getpid();
	atexit(remove_dir);
	return dir;
}

int lab_empty_file(void)
{
	return CHECK_CALL(open(lab_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

int lab_file(size_t bytes)
{
	unsigned char piece[PIECE];
	int fd = lab_empty_file();

	for (size_t at = 0; at < bytes;) {
		size_t n = bytes - at < sizeof piece ? bytes - at : sizeof piece;

		lab_fill(piece, at, n);
		CHECK_EQ(pwrite(fd, piece, n, (off_t)at), (ssize_t)n);
		at += n;
	}
	return fd;
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof address;
	int listening = CHECK_CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK_CALL(bind(listening, (struct sockaddr *)&address, sizeof address));
	CHECK_CALL(listen(listening, 1));
	CHECK_CALL(getsockname(listening, (struct sockaddr *)&address, &size));
	fds[1] = CHECK_CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK_CALL(connect(fds[1], (struct sockaddr *)&address, sizeof address));
	fds[0] = CHECK_CALL(accept4(listening, NULL, NULL, SOCK_CLOEXEC));
	close(listening);
}

void lab_pair(enum lab_kind kind, int fds[2])
{
	if (kind == LAB_PIPE)
		CHECK_CALL(pipe2(fds, O_CLOEXEC));
	else if (kind == LAB_UNIX)
		CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	else
		tcp_pair(fds);
}

static void set_blocking(int fd)
{
	if (lab_nonblocking)
		CHECK_CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
}

/* On the heap: a case that fails leaves its threads behind. */
struct lab_far {
	enum lab_kind kind;
	int fd;
	pthread_t thread;
	bool runs;
	size_t bytes, room;	/* to give, or got so far */
	unsigned char *got;
};

static struct lab_far *far_make(enum lab_kind kind, int fd, size_t bytes, size_t room)
{
	struct lab_far *far = calloc(1, sizeof *far);

	CHECK(far != NULL);
	*far = (struct lab_far){ .kind = kind, .fd = fd, .bytes = bytes, .room = room };
	if (room)
		far->got = malloc(room);
	CHECK(far->got || !room);
	return far;
}

static void far_start(struct lab_far *far, void *(*body)(void *))
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	CHECK_EQ(pthread_create(&far->thread, NULL, body, far), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	far->runs = true;
}

static void far_join(struct lab_far *far)
{
	if (far->runs)
		pthread_join(far->thread, NULL);
	far->runs = false;
}

static void far_free(struct lab_far *far)
{
	if (!far)
		return;
	far_join(far);
	if (far->fd >= 0)
		close(far->fd);
	free(far->got);
	free(far);
}

static void *give(void *arg)
{
	struct lab_far *far = arg;
	unsigned char piece[PIECE];

	for (size_t at = 0; at < far->bytes;) {
		size_t n = far->bytes - at < sizeof piece ? far->bytes - at : sizeof piece;
		ssize_t sent;

		lab_fill(piece, at, n);
		sent = write(far->fd, piece, n);
		if (sent < 0)
			break;
		at += (size_t)sent;
	}
	if (far->kind != LAB_PIPE)
		shutdown(far->fd, SHUT_WR);
	close(far->fd);
	far->fd = -1;
	return NULL;
}

static void *take(void *arg)
{
	struct lab_far *far = arg;

	while (far->bytes < far->room) {
		ssize_t n = read(far->fd, far->got + far->bytes, far->room - far->bytes);

		if (n <= 0)
			break;
		far->bytes += (size_t)n;
	}
	return NULL;
}

void lab_source_open(struct lab_source *from, enum lab_kind kind, size_t bytes)
{
	int fds[2] = { -1, -1 };

	*from = (struct lab_source){ .kind = kind, .fd = -1 };
	if (kind == LAB_FILE) {
		from->fd = lab_file(bytes);
	} else {
		lab_pair(kind, fds);
		from->fd = fds[0];
		set_blocking(from->fd);
		from->far = far_make(kind, fds[1], bytes, 0);
		far_start(from->far, give);
	}
	leat_from_fd(&from->source, from->fd);
}

void lab_sink_open(struct lab_sink *to, enum lab_kind kind, size_t room)
{
	int fds[2] = { -1, -1 };

	*to = (struct lab_sink){ .kind = kind, .fd = -1, .room = room };
	if (kind == LAB_FILE) {
		to->fd = lab_empty_file();
		to->far = far_make(kind, -1, 0, room);
	} else {
		lab_pair(kind, fds);
		to->fd = fds[1];
		set_blocking(to->fd);
		to->far = far_make(kind, fds[0], 0, room);
		if (!lab_held)
			lab_sink_go(to);
	}
	leat_to_fd(&to->sink, to->fd);
}

void lab_sink_narrow(struct lab_sink *sink)
{
	int bytes = 32768;

	CHECK_CALL(setsockopt(sink->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));
}

void lab_sink_go(struct lab_sink *to)
{
	if (to->kind != LAB_FILE && !to->far->runs)
		far_start(to->far, take);
}

void lab_sink_finish(struct lab_sink *to)
{
	if (to->kind == LAB_FILE) {
		to->far->bytes = (size_t)CHECK_CALL(pread(to->fd, to->far->got, to->room, 0));
	} else {
		lab_sink_go(to);
		if (to->kind != LAB_PIPE)
			shutdown(to->fd, SHUT_WR);
		close(to->fd);
		to->fd = -1;
		far_join(to->far);
	}
	to->got = to->far->got;
	to->got_bytes = to->far->bytes;
}

void lab_source_close(struct lab_source *from)
{
	leat_close(&from->source);
	close(from->fd);	/* the far end's write fails, if it still waits */
	far_free(from->far);
	from->far = NULL;
}

void lab_sink_close(struct lab_sink *to)
{
	leat_close_sink(&to->sink);
	if (to->fd >= 0)
		close(to->fd);
	far_free(to->far);
	to->far = NULL;
}

void lab_arrived(const struct lab_sink *to, size_t bytes)
{
	int64_t bad;

	CHECK_EQ(to->got_bytes, bytes);
	bad = lab_differs(to->got, 0, bytes);
	CHECK_SAY(bad < 0, "byte %lld of %zu is wrong", (long long)bad, bytes);
}

uint64_t lab_emulated_ms(uint64_t ms, uint64_t emulated)
{
	return getenv("LEAT_EMULATED") ? emulated : ms;
}

static void *stop_after_100_ms(void *arg)
{
	usleep(100000);
	__atomic_store_n((volatile int *)arg, 1, __ATOMIC_RELEASE);
	return NULL;
}

void lab_copy_stopped(struct leat_sink *sink, struct leat_source *source, struct leat_report *report)
{
	volatile int stop = 0;
	struct leat_options options = { .stop = &stop };
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, stop_after_100_ms, (void *)&stop), 0);
	CHECK_EQ(leat_copy(sink, source, &options, report), -ECANCELED);
	pthread_join(thread, NULL);
	CHECK_LE(report->end_ns - report->begin_ns, 5 * LEAT_SECOND);
}

int lab_step_all(struct leat_transfer *transfer)
{
	struct leat_wait wait;
	int r;

	while ((r = leat_step(transfer)) > 0) {
		if (r != LEAT_WAIT)
			continue;
		leat_wants(transfer, &wait);
		CHECK_SAY(poll(wait.fds, 3, wait.wake_at_ns == LEAT_NEVER ? 20000 : leat_wait_ms(&wait, leat_now_ns())) != 0 ||
			  wait.wake_at_ns != LEAT_NEVER, "waited in vain");
	}
	return r;
}
