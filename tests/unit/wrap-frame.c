/* SPDX-License-Identifier: MIT */
/* Frames: pieces that fit, the contract of the callbacks, HTTP/1.1 chunks. */
#include "wrap-drive.h"
#include "wrap/frame.h"
#include "wrap/wrap.h"
#include "step.h"

#include <sys/socket.h>

struct sized {			/* a frame of fixed sizes, that says what it was asked */
	struct leat_frame frame;
	size_t head, tail, last;
	uint64_t asked[200];
	size_t asked_count;
};

static size_t sized_before(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	struct sized *sized = (struct sized *)frame;

	CHECK(sized->asked_count < 200);
	sized->asked[sized->asked_count++] = bytes;
	memset(out, 'h', sized->head > LEAT_FRAME_BYTES ? LEAT_FRAME_BYTES : sized->head);
	return sized->head;
}

static size_t sized_after(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	struct sized *sized = (struct sized *)frame;

	CHECK_EQ(sized->asked[sized->asked_count - 1], bytes);
	return sized->tail;
}

static size_t sized_finish(struct leat_frame *frame, unsigned char out[LEAT_FRAME_BYTES])
{
	return ((struct sized *)frame)->last;
}

static const struct leat_frame_ops sized_ops = {
	.name = "sized", .before = sized_before, .after = sized_after, .finish = sized_finish,
};

static struct sized *sized_init(struct sized *sized, size_t head, size_t tail, uint64_t most)
{
	memset(sized, 0, sizeof *sized);
	sized->head = head;
	sized->tail = tail;
	CHECK(leat_frame_init(&sized->frame, &sized_ops, most) == &sized->frame.wrapper);
	return sized;
}

static void pieces_fit(void)
{
	struct sized s;
	uint64_t seed = 3;

	for (int i = 0; i < 20000; i++) {
		size_t head = random_below(&seed, 41), tail = random_below(&seed, 41);
		uint64_t most = random_below(&seed, 50), ready = 1 + random_below(&seed, 100), room = random_below(&seed, 150);
		int r = frame_open(&sized_init(&s, head, tail, most)->frame, ready, room);

		for (size_t j = 1; j < s.asked_count; j++)
			CHECK(s.asked[j] < s.asked[j - 1]);
		if (room < head + 1 + tail) {
			CHECK_EQ(r, -ENOBUFS);
			CHECK(!s.frame.open);
			CHECK_EQ(frame_left(&s.frame), head + 1 + tail);
			continue;
		}
		CHECK_EQ(r, 0);
		CHECK_EQ(s.frame.open, 1);
		CHECK(s.frame.piece_left >= 1 && s.frame.piece_left <= ready && (!most || s.frame.piece_left <= most));
		CHECK_LE(frame_left(&s.frame), room);
		CHECK(s.frame.piece_left == ready || s.frame.piece_left == most || frame_left(&s.frame) == room);
		CHECK_EQ(s.asked[s.asked_count - 1], s.frame.piece_left);	/* the last answer is the one kept */
	}
}

/* Chunk heads get shorter with the chunk: still every piece fits, and all of them together say the payload. */
static void chunks_fit_any_room(void)
{
	for (uint64_t room = 0; room < 70000; room += room < 600 ? 1 : 997) {
		struct leat_frame frame;
		int r;

		leat_chunked_init(&frame, 0);
		r = frame_open(&frame, LEAT_UNKNOWN, room);
		CHECK_EQ(r, room < 6 ? -ENOBUFS : 0);
		CHECK_EQ(frame.open, room >= 6);
		if (r)
			continue;
		CHECK(frame_left(&frame) <= room && frame_left(&frame) + 1 >= room);
	}
}

