/* SPDX-License-Identifier: MIT */
/*
 * From inside every kind of callback a transfer can be asked about, but not stepped, ended or begun again: -EBUSY, and it goes
 * on as if nothing had been. In leat_copy the same holds for its source and sink. Queues may grow from anywhere.
 */
#include "lab.h"

#define BYTES 100000

enum place {
	IN_READ, IN_WRITE, IN_ALLOW, IN_MOVED, IN_SEE, IN_CHANGE, IN_FINISH, IN_BEGIN, IN_EVENT_MOVED, IN_WAIT, IN_TICK, IN_END,
	IN_PART_RELEASE, IN_CLOCK, IN_HASH, IN_FRAME, IN_LOG, PLACES
};

static const char *const place_names[PLACES] = {
	"read", "write", "allow", "moved", "see", "change", "finish", "begin", "moved event", "wait event", "tick event",
	"end event", "release of a part", "clock", "hash", "frame", "log",
};

static struct {
	struct leat_transfer *transfer;		/* NULL: leat_copy runs */
	struct leat_source *source;
	struct leat_sink *sink;
	unsigned hits[PLACES], wrong[PLACES];
	int step, end;				/* the last wrong answers */
	uint64_t given;
	bool waited;
} now;

static void inside(enum place place)
{
	struct leat_report report;
	struct leat_wait wait;
	unsigned char byte;

	now.hits[place]++;
	if (now.transfer) {
		int step = leat_step(now.transfer), end = leat_end(now.transfer, NULL);

		if (step != -EBUSY || end != -EBUSY) {
			now.wrong[place]++;
			now.step = step;
			now.end = end;
		}
		leat_so_far(now.transfer, &report);
		leat_wants(now.transfer, &wait);
		now.wrong[place] += leat_begin(now.transfer, now.sink, now.source, NULL) != LEAT_EWRAPPED;
	}
	now.wrong[place] += leat_read(now.source, &byte, 1, NULL) != LEAT_EWRAPPED;
	now.wrong[place] += leat_copy(now.sink, now.source, NULL, &report) != LEAT_EWRAPPED;
	now.wrong[place] += leat_unread(now.source, "x", 1) != LEAT_EWRAPPED;
}

static int64_t in_read(void *arg, void *buffer, size_t bytes, struct pollfd *wait)
{
	size_t n = BYTES - now.given < bytes ? BYTES - now.given : bytes;

	(void)arg;
	inside(IN_READ);
	if (now.given >= BYTES / 2 && !now.waited) {
		now.waited = true;
		*wait = (struct pollfd){ .fd = 1, .events = POLLOUT };
		return -EAGAIN;
	}
	n = n < 10000 ? n : 10000;
	lab_fill(buffer, now.given, n);
	now.given += n;
	return (int64_t)n;
}

static unsigned char got[2 * BYTES];
static size_t got_bytes;

static int64_t in_write(void *arg, const void *buffer, size_t bytes, int more, struct pollfd *wait)
{
	(void)arg;
	(void)more;
	(void)wait;
	inside(IN_WRITE);
	if (bytes > sizeof got - got_bytes)
		return -ENOSPC;
	memcpy(got + got_bytes, buffer, bytes);
	got_bytes += bytes;
	return (int64_t)bytes;
}

static int in_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	(void)wrapper;
	if (budget->wake_at_ns > budget->now_ns + 1)
		budget->wake_at_ns = budget->now_ns + 1;	/* so that there are ticks */
	inside(IN_ALLOW);
	return 0;
}

static void in_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	(void)wrapper;
	(void)bytes;
	(void)route;
	inside(IN_MOVED);
}

static int in_see(struct leat_wrapper *wrapper, const void *bytes, size_t length)
{
	(void)wrapper;
	(void)bytes;
	(void)length;
	inside(IN_SEE);
	return 0;
}

static int in_finish(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	(void)wrapper;
	(void)budget;
	inside(IN_FINISH);
	return 0;
}

