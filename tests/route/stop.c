/* SPDX-License-Identifier: MIT */
/*
 * What ends leat_copy from outside: the stop flag, a signal, a deadline, an error of a wrapper; on every route, on blocking
 * descriptors and others, with a stuck sink and with a silent source. In time, exactly, without a spin. What the machine was
 * late (machine.h) is not the library's; the best of up to three tries counts.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "check.h"
#include "ends.h"
#include "machine.h"

#define SIZE (8 << 20)
#define MS (LEAT_SECOND / 1000)
#define LATE_NS (100 * MS)	/* what is promised */
#define TRIES 3

struct pair {
	enum from from;
	enum to to;
	bool hash;
	enum leat_route route;
};

/* Sinks that get stuck. */
static const struct pair pairs[] = {
	{ FROM_FILE, TO_TCP, false, LEAT_ROUTE_SENDFILE },    { FROM_FILE, TO_UNIX, false, LEAT_ROUTE_SENDFILE },
	{ FROM_FILE, TO_PTY, false, LEAT_ROUTE_SENDFILE },    { FROM_FILE, TO_PIPE, false, LEAT_ROUTE_SPLICE },
	{ FROM_PIPE, TO_TCP, false, LEAT_ROUTE_SPLICE },      { FROM_TCP, TO_PIPE, false, LEAT_ROUTE_SPLICE },
	{ FROM_PIPE, TO_PIPE, false, LEAT_ROUTE_SPLICE },     { FROM_TCP, TO_TCP, false, LEAT_ROUTE_SPLICE_PIPE },
	{ FROM_UNIX, TO_UNIX, false, LEAT_ROUTE_SPLICE_PIPE }, { FROM_MEMORY, TO_TCP, false, LEAT_ROUTE_MEMORY },
	{ FROM_MEMORY, TO_PIPE, false, LEAT_ROUTE_MEMORY },   { FROM_MEMORY, TO_PTY, false, LEAT_ROUTE_MEMORY },
	{ FROM_FILE, TO_TCP, true, LEAT_ROUTE_COPY },	      { FROM_FILE, TO_PIPE, true, LEAT_ROUTE_COPY },
	{ FROM_CALLBACK, TO_UNIX, false, LEAT_ROUTE_COPY },   { FROM_ZERO, TO_PTY, false, LEAT_ROUTE_COPY },
};
#define PAIRS (sizeof pairs / sizeof pairs[0])

struct run {
	const struct pair *pair;
	struct from_end from;
	struct to_end to;
	struct leat_count count, outer;
	struct leat_xxh3 hash;
	struct leat_report report;
	uint64_t begin_ns, end_ns, took_ns, cpu_ns;
	uint64_t begin_late_ns, end_late_ns;	/* how late the machine was by then */
	char note[80];
};

static volatile int stop;
static uint64_t set_ns;		/* just before it was set, or the signal sent */
static uint64_t done_ns, done_late_ns;	/* just after; how late the machine was by then */

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * LEAT_SECOND + (uint64_t)now.tv_nsec;
}

static void run_make(struct run *run, const struct pair *pair, bool blocking, const char *what)
{
	memset(run, 0, sizeof *run);
	run->pair = pair;
	snprintf(run->note, sizeof run->note, "%s: %s to %s%s, %s", what, from_names[pair->from], to_names[pair->to],
		 pair->hash ? " with hash" : "", blocking ? "blocking" : "non-blocking");
	ends_alarm(20, run->note);
	test_note(run->note);
	stop = 0;
	from_make(&run->from, pair->from, SIZE, blocking);
	to_make_slow(&run->to, pair->to, SIZE, blocking, 1000);
	leat_wrap(&run->from.source, leat_count_init(&run->count));
	if (pair->hash)
		leat_wrap(&run->from.source, leat_xxh3_init(&run->hash));
}

static int64_t run_copy(struct run *run, const struct leat_options *options)
{
	uint64_t cpu = cpu_ns();
	int64_t r;

	run->begin_late_ns = machine_late_main_ns();
	run->begin_ns = leat_now_ns();
	r = leat_copy(&run->to.sink, &run->from.source, options, &run->report);
	run->end_ns = leat_now_ns();
	run->took_ns = run->end_ns - run->begin_ns;
	run->cpu_ns = cpu_ns() - cpu;
	run->end_late_ns = machine_late_main_ns();
	return r;
}

