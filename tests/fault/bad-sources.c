/* SPDX-License-Identifier: MIT */
/* Sources that cannot work (bad-ends.h), and sources that end too early. */
#include "bad-ends.h"
#include "descriptors.h"

#include <sys/epoll.h>
#include <sys/mman.h>

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
		unsigned descriptors = count_descriptors();

		bad_source(i, false);
		bad_source(i, true);
		/* The far end of a pipe or socket was left open, or closed, by its maker alone. */
		CHECK_LE(count_descriptors(), descriptors + 4);
	}
}

static const struct test tests[] = {
	TEST(sources_that_cannot_work),
};
TEST_MAIN(tests)
