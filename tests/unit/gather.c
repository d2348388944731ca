/* SPDX-License-Identifier: MIT */
/* When a turn between sockets is over though the source has more: where it gives little each time, so that bytes may gather. */
#include "check.h"

#include "leat.h"
#include "types.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE (64 * KIB)
#define LARGE (320 * KIB)	/* more than what gathers */

/* A sender as fast as we are: whenever a piece has gone, there is the next one. */
struct sender {
	int in[2], out[2];	/* in[1] and out[0] are the peers */
	unsigned left;
	size_t bytes;		/* of a piece */
	uint64_t sent, moved;
	struct leat_source source;
	struct leat_sink sink;
	struct leat_log log;
	struct leat_frame frame;
	struct leat_transfer transfer;
};

static const struct leat_options require = { .policy = LEAT_REQUIRE, .step_ns = LEAT_NEVER, .step_bytes = GIB };
static unsigned char data[LARGE];

static void send_piece(struct sender *sender)
{
	CHECK_EQ(send(sender->in[1], data, sender->bytes, 0), (ssize_t)sender->bytes);
	sender->sent += sender->bytes;
}

static void sends_the_next(void *arg, const struct leat_event *event)
{
	struct sender *sender = arg;

	if (event->kind != LEAT_EVENT_MOVED)
		return;
	while (recv(sender->out[0], data, sizeof data, 0) > 0)
		;
	sender->moved += event->bytes;
	if (sender->moved == sender->sent && sender->left && sender->left--)
		send_piece(sender);
}

static void open_sender(struct sender *sender)
{
	const int room = 4 * (int)MIB;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sender->in));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sender->out));
	CHECK_CALL(setsockopt(sender->in[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room));
	CHECK_CALL(setsockopt(sender->out[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room));
	leat_from_fd(&sender->source, sender->in[0]);
	leat_to_fd(&sender->sink, sender->out[1]);
	leat_wrap(&sender->source, leat_log_init(&sender->log, sends_the_next, sender));
}

static void begin(struct sender *sender)
{
	CHECK_EQ(leat_begin(&sender->transfer, &sender->sink, &sender->source, &require), 0);
}

/* One step, which is to say result. How many pieces have gone in all. */
static uint64_t steps_to(struct sender *sender, int result)
{
	struct leat_report report;

	CHECK_EQ(leat_step(&sender->transfer), result);
	leat_so_far(&sender->transfer, &report);
	return report.source_bytes / sender->bytes;
}

static void close_sender(struct sender *sender, struct leat_report *report)
{
	leat_end(&sender->transfer, report);
	leat_close(&sender->source);
	leat_close_sink(&sender->sink);
	for (int i = 0; i < 2; i++) {
		close(sender->in[i]);
		close(sender->out[i]);
	}
}

/* Two pieces show it, one is enough then; in vain (none becomes larger) no longer than for four in a row. */
static void little_by_little_ends_a_turn(void)
{
	struct sender sender = { .left = 20, .bytes = PIECE };
	struct leat_report report;

	open_sender(&sender);
	begin(&sender);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 2u);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 3u);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 4u);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 21u);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 22u);
	close_sender(&sender, &report);
	CHECK_EQ(report.bytes, 22u * PIECE);
}

/* A piece that comes alone says nothing of a sender that is never dry, later. */
static void pieces_on_their_own_are_no_try(void)
{
	struct sender sender = { .bytes = PIECE };

	open_sender(&sender);
	begin(&sender);
	for (unsigned i = 1; i <= 5; i++) {
		send_piece(&sender);
		CHECK_EQ(steps_to(&sender, LEAT_WAIT), i);
	}
	sender.left = 20;
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 7u);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 8u);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 9u);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 26u);
	close_sender(&sender, NULL);
}

/* A large piece is one, whatever a frame puts around it. */
static void bytes_of_a_frame_are_no_piece(void)
{
	struct sender sender = { .left = 1, .bytes = PIECE };
	struct leat_report report;

	open_sender(&sender);
	leat_wrap(&sender.source, leat_chunked_init(&sender.frame, 0));
	begin(&sender);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 2u);
	sender.left = 20;
	sender.bytes = LARGE;
	send_piece(&sender);
	steps_to(&sender, LEAT_WAIT);
	close_sender(&sender, &report);
	CHECK_EQ(report.source_bytes, 2 * PIECE + 21 * LARGE);
}