static uint64_t late_since_done(uint64_t end_ns)
{
	return machine_less(machine_less(end_ns, done_ns), machine_less(machine_late_main_ns(), done_late_ns));
}

/* What the report says was accepted is what arrives, and the next byte of the source is the one after it. */
static void run_check(struct run *run)
{
	unsigned char next[100];
	uint64_t bytes = run->report.bytes;
	const char *what = from_check(&run->from, bytes);

	CHECK_SAY(!what, "%s", what);
	what = to_check(&run->to, bytes);
	CHECK_SAY(!what, "%s", what);
	CHECK_EQ(run->count.bytes, bytes);
	CHECK_SAY(bytes > 0 && bytes < SIZE, "%llu bytes went", (unsigned long long)bytes);
	CHECK_SAY(run->report.route_bytes[run->pair->route], "%s carried nothing", leat_route_name(run->pair->route));
	CHECK_LE(run->cpu_ns, 60 * MS + run->took_ns / 5);
	to_finish(&run->to, bytes);
	CHECK_EQ(run->to.got_size, bytes);
	CHECK_BYTES(run->to.got, run->from.bytes, bytes);
	CHECK_EQ(leat_read(&run->from.source, next, sizeof next, NULL) > 0, 1);
	CHECK_EQ(next[0], run->from.bytes[bytes]);
	from_close(&run->from);
	to_close(&run->to);
}

/* ---- The stop flag ---- */

static void is_done(void)
{
	done_late_ns = machine_late_main_ns();
	done_ns = leat_now_ns();
}

static void *set_stop(void *arg)
{
	usleep(60000);
	set_ns = leat_now_ns();
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	is_done();
	return NULL;
}

/* How late it ended. */
static uint64_t stop_once(const struct pair *pair, bool blocking)
{
	static struct run run;
	struct leat_options options = { .stop = &stop };
	uint64_t late_ns;
	pthread_t thread;

	run_make(&run, pair, blocking, "stop");
	CHECK_EQ(pthread_create(&thread, NULL, set_stop, NULL), 0);
	CHECK_EQ(run_copy(&run, &options), -ECANCELED);
	pthread_join(thread, NULL);
	late_ns = late_since_done(run.end_ns);
	CHECK_EQ(run.report.ended_by, LEAT_ENDED_BY_CANCEL);
	CHECK_EQ(run.report.side, LEAT_SIDE_CALLER);
	CHECK_GE(run.end_ns, set_ns);
	run_check(&run);
	return late_ns;
}

static void stop_flag(void)
{
	uint64_t longest = 0;

	if (machine_slowed_by(false))
		test_skip("%s makes everything late", machine_slowed_by(false));
	ends_content(SIZE + 100);
	for (unsigned i = 0; i < 2 * PAIRS; i++) {
		uint64_t late_ns = UINT64_MAX;

		for (int try = 0; try < TRIES && late_ns > LATE_NS; try++)
			late_ns = stop_once(&pairs[i / 2], i % 2);
		CHECK_LE(late_ns, LATE_NS);
		longest = late_ns > longest ? late_ns : longest;
	}
	printf("longest: %.1f ms after the flag\n", (double)longest / 1e6);
}

static void stop_before_the_first_byte(void)
{
	struct leat_options options = { .stop = &stop };
	struct leat_source source;
	struct leat_sink sink;
	struct leat_report report;

	ends_alarm(20, __func__);
	stop = 1;
	leat_from_memory(&source, "abc", 3);
	leat_to_nothing(&sink);
	CHECK_EQ(leat_copy(&sink, &source, &options, &report), -ECANCELED);
	CHECK_EQ(report.bytes, 0u);
	stop = 0;
	CHECK_EQ(leat_copy(&sink, &source, &options, &report), 3);
	leat_close(&source);
}

/* ---- Signals ---- */

static volatile sig_atomic_t signals;
static pthread_t main_thread;

static void on_signal(int signal)
{
	signals++;
	stop = 1;
}

static void on_first_signal(int signal)
{
	signals++;
	stop = signals > 1;
}

static void *send_signal(void *arg)
{
	usleep(60000);
	set_ns = leat_now_ns();
	pthread_kill(main_thread, SIGUSR1);
	is_done();
	return NULL;
}

