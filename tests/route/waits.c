/* SPDX-License-Identifier: MIT */
/*
 * Whom a transfer waits for: everybody's time, also below who waits for bytes; what a cold part leaves behind when it ends;
 * and that a helper names no transfer that is over. Time is the test's own, and files are as cold as it says.
 */
#include "check.h"
#include "descriptors.h"
#include "ends.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define MS (LEAT_SECOND / 1000)

static uint64_t clock_ns;

static uint64_t now(void *arg)
{
	return clock_ns;
}

static bool cold;

int64_t __real_sys_resident(int fd, uint64_t offset, uint64_t bytes);
int64_t __wrap_sys_resident(int fd, uint64_t offset, uint64_t bytes);

int64_t __wrap_sys_resident(int fd, uint64_t offset, uint64_t bytes)
{
	return cold ? -EAGAIN : __real_sys_resident(fd, offset, bytes);
}

static void begin_case(void)
{
	clock_ns = LEAT_SECOND;
	cold = false;
	ends_alarm(20, "waits");
}

/* ---- A silent source ---- */

static int same(struct leat_wrapper *wrapper, struct leat_change *change)
{
	size_t n = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;

	memcpy(change->out, change->in, n);
	change->consumed = change->produced = n;
	return change->last && n == change->in_bytes ? LEAT_END : 0;
}

static const struct leat_wrapper_ops same_ops = { .name = "same", .need = LEAT_NEED_CHANGE, .change = same };

static unsigned ticks;

static void tick(void *arg, const struct leat_progress_state *state)
{
	ticks += !state->ended;
}

enum { PLAIN, SECTION, CHUNKED, CHANGER, LAYERS };
enum { INSIDE, OUTSIDE, ON_THE_SINK, PLACES };
static const char *const layers[] = { "plain", "section", "chunked", "changer" };
static const char *const places[] = { "inside", "outside", "on the sink" };

/* Sleeps until the time that the transfer says, and no descriptor is ready. Its result. */
static int wait_in_silence(struct leat_transfer *t)
{
	struct leat_wait wait;
	int r;

	for (int i = 0; i < 200; i++) {
		r = leat_step(t);
		if (r != LEAT_WAIT)
			return r;
		leat_wants(t, &wait);
		CHECK_SAY(wait.wake_at_ns != LEAT_NEVER, "waits without a time");
		clock_ns = wait.wake_at_ns > clock_ns ? wait.wake_at_ns : clock_ns + 1;
	}
	return r;
}

/* The deadline at place, ticks outside of the layer; at first the source gives some bytes. */
static void silent(int layer, int place, size_t bytes)
{
	struct leat_options options = { .clock_ns = now };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_limit section;
	struct leat_frame frame;
	struct leat_wrapper changer;
	struct leat_deadline deadline;
	struct leat_progress progress;
	struct leat_transfer t;
	struct leat_report report;
	uint64_t begin_ns;
	int pair[2];

	begin_case();
	ends_pair(false, pair);
	ends_nonblock(pair[0], true);
	CHECK_EQ(ends_write_all(pair[1], "some of the bytes", bytes), bytes);
	leat_from_fd(&source, pair[0]);
	leat_to_nothing(&sink);
	leat_deadline_init(&deadline, 100 * MS, 0);
	if (place == INSIDE)
		leat_wrap(&source, &deadline.wrapper);
	if (layer == SECTION)
		leat_wrap(&source, leat_section_init(&section, 10, 100));
	if (layer == CHUNKED)
		leat_wrap(&source, leat_chunked_init(&frame, 0));
	if (layer == CHANGER)
		leat_wrap(&source, leat_wrapper_init(&changer, &same_ops));
	if (place == OUTSIDE)
		leat_wrap(&source, &deadline.wrapper);
	leat_wrap(&source, leat_progress_init(&progress, 10 * MS, tick, NULL));
	if (place == ON_THE_SINK)
		leat_wrap_sink(&sink, &deadline.wrapper);
	ticks = 0;
	begin_ns = clock_ns;
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK_EQ(wait_in_silence(&t), -ETIMEDOUT);
	CHECK_EQ(leat_end(&t, &report), -ETIMEDOUT);
	CHECK_STR(report.culprit, deadline.wrapper.ops->name);
	CHECK_LE(clock_ns - begin_ns, 101 * MS);
	CHECK_GE(ticks, 8u);
	leat_close(&source);
	leat_close_sink(&sink);
	close(pair[0]);
	close(pair[1]);
}