static void a_piece_from_head_to_tail(void)
{
	struct leat_frame frame;

	leat_chunked_init(&frame, 0);
	CHECK_EQ(frame_open(&frame, 26, 1000), 0);
	CHECK_EQ(frame.head_len, 4);
	CHECK_BYTES(frame.head, "1a\r\n", 4);
	CHECK_EQ(frame_left(&frame), 32);
	frame_took_own(&frame, 1);
	frame_took_own(&frame, 3);
	CHECK_EQ(frame.head_off, 4);
	CHECK_EQ(frame_left(&frame), 28);
	frame_took_payload(&frame, 25);
	CHECK_EQ(frame.piece_left, 1);
	frame_took_payload(&frame, 1);
	CHECK_EQ(frame.open, 1);
	CHECK_EQ(frame_left(&frame), 2);
	CHECK_BYTES(frame.tail, "\r\n", 2);
	frame_took_own(&frame, 1);
	CHECK_EQ(frame.open, 1);
	frame_took_own(&frame, 1);
	CHECK_EQ(frame.open, 0);
	CHECK_EQ(frame_left(&frame), 0);
}

static void the_end_comes_once(void)
{
	struct leat_frame frame;
	struct leat_wrapper *w = leat_chunked_init(&frame, 0);

	CHECK_EQ(frame_open(&frame, 1, 1000), 0);
	frame_took_own(&frame, 3);
	frame_took_payload(&frame, 1);
	frame_took_own(&frame, 2);
	CHECK_EQ(frame_finish_open(&frame), 0);
	CHECK(frame.open && frame.ended);
	CHECK_EQ(frame_left(&frame), 5);
	CHECK_BYTES(frame.head, "0\r\n\r\n", 5);
	frame_took_own(&frame, 5);
	CHECK(!frame.open && frame.ended);
	CHECK_EQ(frame_finish_open(&frame), 0);
	CHECK(!frame.open);
	end(w, 0, 1);			/* the next transfer is another body */
	CHECK_EQ(frame_finish_open(&frame), 0);
	CHECK(frame.open);
	frame_took_own(&frame, 2);
	end(w, -ECANCELED, 2);		/* the next transfer goes on with this one */
	tell(w, LEAT_EVENT_BEGIN, 3);
	CHECK(frame.open && frame.ended);
	CHECK_EQ(frame_left(&frame), 3);
}

static void a_cancelled_piece_stays_open(void)
{
	struct leat_frame frame;
	struct leat_wrapper *w = leat_chunked_init(&frame, 0);

	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(frame_open(&frame, 100, 1000), 0);
	frame_took_own(&frame, 2);
	end(w, -ECANCELED, 2);
	tell(w, LEAT_EVENT_BEGIN, 3);
	CHECK_EQ(frame.open, 1);
	CHECK_EQ(frame.head_off, 2);
	CHECK_EQ(frame.piece_left, 100);
}

static void may_be_opened_again_before_the_first_byte(void)
{
	struct leat_frame frame;

	leat_chunked_init(&frame, 0);
	CHECK_EQ(frame_open(&frame, 4096, UINT64_MAX / 2), 0);
	CHECK_BYTES(frame.head, "1000\r\n", 6);
	CHECK_EQ(frame_open(&frame, 10, UINT64_MAX / 2), 0);
	CHECK_BYTES(frame.head, "a\r\n", 3);
	CHECK_EQ(frame_left(&frame), 15);
}

static void a_frame_of_boundaries_only(void)
{
	static const struct leat_frame_ops ops = { .name = "bare" };
	struct leat_frame frame;

	leat_frame_init(&frame, &ops, 512);
	CHECK_EQ(frame_open(&frame, 1000, 1000), 0);
	CHECK_EQ(frame_left(&frame), 512);
	frame_took_payload(&frame, 512);
	CHECK_EQ(frame.open, 0);
	CHECK_EQ(frame_open(&frame, 0, 1000), -ENOBUFS);
	CHECK_EQ(frame_finish_open(&frame), 0);
	CHECK(!frame.open && frame.ended);
}