static uint64_t signal_once(const struct pair *pair, bool blocking)
{
	static struct run run;
	struct leat_options options = { .stop = &stop };
	uint64_t late_ns;
	pthread_t thread;

	run_make(&run, pair, blocking, "signal");
	signals = 0;
	CHECK_EQ(pthread_create(&thread, NULL, send_signal, NULL), 0);
	CHECK_EQ(run_copy(&run, &options), -ECANCELED);
	pthread_join(thread, NULL);
	late_ns = late_since_done(run.end_ns);
	CHECK_EQ(signals, 1);
	CHECK_GE(run.end_ns, set_ns);
	run_check(&run);
	return late_ns;
}

/* A handler's flag ends the call at once: the poll is interrupted, it need not come round by itself. */
static void signal_and_stop_flag(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	if (machine_slowed_by(false))
		test_skip("%s makes everything late", machine_slowed_by(false));
	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, NULL);
	for (unsigned i = 0; i < PAIRS; i++) {
		uint64_t late_ns = UINT64_MAX;

		for (int try = 0; try < TRIES && late_ns > LATE_NS; try++)
			late_ns = signal_once(&pairs[i], i % 2);
		CHECK_LE(late_ns, LATE_NS);
	}
}

struct asked {
	struct leat_wrapper wrapper;
	unsigned times;
};

static int ask_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	((struct asked *)wrapper)->times++;
	return stop ? -EINTR : 0;
}

static const struct leat_wrapper_ops ask_ops = { .name = "ask", .need = LEAT_NEED_NOTHING, .allow = ask_allow };

/* A call that has moved something ends by the first signal, whatever it is for; the next one has moved nothing yet. */
static void *send_signals(void *arg)
{
	usleep(60000);
	pthread_kill(main_thread, SIGUSR1);
	return send_signal(arg);
}

/* How late it ended: only the wrapper can end it, and only a signal makes that it is asked. */
static uint64_t ask_once(struct leat_source *source, struct leat_sink *sink, const char *note)
{
	static struct asked asked;	/* on the chain until the caller closes the source */
	struct leat_report report;
	pthread_t thread;
	uint64_t late_ns;

	ends_alarm(20, note);
	test_note(note);
	stop = 0;
	signals = 0;
	asked.times = 0;
	leat_wrap(source, leat_wrapper_init(&asked.wrapper, &ask_ops));
	CHECK_EQ(pthread_create(&thread, NULL, send_signals, NULL), 0);
	CHECK_EQ(leat_copy(sink, source, NULL, &report), -EINTR);
	late_ns = leat_now_ns();
	pthread_join(thread, NULL);
	late_ns = late_since_done(late_ns);
	CHECK_EQ(report.side, LEAT_SIDE_WRAPPER);
	CHECK_STR(report.culprit, "ask");
	CHECK_SAY(asked.times < 50, "asked %u times", asked.times);
	return late_ns;
}

static uint64_t ask_at_a_silent_source(enum from silent)
{
	struct leat_source source;
	struct to_end to;
	uint64_t late_ns;
	int pair[2];

	if (silent == FROM_PIPE)
		CHECK_CALL(pipe2(pair, O_CLOEXEC));
	else
		ends_pair(silent == FROM_TCP, pair);
	leat_from_fd(&source, pair[0]);
	to_make(&to, TO_TCP, SIZE, true);
	late_ns = ask_once(&source, &to.sink, from_names[silent]);
	leat_close(&source);
	to_close(&to);
	close(pair[0]);
	close(pair[1]);
	return late_ns;
}

static uint64_t ask_at_a_stuck_sink(enum to stuck)
{
	struct from_end from;
	struct to_end to;
	uint64_t late_ns;

	from_make(&from, FROM_FILE, SIZE, true);
	to_make_slow(&to, stuck, SIZE, true, 1000);
	late_ns = ask_once(&from.source, &to.sink, to_names[stuck]);
	from_close(&from);
	to_close(&to);
	return late_ns;
}

/* Without a stop flag a signal asks every allow again, also where nothing else would ever happen. */
static void signal_asks_the_wrappers(void)
{
	static const enum from silent[] = { FROM_PIPE, FROM_TCP, FROM_UNIX };
	static const enum to stuck[] = { TO_PIPE, TO_TCP, TO_UNIX };
	struct sigaction action = { .sa_handler = on_first_signal };

	main_thread = pthread_self();
	for (unsigned i = 0; i < 12; i++) {
		uint64_t late_ns = UINT64_MAX;

		action.sa_flags = i / 6 ? SA_RESTART : 0;	/* with which a call that waits by itself would go on */
		sigaction(SIGUSR1, &action, NULL);
		for (int try = 0; try < TRIES && late_ns > LATE_NS; try++)
			late_ns = i % 6 < 3 ? ask_at_a_silent_source(silent[i % 6]) : ask_at_a_stuck_sink(stuck[i % 6 - 3]);
		CHECK_LE(late_ns, LATE_NS);
	}
}

