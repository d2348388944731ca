/* SPDX-License-Identifier: MIT */
/*
 * Ends that cannot work, by name, with the error that is documented for each: leat_copy, leat_plan, and step by step. The
 * report says which end, by which route, after how many bytes; a good end in its place then brings all the rest. The
 * caller's descriptors keep their flags and, when nothing began, their offsets.
 */
#include "lab.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define BYTES ((size_t)3000017)		/* more than a small file system or the buffers of a connection take */
#define AT_BEGIN UINT64_MAX		/* refused before anything moves: leat_plan and leat_begin say it too */
#define SOME (UINT64_MAX - 1)		/* whatever the kernel had taken */

static char *path_in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", lab_dir(), name);
	return path;
}

static int open_named(const char *name, int flags)
{
	int fd = CHECK_CALL(open(path_in_dir(name), O_CREAT | O_RDWR | O_CLOEXEC, 0600));

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	close(fd);
	fd = CHECK_CALL(open(path_in_dir(name), flags | O_CLOEXEC));
	if (!(flags & O_PATH))
		CHECK_CALL(lseek(fd, 4, SEEK_SET));
	return fd;
}

static int closed_fd(void)
{
	int fd = lab_empty_file();

	close(fd);
	return fd;
}

static int pipe_end(int which)
{
	int fds[2];

	lab_pair(LAB_PIPE, fds);
	CHECK_CALL(fcntl(fds[which], F_SETFL, O_NONBLOCK));
	return fds[which];
}

static int make_socket(int domain, int type, int listening)
{
	int fd = CHECK_CALL(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

	if (listening)
		CHECK_CALL(listen(fd, 1));
	return fd;
}

/* Blocking: poll would say for ever that it has no connection to accept, or that it can be written. */
static int listening_unix(int type)
{
	struct sockaddr any = { .sa_family = AF_UNIX };
	int fd = CHECK_CALL(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));

	CHECK_CALL(bind(fd, &any, sizeof any.sa_family));
	CHECK_CALL(listen(fd, 1));
	return fd;
}