static void too_long_breaks_the_contract(void)
{
	struct sized s;

	CHECK_EQ(frame_open(&sized_init(&s, 41, 0, 0)->frame, 10, 1000), LEAT_ECONTRACT);
	CHECK_EQ(s.frame.open, 0);
	CHECK_EQ(frame_open(&sized_init(&s, 0, 41, 0)->frame, 10, 1000), LEAT_ECONTRACT);
	CHECK_EQ(frame_open(&sized_init(&s, SIZE_MAX, SIZE_MAX, 0)->frame, 10, 1000), LEAT_ECONTRACT);
	CHECK_EQ(frame_open(&sized_init(&s, 40, 40, 0)->frame, 10, 1000), 0);
	CHECK_EQ(frame_left(&s.frame), 90);
	sized_init(&s, 0, 0, 0)->last = 41;
	CHECK_EQ(frame_finish_open(&s.frame), LEAT_ECONTRACT);
	CHECK(!s.frame.open && !s.frame.ended);
	sized_init(&s, 0, 0, 0)->last = 40;
	CHECK_EQ(frame_finish_open(&s.frame), 0);
	CHECK_EQ(frame_left(&s.frame), 40);
}

/* Heads that grow as the piece shrinks, against all habit: it must end, and never not fit. */
static size_t odd_before(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	return bytes >= 40 ? 0 : 40 - bytes;
}

static void odd_heads_end(void)
{
	static const struct leat_frame_ops ops = { .name = "odd", .before = odd_before };
	struct leat_frame frame;

	for (uint64_t room = 0; room < 200; room++) {
		leat_frame_init(&frame, &ops, 0);
		if (frame_open(&frame, 100, room) == 0)
			CHECK(frame.piece_left && frame_left(&frame) <= room);
		else
			CHECK(!frame.open && room < 41);
	}
}

static int allowed;

static int half_allow(struct leat_wrapper *w, struct leat_budget *budget)
{
	allowed++;
	budget->bytes /= 2;
	return LEAT_WAIT;
}

static void count_release(struct leat_wrapper *w)
{
	allowed += 100;
}

static void callbacks_of_the_frame_are_passed_on(void)
{
	static const struct leat_frame_ops ops = { .name = "mine", .allow = half_allow, .release = count_release };
	struct leat_frame frame;
	struct leat_wrapper *w = leat_frame_init(&frame, &ops, 0);
	struct leat_budget budget = budget_at(10, 1);

	allowed = 0;
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	CHECK_EQ(budget.bytes, 5);
	w->ops->release(w);
	CHECK_EQ(allowed, 101);
	w = leat_chunked_init(&frame, 0);
	CHECK_EQ(ask(w, &budget), 0);
	w->ops->release(w);
	CHECK_EQ(allowed, 101);
}

/*
 * The limit of 800 ends the outer chunks. Their finish, dropped by a section, makes that section's room smaller, and then the
 * limit of 1468 is the one that stops the first frame: what stands between is over all the same, and says so.
 */
static void what_is_over_stays_over(void)
{
	unsigned char bytes[775] = { 0 }, got[100];
	struct leat_frame outer, inner;
	struct leat_limit limit[4];
	struct leat_source source;
	struct leat_sink sink;
	struct sized first;

	leat_from_memory(&source, bytes, sizeof bytes);
	leat_to_memory(&sink, got, sizeof got);
	leat_wrap(&source, &sized_init(&first, 8, 3, 13)->frame.wrapper);
	leat_wrap(&source, leat_limit_init(&limit[0], 800));
	leat_wrap(&source, leat_chunked_init(&outer, 31));
	leat_wrap(&source, leat_section_init(&limit[1], 189, UINT64_MAX));
	leat_wrap(&source, leat_section_init(&limit[2], 828, UINT64_MAX));
	leat_wrap(&source, leat_chunked_init(&inner, 13));
	leat_wrap_sink(&sink, leat_limit_init(&limit[3], 1468));
	CHECK_EQ(leat_copy(&sink, &source, NULL, NULL), 5);
	CHECK(!memcmp(got, "0\r\n\r\n", 5));
	leat_close(&source);
	leat_close_sink(&sink);
}

