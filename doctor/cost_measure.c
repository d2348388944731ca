/* SPDX-License-Identifier: MIT */
/*
 * Moves a few MiB between two ends, once as the program does and once by the kernel, in turns, and takes the CPU time of the thread
 * that moves. What stands behind a stream (who fills it, who empties it) is another thread, which is not counted. Files are
 * in memory: what a disk or a file system adds is the same both ways. Round by round the two are compared with each other, so
 * that what else the machine does falls on both.
 */
#include "cost.h"

#include <leat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FILE_BYTES	(16u << 20)	/* larger than the processor's inner caches: a server's files are */
#define ROUND_BYTES	(4u << 20)
#define ROUNDS_MOST	15
#define ROUNDS_LEAST	3
#define SHARE_NS	UINT64_C(150000000)	/* of one pair of ends: 15 rounds of 4 MiB took 90 ms where this was written */
#define OUR_PIPE_BYTES	(1 << 20)	/* as libleat asks for */

struct stream {		/* the far end, and the thread at it */
	pthread_t thread;
	bool running;
	int fd;
};

struct bench {
	const struct calibration *key;
	int from, to, pipe[2];
	uint64_t from_at, to_at;	/* of files */
	char *buffer, *second, *map;
	struct stream filler, emptier;
	uint64_t kernel_calls, kernel_bytes;
};

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- What stands behind a stream ----------------------------------------------------------------------------------------------- */

static void *fill(void *arg)
{
	const struct stream *stream = arg;
	char *buffer = calloc(1, 1 << 18);

	while (buffer && write(stream->fd, buffer, 1 << 18) > 0)
		;
	free(buffer);
	return NULL;
}

static void *empty(void *arg)
{
	const struct stream *stream = arg;
	char *buffer = malloc(1 << 18);

	while (buffer && read(stream->fd, buffer, 1 << 18) > 0)
		;
	free(buffer);
	return NULL;
}

/* Threads of ours take no signal: the program's handlers run where it expects them, and SIGPIPE is how a filler ends. */
static int start(struct stream *stream, void *(*run)(void *), int fd)
{
	sigset_t all, before;
	int error;

	stream->fd = fd;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&stream->thread, NULL, run, stream);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	stream->running = !error;
	return -error;
}

/* Congestion control that paces (BBR) sends in small pieces by timers: one way cost 77 to 868 ms a GiB in five runs. Reno is
 * always there, and for everybody. */
static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	return fd;
}

static int tcp_pair(int ends[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int listener = tcp_socket(), error = 0;
	socklen_t length = sizeof at;

	ends[0] = ends[1] = -1;
	if (listener < 0)
		return -errno;
	if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &length))
		error = -errno;
	if (!error) {
		ends[0] = tcp_socket();
		if (ends[0] < 0 || connect(ends[0], (struct sockaddr *)&at, sizeof at))
			error = -errno;
	}
	if (!error) {
		ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		error = ends[1] < 0 ? -errno : 0;
	}
	close(listener);
	if (error && ends[0] >= 0)
		close(ends[0]);
	return error;
}

/* ends[0] is read, ends[1] written. */
static int stream_pair(enum file_kind kind, int ends[2])
{
	if (kind == FILE_TCP)
		return tcp_pair(ends);
	if (kind == FILE_UNIX_STREAM)
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) ? -errno : 0;
	return pipe2(ends, O_CLOEXEC) ? -errno : 0;
}

/* ---- The ends -------------------------------------------------------------------------------------------------------------------- */

static int memory_file(int *ret_fd)
{
	char *bytes;
	int fd = memfd_create("leat-doctor", MFD_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	bytes = malloc(ROUND_BYTES);
	if (!bytes)
		error = -ENOMEM;
	else
		memset(bytes, 0x5a, ROUND_BYTES);
	for (uint64_t at = 0; !error && at < FILE_BYTES; at += ROUND_BYTES)
		if (pwrite(fd, bytes, ROUND_BYTES, (off_t)at) != ROUND_BYTES)
			error = -EIO;
	free(bytes);
	if (error)
		close(fd);
	else
		*ret_fd = fd;
	return error;
}

static int open_from(struct bench *bench)
{
	int ends[2], error;

	if (bench->key->from == FILE_REGULAR) {
		error = memory_file(&bench->from);
		if (error || bench->key->how != HOW_MAPPED)
			return error;
		bench->map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED | MAP_POPULATE, bench->from, 0);
		return bench->map == MAP_FAILED ? -errno : 0;
	}
	error = stream_pair(bench->key->from, ends);
	if (error)
		return error;
	bench->from = ends[0];
	error = start(&bench->filler, fill, ends[1]);
	if (error)
		close(ends[1]);
	return error;
}