static int blocking_listening(void)
{
	int fd = CHECK_CALL(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	CHECK_CALL(listen(fd, 1));
	return fd;
}

/* ---- sources that cannot work ---------------------------------------------------------------------------------------- */

static void from_closed(struct leat_source *source) { leat_from_fd(source, closed_fd()); }
static void from_minus_one(struct leat_source *source) { leat_from_fd(source, -1); }
static void from_no_such_number(struct leat_source *source) { leat_from_file(source, 1 << 30, 0); }
static void from_write_only(struct leat_source *source) { leat_from_fd(source, open_named("w", O_WRONLY)); }
static void from_write_only_range(struct leat_source *source) { leat_from_range(source, open_named("w", O_WRONLY), 0, 5); }
static void from_path(struct leat_source *source) { leat_from_fd(source, open_named("p", O_PATH)); }
static void from_directory(struct leat_source *source) { leat_from_fd(source, open(lab_dir(), O_RDONLY | O_DIRECTORY)); }
static void from_directory_path(struct leat_source *source) { leat_from_fd(source, open(lab_dir(), O_PATH)); }
static void from_epoll(struct leat_source *source) { leat_from_fd(source, epoll_create1(0)); }
static void from_pipe_write_end(struct leat_source *source) { leat_from_fd(source, pipe_end(1)); }
static void from_listening(struct leat_source *source) { leat_from_fd(source, make_socket(AF_INET, SOCK_STREAM, 1)); }
static void from_blocking_listening(struct leat_source *source) { leat_from_fd(source, blocking_listening()); }
static void from_listening_unix(struct leat_source *source) { leat_from_fd(source, listening_unix(SOCK_STREAM)); }
static void from_listening_packets(struct leat_source *source) { leat_from_fd(source, listening_unix(SOCK_SEQPACKET)); }
static void from_messages(struct leat_source *source, int type)
{
	int fds[2];

	CHECK_CALL(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
	CHECK_EQ(write(fds[1], "0123456789abcdef", 16), 16);	/* more than a limit may want of it */
	leat_from_fd(source, fds[0]);
}
static void from_datagrams(struct leat_source *source) { from_messages(source, SOCK_DGRAM); }
static void from_seqpacket(struct leat_source *source) { from_messages(source, SOCK_SEQPACKET); }
static void from_udp(struct leat_source *source) { leat_from_fd(source, make_socket(AF_INET, SOCK_DGRAM, 0)); }
static void from_unconnected(struct leat_source *source) { leat_from_fd(source, make_socket(AF_INET, SOCK_STREAM, 0)); }
static void from_unix_unconnected(struct leat_source *source) { leat_from_fd(source, make_socket(AF_UNIX, SOCK_STREAM, 0)); }
static void from_pipe_at_offset(struct leat_source *source) { leat_from_file(source, pipe_end(0), 0); }
static void from_socket_range(struct leat_source *source)
{
	leat_from_range(source, make_socket(AF_INET, SOCK_STREAM, 0), 0, 10);
}
static void from_offset_too_far(struct leat_source *source)
{
	leat_from_file(source, lab_file(10), (uint64_t)INT64_MAX + 1);
}
static void from_negative_offset(struct leat_source *source) { leat_from_file(source, lab_file(10), (uint64_t)-1); }
static void from_range_overflow(struct leat_source *source) { leat_from_range(source, lab_file(10), 1, UINT64_MAX); }
static void from_range_too_far(struct leat_source *source) { leat_from_range(source, lab_file(10), 1, INT64_MAX); }
static void from_memory_too_long(struct leat_source *source) { leat_from_memory(source, "x", (uint64_t)INT64_MAX + 1); }
static void from_short_range(struct leat_source *source) { leat_from_range(source, lab_file(10), 0, 1000); }
static void from_range_past_end(struct leat_source *source) { leat_from_range(source, lab_file(10), 100, 1000); }
static void from_sealed_promise(struct leat_source *source)
{
	leat_from_fd(source, memfd_create("unsealed", MFD_ALLOW_SEALING | MFD_CLOEXEC));
	leat_promise(source, LEAT_SEALED);
}
static void from_file_promised_sealed(struct leat_source *source)
{
	int fd = open_named("s", O_RDONLY);

	if (fcntl(fd, F_GET_SEALS) >= 0) {	/* each file of tmpfs has them */
		close(fd);
		fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	}
	leat_from_file(source, fd, 0);
	leat_promise(source, LEAT_SEALED);
}
static void from_strange_promise(struct leat_source *source)
{
	leat_from_fd(source, lab_file(10));
	leat_promise(source, (enum leat_stability)9);
}
static void from_reset(struct leat_source *source)
{
	struct linger now = { 1, 0 };
	int fds[2];

	lab_pair(LAB_TCP, fds);
	CHECK_EQ(write(fds[1], "0123456", 7), 7);
	usleep(20000);
	CHECK_CALL(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof now));
	close(fds[1]);
	CHECK_CALL(fcntl(fds[0], F_SETFL, O_NONBLOCK));
	leat_from_fd(source, fds[0]);
}

static const struct {
	const char *name;
	void (*make)(struct leat_source *);
	int error;
	uint64_t bytes;
} bad_sources[] = {
	{ "closed", from_closed, -EBADF, AT_BEGIN },
	{ "-1", from_minus_one, -EBADF, AT_BEGIN },
	{ "a number nobody has", from_no_such_number, -EBADF, AT_BEGIN },
	{ "write-only file", from_write_only, -EBADF, AT_BEGIN },
	{ "range of a write-only file", from_write_only_range, -EBADF, AT_BEGIN },
	{ "O_PATH", from_path, -EBADF, AT_BEGIN },
	{ "directory", from_directory, -EISDIR, AT_BEGIN },
	{ "O_PATH of a directory", from_directory_path, -EISDIR, AT_BEGIN },
	{ "epoll", from_epoll, -EINVAL, AT_BEGIN },
	{ "write end of a pipe", from_pipe_write_end, -EBADF, AT_BEGIN },
	{ "listening socket", from_listening, -ENOTCONN, AT_BEGIN },
	{ "blocking listening socket", from_blocking_listening, -ENOTCONN, AT_BEGIN },
	{ "listening unix socket", from_listening_unix, -ENOTCONN, AT_BEGIN },
	{ "listening socket of packets", from_listening_packets, -ENOTCONN, AT_BEGIN },
	{ "datagrams", from_datagrams, LEAT_EDATAGRAM, AT_BEGIN },
	{ "packets in sequence", from_seqpacket, LEAT_EDATAGRAM, AT_BEGIN },
	{ "udp socket", from_udp, LEAT_EDATAGRAM, AT_BEGIN },
	{ "unconnected socket", from_unconnected, -ENOTCONN, 0 },
	{ "unconnected unix socket", from_unix_unconnected, -EINVAL, 0 },
	{ "offset in a pipe", from_pipe_at_offset, -ESPIPE, AT_BEGIN },
	{ "range of a socket", from_socket_range, -ESPIPE, AT_BEGIN },
	{ "offset beyond INT64_MAX", from_offset_too_far, -EOVERFLOW, AT_BEGIN },
	{ "offset -1", from_negative_offset, -EOVERFLOW, AT_BEGIN },
	{ "range that wraps", from_range_overflow, -EOVERFLOW, AT_BEGIN },
	{ "range that ends beyond INT64_MAX", from_range_too_far, -EOVERFLOW, AT_BEGIN },
	{ "memory longer than INT64_MAX", from_memory_too_long, -EOVERFLOW, AT_BEGIN },
	{ "range longer than the file", from_short_range, LEAT_ESHORT, 10 },
	{ "range after the end", from_range_past_end, LEAT_ESHORT, 0 },
	{ "unsealed memfd, promised sealed", from_sealed_promise, -EPERM, AT_BEGIN },
	{ "file, promised sealed", from_file_promised_sealed, -EINVAL, AT_BEGIN },
	{ "a promise that is none", from_strange_promise, -EINVAL, AT_BEGIN },
	{ "reset by its peer", from_reset, -ECONNRESET, SOME },
};

struct before {
	int flags;
	off_t offset;
};

static struct before look_before(int fd)
{
	return (struct before){ fcntl(fd, F_GETFL), lseek(fd, 0, SEEK_CUR) };
}

static void check_untouched(int fd, const struct before *before, bool offset_too)
{
	CHECK_EQ(fcntl(fd, F_GETFL), before->flags);
	if (offset_too)
		CHECK_EQ(lseek(fd, 0, SEEK_CUR), before->offset);
}

static void check_report(const struct leat_report *report, int error, enum leat_side side, uint64_t bytes)
{
	char line[300];

	CHECK_EQ(report->error, error);
	CHECK_EQ(report->side, side);
	CHECK_EQ(report->ended_by, LEAT_ENDED_BY_ERROR);
	CHECK_EQ(report->error_route == LEAT_ROUTE_NONE, bytes == AT_BEGIN);
	if (bytes != SOME)
		CHECK_EQ(report->bytes, bytes == AT_BEGIN ? 0 : bytes);
	leat_explain(report, line, sizeof line);
	CHECK_SAY(strstr(line, side == LEAT_SIDE_SOURCE ? "failed at the source" : "failed at the sink") != NULL, "%s", line);
}

static int step_to_the_end(struct leat_sink *sink, struct leat_source *source, uint64_t bytes, struct leat_report *report)
{
	struct leat_transfer transfer;
	int r = leat_begin(&transfer, sink, source, NULL);

	leat_so_far(&transfer, report);
	CHECK_EQ(r < 0, bytes == AT_BEGIN);
	if (r < 0) {
		CHECK_EQ(leat_step(&transfer), -EINVAL);
		return r;
	}
	r = lab_step_all(&transfer);
	CHECK_EQ(leat_step(&transfer), r);	/* for good */
	CHECK_EQ(leat_end(&transfer, report), r);
	return r;
}

static void bad_source(unsigned i, bool stepped)
{
	struct leat_source source;
	struct leat_report report;
	struct leat_sink sink;
	struct before before;
	unsigned char room[64];
	int planned, error = bad_sources[i].error;
	uint64_t bytes = bad_sources[i].bytes;

	test_note(bad_sources[i].name);
	bad_sources[i].make(&source);
	before = look_before(source.fd);
	leat_to_memory(&sink, room, sizeof room);
	planned = leat_plan(&sink, &source, NULL, &report);
	CHECK_EQ(planned, bytes == AT_BEGIN ? error : 0);
	if (planned)
		check_report(&report, error, LEAT_SIDE_SOURCE, AT_BEGIN);
	CHECK_EQ(leat_look(&source), planned);
	if (stepped)
		CHECK_EQ(step_to_the_end(&sink, &source, bytes, &report), error);
	else
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), error);
	check_report(&report, error, LEAT_SIDE_SOURCE, bytes);
	CHECK_EQ(report.source_kind == LEAT_KIND_DIRECTORY, error == -EISDIR);
	check_untouched(source.fd, &before, bytes == AT_BEGIN);
	close(source.fd);
	leat_close(&source);
	leat_close_sink(&sink);
}