/* Whatever fits below four frames: what one has announced comes, also where a piece begins inside another that is open. */
static void nested_frames_keep_their_word(void)
{
	static unsigned char bytes[3000], got[8000];

	for (uint64_t room = 0; room < 8000; room++) {
		struct sized first, second;
		struct leat_frame third, last;
		struct leat_source source;
		struct leat_limit limit;
		struct leat_sink sink;
		int64_t n;

		leat_from_memory(&source, bytes, sizeof bytes);
		leat_to_memory(&sink, got, sizeof got);
		leat_wrap(&source, &sized_init(&first, 40, 40, 565)->frame.wrapper);
		leat_wrap(&source, &sized_init(&second, 40, 40, 290)->frame.wrapper);
		leat_wrap(&source, leat_chunked_init(&third, 275));
		leat_wrap_sink(&sink, leat_limit_init(&limit, room));
		leat_wrap_sink(&sink, leat_chunked_init(&last, 1015));
		n = leat_copy(&sink, &source, NULL, NULL);
		CHECK(n >= 0 && n <= (int64_t)room);
		leat_close(&source);
		leat_close_sink(&sink);
	}
}

static int64_t twenty(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	uint64_t *left = arg, n = *left < 20 ? *left : 20;

	n = n < bytes ? n : bytes;
	memset(buffer, 'x', n);
	*left -= n;
	return (int64_t)n;
}

/* The tail that the second frame still gives is dropped by the section, and what it drops is no room behind it. */
static void what_a_section_drops_is_no_room_behind_it(void)
{
	static const struct leat_source_ops ops = { .name = "twenty", .read = twenty };
	static unsigned char got[6000];

	for (uint64_t room = 0; room < 6000; room += 7) {
		struct leat_limit section, limit;
		struct sized second, third, last;
		struct leat_frame first;
		struct leat_source source;
		struct leat_sink sink;
		uint64_t left = 700;
		int64_t n;

		leat_from_callback(&source, &ops, &left);
		leat_to_memory(&sink, got, sizeof got);
		leat_wrap(&source, leat_chunked_init(&first, 0));
		leat_wrap(&source, &sized_init(&second, 40, 40, 0)->frame.wrapper);
		leat_wrap(&source, leat_section_init(&section, 1253, 1455));
		leat_wrap(&source, &sized_init(&third, 0, 3, 12)->frame.wrapper);
		leat_wrap_sink(&sink, leat_limit_init(&limit, room));
		leat_wrap_sink(&sink, &sized_init(&last, 40, 40, 16)->frame.wrapper);
		n = leat_copy(&sink, &source, NULL, NULL);
		CHECK(n >= 0 && n <= (int64_t)room);
		leat_close(&source);
		leat_close_sink(&sink);
	}
}

/* Each of them takes room for 80 bytes around each byte of the one above: 2^63 is not enough for seven. */
static void no_limit_is_room_for_any_frames(void)
{
	static unsigned char got[1000000];
	struct leat_frame frames[7];
	struct leat_source source;
	struct leat_sink sink;
	int64_t n;

	leat_from_memory(&source, "x", 1);
	leat_to_memory(&sink, got, sizeof got);
	for (unsigned i = 0; i < 7; i++)
		leat_wrap(&source, leat_chunked_init(&frames[i], 1));
	n = leat_copy(&sink, &source, NULL, NULL);
	CHECK(n > 7 && !memcmp(got + n - 5, "0\r\n\r\n", 5));
	leat_close(&source);
	leat_close_sink(&sink);
}

static uint64_t clock_ns;

static uint64_t standing(void *arg)
{
	return clock_ns;
}

