/* SPDX-License-Identifier: MIT */
/*
 * Nothing comes more than 10 ms after its time: rate-limited transfers, transfers stepped by a loop, and transfers whose
 * queue had run empty. One thread is both ends, so that nobody else's lateness is taken for the library's; what the machine
 * was late (machine.h) is left out, what the library asked to wait is not. The best of up to three tries counts.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "check.h"
#include "ends.h"
#include "machine.h"
#include "step.h"

#define MS (LEAT_SECOND / 1000)
#define MOST_LATE_NS (10 * MS)
#define CONTENT (8 << 20)
#define BUFFERS (1 << 20)
#define BURST 3000

/* ---- A planted delay ---- */

static uint64_t planted_ns;

struct transfer;
void __real_transfer_wants(const struct transfer *t, struct leat_wait *wait);
void __wrap_transfer_wants(const struct transfer *t, struct leat_wait *wait);
void __real_leat_wants(const struct leat_transfer *t, struct leat_wait *wait);
void __wrap_leat_wants(const struct leat_transfer *t, struct leat_wait *wait);

static void plant(struct leat_wait *wait)
{
	if (wait->wake_at_ns != LEAT_NEVER)
		wait->wake_at_ns += planted_ns;
}

void __wrap_transfer_wants(const struct transfer *t, struct leat_wait *wait)	/* leat_copy asks this one */
{
	__real_transfer_wants(t, wait);
	plant(wait);
}

void __wrap_leat_wants(const struct leat_transfer *t, struct leat_wait *wait)
{
	__real_leat_wants(t, wait);
	plant(wait);
}

/* ---- Ends without threads ---- */

struct way {
	enum from from;
	enum to to;
	int feed, in, out, peer;	/* bytes go this way; -1: none */
	struct leat_source source;
	struct leat_sink sink;
	struct leat_xxh3 hash;
	struct leat_transfer t;
	uint64_t arrived;
	uint64_t worst_ns;		/* the most that anything was late */
};

static void note_late(struct way *way, uint64_t late_ns)
{
	way->worst_ns = late_ns > way->worst_ns ? late_ns : way->worst_ns;
}