static void a_deadline_anywhere_on_the_way(void)
{
	static const size_t some[] = { 0, 5, 15 };	/* nothing, less than the section drops, and more */

	for (int i = 0; i < LAYERS * PLACES * 3; i++) {
		static char note[60];
		int layer = i / 3 / PLACES, place = i / 3 % PLACES;

		snprintf(note, sizeof note, "%s, deadline %s, after %zu bytes", layers[layer], places[place], some[i % 3]);
		test_note(note);
		silent(layer, place, some[i % 3]);
	}
}

/* What a section drops of a stream that may wait is asked for first: a blocking read would know of no deadline. */
static void a_section_of_a_silent_stream_keeps_its_deadline(void)
{
	static const size_t some[] = { 0, 5, 10, 15 };	/* that came, of 10 to be dropped */

	begin_case();
	for (unsigned i = 0; i < 3 * 4; i++) {
		struct leat_source source;
		struct leat_sink sink;
		struct leat_limit section;
		struct leat_deadline deadline;
		struct leat_report report;
		unsigned char got[20];
		int fds[2];
		static char note[60];

		snprintf(note, sizeof note, "%s, after %zu bytes", i / 4 == 0 ? "terminal" : i / 4 == 1 ? "socket" : "pipe", some[i % 4]);
		test_note(note);
		if (i / 4 == 0)
			ends_pty(&fds[0], &fds[1]);
		else if (i / 4 == 1)
			ends_pair(false, fds);
		else
			CHECK_CALL(pipe2(fds, O_CLOEXEC));
		CHECK_EQ(write(fds[1], "drop these, not those", some[i % 4]), (ssize_t)some[i % 4]);
		leat_from_fd(&source, fds[0]);
		leat_wrap(&source, leat_section_init(&section, 10, 100));
		leat_wrap(&source, leat_deadline_init(&deadline, LEAT_SECOND / 25, 0));
		leat_to_memory(&sink, got, sizeof got);
		CHECK_EQ(leat_copy(&sink, &source, NULL, &report), -ETIMEDOUT);
		CHECK_EQ(report.bytes, some[i % 4] > 10 ? some[i % 4] - 10 : 0);
		CHECK_BYTES(got, &"drop these, not those"[10], report.bytes);
		leat_close(&source);
		leat_close_sink(&sink);
		close(fds[0]);
		close(fds[1]);
	}
}

/* ---- A cold part ---- */

static struct {
	struct leat_wrapper wrapper;
	bool ended, paused;
	int fd;
} stopper;

static int stopper_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	if (stopper.ended)
		return LEAT_END;
	if (!stopper.paused)
		return 0;
	budget->bytes = 0;
	budget->wait = (struct pollfd){ .fd = stopper.fd, .events = POLLIN };
	return LEAT_WAIT;
}

static const struct leat_wrapper_ops stopper_ops = { .name = "stopper", .allow = stopper_allow };

#define SIZE 100000

/* A file as cold as it can be, with the stopper around it. */
static void stoppable(struct leat_source *source, int *ret_fd)
{
	*ret_fd = ends_file_with(ends_content(SIZE), SIZE, O_RDONLY);
	leat_from_file(source, *ret_fd, 0);
	leat_wrap(source, leat_wrapper_init(&stopper.wrapper, &stopper_ops));
	stopper.ended = stopper.paused = false;
	cold = true;
}