/* Others take from the bucket after a datagram's piece was opened: it goes whole, at once or a little later, not in two. */
static void a_datagram_goes_whole_from_a_shared_bucket(void)
{
	static unsigned char bytes[200000], got[60000];
	static const uint64_t taken[] = { 0, 150000, 200000 };

	for (unsigned i = 0; i < 3; i++) {
		struct leat_options options = { .clock_ns = standing };
		struct leat_source source, other;
		struct leat_sink sink, nothing;
		struct leat_transfer t;
		struct leat_bucket bucket;
		struct leat_rate rates[2];
		struct leat_wait wait;
		struct sized s;
		int fds[2], full = 0;

		clock_ns = LEAT_SECOND;
		CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
		while (send(fds[0], bytes, 10, 0) > 0)
			full++;
		leat_bucket_init(&bucket, 1000000, 200000);
		leat_from_memory(&source, bytes, 40000);
		leat_wrap(&source, &sized_init(&s, 4, 0, 40000)->frame.wrapper);
		leat_wrap(&source, leat_rate_init_shared(&rates[0], &bucket));
		leat_to_fd(&sink, fds[0]);
		CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
		CHECK_EQ(step_on(&t), LEAT_WAIT);
		CHECK_EQ(s.frame.piece_left, 40000u);	/* open, and the socket is full */
		leat_from_memory(&other, bytes, taken[i]);
		leat_wrap(&other, leat_rate_init_shared(&rates[1], &bucket));
		leat_to_nothing(&nothing);
		CHECK_EQ(leat_copy(&nothing, &other, &options, NULL), (int64_t)taken[i]);
		CHECK_EQ(bucket.tokens, 200000 - (int64_t)taken[i]);
		while (full--)
			CHECK_EQ(recv(fds[1], got, sizeof got, 0), 10);
		if (!bucket.tokens) {
			CHECK_EQ(step_on(&t), LEAT_WAIT);
			CHECK(recv(fds[1], got, sizeof got, 0) < 0);
			leat_wants(&t, &wait);
			CHECK(wait.wake_at_ns > clock_ns && wait.wake_at_ns <= clock_ns + LEAT_SECOND / 100);
			clock_ns = wait.wake_at_ns;
		}
		CHECK_EQ(leat_step(&t), LEAT_DONE);
		CHECK_EQ(leat_end(&t, NULL), 0);
		CHECK_EQ(recv(fds[1], got, sizeof got, 0), 40004);
		leat_close(&source);
		leat_close(&other);
		close(fds[0]);
		close(fds[1]);
	}
}

static void null_and_misuse(void)
{
	static const struct leat_frame_ops nameless = { .before = sized_before };
	struct leat_frame frame;

	CHECK(!leat_frame_init(NULL, &sized_ops, 1) && !leat_chunked_init(NULL, 1));
	CHECK(leat_frame_init(&frame, NULL, 1) == &frame.wrapper && !frame.wrapper.ops);
	CHECK(leat_frame_init(&frame, &nameless, 1) == &frame.wrapper && !frame.wrapper.ops);
	CHECK(leat_chunked_init(&frame, 1)->ops == &frame_ops);
	CHECK_STR(frame.ops->name, "chunked");
}

static const struct test tests[] = {
	TEST(pieces_fit), TEST(chunks_fit_any_room), TEST(a_piece_from_head_to_tail), TEST(the_end_comes_once),
	TEST(a_cancelled_piece_stays_open), TEST(may_be_opened_again_before_the_first_byte), TEST(a_frame_of_boundaries_only),
	TEST(too_long_breaks_the_contract), TEST(odd_heads_end), TEST(callbacks_of_the_frame_are_passed_on),
	TEST(what_is_over_stays_over), TEST(nested_frames_keep_their_word), TEST(what_a_section_drops_is_no_room_behind_it),
	TEST(no_limit_is_room_for_any_frames), TEST(a_datagram_goes_whole_from_a_shared_bucket), TEST(null_and_misuse),
};
TEST_MAIN(tests)