/* from is written, to is read; a full pipe has a slot for each small piece. */
static void make_pair(bool pipe, bool tcp, int *ret_from, int *ret_to)
{
	int pair[2], bytes = BUFFERS;

	if (pipe) {
		CHECK_CALL(pipe2(pair, O_CLOEXEC | O_NONBLOCK));
		CHECK_CALL(fcntl(pair[1], F_SETPIPE_SZ, BUFFERS));
	} else {
		ends_pair(tcp, pair);
	}
	for (int i = 0; !pipe && i < 2; i++) {
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
		setsockopt(pair[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
		ends_nonblock(pair[i], true);
	}
	*ret_to = pair[0];
	*ret_from = pair[1];
}

/* A source of so many bytes. Those of a stream are in its buffers before anything begins; then the stream ends, or is fed. */
static void way_make(struct way *way, enum from from, enum to to, uint64_t bytes, bool ends)
{
	static int file = -1;
	const unsigned char *content = ends_content(CONTENT);

	memset(way, 0, sizeof *way);
	way->from = from;
	way->to = to;
	way->feed = way->in = -1;
	make_pair(to == TO_PIPE, to == TO_TCP, &way->out, &way->peer);
	leat_to_fd(&way->sink, way->out);
	if (from == FROM_MEMORY) {
		leat_from_memory(&way->source, content, bytes);
	} else if (from == FROM_FILE) {
		if (file < 0)
			file = ends_file_with(content, CONTENT, O_RDONLY);
		leat_from_range(&way->source, file, 0, bytes);
	} else if (from != FROM_QUEUE) {
		make_pair(from == FROM_PIPE, from == FROM_TCP, &way->feed, &way->in);
		CHECK_EQ(ends_write_all(way->feed, content, bytes), bytes);
		if (ends && from == FROM_PIPE)
			close(way->feed);
		else if (ends)
			CHECK_CALL(shutdown(way->feed, SHUT_WR));
		way->feed = ends && from == FROM_PIPE ? -1 : way->feed;
		leat_from_fd(&way->source, way->in);
	}
}

static void way_close(struct way *way)
{
	int all[] = { way->feed, way->in, way->out, way->peer };

	leat_close(&way->source);
	leat_close_sink(&way->sink);
	for (int i = 0; i < 4; i++)
		if (all[i] >= 0)
			close(all[i]);
}

/* What has arrived by now; its content is looked at. */
static uint64_t receive(struct way *way)
{
	static unsigned char got[BUFFERS];
	uint64_t before = way->arrived;
	ssize_t n;

	while ((n = read(way->peer, got, sizeof got)) > 0) {
		CHECK_SAY(way->arrived + (uint64_t)n <= CONTENT, "more arrives than there is");
		CHECK_BYTES(got, ends_content(CONTENT) + way->arrived, (size_t)n);
		way->arrived += (uint64_t)n;
	}
	return way->arrived - before;
}

/* One step. Its turn may take step_ns, 10 ms; what is beyond it is as late as anything else that waits for this loop. */
static int step(struct way *way)
{
	uint64_t late = machine_late_main_ns(), took = leat_now_ns();
	int r = leat_step(&way->t);

	took = machine_less(leat_now_ns() - took, machine_late_main_ns() - late);
	note_late(way, machine_less(took, 10 * MS));
	return r;
}

/* Waits for what the transfer wants, or for something to arrive. False: it wants nothing but its caller. */
static bool wait_as_wanted(struct way *way, int most_ms)
{
	struct leat_wait wait;
	struct pollfd fds[4];
	int ms;

	leat_wants(&way->t, &wait);
	memcpy(fds, wait.fds, sizeof wait.fds);
	fds[3] = (struct pollfd){ .fd = way->peer, .events = POLLIN };
	ms = leat_wait_ms(&wait, leat_now_ns());
	poll(fds, 4, ms < 0 || ms > most_ms ? most_ms : ms);
	return wait.wake_at_ns != LEAT_NEVER || wait.fds[0].events || wait.fds[1].events || wait.fds[2].events;
}

/* ---- The schedule of a rate ---- */

#define MARKS 256

/*
 * A byte's time is when the bucket has earned it. A bucket holds no more than 40 ms of its rate: once something was later
 * than that (and has been judged), the rest is due later by as much.
 */
struct plan {
	uint64_t bytes_per_s, begin_ns, bytes;
	unsigned marks;
	struct { uint64_t at_ns, machine_ns; } mark[MARKS];	/* how late the machine had been by then, in a ring */
};

static void plan_mark(struct plan *plan, uint64_t now_ns)
{
	plan->mark[plan->marks % MARKS].at_ns = now_ns;
	plan->mark[plan->marks++ % MARKS].machine_ns = machine_late_main_ns();
}

static void plan_begin(struct plan *plan, uint64_t bytes_per_s)
{
	memset(plan, 0, sizeof *plan);
	plan->bytes_per_s = bytes_per_s;
	plan->begin_ns = leat_now_ns();
	plan_mark(plan, plan->begin_ns);
}

static uint64_t plan_time_of(const struct plan *plan, uint64_t byte)
{
	return plan->begin_ns + (byte < BURST ? 0 : (uint64_t)((double)(byte + 1 - BURST) / (double)plan->bytes_per_s * 1e9));
}

/* How late the machine was since then. */
static uint64_t plan_machine_ns(const struct plan *plan, uint64_t since_ns)
{
	unsigned i = plan->marks - 1, oldest = plan->marks > MARKS ? plan->marks - MARKS : 0;

	while (i > oldest && plan->mark[i % MARKS].at_ns > since_ns)
		i--;
	return machine_late_main_ns() - plan->mark[i % MARKS].machine_ns;
}

/* So many bytes came, now. Their first is the latest of them. */
static void plan_came(struct plan *plan, struct way *way, uint64_t bytes, uint64_t now_ns)
{
	uint64_t due_ns = plan_time_of(plan, plan->bytes), machine_ns = plan_machine_ns(plan, due_ns);

	if (bytes) {
		note_late(way, machine_less(now_ns, due_ns + machine_ns));
		plan->begin_ns += machine_less(now_ns, due_ns + 40 * MS);
		plan->bytes += bytes;
	}
	plan_mark(plan, now_ns);
}

/* ---- Rates ---- */

static const struct lane {
	enum from from;
	enum to to;
	bool hash, copy;		/* copy: leat_copy, and the time is when the sink took it */
	uint64_t bytes, bytes_per_s;
} lanes[] = {
	{ FROM_FILE, TO_TCP, false, false, 4 << 20, 16000000 },	{ FROM_FILE, TO_TCP, false, false, 20000, 60000 },
	{ FROM_FILE, TO_TCP, true, false, 200000, 600000 },	{ FROM_MEMORY, TO_TCP, false, false, 20000, 60000 },
	{ FROM_MEMORY, TO_UNIX, false, false, 200000, 600000 },	{ FROM_TCP, TO_TCP, false, false, 200000, 600000 },
	{ FROM_PIPE, TO_TCP, false, false, 20000, 60000 },	{ FROM_FILE, TO_PIPE, false, false, 200000, 600000 },
	{ FROM_TCP, TO_PIPE, false, false, 200000, 600000 },
	{ FROM_FILE, TO_TCP, false, true, 200000, 600000 },	{ FROM_FILE, TO_TCP, true, true, 20000, 60000 },
	{ FROM_MEMORY, TO_TCP, false, true, 200000, 600000 },	{ FROM_TCP, TO_TCP, false, true, 200000, 600000 },
	{ FROM_PIPE, TO_TCP, false, true, 200000, 600000 },	{ FROM_FILE, TO_PIPE, false, true, 200000, 600000 },
};
#define LANES (sizeof lanes / sizeof lanes[0])

struct moves {
	struct plan plan;
	struct way *way;
};

static void on_event(void *arg, const struct leat_event *event)
{
	struct moves *moves = arg;

	if (event->kind == LEAT_EVENT_MOVED)
		plan_came(&moves->plan, moves->way, event->bytes, leat_now_ns());
}

static void drive_rate(struct way *way, struct plan *plan, uint64_t bytes)
{
	int r;

	CHECK_EQ(leat_begin(&way->t, &way->sink, &way->source, NULL), 0);
	while ((r = step(way)) > 0) {
		plan_came(plan, way, receive(way), leat_now_ns());
		if (r == LEAT_WAIT)
			CHECK_SAY(wait_as_wanted(way, 1000), "stuck");
		plan_came(plan, way, receive(way), leat_now_ns());
	}
	CHECK_EQ(r, LEAT_DONE);
	for (struct pollfd peer = { .fd = way->peer, .events = POLLIN }; way->arrived < bytes;) {
		CHECK_EQ(poll(&peer, 1, 1000), 1);
		plan_came(plan, way, receive(way), leat_now_ns());
	}
	CHECK_EQ(leat_end(&way->t, NULL), 0);
}

static uint64_t rate_once(const void *arg)
{
	const struct lane *lane = arg;
	static struct way way;
	static struct moves moves;
	struct leat_rate rate;
	struct leat_log log;

	way_make(&way, lane->from, lane->to, lane->bytes, true);
	leat_wrap(&way.source, leat_rate_init(&rate, lane->bytes_per_s, BURST));
	if (lane->hash)
		leat_wrap(&way.source, leat_xxh3_init(&way.hash));
	moves.way = &way;
	plan_begin(&moves.plan, lane->bytes_per_s);
	if (lane->copy) {
		leat_wrap_sink(&way.sink, leat_log_init(&log, on_event, &moves));
		CHECK_EQ(leat_copy(&way.sink, &way.source, NULL, NULL), (int64_t)lane->bytes);
		receive(&way);
	} else {
		drive_rate(&way, &moves.plan, lane->bytes);
	}
	CHECK_EQ(way.arrived, lane->bytes);
	way_close(&way);
	return way.worst_ns;
}

/* The best of three tries; says it. */
static void judge(uint64_t (*once)(const void *), const void *row, const char *what, enum from from, enum to to, const char *more)
{
	uint64_t worst_ns = UINT64_MAX;
	unsigned tries = 0;
	char text[120];

	if (machine_slowed_by(true))
		test_skip("%s makes everything late", machine_slowed_by(true));
	ends_alarm(30, what);
	while (worst_ns > MOST_LATE_NS && tries++ < 3)
		worst_ns = once(row);
	snprintf(text, sizeof text, "%s, %s to %s%s: %.1f ms late", what, from_names[from], to_names[to], more,
		 (double)worst_ns / 1e6);
	printf("%s%s\n", text, tries > 1 ? ", not in the first try" : "");
	CHECK_SAY(worst_ns <= MOST_LATE_NS, "%s in each of three tries", text);
}

static void rates_keep_their_time(void)
{
	char more[60];

	for (unsigned i = 0; i < LANES; i++) {
		snprintf(more, sizeof more, "%s, %u kB/s", lanes[i].hash ? ", hash" : "", (unsigned)(lanes[i].bytes_per_s / 1000));
		judge(rate_once, &lanes[i], lanes[i].copy ? "rate, leat_copy" : "rate, stepped", lanes[i].from, lanes[i].to, more);
	}
}

/* ---- Stepped ---- */

/* Steps until so much has arrived, and then until there is nothing to do; what arrives last was due at due_ns. */
static void drive_until(struct way *way, uint64_t bytes, uint64_t due_ns, uint64_t machine_ns)
{
	int r;

	while ((r = step(way)) == LEAT_AGAIN || receive(way) || way->arrived < bytes) {
		CHECK_GE(r, 0);
		CHECK_SAY(leat_now_ns() - due_ns < 5 * LEAT_SECOND, "nothing arrives");
		if (r == LEAT_WAIT && way->arrived < bytes)
			wait_as_wanted(way, 1000);
		receive(way);
		if (way->arrived < bytes)
			continue;
		note_late(way, machine_less(leat_now_ns() - due_ns, machine_late_main_ns() - machine_ns));
		break;
	}
}

/* Messages of many sizes through a relay: each is due when it was written. */
static uint64_t relay_once(enum from from, enum to to)
{
	static const uint64_t sizes[] = { 1, 700, 1448, 5000, 20000, 100000, 3, 300000 };
	static struct way way;
	uint64_t given = 0, due_ns, machine_ns;

	way_make(&way, from, to, 0, false);
	CHECK_EQ(leat_begin(&way.t, &way.sink, &way.source, NULL), 0);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t size = sizes[i % (sizeof sizes / sizeof sizes[0])];

		machine_ns = machine_late_main_ns();
		due_ns = leat_now_ns();
		CHECK_EQ(ends_write_all(way.feed, ends_content(CONTENT) + given, size), size);
		given += size;
		drive_until(&way, given, due_ns, machine_ns);
	}
	CHECK_EQ(leat_end(&way.t, NULL), -ECANCELED);
	way_close(&way);
	return way.worst_ns;
}

/* A sink that was full: once its peer has read all of it, the next bytes are due. */
static uint64_t full_once(enum from from, enum to to)
{
	static struct way way;
	int r;

	way_make(&way, from, to, CONTENT, true);
	CHECK_EQ(leat_begin(&way.t, &way.sink, &way.source, NULL), 0);
	while ((r = step(&way)) > 0) {
		uint64_t due_ns, machine_ns, bytes;

		if (r == LEAT_AGAIN)
			continue;
		receive(&way);
		machine_ns = machine_late_main_ns();
		due_ns = leat_now_ns();
		bytes = way.arrived + 1;
		drive_until(&way, bytes < CONTENT ? bytes : CONTENT, due_ns, machine_ns);
	}
	CHECK_EQ(r, LEAT_DONE);
	CHECK_EQ(leat_end(&way.t, NULL), 0);
	way_close(&way);
	return way.worst_ns;
}

static const struct step_row { enum from from; enum to to; bool full; } stepped[] = {
	{ FROM_TCP, TO_TCP, false },  { FROM_UNIX, TO_TCP, false }, { FROM_PIPE, TO_TCP, false }, { FROM_TCP, TO_PIPE, false },
	{ FROM_FILE, TO_TCP, true }, { FROM_FILE, TO_UNIX, true }, { FROM_FILE, TO_PIPE, true }, { FROM_MEMORY, TO_TCP, true },
};

static uint64_t step_once(const void *arg)
{
	const struct step_row *row = arg;

	return (row->full ? full_once : relay_once)(row->from, row->to);
}

static void stepped_transfers_keep_their_time(void)
{
	for (const struct step_row *row = stepped; row < stepped + sizeof stepped / sizeof stepped[0]; row++)
		judge(step_once, row, row->full ? "stepped, into a full sink" : "stepped, messages", row->from, row->to, "");
}

/* ---- A queue that was empty ---- */

#define PARTS 24

static const struct queue_row { enum to to; bool with_rate; } queues[] = {
	{ TO_TCP, false }, { TO_TCP, true }, { TO_UNIX, false }, { TO_UNIX, true }, { TO_PIPE, false }, { TO_PIPE, true },
};

/* Parts of a queue, each added when nothing was left: due then. With a rate the bucket has earned each part meanwhile. */
static uint64_t queue_once(const void *arg)
{
	const struct queue_row *row = arg;
	static struct way way;
	static struct leat_source part[PARTS];
	static const uint64_t sizes[] = { 5, 150, 6000, 1449 };
	int file = ends_file_with(ends_content(CONTENT), CONTENT, O_RDONLY);
	struct leat_queue queue;
	struct leat_rate rate;
	uint64_t at = 0;

	way_make(&way, FROM_QUEUE, row->to, 0, false);
	leat_queue_init(&queue);
	leat_from_queue(&way.source, &queue);
	if (row->with_rate)
		leat_wrap_sink(&way.sink, leat_rate_init(&rate, 400000, 6000));
	CHECK_EQ(leat_begin(&way.t, &way.sink, &way.source, NULL), 0);
	CHECK_EQ(step_on(&way.t), LEAT_WAIT);
	for (unsigned i = 0; i < PARTS; i++) {
		uint64_t size = sizes[i % 4], due_ns, machine_ns;

		usleep(20000);
		if (i % 3)
			leat_from_range(&part[i], file, at, size);
		else
			leat_from_memory(&part[i], ends_content(CONTENT) + at, size);
		at += size;
		machine_ns = machine_late_main_ns();
		due_ns = leat_now_ns();
		CHECK_EQ(leat_queue_add(&queue, &part[i]), 0);
		drive_until(&way, at, due_ns, machine_ns);
	}
	leat_queue_end(&queue);
	while (step(&way) > 0)
		;
	CHECK_EQ(leat_end(&way.t, NULL), 0);
	for (unsigned i = 0; i < PARTS; i++)
		leat_close(&part[i]);
	close(file);
	way_close(&way);
	return way.worst_ns;
}

static void queues_that_were_empty_keep_their_time(void)
{
	for (const struct queue_row *row = queues; row < queues + sizeof queues / sizeof queues[0]; row++)
		judge(queue_once, row, "a queue that was empty", FROM_QUEUE, row->to, row->with_rate ? ", rate" : "");
}

/* ---- What is late is seen ---- */

static void a_planted_delay_is_seen(void)
{
	planted_ns = 15 * MS;
	for (unsigned i = 0; i < LANES; i++) {
		uint64_t worst_ns;

		ends_alarm(20, __func__);
		if (lanes[i].from != FROM_FILE || lanes[i].bytes > 200000)
			continue;
		worst_ns = rate_once(&lanes[i]);
		printf("%s to %s%s: %.1f ms late\n", from_names[lanes[i].from], to_names[lanes[i].to],
		       lanes[i].copy ? ", leat_copy" : "", (double)worst_ns / 1e6);
		CHECK_SAY(worst_ns > MOST_LATE_NS, "15 ms planted, and only %.1f ms seen", (double)worst_ns / 1e6);
	}
	planted_ns = 0;
}

static const struct test tests[] = {
	TEST(rates_keep_their_time), TEST(stepped_transfers_keep_their_time), TEST(queues_that_were_empty_keep_their_time),
	TEST(a_planted_delay_is_seen),
};
TEST_MAIN(tests)
