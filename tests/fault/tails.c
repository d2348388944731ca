/* SPDX-License-Identifier: MIT */
/* Hazards of the last bytes of TCP, by number (hazards 52 to 54 in the project's list): segments, late tails, corks and TCP_NODELAY. */
#include "lab.h"
#include "seam.h"
#include "types.h"

#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>

#define BYTES ((size_t)300007)
#define MS (LEAT_SECOND / 1000)
#define OFF(route) ROUTE_BIT(LEAT_ROUTE_##route)

/* ---- 52, 53: the tail is not late --------------------------------------------------------------------------------------------- */

/* Milliseconds until bytes have come, after the call that sent them has returned. */
static uint64_t arrive_ms(int fd, size_t bytes)
{
	static unsigned char piece[65536];
	uint64_t begin_ns = leat_now_ns();

	for (size_t got = 0; got < bytes;) {
		ssize_t n = CHECK_CALL(recv(fd, piece, sizeof piece < bytes - got ? sizeof piece : bytes - got, 0));

		CHECK_SAY(n > 0, "the stream ended after %zu bytes", got);
		got += (size_t)n;
	}
	return (leat_now_ns() - begin_ns) / MS;
}

static void tail_of(const char *note, struct leat_source *source, const struct leat_options *options, int fds[2], size_t bytes,
		    bool nodelay)
{
	int on = nodelay;
	struct leat_sink sink;
	uint64_t ms;

	test_note(note);
	CHECK_CALL(setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
	leat_to_fd(&sink, fds[1]);
	CHECK_EQ(leat_copy(&sink, source, options, NULL), (int64_t)bytes);
	ms = arrive_ms(fds[0], bytes);
	CHECK_SAY(ms < lab_emulated_ms(30, 150), "%s: the last bytes came %llu ms late", note, (unsigned long long)ms);
	leat_close(source);
	leat_close_sink(&sink);
}

static void h53_the_last_bytes_are_not_late(void)
{
	struct leat_options splice = { .routes_off = OFF(SENDFILE) }, copy = { .policy = LEAT_COPY };
	struct leat_limit limit;
	struct leat_queue queue;
	struct leat_source source, head, body, empty;
	struct leat_frame frame;
	int fds[2], file = lab_file(BYTES), nothing = lab_empty_file();

	lab_pair(LAB_TCP, fds);
	for (int i = 0; i < 16; i++) {
		bool nodelay = i % 2;
		size_t bytes = i % 4 < 2 ? 100 : 100001;

		leat_from_range(&source, file, 0, bytes);
		tail_of("sendfile", &source, NULL, fds, bytes, nodelay);
		leat_from_range(&source, file, 0, bytes);
		tail_of("splice_pipe", &source, &splice, fds, bytes, nodelay);
		leat_from_range(&source, file, 0, bytes);
		tail_of("copy", &source, &copy, fds, bytes, nodelay);
		leat_from_file(&source, file, 0);	/* more is there, but may not go */
		leat_wrap(&source, leat_limit_init(&limit, bytes));
		tail_of("limit", &source, i % 3 ? NULL : &splice, fds, bytes, nodelay);
		/* Header and body, and then a part that turns out to be nothing. */
		leat_queue_init(&queue);
		leat_from_memory(&head, "HTTP/1.1 200 OK\r\n\r\n", 19);
		leat_from_range(&body, file, 0, bytes);
		leat_from_file(&empty, nothing, 0);
		leat_queue_add(&queue, &head);
		leat_queue_add(&queue, &body);
		leat_queue_add(&queue, &empty);
		leat_queue_end(&queue);
		leat_from_queue(&source, &queue);
		tail_of("header, body, nothing", &source, i % 3 ? NULL : &splice, fds, 19 + bytes, nodelay);
		leat_from_range(&source, file, 0, 96);
		leat_wrap(&source, leat_chunked_init(&frame, 32));
		tail_of("chunks", &source, NULL, fds, 3 * (4 + 32 + 2) + 5, nodelay);
	}
	close(file);
	close(nothing);
	close(fds[0]);
	close(fds[1]);
}

struct way {
	const char *name;
	struct leat_options options;
};

/* Five pieces of 1,000 bytes, framed. */
static uint32_t segments_of_small_pieces(const struct way *way, int file, int nodelay)
{
	size_t bytes = 5 * (3 + 2 + 1000 + 2) + 2 + 2 + 120 + 2 + 5;
	struct leat_frame frame;
	struct leat_source source;
	struct leat_sink sink;
	struct tcp_info info;
	socklen_t size = sizeof info;
	uint32_t before;
	int fds[2];

	lab_pair(LAB_TCP, fds);
	CHECK_CALL(setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay));
	CHECK_CALL(getsockopt(fds[1], IPPROTO_TCP, TCP_INFO, &info, &size));
	before = info.tcpi_data_segs_out;
	leat_from_range(&source, file, 0, 5 * 1024);
	leat_wrap(&source, leat_chunked_init(&frame, 1000));
	leat_to_fd(&sink, fds[1]);
	CHECK_EQ(leat_copy(&sink, &source, &way->options, NULL), (int64_t)bytes);
	CHECK_CALL(getsockopt(fds[1], IPPROTO_TCP, TCP_INFO, &info, &size));
	printf("%s%s: %u segments\n", way->name, nodelay ? ", TCP_NODELAY" : "", info.tcpi_data_segs_out - before);
	leat_close(&source);
	leat_close_sink(&sink);
	close(fds[0]);
	close(fds[1]);
	return info.tcpi_data_segs_out - before;
}

