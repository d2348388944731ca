/* SPDX-License-Identifier: MIT */
/*
 * Hostile peers (hazards 41, 43): one that sends urgent data, at which splice stops for ever. And bytes that come late, or never to
 * splice.
 */
#include "lab.h"
#include "seam.h"
#include "types.h"
#include "step.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

static struct leat_report report;

/* ---- 41, 43: urgent data -------------------------------------------------------------------------------------------------- */

#define PIECE ((size_t)50000)
#define ALL (3 * PIECE)
#define CALLS_MOST 1000		/* of any kind; who spins makes more in some milliseconds */

static void give_piece(int fd, unsigned piece)
{
	static unsigned char bytes[PIECE];

	lab_fill(bytes, piece * PIECE, PIECE);
	for (size_t at = 0; at < PIECE;) {
		ssize_t n = write(fd, bytes + at, PIECE - at);

		if (n < 0)
			return;
		at += (size_t)n;
	}
}

/* Two pieces with an urgent byte between them, a pause, another piece. The urgent byte is none of the stream. */
static void *give_urgent(void *arg)
{
	int fd = *(int *)arg;

	give_piece(fd, 0);
	send(fd, "U", 1, MSG_OOB);
	give_piece(fd, 1);
	usleep(100000);
	give_piece(fd, 2);
	shutdown(fd, SHUT_WR);
	return NULL;
}

static unsigned calls(void)
{
	unsigned count = 0;

	for (int i = 0; i < SEAM_CALLS; i++)
		count += seam.calls[i];
	return count;
}

/* Asked in each turn: a transfer that spins fails. */
static unsigned turns;

static int count_turns(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	return ++turns > CALLS_MOST ? -ELOOP : 0;
}

static const struct leat_wrapper_ops patience_ops = { .name = "patience", .allow = count_turns };

struct urgent {
	enum lab_kind from, to;
	bool tee, chunked, stepped;
};

/* Chunked bytes without their frames, in place. */
static size_t without_frames(unsigned char *bytes, size_t size)
{
	size_t out = 0, at = 0;
	char *end;

	for (unsigned long chunk = 1; chunk;) {
		chunk = strtoul((char *)bytes + at, &end, 16);
		at = (size_t)((unsigned char *)end + 2 - bytes);
		CHECK(at + chunk + 2 <= size);
		memmove(bytes + out, bytes + at, chunk);
		CHECK_BYTES(bytes + at + chunk, "\r\n", 2);
		out += chunk;
		at += chunk + 2;
	}
	CHECK_EQ(at, size);
	return out;
}

static int64_t move_urgent(const struct urgent *how, struct leat_sink *sink, struct leat_source *source)
{
	struct leat_options options = { .buffer_bytes = 8192 };
	struct leat_transfer transfer;
	int r;

	turns = 0;
	if (!how->stepped)
		return leat_copy(sink, source, &options, &report);
	CHECK_EQ(leat_begin(&transfer, sink, source, &options), 0);
	while ((r = leat_step(&transfer)) > 0) {
		struct leat_wait wait;

		leat_wants(&transfer, &wait);
		if (r == LEAT_WAIT)
			CHECK(poll(wait.fds, 3, wait.wake_at_ns == LEAT_NEVER ? 10000 : leat_wait_ms(&wait, leat_now_ns())) > 0 ||
			      wait.wake_at_ns != LEAT_NEVER);
	}
	leat_end(&transfer, &report);
	return r < 0 ? r : (int64_t)report.bytes;
}

/* Says what is moved how, here and with what fails. */
static const char *urgent_note(const struct urgent *how)
{
	static char note[100];

	snprintf(note, sizeof note, "%s to %s%s%s, %s", lab_kind_name(how->from), lab_kind_name(how->to),
		 how->tee ? ", tee" : "", how->chunked ? ", chunked" : "", how->stepped ? "stepped" : "blocking");
	test_note(note);
	return note;
}

