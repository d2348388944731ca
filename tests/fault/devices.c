/* SPDX-License-Identifier: MIT */
/*
 * Devices: one that has nothing to read is waited for and can be stopped, an endless one ends at a limit; and of which end an I/O
 * error of a kernel route is. Terminals: terminals.c.
 */
#include "lab.h"
#include "seam.h"
#include "sys.h"
#include "step.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>

#define MS (LEAT_SECOND / 1000)

static struct leat_report report;
/* ---- devices that have nothing to read --------------------------------------------------------------------------------- */

static int a_timer(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); }
static int an_event(void) { return eventfd(0, EFD_CLOEXEC); }
static int a_watch(void) { return inotify_init1(IN_CLOEXEC); }

static void a_silent_device_is_waited_for(void)
{
	int (*const makers[])(void) = { a_timer, an_event, a_watch };

	for (unsigned i = 0; i < 3; i++) {
		struct leat_transfer transfer;
		struct leat_wait wait;
		struct leat_source source;
		struct leat_sink sink;
		struct leat_deadline deadline;
		int fd = CHECK_CALL(makers[i]());

		leat_from_fd(&source, fd);
		leat_to_nothing(&sink);
		lab_copy_stopped(&sink, &source, &report);
		/* Stepped it never waits, and says what for. */
		CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
		CHECK_EQ(step_on(&transfer), LEAT_WAIT);
		leat_wants(&transfer, &wait);
		CHECK_EQ(wait.fds[0].fd, fd);
		CHECK_EQ(wait.fds[0].events, POLLIN);
		CHECK_EQ(leat_end(&transfer, NULL), -ECANCELED);
		leat_wrap(&source, leat_deadline_init(&deadline, 50 * MS, 0));
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -ETIMEDOUT);
		CHECK_LE(report.end_ns - report.begin_ns, 200 * MS);
		leat_close(&source);
		leat_close_sink(&sink);
		close(fd);
	}
}

/* ---- a FIFO that nobody writes to ---------------------------------------------------------------------------------------- */

static void a_fifo_without_a_writer_is_at_its_end(void)
{
	char path[96];
	struct leat_transfer transfer;
	struct leat_source source;
	struct lab_sink to;
	int fd;

	snprintf(path, sizeof path, "%s/fifo", lab_dir());
	CHECK_CALL(mkfifo(path, 0600));
	fd = CHECK_CALL(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	for (enum lab_kind kind = LAB_FILE; kind < LAB_KINDS; kind++) {
		lab_nonblocking = true;
		lab_sink_open(&to, kind, 1);
		lab_nonblocking = false;
		leat_from_fd(&source, fd);
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), 0);
		CHECK_EQ(report.ended_by, LEAT_ENDED_BY_SOURCE);
		CHECK_EQ(leat_begin(&transfer, &to.sink, &source, NULL), 0);
		CHECK_EQ(lab_step_all(&transfer), LEAT_DONE);
		CHECK_EQ(leat_end(&transfer, &report), 0);
		CHECK_EQ(report.source_waits, 0);
		lab_sink_finish(&to);
		lab_arrived(&to, 0);
		leat_close(&source);
		lab_sink_close(&to);
	}
	close(fd);
}

static void an_event_is_moved_as_it_comes(void)
{
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit limit;
	uint64_t value = 7, got = 0;
	int fd = an_event();

	CHECK_EQ(write(fd, &value, sizeof value), (ssize_t)sizeof value);
	leat_from_fd(&source, fd);
	leat_to_memory(&sink, &got, sizeof got);
	leat_wrap(&source, leat_limit_init(&limit, sizeof got));
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), (int64_t)sizeof got);
	CHECK_EQ(got, 7);
	leat_close(&source);
	leat_close_sink(&sink);
	close(fd);
}

/* A full eventfd makes a write wait. It is polled by who may wait, and not begun by who must not. */
static void a_full_event_is_waited_for(void)
{
	uint64_t values[] = { UINT64_MAX - 1, 1 };
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	struct leat_deadline deadline;
	int fd = an_event();

	leat_from_memory(&source, values, 8);
	leat_to_fd(&sink, fd);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), LEAT_EBLOCKING);
	leat_end(&transfer, NULL);
	leat_from_memory(&source, values, 8);
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 8);
	leat_from_memory(&source, values + 1, 8);
	leat_wrap(&source, leat_deadline_init(&deadline, 100 * MS, 0));
	CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -ETIMEDOUT);
	CHECK_EQ(report.bytes, 0);
	CHECK(report.sink_waits > 0);
	leat_close(&source);
	CHECK_CALL(fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK));
	leat_from_memory(&source, values + 1, 8);
	leat_to_fd(&sink, fd);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
	CHECK_EQ(step_on(&transfer), LEAT_WAIT);
	leat_end(&transfer, NULL);
	leat_close(&source);
	leat_close_sink(&sink);
	close(fd);
}