static void a_wrapper_that_pauses_after_a_cold_wait(void)
{
	struct leat_options options = { .clock_ns = now };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_transfer t;
	struct leat_report report;
	struct leat_wait wait;
	int file;

	begin_case();
	stopper.fd = CHECK_CALL(eventfd(0, EFD_CLOEXEC));
	stoppable(&source, &file);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK_EQ(leat_step(&t), LEAT_WAIT);
	leat_wants(&t, &wait);
	CHECK_EQ(wait.fds[0].fd, -1);
	CHECK_EQ(wait.fds[2].fd, -1);
	CHECK(wait.wake_at_ns != LEAT_NEVER);
	clock_ns = wait.wake_at_ns;
	stopper.paused = true;
	CHECK_EQ(leat_step(&t), LEAT_WAIT);
	leat_wants(&t, &wait);
	CHECK_EQ(wait.fds[2].fd, stopper.fd);
	CHECK_EQ(wait.fds[2].events, POLLIN);
	CHECK_EQ(wait.fds[0].fd, -1);
	leat_so_far(&t, &report);
	CHECK_EQ(report.cold_waits, 1u);
	CHECK_EQ(report.other_waits, 1u);
	stopper.paused = cold = false;
	CHECK_EQ(leat_step(&t), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, (uint64_t)SIZE);
	leat_close(&source);
	close(file);
	close(stopper.fd);
}

static void a_socket_after_a_cold_part(void)
{
	struct leat_options options = { .clock_ns = now };
	struct leat_source parts[2], source;
	struct leat_queue queue;
	struct leat_sink sink;
	struct leat_transfer t;
	struct leat_report report;
	struct leat_wait wait;
	int file, pair[2];

	begin_case();
	ends_pair(false, pair);
	ends_nonblock(pair[0], true);
	stoppable(&parts[0], &file);
	leat_from_fd(&parts[1], pair[0]);
	leat_queue_init(&queue);
	CHECK_EQ(leat_queue_add(&queue, &parts[0]), 0);
	CHECK_EQ(leat_queue_add(&queue, &parts[1]), 0);
	leat_queue_end(&queue);
	leat_from_queue(&source, &queue);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK_EQ(leat_step(&t), LEAT_WAIT);
	clock_ns += 2 * MS;
	stopper.ended = true;
	CHECK_EQ(leat_step(&t), LEAT_WAIT);
	leat_wants(&t, &wait);
	CHECK_EQ(wait.fds[0].fd, pair[0]);
	CHECK_EQ(wait.fds[0].events, POLLIN);
	leat_so_far(&t, &report);
	CHECK_EQ(report.cold_waits, 1u);
	CHECK_EQ(report.source_waits, 1u);
	CHECK_EQ(ends_write_all(pair[1], "the rest", 8), 8u);
	close(pair[1]);
	CHECK_EQ(ends_drive(&t, NULL), LEAT_DONE);
	CHECK_EQ(leat_end(&t, &report), 0);
	CHECK_EQ(report.bytes, 8u);
	leat_close(&source);
	close(file);
	close(pair[0]);
}

/* A file is nothing that an event loop could wait for, also where the step before waited for its bytes. */
static void a_turn_that_is_over_after_a_cold_wait(void)
{
	struct leat_options options = { .clock_ns = now, .step_bytes = 1 };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_transfer t;
	struct leat_wait wait;
	int file = ends_file_with(ends_content(SIZE), SIZE, O_RDONLY);

	begin_case();
	cold = true;
	leat_from_file(&source, file, 0);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_begin(&t, &sink, &source, &options), 0);
	CHECK_EQ(leat_step(&t), LEAT_WAIT);
	leat_wants(&t, &wait);
	CHECK(wait.fds[0].fd == -1 && wait.fds[1].fd == -1 && wait.fds[2].fd == -1);
	clock_ns = wait.wake_at_ns;
	cold = false;
	CHECK_EQ(leat_step(&t), LEAT_AGAIN);
	leat_wants(&t, &wait);
	CHECK(wait.fds[0].fd == -1 && wait.fds[1].fd == -1 && wait.fds[2].fd == -1);
	CHECK_EQ(leat_end(&t, NULL), -ECANCELED);
	leat_close(&source);
	close(file);
}

/* ---- A helper, and parts that end while it reads for them ---- */

#define PARTS 4

struct parts {
	struct leat_helper helper;
	struct leat_source parts[PARTS], source;
	struct leat_queue queue;
	struct leat_sink sink;
	struct leat_transfer *t;	/* of its own block: what is used after its end is seen */
	int file, bare;
};