static void urgent(const struct urgent *how)
{
	static unsigned char ring[65536], copy[ALL + 1];
	struct leat_source source;
	struct leat_wrapper patience;
	struct leat_frame frame;
	struct leat_tee tee;
	struct leat_sink second;
	struct lab_sink to;
	struct pollfd urgent_is_there;
	pthread_t peer;
	const char *note = urgent_note(how);
	size_t got;
	int fds[2], second_fd = lab_empty_file();
	int64_t n;

	alarm(40);
	seam_reset();
	lab_pair(how->from, fds);
	lab_nonblocking = how->stepped;
	lab_sink_open(&to, how->to, 2 * ALL);
	lab_nonblocking = false;
	if (how->stepped)
		CHECK_CALL(fcntl(fds[0], F_SETFL, O_NONBLOCK));
	leat_from_fd(&source, fds[0]);
	leat_wrap(&source, leat_wrapper_init(&patience, &patience_ops));
	if (how->tee) {
		leat_to_fd(&second, second_fd);
		leat_wrap(&source, leat_tee_init(&tee, &second, LEAT_TEE_WAIT, ring, sizeof ring));
	}
	if (how->chunked)
		leat_wrap(&source, leat_chunked_init(&frame, 0));
	CHECK_EQ(pthread_create(&peer, NULL, give_urgent, &fds[1]), 0);
	urgent_is_there = (struct pollfd){ .fd = fds[0], .events = POLLPRI };
	CHECK(poll(&urgent_is_there, 1, 10000) == 1);
	n = move_urgent(how, &to.sink, &source);
	CHECK_NE(n, -ELOOP);
	CHECK_LE(calls(), CALLS_MOST);
	CHECK_GE(n, (int64_t)ALL);
	CHECK_EQ(report.source_bytes, ALL);
	if (how->from == LAB_TCP && !(how->to == LAB_PIPE && how->tee))	/* that is a copy from the first */
		CHECK_EQ(report.refused[how->to == LAB_PIPE ? LEAT_ROUTE_SPLICE : LEAT_ROUTE_SPLICE_PIPE], LEAT_URGENT_DATA);
	lab_sink_finish(&to);
	got = how->chunked ? without_frames((unsigned char *)to.got, to.got_bytes) : to.got_bytes;
	CHECK_EQ(got, ALL);
	CHECK(lab_differs(to.got, 0, ALL) < 0);
	if (how->tee) {
		CHECK_EQ(pread(second_fd, copy, sizeof copy, 0), (ssize_t)ALL);
		CHECK(lab_differs(copy, 0, ALL) < 0);
	}
	printf("%s: %u calls\n", note, calls());
	pthread_join(peer, NULL);
	leat_close(&source);
	lab_sink_close(&to);
	close(second_fd);
	close(fds[0]);
	close(fds[1]);
}

static void h41_urgent_data_does_not_end_or_stall(void)
{
	for (int stepped = 0; stepped < 2; stepped++) {
		for (enum lab_kind to = 0; to < LAB_KINDS; to++) {
			urgent(&(struct urgent){ LAB_TCP, to, .stepped = stepped });
			urgent(&(struct urgent){ LAB_TCP, to, .tee = true, .stepped = stepped });
		}
		urgent(&(struct urgent){ LAB_TCP, LAB_PIPE, .chunked = true, .stepped = stepped });
	}
}

static void h43_urgent_data_of_a_unix_socket_does_not_spin(void)
{
	int fds[2];
	ssize_t n;

	lab_pair(LAB_UNIX, fds);
	n = send(fds[1], "U", 1, MSG_OOB);
	close(fds[0]);
	close(fds[1]);
	if (n < 0)
		test_skip("UNIX sockets have no MSG_OOB here (%s)", strerror(errno));
	for (int stepped = 0; stepped < 2; stepped++)
		urgent(&(struct urgent){ LAB_UNIX, LAB_PIPE, .stepped = stepped });
}

/* Bytes that come right behind an EAGAIN are not taken for urgent data, at which splice would stand still for ever. */
static void late_bytes(enum lab_kind kind)
{
	struct leat_options options = { .policy = LEAT_REQUIRE };
	unsigned char bytes[70] = { 1 }, got[sizeof bytes];
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	int from[2], to[2];

	lab_pair(kind, from);
	lab_pair(LAB_TCP, to);
	CHECK_CALL(fcntl(from[0], F_SETFL, O_NONBLOCK));
	CHECK_CALL(fcntl(to[1], F_SETFL, O_NONBLOCK));
	leat_from_fd(&source, from[0]);
	leat_to_fd(&sink, to[1]);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, &options), 0);
	CHECK_EQ(write(from[1], bytes, sizeof bytes), (ssize_t)sizeof bytes);
	seam_reset();
	seam_set(SEAM_FILL, 0, -EAGAIN);
	seam.times = 2;
	for (int i = 0, r; i < 3; i++) {
		r = step_on(&transfer);
		CHECK_EQ(r, LEAT_WAIT);
	}
	CHECK_EQ(seam.fired, 2u);
	CHECK_EQ(read(to[0], got, sizeof got), (ssize_t)sizeof got);
	leat_end(&transfer, &report);
	CHECK_EQ(report.route_bytes[LEAT_ROUTE_SPLICE_PIPE], sizeof bytes);
	seam_reset();
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
}