/* Small pieces share segments, whatever TCP_NODELAY is; but where the time of a step is over, which a slow machine may need. */
static void h52_small_pieces_share_segments(void)
{
	static const struct way ways[] = {
		{ "sendfile", { .policy = LEAT_AUTO } }, { "splice_pipe", { .routes_off = OFF(SENDFILE) } },
		{ "copy", { .policy = LEAT_COPY } },
	};
	int file = lab_file(5 * 1024);

	for (unsigned i = 0; i < 2 * sizeof ways / sizeof ways[0]; i++) {
		uint32_t fewest = UINT32_MAX;

		test_note(ways[i / 2].name);
		for (int tries = 0; tries < 3 && fewest > 2; tries++) {
			uint32_t segments = segments_of_small_pieces(&ways[i / 2], file, i % 2);

			fewest = segments < fewest ? segments : fewest;
		}
		CHECK_LE(fewest, 2u);
	}
	close(file);
}

/* A relay of small messages, there and back: each has its answer at once. */
static void *echo(void *arg)
{
	int fd = *(int *)arg;
	unsigned char bytes[100];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		if (write(fd, bytes, (size_t)n) != n)
			break;
	return NULL;
}

/* Until it waits: AGAIN, which the machine's taking its time is enough for, no descriptor would tell of. */
static void step_on(struct leat_transfer *transfer)
{
	int r;

	while ((r = leat_step(transfer)) == LEAT_AGAIN)
		;
	CHECK_SAY(r == LEAT_WAIT, "%s", leat_strerror(r));
}

