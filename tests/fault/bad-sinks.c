/* SPDX-License-Identifier: MIT */
/* Sinks that cannot work (bad-ends.h), or not to the end: a good sink in their place then brings all the rest. */
#include "bad-ends.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define BYTES ((size_t)3000017)		/* more than a small file system or the buffers of a connection take */

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
	lab_dir();	/* this process removes it at the end; a child would leave it */
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
	TEST(sinks_that_cannot_work),
};
TEST_MAIN(tests)