static void sources_that_cannot_work(void)
{
	for (unsigned i = 0; i < sizeof bad_sources / sizeof bad_sources[0]; i++) {
		unsigned descriptors = lab_descriptors();

		bad_source(i, false);
		bad_source(i, true);
		/* The far end of a pipe or socket was left open, or closed, by its maker alone. */
		CHECK_LE(lab_descriptors(), descriptors + 4);
	}
}

/* ---- sinks that cannot work ------------------------------------------------------------------------------------------ */

static void to_closed(struct leat_sink *sink) { leat_to_fd(sink, closed_fd()); }
static void to_minus_one(struct leat_sink *sink) { leat_to_fd(sink, -1); }
static void to_read_only(struct leat_sink *sink) { leat_to_fd(sink, open_named("r", O_RDONLY)); }
static void to_read_only_at(struct leat_sink *sink) { leat_to_file(sink, open_named("r", O_RDONLY), 3); }
static void to_path(struct leat_sink *sink) { leat_to_fd(sink, open_named("p", O_PATH)); }
static void to_directory(struct leat_sink *sink) { leat_to_fd(sink, open(lab_dir(), O_RDONLY)); }
static void to_epoll(struct leat_sink *sink) { leat_to_fd(sink, epoll_create1(0)); }
static void to_pipe_read_end(struct leat_sink *sink) { leat_to_fd(sink, pipe_end(0)); }
static void to_listening(struct leat_sink *sink) { leat_to_fd(sink, make_socket(AF_INET, SOCK_STREAM, 1)); }
static void to_blocking_listening(struct leat_sink *sink) { leat_to_fd(sink, blocking_listening()); }
static void to_listening_unix(struct leat_sink *sink) { leat_to_fd(sink, listening_unix(SOCK_STREAM)); }
static void to_unconnected(struct leat_sink *sink) { leat_to_fd(sink, make_socket(AF_INET, SOCK_STREAM, 0)); }
static void to_unix_unconnected(struct leat_sink *sink) { leat_to_fd(sink, make_socket(AF_UNIX, SOCK_STREAM, 0)); }
static void to_datagram(struct leat_sink *sink) { leat_to_fd(sink, make_socket(AF_INET, SOCK_DGRAM, 0)); }
static void to_append_at(struct leat_sink *sink) { leat_to_file(sink, open_named("a", O_RDWR | O_APPEND), 0); }
static void to_pipe_at(struct leat_sink *sink) { leat_to_file(sink, pipe_end(1), 0); }
static void to_too_far(struct leat_sink *sink) { leat_to_file(sink, lab_empty_file(), (uint64_t)INT64_MAX + 1); }
static void to_full_device(struct leat_sink *sink) { leat_to_fd(sink, open("/dev/full", O_WRONLY | O_NONBLOCK)); }
static void to_pipe_without_reader(struct leat_sink *sink)
{
	int fds[2];

	lab_pair(LAB_PIPE, fds);
	close(fds[0]);
	CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	leat_to_fd(sink, fds[1]);
}
static void to_small_memory(struct leat_sink *sink)
{
	static unsigned char room[1000];

	leat_to_memory(sink, room, sizeof room);
}
static void to_fifo_without_reader(struct leat_sink *sink)
{
	int reader, writer;

	unlink(path_in_dir("fifo"));
	CHECK_CALL(mkfifo(path_in_dir("fifo"), 0600));
	reader = CHECK_CALL(open(path_in_dir("fifo"), O_RDONLY | O_NONBLOCK));
	writer = CHECK_CALL(open(path_in_dir("fifo"), O_WRONLY | O_NONBLOCK));
	close(reader);
	leat_to_fd(sink, writer);
}
static void to_full_disk(struct leat_sink *sink)
{
	int fd;

	mkdir(path_in_dir("full"), 0700);
	if (mount("leat-test", path_in_dir("full"), "tmpfs", 0, "size=1m") < 0)
		test_skip("mounts a small tmpfs, which needs root: %s", strerror(errno));
	fd = open(path_in_dir("full"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	umount2(path_in_dir("full"), MNT_DETACH);
	CHECK_CALL(fd);
	leat_to_fd(sink, fd);
}
static void to_file_limit(struct leat_sink *sink)
{
	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 100000, RLIM_INFINITY }));
	leat_to_fd(sink, lab_empty_file());
}
static void to_dead_peer(struct leat_sink *sink)
{
	struct linger now = { 1, 0 };
	int fds[2];

	lab_pair(LAB_TCP, fds);
	CHECK_CALL(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof now));
	close(fds[0]);
	usleep(20000);
	CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	leat_to_fd(sink, fds[1]);
}
static void to_gone_unix_peer(struct leat_sink *sink)
{
	int fds[2];

	lab_pair(LAB_UNIX, fds);
	close(fds[0]);
	CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	leat_to_fd(sink, fds[1]);
}
static void to_shut_socket(struct leat_sink *sink)
{
	int fds[2];

	lab_pair(LAB_TCP, fds);
	CHECK_CALL(shutdown(fds[1], SHUT_WR));
	CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
	leat_to_fd(sink, fds[1]);
}