static int open_to(struct bench *bench)
{
	int ends[2], error;

	if (bench->key->to == FILE_REGULAR)
		return memory_file(&bench->to);
	error = stream_pair(bench->key->to, ends);
	if (error)
		return error;
	bench->to = ends[1];
	error = start(&bench->emptier, empty, ends[0]);
	if (error)
		close(ends[0]);
	return error;
}

static int open_bench(struct bench *bench)
{
	int error = open_from(bench);

	error = error ? error : open_to(bench);
	bench->buffer = aligned_alloc(4096, COST_PIECE_MOST);
	bench->second = aligned_alloc(4096, COST_PIECE_MOST);
	if (!error && (!bench->buffer || !bench->second))
		error = -ENOMEM;
	if (!error && bench->key->from != FILE_PIPE && bench->key->to != FILE_PIPE && bench->key->from != FILE_REGULAR) {
		error = pipe2(bench->pipe, O_CLOEXEC) ? -errno : 0;
		if (!error)
			(void)fcntl(bench->pipe[1], F_SETPIPE_SZ, OUR_PIPE_BYTES);	/* a smaller one does too */
	}
	return error;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Our ends go first: that is what ends the threads at the far ones. A filler may have filled all there is room for: it wakes
 * because nobody can read any more; a shutdown does that for sockets, whose other end a close would leave half open. */
static void close_bench(struct bench *bench)
{
	if (bench->from >= 0)
		shutdown(bench->from, SHUT_RDWR);
	if (bench->to >= 0)
		shutdown(bench->to, SHUT_RDWR);
	close_end(&bench->from);
	close_end(&bench->to);
	close_end(&bench->pipe[0]);
	close_end(&bench->pipe[1]);
	if (bench->filler.running) {
		pthread_join(bench->filler.thread, NULL);
		close(bench->filler.fd);
	}
	if (bench->emptier.running) {
		pthread_join(bench->emptier.thread, NULL);
		close(bench->emptier.fd);
	}
	if (bench->map && bench->map != MAP_FAILED)
		munmap(bench->map, FILE_BYTES);
	free(bench->buffer);
	free(bench->second);
}

/* ---- One round ------------------------------------------------------------------------------------------------------------------- */

static int error_of(ssize_t n)
{
	return n < 0 ? -errno : -EPIPE;
}

static int put(struct bench *bench, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = bench->key->to == FILE_REGULAR ? pwrite(bench->to, bytes, length, (off_t)bench->to_at) :
							     write(bench->to, bytes, length);

		if (n <= 0)
			return error_of(n);
		bench->to_at += (uint64_t)n;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Takes one piece as the program does, and puts it. */
static ssize_t carry_piece(struct bench *bench, size_t most)
{
	size_t piece = bench->key->piece_bytes < most ? bench->key->piece_bytes : most;
	const char *bytes = bench->buffer;
	ssize_t n = (ssize_t)piece;
	int error;

	if (bench->key->how == HOW_MAPPED)
		bytes = bench->map + bench->from_at;
	else if (bench->key->from == FILE_REGULAR)
		n = pread(bench->from, bench->buffer, piece, (off_t)bench->from_at);
	else
		n = read(bench->from, bench->buffer, piece);
	if (n <= 0)
		return error_of(n);
	bench->from_at += (uint64_t)n;
	if (bench->key->how == HOW_COPIED) {
		memcpy(bench->second, bench->buffer, (size_t)n);
		bytes = bench->second;
	}
	error = put(bench, bytes, (size_t)n);
	return error ? error : n;
}

static int carry(struct bench *bench)
{
	for (size_t moved = 0; moved < ROUND_BYTES;) {
		ssize_t n = carry_piece(bench, ROUND_BYTES - moved);

		if (n < 0)
			return (int)n;
		moved += (size_t)n;
	}
	return 0;
}

/* From a socket to a socket or file: into a pipe of ours, and all of it out again. */
static ssize_t splice_piece(struct bench *bench, size_t most)
{
	off_t to_at = (off_t)bench->to_at;
	ssize_t n = splice(bench->from, NULL, bench->pipe[1], NULL, most, SPLICE_F_MOVE);

	bench->kernel_calls++;
	for (ssize_t left = n; left > 0;) {
		ssize_t out = splice(bench->pipe[0], NULL, bench->to, bench->key->to == FILE_REGULAR ? &to_at : NULL, (size_t)left,
				     SPLICE_F_MOVE);

		bench->kernel_calls++;
		if (out <= 0)
			return error_of(out);
		left -= out;
	}
	bench->to_at = (uint64_t)to_at;
	return n <= 0 ? error_of(n) : n;
}

/* Of a file written to the place has to be its own. */
static ssize_t send_piece(struct bench *bench, off_t *from_at, off_t *to_at, size_t most)
{
	ssize_t n;

	if (bench->key->to == FILE_REGULAR && lseek(bench->to, *to_at, SEEK_SET) < 0)
		return -1;
	n = sendfile(bench->to, bench->from, from_at, most);
	*to_at += n > 0 ? n : 0;
	return n;
}

static ssize_t kernel_piece(struct bench *bench, size_t most)
{
	off_t from_at = (off_t)bench->from_at, to_at = (off_t)bench->to_at;
	bool from_file = bench->key->from == FILE_REGULAR, to_file = bench->key->to == FILE_REGULAR;
	ssize_t n;

	if (bench->pipe[0] >= 0)
		return splice_piece(bench, most);
	if (bench->key->from == FILE_PIPE || bench->key->to == FILE_PIPE)
		n = splice(bench->from, from_file ? &from_at : NULL, bench->to, to_file ? &to_at : NULL, most, SPLICE_F_MOVE);
	else if (to_file && !bench->key->apart)
		n = copy_file_range(bench->from, &from_at, bench->to, &to_at, most, 0);
	else
		n = send_piece(bench, &from_at, &to_at, most);
	bench->kernel_calls++;
	bench->from_at = (uint64_t)from_at;
	bench->to_at = (uint64_t)to_at;
	return n <= 0 ? error_of(n) : n;
}

static int by_kernel(struct bench *bench)
{
	for (size_t moved = 0; moved < ROUND_BYTES;) {
		ssize_t n = kernel_piece(bench, ROUND_BYTES - moved);

		if (n < 0)
			return (int)n;
		moved += (size_t)n;
		bench->kernel_bytes += (uint64_t)n;
	}
	return 0;
}

/* ns of CPU for a GiB. */
static int timed(struct bench *bench, int (*move)(struct bench *bench), uint64_t *ret_ns)
{
	uint64_t begin = thread_ns();
	int error = move(bench);

	*ret_ns = (thread_ns() - begin) * ((UINT64_C(1) << 30) / ROUND_BYTES);
	bench->from_at %= FILE_BYTES;
	bench->to_at %= FILE_BYTES;
	return error;
}

/* ---- Rounds ---------------------------------------------------------------------------------------------------------------------- */

static int number_order(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;

	return a < b ? -1 : a > b;
}

static int64_t quantile(int64_t *values, unsigned count, unsigned quarter)
{
	qsort(values, count, sizeof *values, number_order);
	return values[(count - 1) * quarter / 4];
}

static int rounds(struct bench *bench, struct calibration *calibration, uint64_t end_ns)
{
	int64_t user[ROUNDS_MOST], saved[ROUNDS_MOST], middle;
	unsigned n = 0;
	uint64_t ns;

	/* One round of each unlooked at: pages, buffers and windows are made then. */
	for (int r = -1; r < ROUNDS_MOST; r++) {
		int error = timed(bench, carry, &ns);

		user[n] = (int64_t)ns;
		error = error ? error : timed(bench, by_kernel, &ns);
		if (error)
			return error;
		saved[n] = user[n] - (int64_t)ns;
		n += r >= 0;
		if (leat_now_ns() > end_ns && n >= ROUNDS_LEAST)
			break;
	}
	/* A difference of two medians can lie outside the quartiles of the differences: what is saved is the median of these. */
	middle = quantile(saved, n, 2);
	calibration->user_ns = (uint64_t)quantile(user, n, 2);
	calibration->kernel_ns = (int64_t)calibration->user_ns > middle ? calibration->user_ns - (uint64_t)middle : 0;
	calibration->low_ns = quantile(saved, n, 1);
	calibration->high_ns = quantile(saved, n, 3);
	calibration->kernel_bytes = bench->kernel_bytes / bench->kernel_calls;
	return 0;
}

int cost_measure(struct calibration *calibration, uint64_t budget_ns)
{
	struct bench bench = { .key = calibration, .from = -1, .to = -1, .pipe = { -1, -1 } };
	uint64_t end_ns = leat_now_ns() + (budget_ns < SHARE_NS ? budget_ns : SHARE_NS);
	int error = open_bench(&bench);

	error = error ? error : rounds(&bench, calibration, end_ns);
	close_bench(&bench);
	return error;
}
