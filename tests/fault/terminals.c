/* SPDX-License-Identifier: MIT */
/*
 * Pseudo terminals: the master cannot be opened again (that makes another one); a stopped or full end can be left; and whose an
 * I/O error was.
 */
#include "lab.h"
#include "seam.h"

#include <poll.h>
#include <termios.h>

#define MS (LEAT_SECOND / 1000)

static struct leat_report report;

static void raw_pty(int *ret_master, int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;
	struct termios raw;

	if (master < 0)
		test_skip("no pseudo terminals: %s", strerror(errno));
	CHECK_CALL(grantpt(master));
	CHECK_CALL(unlockpt(master));
	slave = CHECK_CALL(open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC));
	CHECK_CALL(tcgetattr(slave, &raw));
	cfmakeraw(&raw);
	CHECK_CALL(tcsetattr(slave, TCSANOW, &raw));
	*ret_master = master;
	*ret_slave = slave;
}

/* What is written to one end of a pseudo terminal comes out of the other, blocking or not, in both directions. */
static void both_ends_of_a_pty(void)
{
	unsigned char bytes[1000], got[1000];

	lab_fill(bytes, 0, sizeof bytes);
	for (int i = 0; i < 8; i++) {
		bool to_master = i & 1, leat_reads = i & 2, nonblocking = i & 4;
		struct leat_source source;
		struct leat_sink sink;
		struct leat_limit limit;
		int master, slave, ours, theirs;
		char note[80];

		snprintf(note, sizeof note, "%s the %s, %sblocking", leat_reads ? "from" : "to", to_master ? "master" : "slave",
			 nonblocking ? "non-" : "");
		test_note(note);
		raw_pty(&master, &slave);
		ours = to_master ? master : slave;
		theirs = to_master ? slave : master;
		if (nonblocking)
			CHECK_CALL(fcntl(ours, F_SETFL, O_RDWR | O_NONBLOCK));
		if (leat_reads) {
			CHECK_EQ(write(theirs, bytes, sizeof bytes), (ssize_t)sizeof bytes);
			leat_from_fd(&source, ours);
			leat_to_memory(&sink, got, sizeof got);
			leat_wrap(&source, leat_limit_init(&limit, sizeof bytes));
			CHECK_EQ(leat_copy(&sink, &source, NULL, &report), (int64_t)sizeof bytes);
		} else {
			leat_from_memory(&source, bytes, sizeof bytes);
			leat_to_fd(&sink, ours);
			CHECK_EQ(leat_copy(&sink, &source, NULL, &report), (int64_t)sizeof bytes);
			for (size_t n = 0; n < sizeof got;) {
				struct pollfd poll_for = { .fd = theirs, .events = POLLIN };

				CHECK_SAY(poll(&poll_for, 1, 3000) == 1, "only %zu bytes came out of the other end", n);
				n += (size_t)CHECK_CALL(read(theirs, got + n, sizeof got - n));
			}
		}
		CHECK(lab_differs(got, 0, sizeof got) < 0);
		leat_close(&source);
		leat_close_sink(&sink);
		close(master);
		close(slave);
	}
}

/* A file to a terminal goes by the kernel, and a stopped terminal is waited for, not slept in. */
static void a_stopped_terminal_can_be_left(void)
{
	struct leat_source source;
	struct leat_sink sink;
	int master, slave, file = lab_file(1 << 20);

	raw_pty(&master, &slave);
	leat_from_file(&source, file, 0);
	leat_to_fd(&sink, slave);
	lab_copy_stopped(&sink, &source, &report);
	CHECK(report.bytes > 0 && report.bytes < 1 << 20);
	leat_close(&source);
	leat_close_sink(&sink);
	close(master);
	close(slave);
	close(file);
}

static int master_to_close;

static void hang_up(void)
{
	close(master_to_close);
}

/* sendfile has one EIO for both ends: the terminal's when its other side has just left, else the file's. */
static void whose_eio_it_was(void)
{
	for (int i = 0; i < 2; i++) {
		struct leat_source source;
		struct leat_sink sink;
		int slave, file = lab_file(8192);

		test_note(i ? "the other side left" : "it is there");
		raw_pty(&master_to_close, &slave);
		CHECK_CALL(fcntl(slave, F_SETFL, O_NONBLOCK));
		leat_from_file(&source, file, 0);
		leat_to_fd(&sink, slave);
		seam_reset();
		seam.most = 1024;
		seam_set(SEAM_SENDFILE, 1024, -EIO);
		seam.on_fire = i ? hang_up : NULL;
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -EIO);
		CHECK_EQ(seam.fired, 1u);
		CHECK_EQ(report.side, i ? LEAT_SIDE_SINK : LEAT_SIDE_SOURCE);
		CHECK_EQ(report.bytes, 1024u);
		seam_reset();
		leat_close(&source);
		leat_close_sink(&sink);
		if (!i)
			close(master_to_close);
		close(slave);
		close(file);
	}
}

/* A blocking master that nobody reads: a write of more than it has room for would wait, whatever poll said before. */
static void a_full_master_can_be_left(void)
{
	static unsigned char bytes[300000];

	for (int i = 0; i < 4; i++) {
		struct leat_source source;
		struct leat_sink sink;
		struct leat_deadline deadline;
		int master, slave, file = lab_file(sizeof bytes);

		raw_pty(&master, &slave);
		if (i & 1)
			leat_from_file(&source, file, 0);
		else
			leat_from_memory(&source, bytes, sizeof bytes);
		leat_to_fd(&sink, master);
		if (i & 2) {
			leat_wrap(&source, leat_deadline_init(&deadline, 100 * MS, 0));
			CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -ETIMEDOUT);
		} else {
			lab_copy_stopped(&sink, &source, &report);
		}
		CHECK_LE(report.end_ns - report.begin_ns, 5000 * MS);
		CHECK(report.bytes >= 4096 && report.bytes < sizeof bytes);
		leat_close(&source);
		leat_close_sink(&sink);
		close(master);
		close(slave);
		close(file);
	}
}

static const struct test tests[] = {
	TEST(both_ends_of_a_pty), TEST(whose_eio_it_was),
	TEST(a_stopped_terminal_can_be_left),
	TEST(a_full_master_can_be_left),
};
TEST_MAIN(tests)