/* other: an error that is as right, depending on the route and on how far the peer's death has come. */
static const struct {
	const char *name;
	void (*make)(struct leat_sink *);
	int error, other;
	uint64_t bytes;
} bad_sinks[] = {
	{ "closed", to_closed, -EBADF, 0, AT_BEGIN },
	{ "-1", to_minus_one, -EBADF, 0, AT_BEGIN },
	{ "read-only file", to_read_only, -EBADF, 0, AT_BEGIN },
	{ "place in a read-only file", to_read_only_at, -EBADF, 0, AT_BEGIN },
	{ "O_PATH", to_path, -EBADF, 0, AT_BEGIN },
	{ "directory", to_directory, -EISDIR, 0, AT_BEGIN },
	{ "epoll", to_epoll, -EINVAL, 0, 0 },
	{ "read end of a pipe", to_pipe_read_end, -EBADF, 0, AT_BEGIN },
	{ "listening socket", to_listening, -ENOTCONN, 0, AT_BEGIN },
	{ "blocking listening socket", to_blocking_listening, -ENOTCONN, 0, AT_BEGIN },
	{ "listening unix socket", to_listening_unix, -ENOTCONN, 0, AT_BEGIN },
	{ "unconnected socket", to_unconnected, -EPIPE, -ENOTCONN, 0 },
	{ "unconnected unix socket", to_unix_unconnected, -ENOTCONN, -EPIPE, 0 },
	{ "datagram socket without frames", to_datagram, LEAT_EDATAGRAM, 0, AT_BEGIN },
	{ "place in an append-mode file", to_append_at, -EINVAL, 0, AT_BEGIN },
	{ "place in a pipe", to_pipe_at, -ESPIPE, 0, AT_BEGIN },
	{ "offset beyond INT64_MAX", to_too_far, -EOVERFLOW, 0, AT_BEGIN },
	{ "/dev/full", to_full_device, -ENOSPC, 0, 0 },
	{ "memory that is too small", to_small_memory, -ENOSPC, 0, 1000 },
	{ "pipe without a reader", to_pipe_without_reader, -EPIPE, 0, 0 },
	{ "FIFO without a reader", to_fifo_without_reader, -EPIPE, 0, 0 },
	{ "full disk", to_full_disk, -ENOSPC, 0, 1 << 20 },
	{ "file size limit", to_file_limit, -EFBIG, 0, 100000 },
	{ "peer that reset", to_dead_peer, -EPIPE, -ECONNRESET, 0 },
	{ "unix peer that is gone", to_gone_unix_peer, -EPIPE, 0, 0 },
	{ "socket that was shut down", to_shut_socket, -EPIPE, 0, 0 },
};