static void h41_bytes_that_come_late_are_not_urgent(void)
{
	late_bytes(LAB_TCP);
	late_bytes(LAB_UNIX);
}

/* What stands behind urgent data comes in the same turn: who waits by edges is told of it no more. */
static void h41_urgent_data_is_passed_in_one_turn(void)
{
	static unsigned char bytes[61000], got[sizeof bytes + 1];
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	int from[2], to[2], queued = 0, r;
	size_t n = 0;

	seam_reset();
	lab_pair(LAB_TCP, from);
	lab_pair(LAB_TCP, to);
	CHECK_CALL(fcntl(from[0], F_SETFL, O_NONBLOCK));
	CHECK_CALL(fcntl(to[1], F_SETFL, O_NONBLOCK));
	lab_fill(bytes, 0, sizeof bytes);
	CHECK_EQ(write(from[1], bytes, 60000), 60000);
	CHECK_EQ(send(from[1], "!", 1, MSG_OOB), 1);
	CHECK_EQ(write(from[1], bytes + 60000, 1000), 1000);
	while (ioctl(from[1], SIOCOUTQ, &queued) == 0 && queued)	/* until all has arrived */
		usleep(1000);
	leat_from_fd(&source, from[0]);
	leat_to_fd(&sink, to[1]);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
	r = step_on(&transfer);
	CHECK_EQ(r, LEAT_WAIT);
	leat_end(&transfer, &report);
	CHECK_EQ(report.bytes, sizeof bytes);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_URGENT_DATA);
	while (n < sizeof bytes)
		n += (size_t)CHECK_CALL(read(to[0], got + n, sizeof got - n));
	CHECK_BYTES(got, bytes, sizeof bytes);
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
}

/* Bytes that are there, and none for splice: of a socket in a sockmap, they stand elsewhere. It is not asked for ever. */
static void h41_a_socket_that_gives_splice_nothing_is_copied(void)
{
	static unsigned char bytes[65536], got[sizeof bytes + 1];
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;
	int from[2], to[2];
	size_t n = 0;

	lab_pair(LAB_TCP, from);
	lab_pair(LAB_TCP, to);
	CHECK_CALL(fcntl(from[0], F_SETFL, O_NONBLOCK));
	CHECK_CALL(fcntl(to[1], F_SETFL, O_NONBLOCK));
	leat_from_fd(&source, from[0]);
	leat_to_fd(&sink, to[1]);
	CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
	lab_fill(bytes, 0, sizeof bytes);
	CHECK_EQ(write(from[1], bytes, sizeof bytes), (ssize_t)sizeof bytes);
	seam_reset();
	seam_set(SEAM_FILL, 0, -EAGAIN);
	seam.times = UINT32_MAX;
	for (int i = 0; i < 50 && n < sizeof bytes; i++) {
		ssize_t more;

		CHECK_GE(leat_step(&transfer), LEAT_WAIT);
		more = recv(to[0], got + n, sizeof got - n, MSG_DONTWAIT);
		n += more > 0 ? (size_t)more : 0;
	}
	CHECK_EQ(n, sizeof bytes);
	CHECK_BYTES(got, bytes, sizeof bytes);
	leat_end(&transfer, &report);
	CHECK(seam.fired > 0);
	CHECK_LE(seam.calls[SEAM_FILL], 20u);
	CHECK_EQ(report.refused[LEAT_ROUTE_SPLICE_PIPE], LEAT_FS_DENIED);
	seam_reset();
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
}

static const struct test tests[] = {
	TEST(h41_urgent_data_does_not_end_or_stall), TEST(h43_urgent_data_of_a_unix_socket_does_not_spin),
	TEST(h41_urgent_data_is_passed_in_one_turn), TEST(h41_bytes_that_come_late_are_not_urgent),
	TEST(h41_a_socket_that_gives_splice_nothing_is_copied),
};
TEST_MAIN(tests)