static void parts_begin(struct parts *p)
{
	struct leat_options options = { .helper = &p->helper, .clock_ns = now };

	begin_case();
	CHECK_EQ(leat_helper_init(&p->helper, 0), 0);
	stoppable(&p->parts[0], &p->file);
	p->bare = ends_file_with(ends_content(SIZE), SIZE, O_RDONLY);
	leat_queue_init(&p->queue);
	for (int i = 0; i < PARTS; i++) {
		if (i)
			leat_from_file(&p->parts[i], p->bare, (uint64_t)i);
		CHECK_EQ(leat_queue_add(&p->queue, &p->parts[i]), 0);
	}
	leat_queue_end(&p->queue);
	leat_from_queue(&p->source, &p->queue);
	leat_to_nothing(&p->sink);
	p->t = malloc(sizeof *p->t);
	CHECK(p->t != NULL);
	CHECK_EQ(leat_begin(p->t, &p->sink, &p->source, &options), 0);
	CHECK_EQ(leat_step(p->t), LEAT_WAIT);	/* the helper reads for the first part */
	stopper.ended = true;
	CHECK_EQ(leat_step(p->t), LEAT_WAIT);	/* which is over; now for the second */
}

static void parts_end(struct parts *p, int expected)
{
	struct pollfd fds = { .fd = leat_helper_fd(&p->helper), .events = POLLIN };
	struct leat_report report;

	CHECK_EQ(leat_end(p->t, &report), expected);
	CHECK(report.cold_waits >= 2);
	free(p->t);
	leat_close(&p->source);
	for (int i = 0; i < 3; i++) {	/* what the helper may still say, comes soon */
		poll(&fds, 1, 20);
		CHECK(leat_helper_next(&p->helper) == NULL);
	}
	leat_helper_end(&p->helper);
	close(p->file);
	close(p->bare);
}

static void a_cold_part_that_ends_and_a_cancel(void)
{
	struct parts p;
	unsigned fds = count_descriptors();

	for (int again = 0; again < 5; again++) {
		parts_begin(&p);
		CHECK_GE(leat_step(p.t), LEAT_WAIT);	/* early: harmless */
		parts_end(&p, -ECANCELED);
	}
	CHECK_LE(count_descriptors(), fds + 1);	/* the directory of the files may be open */
}

static void a_cold_part_that_ends_and_the_others(void)
{
	struct parts p;
	struct leat_report report;
	int r = LEAT_WAIT;

	parts_begin(&p);
	while (r > 0) {
		struct pollfd fds = { .fd = leat_helper_fd(&p.helper), .events = POLLIN };
		struct leat_transfer *ready;
		struct leat_wait wait;

		leat_wants(p.t, &wait);
		CHECK(wait.fds[0].fd == -1 && wait.fds[1].fd == -1 && wait.fds[2].fd == -1);
		if (r == LEAT_WAIT)
			CHECK_SAY(poll(&fds, 1, wait.wake_at_ns == LEAT_NEVER ? 5000 : 1) > 0 || wait.wake_at_ns != LEAT_NEVER,
				  "nobody tells when the part is there");
		if (wait.wake_at_ns != LEAT_NEVER && wait.wake_at_ns > clock_ns)
			clock_ns = wait.wake_at_ns;
		while ((ready = leat_helper_next(&p.helper)))
			CHECK(ready == p.t);
		leat_so_far(p.t, &report);
		cold = report.cold_waits < PARTS;
		r = leat_step(p.t);
	}
	CHECK_EQ(r, LEAT_DONE);
	leat_so_far(p.t, &report);
	CHECK_EQ(report.bytes, (uint64_t)(PARTS - 1) * SIZE - 1 - 2 - 3);
	parts_end(&p, 0);
}

static const struct test tests[] = {
	TEST(a_deadline_anywhere_on_the_way), TEST(a_section_of_a_silent_stream_keeps_its_deadline),
	TEST(a_wrapper_that_pauses_after_a_cold_wait), TEST(a_socket_after_a_cold_part), TEST(a_turn_that_is_over_after_a_cold_wait),
	TEST(a_cold_part_that_ends_and_a_cancel), TEST(a_cold_part_that_ends_and_the_others),
};
TEST_MAIN(tests)