static void make_source(unsigned which, struct lab_source *from)
{
	static unsigned char *memory;

	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }));
	lab_nonblocking = true;
	lab_source_open(from, which == 2 ? LAB_TCP : which == 3 ? LAB_PIPE : LAB_FILE, which == 1 ? 0 : BYTES);
	lab_nonblocking = false;
	if (which != 1)
		return;
	memory = memory ? memory : malloc(BYTES);
	CHECK(memory != NULL);
	lab_fill(memory, 0, BYTES);
	leat_from_memory(&from->source, memory, BYTES);
}

/* The source goes on where the sink failed: a good sink gets exactly the rest. */
static void bring_the_rest(struct lab_source *from, uint64_t done)
{
	struct leat_sink good;
	unsigned char *got = malloc(BYTES);

	CHECK(got != NULL);
	leat_to_memory(&good, got, BYTES);
	CHECK_EQ(leat_copy(&good, &from->source, NULL, NULL), (int64_t)(BYTES - done));
	CHECK(lab_differs(got, done, BYTES - done) < 0);
	free(got);
	leat_close_sink(&good);
}

/* source: 0 file, 1 memory, 2 tcp, 3 pipe. */
static void bad_sink(unsigned i, unsigned which, bool stepped)
{
	struct leat_report report;
	struct lab_source from;
	struct before before;
	struct leat_sink sink;
	char note[96];
	int error;

	snprintf(note, sizeof note, "%s, source %u%s", bad_sinks[i].name, which, stepped ? ", stepped" : "");
	test_note(note);
	make_source(which, &from);
	bad_sinks[i].make(&sink);
	before = look_before(sink.fd);
	CHECK_EQ(leat_plan(&sink, &from.source, NULL, &report), bad_sinks[i].bytes == AT_BEGIN ? bad_sinks[i].error : 0);
	if (stepped)
		error = step_to_the_end(&sink, &from.source, bad_sinks[i].bytes, &report);
	else
		error = (int)leat_copy(&sink, &from.source, NULL, &report);
	if (error != bad_sinks[i].other)
		CHECK_EQ(error, bad_sinks[i].error);
	check_report(&report, error, LEAT_SIDE_SINK, bad_sinks[i].bytes);
	CHECK_EQ(report.sink_kind == LEAT_KIND_DIRECTORY, error == -EISDIR);
	check_untouched(sink.fd, &before, bad_sinks[i].bytes == AT_BEGIN);
	bring_the_rest(&from, report.bytes);
	close(sink.fd);
	leat_close_sink(&sink);
	lab_source_close(&from);
}

/* In a child, for limits and dispositions; SIGPIPE stays at its default: it must not kill. */
static int one_sink(unsigned i)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = CHECK_CALL(fork());
	if (!child) {
		signal(SIGXFSZ, SIG_IGN);
		alarm(110);
		for (unsigned which = 0; which < 4; which++) {
			bad_sink(i, which, false);
			bad_sink(i, which, true);
		}
		fflush(stdout);
		_exit(0);
	}
	CHECK_CALL(waitpid(child, &status, 0));
	if (WIFSIGNALED(status))
		printf("FAIL %s: killed by signal %d\n", bad_sinks[i].name, WTERMSIG(status));
	return status;
}

static void sinks_that_cannot_work(void)
{
	unsigned failed = 0, skipped = 0;

	for (unsigned i = 0; i < sizeof bad_sinks / sizeof bad_sinks[0]; i++) {
		int status = one_sink(i);
		bool skip = WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED;

		failed += status != 0 && !skip;
		skipped += skip;
	}
	CHECK_EQ(failed, 0);
	if (skipped)
		printf("%u of the sinks could not be made\n", skipped);
}

static const struct test tests[] = {
	TEST(sources_that_cannot_work),
	TEST(sinks_that_cannot_work),
};
TEST_MAIN(tests)