/* ---- Deadlines ---- */

/* How long after the deadline it ended; or UINT64_MAX when the machine let it stand until then, before its first call. */
static uint64_t deadline_once(const struct pair *pair, bool blocking, bool total)
{
	static struct run run;
	struct leat_deadline deadline;

	run_make(&run, pair, blocking, total ? "total deadline" : "idle deadline");
	leat_wrap_sink(&run.to.sink, leat_deadline_init(&deadline, total ? 0 : 60 * MS, total ? 60 * MS : 0));
	CHECK_EQ(run_copy(&run, NULL), -ETIMEDOUT);
	if (!run.report.bytes) {
		from_close(&run.from);
		to_close(&run.to);
		return UINT64_MAX;
	}
	CHECK_EQ(run.report.side, LEAT_SIDE_WRAPPER);
	CHECK_STR(run.report.culprit, "deadline");
	CHECK_GE(run.took_ns, 60 * MS);
	run_check(&run);
	return machine_less(run.took_ns, 60 * MS + machine_less(run.end_late_ns, run.begin_late_ns));
}

static void deadlines(void)
{
	uint64_t longest = 0;

	for (unsigned i = 0; i < 4 * PAIRS; i++) {
		uint64_t late_ns = UINT64_MAX;
		unsigned stood_still = 0;

		for (int try = 0; try < TRIES && late_ns > LATE_NS; try++) {
			late_ns = deadline_once(&pairs[i / 4], i % 2, i / 2 % 2);
			if (late_ns == UINT64_MAX && stood_still++ < 10)
				try--;
		}
		CHECK_LE(late_ns, LATE_NS);
		longest = late_ns > longest ? late_ns : longest;
	}
	printf("longest: %.1f ms after the deadline\n", (double)longest / 1e6);
}

/* ---- An error of a wrapper in the midst ---- */

struct guard {
	struct leat_wrapper wrapper;
	uint64_t left, moved;
};

static int guard_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct guard *guard = (struct guard *)wrapper;

	if (!guard->left)
		return -EDQUOT;
	budget->bytes = budget->bytes < guard->left ? budget->bytes : guard->left;
	return 0;
}

static void guard_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	((struct guard *)wrapper)->left -= bytes;
	((struct guard *)wrapper)->moved += bytes;
}

static const struct leat_wrapper_ops guard_ops = {
	.name = "guard", .need = LEAT_NEED_COUNTS, .allow = guard_allow, .moved = guard_moved,
};

static void a_wrapper_fails_after_so_many_bytes(void)
{
	static struct run run;

	for (unsigned i = 0; i < 2 * PAIRS; i++) {
		struct guard guard = { .left = 300001 };

		run_make(&run, &pairs[i / 2], i % 2, "guard");
		to_allow(&run.to, UINT64_MAX);
		if (i % 4 < 2)
			leat_wrap(&run.from.source, leat_wrapper_init(&guard.wrapper, &guard_ops));
		else
			leat_wrap_sink(&run.to.sink, leat_wrapper_init(&guard.wrapper, &guard_ops));
		CHECK_EQ(run_copy(&run, NULL), -EDQUOT);
		CHECK_EQ(run.report.bytes, 300001u);
		CHECK_EQ(guard.moved, 300001u);
		CHECK_EQ(run.report.side, LEAT_SIDE_WRAPPER);
		CHECK_STR(run.report.culprit, "guard");
		CHECK_EQ(run.report.ended_by, LEAT_ENDED_BY_ERROR);
		guard.left = UINT64_MAX;
		run_check(&run);
	}
}

static const struct test tests[] = {
	TEST(stop_flag), TEST(stop_before_the_first_byte), TEST(signal_and_stop_flag), TEST(signal_asks_the_wrappers),
	TEST(deadlines), TEST(a_wrapper_fails_after_so_many_bytes),
};
TEST_MAIN(tests)