/* What a frame puts behind a piece may go with it: no turn ends between them. */
static void a_turn_ends_behind_the_frame(void)
{
	struct sender sender = { .left = 20, .bytes = PIECE };
	const uint64_t framed = strlen("10000\r\n") + PIECE + strlen("\r\n");
	struct leat_report report;

	open_sender(&sender);
	leat_wrap(&sender.source, leat_chunked_init(&sender.frame, 0));
	begin(&sender);
	send_piece(&sender);
	for (unsigned i = 2; i <= 4; i++) {
		CHECK_EQ(steps_to(&sender, LEAT_AGAIN), i);
		leat_so_far(&sender.transfer, &report);
		CHECK_EQ(report.bytes, i * framed);
	}
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 21u);
	close_sender(&sender, NULL);
}

/* The next part is another sender, of which nothing is known. */
static void each_part_has_to_show_it(void)
{
	struct sender sender = { .left = 1, .bytes = PIECE };
	struct leat_source part, second;
	struct leat_queue queue;
	int other[2];

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other));
	open_sender(&sender);
	part = sender.source;
	leat_from_fd(&second, other[0]);
	leat_queue_init(&queue);
	leat_from_queue(&sender.source, &queue);
	CHECK_EQ(leat_queue_add(&queue, &part), 0);
	CHECK_EQ(leat_queue_add(&queue, &second), 0);
	begin(&sender);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_AGAIN), 2u);
	CHECK_CALL(shutdown(sender.in[1], SHUT_WR));
	CHECK_EQ(send(other[1], data, PIECE, 0), (ssize_t)PIECE);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 3u);
	close_sender(&sender, NULL);
	leat_close(&part);
	leat_close(&second);
	close(other[0]);
	close(other[1]);
}

/* A full pipe has no room for what would gather, nor has a piece that a limit or a frame allows. */
static void what_is_all_there_is_room_for_is_not_little(void)
{
	struct leat_options narrow = require;
	struct sender sender = { .left = 20, .bytes = PIECE };

	narrow.pipe_bytes = PIECE;
	open_sender(&sender);
	CHECK_EQ(leat_begin(&sender.transfer, &sender.sink, &sender.source, &narrow), 0);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 21u);
	close_sender(&sender, NULL);

	sender = (struct sender){ .left = 20, .bytes = PIECE };
	open_sender(&sender);
	leat_wrap(&sender.source, leat_chunked_init(&sender.frame, PIECE));
	begin(&sender);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 21u);
	close_sender(&sender, NULL);
}

/* A file takes each piece at once, and has no locks that a peer waits for. */
static void into_a_file_nothing_gathers(void)
{
	struct sender sender = { .left = 20, .bytes = PIECE };
	FILE *file = tmpfile();

	CHECK(file);
	open_sender(&sender);
	leat_to_fd(&sender.sink, fileno(file));
	begin(&sender);
	send_piece(&sender);
	CHECK_EQ(steps_to(&sender, LEAT_WAIT), 21u);
	close_sender(&sender, NULL);
	fclose(file);
}

static void from_a_file_nothing_gathers(void)
{
	struct leat_options options = require;
	FILE *from = tmpfile(), *to = tmpfile();
	struct leat_transfer transfer;
	struct leat_source source;
	struct leat_sink sink;

	CHECK(from && to);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(fwrite(data, 1, PIECE, from), PIECE);
	CHECK_EQ(fflush(from), 0);
	options.routes_off = ~ROUTE_BIT(LEAT_ROUTE_SPLICE_PIPE);
	options.pipe_bytes = 2 * PIECE;
	leat_from_file(&source, fileno(from), 0);
	leat_to_fd(&sink, fileno(to));
	CHECK_EQ(leat_begin(&transfer, &sink, &source, &options), 0);
	CHECK_EQ(leat_step(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, NULL), 0);
	leat_close(&source);
	leat_close_sink(&sink);
	fclose(from);
	fclose(to);
}

static const struct test tests[] = {
	TEST(little_by_little_ends_a_turn),
	TEST(pieces_on_their_own_are_no_try),
	TEST(bytes_of_a_frame_are_no_piece),
	TEST(a_turn_ends_behind_the_frame),
	TEST(each_part_has_to_show_it),
	TEST(what_is_all_there_is_room_for_is_not_little),
	TEST(into_a_file_nothing_gathers),
	TEST(from_a_file_nothing_gathers),
};
TEST_MAIN(tests)
