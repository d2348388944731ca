/* SPDX-License-Identifier: MIT */
/*
 * Hazards of pipes and sockets, by number (hazards 41 to 45 in the project's list): an EAGAIN of two meanings, pipes that are full
 * by slots, full sinks, ends of streams behind bytes still in a pipe, pipes used again.
 */
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>

#define BYTES ((size_t)300007)
#define MS (LEAT_SECOND / 1000)
#define OFF(route) ROUTE_BIT(LEAT_ROUTE_##route)

static struct leat_report report;

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * LEAT_SECOND + (uint64_t)now.tv_nsec;
}

/* ---- 41, 42: tiny segments ---------------------------------------------------------------------------------------------- */

#define TINY 5
#define SEGMENTS 4000

static void *send_tiny(void *arg)
{
	int fd = *(int *)arg, one = 1;
	unsigned char bytes[TINY];

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		lab_fill(bytes, (uint64_t)i * TINY, TINY);
		if (write(fd, bytes, TINY) != TINY)
			break;
		if (i % 100 == 0)
			usleep(500);
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

/* Segments of five bytes take a slot each: the pipe is full long before its bytes are. Nothing hangs, nothing spins. */
static void tiny_segments(enum lab_kind to_kind, enum leat_policy policy, bool stepped)
{
	struct leat_options options = { .policy = policy };
	struct leat_transfer transfer;
	struct leat_source source;
	struct lab_sink to;
	pthread_t sender;
	int fds[2], r;

	seam_reset();
	lab_pair(LAB_TCP, fds);
	if (stepped)
		CHECK_CALL(fcntl(fds[0], F_SETFL, O_NONBLOCK));
	lab_nonblocking = stepped;
	lab_sink_open(&to, to_kind, TINY * SEGMENTS + 1);
	lab_nonblocking = false;
	if (to_kind == LAB_PIPE)
		CHECK_CALL(fcntl(to.fd, F_SETPIPE_SZ, 4 * 4096));
	leat_from_fd(&source, fds[0]);
	CHECK_EQ(pthread_create(&sender, NULL, send_tiny, &fds[1]), 0);
	if (stepped) {
		CHECK_EQ(leat_begin(&transfer, &to.sink, &source, &options), 0);
		r = lab_step_all(&transfer);
		CHECK_EQ(leat_end(&transfer, &report), r);
		CHECK_EQ(r, LEAT_DONE);
	} else {
		CHECK_EQ(leat_copy(&to.sink, &source, &options, &report), TINY * SEGMENTS);
	}
	CHECK_EQ(report.bytes, TINY * SEGMENTS);
	/* A call and a wait for each segment is the worst there should be. */
	CHECK_LE(report.source_waits + report.sink_waits, 3 * SEGMENTS);
	CHECK_LE(seam.calls[SEAM_SPLICE] + seam.calls[SEAM_FILL] + seam.calls[SEAM_DRAIN] + seam.calls[SEAM_RECV], 8 * SEGMENTS);
	pthread_join(sender, NULL);
	lab_sink_finish(&to);
	lab_arrived(&to, TINY * SEGMENTS);
	lab_sink_close(&to);
	leat_close(&source);
	close(fds[0]);
	close(fds[1]);
}

static void h41_h42_tiny_segments_neither_hang_nor_spin(void)
{
	for (int stepped = 0; stepped < 2; stepped++) {
		tiny_segments(LAB_PIPE, LEAT_AUTO, stepped);		/* splice into a pipe of four slots */
		tiny_segments(LAB_TCP, LEAT_REQUIRE, stepped);		/* through a pipe of ours */
		tiny_segments(LAB_UNIX, LEAT_AUTO, stepped);
	}
}

/* ---- 43: a full sink ---------------------------------------------------------------------------------------------------- */

static void *go_after_300_ms(void *arg)
{
	usleep(300000);
	lab_sink_go(arg);
	return NULL;
}

static void h43_a_full_sink_does_not_spin(void)
{
	static const struct {
		enum lab_kind from, to;
		enum leat_policy policy;
		uint32_t off;
	} rows[] = {
		{ LAB_FILE, LAB_PIPE, LEAT_AUTO, 0 }, { LAB_PIPE, LAB_PIPE, LEAT_AUTO, 0 }, { LAB_TCP, LAB_PIPE, LEAT_AUTO, 0 },
		{ LAB_FILE, LAB_UNIX, LEAT_AUTO, 0 }, { LAB_FILE, LAB_UNIX, LEAT_AUTO, OFF(SENDFILE) },
		{ LAB_TCP, LAB_UNIX, LEAT_REQUIRE, 0 }, { LAB_FILE, LAB_PIPE, LEAT_COPY, 0 }, { LAB_UNIX, LAB_UNIX, LEAT_AUTO, 0 },
	};

	for (unsigned i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
		struct leat_options options = { .policy = rows[i / 2].policy, .routes_off = rows[i / 2].off };
		struct lab_source from;
		struct lab_sink to;
		pthread_t later;
		uint64_t cpu, begin_ns;
		char note[64];

		snprintf(note, sizeof note, "row %u, %s", i / 2, i % 2 ? "non-blocking" : "blocking");
		test_note(note);
		seam_reset();
		lab_nonblocking = i % 2;
		lab_held = true;
		lab_source_open(&from, rows[i / 2].from, 2 << 20);
		lab_sink_open(&to, rows[i / 2].to, (2 << 20) + 1);
		lab_nonblocking = lab_held = false;
		begin_ns = leat_now_ns();
		CHECK_EQ(pthread_create(&later, NULL, go_after_300_ms, &to), 0);
		cpu = cpu_ns();
		CHECK_EQ(leat_copy(&to.sink, &from.source, &options, &report), 2 << 20);
		cpu = cpu_ns() - cpu;
		pthread_join(later, NULL);
		CHECK(report.end_ns - begin_ns >= 300 * MS);
		CHECK_SAY(cpu < lab_emulated_ms(100, 1500) * MS, "%llu ms of CPU in %llu ms", (unsigned long long)(cpu / MS),
			  (unsigned long long)((report.end_ns - report.begin_ns) / MS));
		lab_sink_finish(&to);
		lab_arrived(&to, 2 << 20);
		lab_source_close(&from);
		lab_sink_close(&to);
	}
}

/* ---- 44: the end of a stream behind bytes in the pipe ---------------------------------------------------------------------- */

static void h44_the_end_waits_for_the_pipe(void)
{
	struct leat_options options = { .policy = LEAT_REQUIRE };
	struct leat_transfer transfer;
	struct lab_source from;
	struct lab_sink to;
	unsigned waits = 0;
	int r;

	seam_reset();
	lab_nonblocking = lab_held = true;
	lab_source_open(&from, LAB_UNIX, BYTES);
	lab_sink_open(&to, LAB_TCP, BYTES + 1);	/* up to 6.1 a Unix socket takes all that is spliced */
	lab_sink_narrow(&to);
	lab_nonblocking = lab_held = false;
	CHECK_EQ(leat_begin(&transfer, &to.sink, &from.source, &options), 0);
	while ((r = leat_step(&transfer)) > 0) {	/* without a reader until the sender has ended and all that fits is sent */
		leat_so_far(&transfer, &report);
		if (r == LEAT_WAIT && ++waits == 50)
			lab_sink_go(&to);
		usleep(1000);
	}
	CHECK_EQ(r, LEAT_DONE);
	CHECK_EQ(seam.moved[SEAM_FILL], BYTES);
	CHECK_EQ(seam.moved[SEAM_DRAIN], BYTES);		/* done only when the last of it was drained */
	CHECK_EQ(leat_end(&transfer, &report), 0);
	CHECK_EQ(report.bytes, BYTES);
	CHECK_EQ(report.ended_by, LEAT_ENDED_BY_SOURCE);
	CHECK(report.sink_waits > 0);
	lab_sink_finish(&to);
	lab_arrived(&to, BYTES);
	lab_source_close(&from);
	lab_sink_close(&to);
}

/* ---- 45: a pipe used again -------------------------------------------------------------------------------------------------- */

/* A transfer that ends with bytes in its pipe, by a cancel or by an error of the sink; then another client's. */
static void use_again(int error)
{
	struct leat_options options = { .routes_off = OFF(SENDFILE) };
	static const unsigned char canary[1000] = "the bytes of another client";
	struct leat_helper helper;
	struct leat_transfer transfer;
	struct leat_source source;
	struct lab_source from;
	struct lab_sink to;
	int r = 0;

	seam_reset();
	CHECK_EQ(leat_helper_init(&helper, 1), 0);		/* the one pipe is the one that is used again, if it is */
	options.helper = &helper;
	lab_nonblocking = lab_held = true;
	lab_source_open(&from, LAB_FILE, BYTES);
	lab_sink_open(&to, LAB_UNIX, BYTES + 1);
	seam_set(SEAM_DRAIN, 1000, error);
	seam.times = error == -EAGAIN ? UINT32_MAX : 1;
	CHECK_EQ(leat_begin(&transfer, &to.sink, &from.source, &options), 0);
	for (int i = 0; i < 10 && r >= 0; i++)
		r = leat_step(&transfer);
	CHECK_EQ(r, error == -EAGAIN ? LEAT_WAIT : error);
	CHECK(seam.moved[SEAM_FILL] > seam.moved[SEAM_DRAIN]);	/* the pipe does hold bytes */
	CHECK_EQ(leat_end(&transfer, &report), error == -EAGAIN ? -ECANCELED : error);
	lab_held = lab_nonblocking = false;
	lab_source_close(&from);
	lab_sink_close(&to);

	seam_reset();
	lab_source_open(&from, LAB_FILE, 0);
	CHECK_EQ(pwrite(from.fd, canary, sizeof canary, 0), (ssize_t)sizeof canary);
	lab_sink_open(&to, LAB_UNIX, BYTES);
	leat_from_file(&source, from.fd, 0);
	CHECK_EQ(leat_copy(&to.sink, &source, &options, &report), (int64_t)sizeof canary);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], sizeof canary);
	lab_sink_finish(&to);
	CHECK_EQ(to.got_bytes, sizeof canary);
	CHECK_BYTES(to.got, canary, sizeof canary);
	leat_close(&source);
	lab_source_close(&from);
	lab_sink_close(&to);
	leat_helper_end(&helper);
}

static void h45_a_pipe_with_bytes_is_not_used_again(void)
{
	use_again(-EAGAIN);
	use_again(-EPIPE);
	use_again(-EIO);
}

static const struct test tests[] = {
	TEST(h41_h42_tiny_segments_neither_hang_nor_spin),
	TEST(h43_a_full_sink_does_not_spin),
	TEST(h44_the_end_waits_for_the_pipe),
	TEST(h45_a_pipe_with_bytes_is_not_used_again),
};
TEST_MAIN(tests)