static void in_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	static const enum place places[] = {
		[LEAT_EVENT_BEGIN] = IN_BEGIN, [LEAT_EVENT_MOVED] = IN_EVENT_MOVED, [LEAT_EVENT_ROUTE] = IN_EVENT_MOVED,
		[LEAT_EVENT_WAIT] = IN_WAIT, [LEAT_EVENT_TICK] = IN_TICK, [LEAT_EVENT_END] = IN_END,
	};

	(void)wrapper;
	inside(places[event->kind]);
}

static int in_change(struct leat_wrapper *wrapper, struct leat_change *change)
{
	size_t n = change->in_bytes < change->out_bytes ? change->in_bytes : change->out_bytes;

	(void)wrapper;
	inside(IN_CHANGE);
	memcpy(change->out, change->in ? change->in : change->out, n);
	change->consumed = change->produced = n;
	return change->last && n == change->in_bytes ? LEAT_END : 0;
}

static int in_hash(void *state, const void *bytes, size_t length)
{
	(void)state;
	(void)bytes;
	(void)length;
	inside(IN_HASH);
	return 0;
}

static size_t in_before(struct leat_frame *frame, uint64_t bytes, unsigned char out[LEAT_FRAME_BYTES])
{
	(void)frame;
	(void)bytes;
	(void)out;
	inside(IN_FRAME);
	return 0;
}

static void in_log(void *arg, const struct leat_event *event)
{
	(void)arg;
	(void)event;
	inside(IN_LOG);
}

static void in_release(void *arg, const struct leat_report *report)
{
	(void)arg;
	(void)report;
	inside(IN_PART_RELEASE);
}

static uint64_t in_clock(void *arg)
{
	static bool again;

	(void)arg;
	if (!again && now.source && now.source->serves) {	/* what is asked inside looks at the clock, too */
		again = true;
		inside(IN_CLOCK);
		again = false;
	}
	return leat_now_ns();
}

static const struct leat_source_ops read_ops = { .name = "read", .read = in_read };
static const struct leat_sink_ops write_ops = { .name = "write", .write = in_write };
static const struct leat_wrapper_ops all_ops = {
	.name = "all", .need = LEAT_NEED_CONTENT, .allow = in_allow, .moved = in_moved, .see = in_see, .finish = in_finish,
	.event = in_event,
};
static const struct leat_wrapper_ops change_ops = { .name = "change", .need = LEAT_NEED_CHANGE, .change = in_change };
static const struct leat_hash_ops hash_ops_of_mine = { .name = "hash", .update = in_hash };
static const struct leat_frame_ops frame_ops_of_mine = { .name = "frame", .before = in_before };

struct all {
	struct leat_source part, top;
	struct leat_sink sink;
	struct leat_queue queue;
	struct leat_wrapper on_part, on_sink, changer;
	struct leat_hash hash;
	struct leat_frame frame;
	struct leat_log log;
	struct leat_options options;
};

static void compose(struct all *all)
{
	memset(&now, 0, sizeof now);
	memset(all, 0, sizeof *all);
	got_bytes = 0;
	leat_queue_init(&all->queue);
	leat_from_callback(&all->part, &read_ops, NULL);
	leat_on_release(&all->part, in_release, NULL);
	leat_wrap(&all->part, leat_wrapper_init(&all->on_part, &all_ops));
	leat_wrap(&all->part, leat_hash_init(&all->hash, &hash_ops_of_mine, NULL));
	leat_from_queue(&all->top, &all->queue);
	CHECK_EQ(leat_queue_add(&all->queue, &all->part), 0);
	leat_queue_end(&all->queue);
	leat_wrap(&all->top, leat_frame_init(&all->frame, &frame_ops_of_mine, 0));
	leat_wrap(&all->top, leat_wrapper_init(&all->changer, &change_ops));
	leat_to_callback(&all->sink, &write_ops, NULL);
	leat_wrap_sink(&all->sink, leat_log_init(&all->log, in_log, NULL));
	leat_wrap_sink(&all->sink, leat_wrapper_init(&all->on_sink, &all_ops));
	all->options.clock_ns = in_clock;
	now.source = &all->top;
	now.sink = &all->sink;
}