static void endless_devices_stop_at_a_limit(void)
{
	static const char *const names[] = { "/dev/zero", "/dev/urandom" };

	for (unsigned i = 0; i < 2; i++) {
		struct leat_source source;
		struct leat_limit limit;
		struct lab_sink to;
		int fd = open(names[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			test_skip("%s: %s", names[i], strerror(errno));
		leat_from_fd(&source, fd);
		leat_wrap(&source, leat_limit_init(&limit, 500000));
		lab_sink_open(&to, LAB_TCP, 500001);
		CHECK_EQ(leat_copy(&to.sink, &source, NULL, &report), 500000);
		CHECK_EQ(report.refused[LEAT_ROUTE_SENDFILE], LEAT_SRC_GENERATED);
		CHECK_EQ(report.ended_by, LEAT_ENDED_BY_WRAPPER);
		lab_sink_finish(&to);
		CHECK_EQ(to.got_bytes, 500000);
		lab_sink_close(&to);
		leat_close(&source);
		close(fd);
	}
}

/* ---- block devices: files that are shown to the library as such --------------------------------------------------------- */

static struct {
	int fd;
	unsigned minor;
} nodes[2];

int __real_sys_fstat(int fd, struct stat *stat);
int __wrap_sys_fstat(int fd, struct stat *stat);
int __wrap_sys_fstat(int fd, struct stat *stat)
{
	int r = __real_sys_fstat(fd, stat);

	for (unsigned i = 0; i < 2; i++) {
		if (!nodes[i].fd || nodes[i].fd != fd)
			continue;
		stat->st_mode = S_IFBLK | 0600;
		stat->st_rdev = makedev(7, nodes[i].minor);
		stat->st_size = 0;
	}
	return r;
}

int64_t __real_sys_device_bytes(int fd);
int64_t __wrap_sys_device_bytes(int fd);
int64_t __wrap_sys_device_bytes(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) < 0 ? -errno : stat.st_size;
}

/* Two nodes of one device are one device: it is not copied over itself; and its size stays, however often it is looked at. */
static void a_block_device_over_itself_is_refused(void)
{
	static const struct {
		unsigned from, to;
		uint64_t at;
		int64_t n;
	} rows[] = {
		{ 1, 1, 4096, -EINVAL }, { 1, 1, 0, -EINVAL }, { 1, 1, 100000, 100000 }, { 1, 2, 4096, 100000 },
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_source source;
		struct leat_sink sink;

		nodes[0].fd = lab_file(300000);
		nodes[1].fd = lab_file(300000);
		nodes[0].minor = rows[i].from;
		nodes[1].minor = rows[i].to;
		leat_from_range(&source, nodes[0].fd, 0, 100000);
		leat_to_file(&sink, nodes[1].fd, rows[i].at);
		for (int look = 0; look < 2; look++) {
			CHECK_EQ(leat_look_sink(&sink), 0);
			CHECK_EQ(sink.facts.size, 300000);
		}
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), rows[i].n);
		CHECK_EQ(report.side, rows[i].n < 0 ? LEAT_SIDE_SINK : LEAT_SIDE_NONE);
		CHECK_EQ(report.sink_kind, LEAT_KIND_BLOCK);
		leat_close(&source);
		leat_close_sink(&sink);
		close(nodes[0].fd);
		close(nodes[1].fd);
		nodes[0].fd = nodes[1].fd = 0;
	}
}

/* ---- whose error it is --------------------------------------------------------------------------------------------------- */