static void h53_a_relay_of_small_messages_is_not_late(void)
{
	for (int i = 0; i < 2; i++) {
		struct leat_options options = { .policy = i ? LEAT_REQUIRE : LEAT_AUTO };
		int client[2], server[2];
		struct leat_transfer there, back;
		struct leat_source from_client, from_server;
		struct leat_sink to_client, to_server;
		pthread_t peer;
		uint64_t late = 0;

		lab_pair(LAB_TCP, client);	/* [1] is the client, [0] our side of it */
		lab_pair(LAB_TCP, server);	/* [1] our side, [0] the server */
		CHECK_CALL(fcntl(client[0], F_SETFL, O_NONBLOCK));
		CHECK_CALL(fcntl(server[1], F_SETFL, O_NONBLOCK));
		CHECK_EQ(pthread_create(&peer, NULL, echo, &server[0]), 0);
		leat_from_fd(&from_client, client[0]);
		leat_to_fd(&to_server, server[1]);
		leat_from_fd(&from_server, server[1]);
		leat_to_fd(&to_client, client[0]);
		CHECK_EQ(leat_begin(&there, &to_server, &from_client, &options), 0);
		CHECK_EQ(leat_begin(&back, &to_client, &from_server, &options), 0);
		for (int round = 0; round < 30; round++) {
			unsigned char bytes[70] = { 1 };
			uint64_t begin_ns = leat_now_ns();

			CHECK_EQ(write(client[1], bytes, sizeof bytes), (ssize_t)sizeof bytes);
			for (size_t got = 0; got < sizeof bytes;) {
				struct pollfd fds[] = { { .fd = client[0], .events = POLLIN }, { .fd = server[1], .events = POLLIN },
							{ .fd = client[1], .events = POLLIN } };

				CHECK(poll(fds, 3, 5000) > 0);
				step_on(&there);
				step_on(&back);
				if (fds[2].revents)
					got += (size_t)CHECK_CALL(read(client[1], bytes, sizeof bytes));
			}
			late += leat_now_ns() - begin_ns >= 35 * MS;
		}
		/* A cork, Nagle or a delayed ACK would make every one late; the machine does some. */
		CHECK_SAY(late < 15, "%llu of 30 rounds took 35 ms or more", (unsigned long long)late);
		leat_end(&there, NULL);
		leat_end(&back, NULL);
		close(client[0]);
		close(client[1]);
		shutdown(server[1], SHUT_WR);
		pthread_join(peer, NULL);
		close(server[0]);
		close(server[1]);
	}
}

/* ---- 54: cork and nodelay ----------------------------------------------------------------------------------------------------- */

static int tcp_option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof value;

	CHECK_CALL(getsockopt(fd, IPPROTO_TCP, name, &value, &size));
	return value != 0;
}

static void h54_what_is_set_on_a_socket_stays(void)
{
	static const int64_t faults[] = { 1 /* none */, -EIO, -EPIPE, -EAGAIN };

	for (int i = 0; i < 16; i++) {
		int corked = i % 2, nodelay = i / 2 % 2;
		struct leat_transfer transfer;
		struct leat_source source;
		struct leat_sink sink;
		int fds[2], file = lab_file(BYTES), r;

		seam_reset();
		lab_pair(LAB_TCP, fds);
		CHECK_CALL(fcntl(fds[1], F_SETFL, O_NONBLOCK));
		CHECK_CALL(setsockopt(fds[1], IPPROTO_TCP, TCP_CORK, &corked, sizeof corked));
		CHECK_CALL(setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay));
		leat_from_file(&source, file, 0);
		leat_to_fd(&sink, fds[1]);
		seam.most = 65536;
		if (faults[i / 4] != 1)
			seam_set(SEAM_SENDFILE, 65536, faults[i / 4]);
		CHECK_EQ(leat_begin(&transfer, &sink, &source, NULL), 0);
		while ((r = leat_step(&transfer)) == LEAT_AGAIN || (r == LEAT_WAIT && !seam.fired))
			CHECK_EQ(tcp_option(fds[1], TCP_CORK), corked);	/* not over a return either */
		CHECK_EQ(seam.fired, faults[i / 4] != 1);
		CHECK_EQ(tcp_option(fds[1], TCP_CORK), corked);
		leat_end(&transfer, NULL);
		CHECK_EQ(tcp_option(fds[1], TCP_CORK), corked);
		CHECK_EQ(tcp_option(fds[1], TCP_NODELAY), nodelay);
		leat_close(&source);
		leat_close_sink(&sink);
		close(file);
		close(fds[0]);
		close(fds[1]);
	}
}

static const struct test tests[] = {
	TEST(h52_small_pieces_share_segments), TEST(h53_the_last_bytes_are_not_late),
	TEST(h53_a_relay_of_small_messages_is_not_late),
	TEST(h54_what_is_set_on_a_socket_stays),
};
TEST_MAIN(tests)