static void check_places(void)
{
	for (int i = 0; i < PLACES; i++) {
		CHECK_SAY(now.hits[i] > 0, "never inside %s", place_names[i]);
		CHECK_SAY(!now.wrong[i], "inside %s: %u wrong, step %d, end %d", place_names[i], now.wrong[i], now.step, now.end);
	}
	CHECK_EQ(got_bytes, BYTES);
	CHECK(lab_differs(got, 0, BYTES) < 0);
}

static void nothing_is_stepped_from_a_callback(void)
{
	struct leat_transfer transfer;
	struct leat_report report;
	struct all all;

	compose(&all);
	now.transfer = &transfer;
	CHECK_EQ(leat_begin(&transfer, &all.sink, &all.top, &all.options), 0);
	CHECK_EQ(lab_step_all(&transfer), LEAT_DONE);
	CHECK_EQ(leat_end(&transfer, &report), 0);
	CHECK_EQ(report.bytes, BYTES);
	now.transfer = NULL;
	check_places();
	leat_close(&all.top);
	leat_close(&all.part);
	leat_close_sink(&all.sink);
}

static void nothing_is_copied_from_a_callback(void)
{
	struct all all;

	compose(&all);
	CHECK_EQ(leat_copy(&all.sink, &all.top, &all.options, NULL), BYTES);
	check_places();
	leat_close(&all.top);
	leat_close(&all.part);
	leat_close_sink(&all.sink);
}

/* A cancel tells everybody too. */
static void nothing_is_stepped_while_it_is_cancelled(void)
{
	struct leat_transfer transfer;
	struct all all;

	compose(&all);
	now.transfer = &transfer;
	CHECK_EQ(leat_begin(&transfer, &all.sink, &all.top, &all.options), 0);
	all.options.step_bytes = 1;
	CHECK(leat_step(&transfer) > 0);
	now.hits[IN_END] = 0;
	CHECK_EQ(leat_end(&transfer, NULL), -ECANCELED);
	CHECK(now.hits[IN_END] > 0);
	CHECK_SAY(!now.wrong[IN_END] && !now.wrong[IN_BEGIN], "step %d, end %d", now.step, now.end);
	now.transfer = NULL;
	memset(now.wrong, 0, sizeof now.wrong);
	leat_close(&all.top);
	leat_close(&all.part);
	leat_close_sink(&all.sink);
}

/* ---- a queue grows from inside ----------------------------------------------------------------------------------------- */

static struct leat_queue growing;
static struct leat_source more_parts[50];
static unsigned added;

static void add_one(void)
{
	if (added == 50)
		return;
	leat_from_memory(&more_parts[added], "0123456789", 10);
	CHECK_EQ(leat_queue_add(&growing, &more_parts[added]), 0);
	if (++added == 50)
		leat_queue_end(&growing);
}

static void add_from_log(void *arg, const struct leat_event *event)
{
	(void)arg;
	if (event->kind == LEAT_EVENT_MOVED)
		add_one();
}

static void a_queue_grows_from_a_callback(void)
{
	struct leat_source top;
	struct leat_sink sink;
	struct leat_log log;

	added = 0;
	leat_queue_init(&growing);
	leat_from_queue(&top, &growing);
	leat_wrap(&top, leat_log_init(&log, add_from_log, NULL));
	leat_to_nothing(&sink);
	add_one();
	CHECK_EQ(leat_copy(&sink, &top, NULL, NULL), 500);
	CHECK_EQ(added, 50);
	leat_close(&top);
	leat_close_sink(&sink);
}

/* ---- a part that fails before it begins ------------------------------------------------------------------------------------ */