/* An I/O error after progress, by the routes where one call has both ends. */
static void an_error_names_its_end(void)
{
	static const struct {
		enum lab_kind from, to;
		enum seam_call call;
		int error;
		uint32_t off;
		enum leat_side side;
	} rows[] = {
		{ LAB_FILE, LAB_TCP, SEAM_SENDFILE, -EIO, 0, LEAT_SIDE_SOURCE },	/* a socket has no EIO of its own */
		{ LAB_FILE, LAB_TCP, SEAM_SENDFILE, -ECONNRESET, 0, LEAT_SIDE_SINK },
		{ LAB_FILE, LAB_TCP, SEAM_SENDFILE, -EPIPE, 0, LEAT_SIDE_SINK },
		{ LAB_FILE, LAB_PIPE, SEAM_SPLICE, -EIO, 0, LEAT_SIDE_SOURCE },
		{ LAB_FILE, LAB_PIPE, SEAM_SPLICE, -EPIPE, 0, LEAT_SIDE_SINK },
		{ LAB_TCP, LAB_PIPE, SEAM_SPLICE, -ECONNRESET, 0, LEAT_SIDE_SOURCE },
		{ LAB_PIPE, LAB_FILE, SEAM_SPLICE, -ENOSPC, 0, LEAT_SIDE_SINK },
		{ LAB_PIPE, LAB_TCP, SEAM_SPLICE, -ECONNRESET, 0, LEAT_SIDE_SINK },
		{ LAB_TCP, LAB_FILE, SEAM_FILL, -ECONNRESET, 0, LEAT_SIDE_SOURCE },
		{ LAB_TCP, LAB_FILE, SEAM_DRAIN, -ENOSPC, 0, LEAT_SIDE_SINK },
		{ LAB_FILE, LAB_FILE, SEAM_RANGE, -ENOSPC, ROUTE_BIT(LEAT_ROUTE_CLONE), LEAT_SIDE_SINK },
		{ LAB_FILE, LAB_FILE, SEAM_RANGE, -EFBIG, ROUTE_BIT(LEAT_ROUTE_CLONE), LEAT_SIDE_SINK },
		{ LAB_FILE, LAB_FILE, SEAM_RANGE, -EIO, ROUTE_BIT(LEAT_ROUTE_CLONE), LEAT_SIDE_NONE },	/* nobody can say */
	};

	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct leat_options options = { .routes_off = rows[i].off };
		struct lab_source from;
		struct lab_sink to;
		char note[64];

		snprintf(note, sizeof note, "%s by %s", strerror(-rows[i].error), seam_name(rows[i].call));
		test_note(note);
		lab_source_open(&from, rows[i].from, 300007);
		lab_sink_open(&to, rows[i].to, 300008);
		seam_reset();
		seam_set(rows[i].call, 100001, rows[i].error);
		CHECK_EQ(leat_copy(&to.sink, &from.source, &options, &report), rows[i].error);
		CHECK_EQ(seam.fired, 1);
		CHECK_EQ(report.bytes, 100001);
		CHECK_EQ(report.side, rows[i].side);
		lab_sink_finish(&to);
		lab_arrived(&to, 100001);
		lab_source_close(&from);
		lab_sink_close(&to);
	}
}

/* ---- made-up files without a place ------------------------------------------------------------------------------------ */

/* "leat" into the file, or what is in it into got. */
static void copy_made_up(const char *path, char *got, size_t size)
{
	int fd = CHECK_CALL(open(path, (got ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
	struct leat_source source;
	struct leat_sink sink;

	if (got) {
		leat_from_fd(&source, fd);
		leat_to_memory(&sink, memset(got, 0, size), size);
	} else {
		leat_from_memory(&source, "leat", 4);
		leat_to_fd(&sink, fd);
	}
	CHECK(leat_copy(&sink, &source, NULL, &report) > 0);
	leat_close(&source);
	leat_close_sink(&sink);
	close(fd);
}

/* Some files of made-up file systems have no lseek (tracefs): read and written as they come, without an offset. */
static void made_up_files_without_a_place(void)
{
	static const char trace[] = "/sys/kernel/tracing/trace_marker", *name = "/proc/thread-self/comm";
	char got[64];

	seam_reset();
	seam_set(SEAM_SEEK, 0, -ESPIPE);
	seam.times = UINT32_MAX;
	copy_made_up(name, NULL, 0);
	copy_made_up(name, got, sizeof got);
	CHECK_SAY(!strcmp(got, "leat\n"), "%s", got);
	CHECK(seam.fired > 0);
	CHECK_EQ(seam.calls[SEAM_PREAD] + seam.calls[SEAM_PWRITE], 0);
	seam_reset();
	if (!access(trace, W_OK))	/* the real one is root's */
		copy_made_up(trace, NULL, 0);
}

static const struct test tests[] = {
	TEST(a_silent_device_is_waited_for),
	TEST(a_fifo_without_a_writer_is_at_its_end),
	TEST(an_event_is_moved_as_it_comes),
	TEST(a_full_event_is_waited_for),
	TEST(endless_devices_stop_at_a_limit),
	TEST(a_block_device_over_itself_is_refused),
	TEST(an_error_names_its_end),
	TEST(made_up_files_without_a_place),
};
TEST_MAIN(tests)