/*
 * The wrappers of an inner queue were threaded by another transfer, whose sink's wrapper stood on the stack: leat_read's. When
 * the inner queue's next part cannot begin, nobody may follow that thread.
 */
static void a_part_that_never_began_leads_nowhere(void)
{
	static struct leat_wrapper stale;
	struct leat_queue outer, inner;
	struct leat_source top, nested, first, broken;
	struct leat_count count, on_top;
	struct leat_sink sink;

	leat_queue_init(&outer);
	leat_queue_init(&inner);
	leat_from_queue(&top, &outer);
	leat_from_queue(&nested, &inner);
	leat_wrap(&nested, leat_count_init(&count));
	leat_wrap(&top, leat_count_init(&on_top));
	leat_from_memory(&first, "abc", 3);
	leat_from_fd(&broken, -1);
	CHECK_EQ(leat_queue_add(&outer, &first), 0);
	CHECK_EQ(leat_queue_add(&outer, &nested), 0);
	CHECK_EQ(leat_queue_add(&inner, &broken), 0);
	leat_queue_end(&outer);
	leat_queue_end(&inner);
	memset(&stale, 0x5a, sizeof stale);
	count.wrapper.down = &stale;
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &top, NULL, NULL), -EBADF);
	CHECK_EQ(on_top.bytes, 3);
	CHECK_EQ(count.bytes, 0);
	leat_close(&top);
	leat_close(&nested);
	leat_close_sink(&sink);
}

/* ---- From a release -------------------------------------------------------------------------------------------------------- */

struct owner {
	struct leat_source source;
	struct leat_queue *queue;
	unsigned *releases;
	int added;
};

/* As a program does whose struct ends with its source. */
static void closes_and_frees(void *arg, const struct leat_report *released)
{
	struct owner *owner = arg;

	(void)released;
	++*owner->releases;
	leat_close(&owner->source);
	free(owner);
}

static void adds_again(void *arg, const struct leat_report *released)
{
	struct owner *owner = arg;

	(void)released;
	++*owner->releases;
	leat_from_memory(&owner->source, "abc", 3);
	leat_on_release(&owner->source, adds_again, owner);
	owner->added = leat_queue_add(owner->queue, &owner->source);
}

static void a_release_closes_and_frees(void)
{
	struct owner *owner = malloc(sizeof *owner);
	unsigned releases = 0;

	CHECK(owner != NULL);
	*owner = (struct owner){ .releases = &releases };
	leat_from_memory(&owner->source, "abc", 3);
	CHECK_EQ(leat_unread(&owner->source, "xy", 2), 0);
	leat_on_release(&owner->source, closes_and_frees, owner);
	leat_close(&owner->source);
	CHECK_EQ(releases, 1u);
}

static void nothing_is_added_to_a_queue_being_closed(void)
{
	struct leat_queue queue;
	struct leat_source top;
	unsigned releases = 0;
	struct owner owners[2] = { { .queue = &queue, .releases = &releases }, { .queue = &queue, .releases = &releases } };

	leat_queue_init(&queue);
	leat_from_queue(&top, &queue);
	for (unsigned i = 0; i < 2; i++) {
		leat_from_memory(&owners[i].source, "abc", 3);
		leat_on_release(&owners[i].source, adds_again, &owners[i]);
		CHECK_EQ(leat_queue_add(&queue, &owners[i].source), 0);
	}
	leat_close(&top);
	CHECK_EQ(releases, 2u);
	CHECK_EQ(owners[0].added, -EPIPE);
	CHECK_EQ(owners[1].added, -EPIPE);
}

static const struct test tests[] = {
	TEST(nothing_is_stepped_from_a_callback),
	TEST(nothing_is_copied_from_a_callback),
	TEST(nothing_is_stepped_while_it_is_cancelled),
	TEST(a_queue_grows_from_a_callback),
	TEST(a_part_that_never_began_leads_nowhere),
	TEST(a_release_closes_and_frees), TEST(nothing_is_added_to_a_queue_being_closed),
};
TEST_MAIN(tests)
