/* SPDX-License-Identifier: MIT */
/* The rate: every window of one second, over random demands and late timers; shared buckets; extremes. */
#include "wrap-drive.h"
#include "wrap/wrap.h"

#include <pthread.h>

#define MOVES_MAX 400000

struct record {
	uint64_t at_ns, bytes;
};
static struct record records[MOVES_MAX];
static size_t record_count;

/* How a run is driven. */
struct run {
	uint64_t bytes_per_s, burst, seconds;
	uint64_t late_ns;	/* timers fire up to this late */
	uint64_t piece;		/* a move takes up to this many of the bytes allowed; 0: all of them */
	uint64_t pause_ns;	/* now and then the source has nothing for up to this long */
	uint64_t nosy;		/* questions between moves that nobody acts upon */
	uint64_t seed;
	uint64_t wakes, bytes, end_ns;	/* what came out */
};

static void check_wake(const struct leat_budget *budget, uint64_t now_ns)
{
	CHECK(budget->wake_at_ns > now_ns);
	CHECK_EQ(budget->wait.fd, -1);
	CHECK_EQ(budget->bytes, 0);
}

static void drive(struct leat_wrapper *w, struct run *run)
{
	uint64_t now = LEAT_SECOND * 1000, begin = now;

	record_count = 0;
	while (now < begin + run->seconds * LEAT_SECOND) {
		struct leat_budget budget = budget_at(LEAT_UNKNOWN / 2, now);
		int r;

		for (uint64_t i = 0; i < run->nosy; i++) {
			struct leat_budget other = budget_at(1 + random_below(&run->seed, 1000), now - random_below(&run->seed, 2));

			ask(w, &other);
		}
		r = ask(w, &budget);
		if (r == LEAT_WAIT) {
			check_wake(&budget, now);
			run->wakes++;
			now = budget.wake_at_ns + random_below(&run->seed, run->late_ns);
			continue;
		}
		CHECK_EQ(r, 0);
		CHECK(budget.bytes > 0);
		if (run->piece && budget.bytes > run->piece)
			budget.bytes = 1 + random_below(&run->seed, run->piece);
		CHECK(record_count < MOVES_MAX);
		records[record_count++] = (struct record){ now, budget.bytes };
		run->bytes += budget.bytes;
		move(w, NULL, budget.bytes, now);
		now += 1 + random_below(&run->seed, 20000);
		if (run->pause_ns && !random_below(&run->seed, 50))
			now += random_below(&run->seed, run->pause_ns);
	}
	run->end_ns = now - begin;
}

/*
 * Every second that begins after the burst was delivered: no more than most bytes, and no fewer than least. The most is
 * looked for in windows that begin with a move, the least in windows that begin right behind one.
 */
static void check_windows(uint64_t burst, uint64_t least, uint64_t most)
{
	size_t first = 0, end;
	uint64_t sum = 0;

	while (first < record_count && sum < burst)
		sum += records[first++].bytes;
	sum = 0;
	for (end = first; first < record_count; first++) {
		while (end < record_count && records[end].at_ns < records[first].at_ns + LEAT_SECOND)
			sum += records[end++].bytes;
		if (end == record_count)
			return;
		CHECK_SAY(sum <= most, "%llu bytes in the second from %llu: more than %llu", (unsigned long long)sum,
			  (unsigned long long)records[first].at_ns, (unsigned long long)most);
		sum -= records[first].bytes;
		/* bytes of a move exactly one second later may or may not belong to it: count none of them */
		CHECK_SAY(sum >= least, "%llu bytes in the second from %llu: less than %llu", (unsigned long long)sum,
			  (unsigned long long)records[first].at_ns, (unsigned long long)least);
	}
}

static const uint64_t rates[] = { 100, 333, 4096, 99991, 1000000, UINT64_C(333333333), UINT64_C(12500000000),
				  UINT64_C(100000000000) };

static void window_holds_under_full_demand(void)
{
	static const uint64_t late[] = { 1, 3 * MS, 30 * MS };
	static char note[99];

	test_note(note);
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		for (size_t j = 0; j < 3; j++) {
			uint64_t rate = rates[i];
			struct run run = { .bytes_per_s = rate, .burst = rate / 3, .seconds = 8, .late_ns = late[j],
					   .seed = i * 9 + j };
			struct leat_rate r;

			snprintf(note, sizeof note, "rate %llu, timers %llu ns late", (unsigned long long)rate,
				 (unsigned long long)late[j]);
			drive(leat_rate_init(&r, rate, run.burst), &run);
			check_windows(run.burst, rate - rate / 20 - 1, rate + rate / 20 + 1);
			CHECK_LE(run.wakes, 201 * run.seconds);
		}
	}
}

/* Short moves, a source that pauses: never more than the rate, and the burst does not come back. */
static void window_holds_over_random_demand(void)
{
	static char note[99];

	test_note(note);
	for (uint64_t seed = 0; seed < 60; seed++) {
		uint64_t rate = rates[seed % 8];
		struct run run = { .bytes_per_s = rate, .burst = seed % 3 ? 0 : rate * 2, .seconds = 8, .late_ns = 5 * MS,
				   .piece = 1 + rate / 500, .pause_ns = seed % 2 ? 2 * LEAT_SECOND : 100 * MS, .seed = seed };
		struct leat_rate r;

		snprintf(note, sizeof note, "seed %llu, rate %llu", (unsigned long long)seed, (unsigned long long)rate);
		drive(leat_rate_init(&r, rate, run.burst), &run);
		check_windows(run.burst, 0, rate + rate / 20 + 1);
	}
}

/* One byte a second: a late timer may delay a byte but not lose it. */
static void slow_rates_lose_nothing(void)
{
	for (uint64_t rate = 1; rate < 60; rate++) {
		struct run run = { .bytes_per_s = rate, .seconds = 100, .late_ns = 6 * MS, .seed = rate };
		struct leat_rate r;

		drive(leat_rate_init(&r, rate, 0), &run);
		check_windows(0, rate - 1, rate + 2);
		CHECK_GE(run.bytes, rate * 100 - 1);
		CHECK_LE(run.bytes, rate * 100 + 1);
	}
}

/* Rounding must not add up: many questions at an odd rate, over an hour. */
static void questions_cost_no_rate(void)
{
	static const uint64_t odd[] = { 7, 333333, UINT64_C(99999999977) };

	for (int i = 0; i < 3; i++) {
		struct run run = { .bytes_per_s = odd[i], .seconds = i ? 1000 : 4000, .late_ns = 2 * MS, .nosy = 3, .seed = 5 };
		struct leat_rate r;
		uint64_t expected;

		drive(leat_rate_init(&r, odd[i], 0), &run);
		expected = mul_div(odd[i], run.end_ns, LEAT_SECOND);
		CHECK_LE(run.bytes, expected);
		CHECK_GE(run.bytes, expected - odd[i] / 50 - 1);
	}
}

static void allow_has_no_side_effect(void)
{
	struct leat_rate r;
	struct leat_wrapper *w = leat_rate_init(&r, 1000000, 500000);
	uint64_t now = LEAT_SECOND;

	for (int i = 0; i < 1000; i++) {
		struct leat_budget first = budget_at(300000, now), again = first;
		int answer = ask(w, &first);

		CHECK_EQ(ask(w, &again), answer);
		CHECK_EQ(again.bytes, first.bytes);
		CHECK_EQ(again.wake_at_ns, first.wake_at_ns);
		if (answer == 0 && i % 3 == 0)
			move(w, NULL, first.bytes, now);
		now += 1 * MS;
	}
}

static void burst_goes_at_once_and_only_once(void)
{
	struct leat_rate r;
	struct leat_wrapper *w = leat_rate_init(&r, 1000, 1 << 20);
	struct leat_budget budget = budget_at(LEAT_UNKNOWN, 5);

	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 1 << 20);
	move(w, NULL, 1 << 19, 5);
	budget = budget_at(LEAT_UNKNOWN, 5 + 3600 * LEAT_SECOND);	/* an hour later: half of it, and nothing earned */
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 1 << 19);
	move(w, NULL, 1 << 19, budget.now_ns);
	budget = budget_at(LEAT_UNKNOWN, budget.now_ns + 3600 * LEAT_SECOND);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 40);
}

static void at_least_is_waited_for(void)
{
	struct leat_rate r;
	struct leat_wrapper *w = leat_rate_init(&r, 10000, 0);	/* 81 bytes take 8.1 ms, a quantum 5 ms */
	struct leat_budget budget = budget_at(1000, LEAT_SECOND);

	budget.at_least = 81;
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	CHECK_GE(budget.wake_at_ns, LEAT_SECOND + 8100000);
	CHECK_LE(budget.wake_at_ns, LEAT_SECOND + 8100001);
	budget = budget_at(1000, budget.wake_at_ns);
	budget.at_least = 81;
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 81);
}

/* More than the bucket ever holds goes whole when it is full, and is paid back before anything else goes. */
static void at_least_beyond_the_bucket_goes_on_credit(void)
{
	struct leat_rate r;
	struct leat_wrapper *w = leat_rate_init(&r, 10, 0);
	struct leat_budget budget = budget_at(1000, 0);
	uint64_t sent = 0, now = 0;

	while (now < 100 * LEAT_SECOND) {
		budget = budget_at(1000, now);
		budget.at_least = 81;
		if (ask(w, &budget) == LEAT_WAIT) {
			CHECK(budget.wake_at_ns > now);
			now = budget.wake_at_ns;
			continue;
		}
		CHECK_EQ(budget.bytes, 81);
		move(w, NULL, 81, now);
		sent += 81;
	}
	CHECK_LE(sent, 1000 + 81);
	CHECK_GE(sent, 1000 - 81);
}

/* The last few bytes do not wait for a whole quantum once they are earned, nor longer than one. */
static void small_rest_is_not_held_up(void)
{
	struct leat_rate r;
	struct leat_wrapper *w = leat_rate_init(&r, 1000000, 0);
	struct leat_budget budget = budget_at(10, 0);

	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	CHECK_LE(budget.wake_at_ns, 5 * MS + 1);
	budget = budget_at(10, 11000);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, 10);
}

static void extremes(void)
{
	struct leat_rate r;
	struct leat_wrapper *w = leat_rate_init(&r, UINT64_MAX, UINT64_MAX);
	struct leat_budget budget = budget_at(UINT64_MAX, UINT64_MAX / 2);

	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, INT64_MAX);
	w->ops->moved(w, UINT64_MAX, LEAT_ROUTE_COPY);
	budget = budget_at(UINT64_MAX, UINT64_MAX / 2);
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	CHECK(budget.wake_at_ns > UINT64_MAX / 2);
	budget = budget_at(UINT64_MAX, UINT64_MAX / 2 + LEAT_SECOND);
	CHECK_EQ(ask(w, &budget), 0);

	w = leat_rate_init(&r, UINT64_C(100000000000), UINT64_C(1) << 62);
	budget = budget_at(UINT64_MAX, 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, UINT64_C(1) << 62);
	move(w, NULL, UINT64_C(1) << 62, 1);
	budget = budget_at(UINT64_MAX, LEAT_NEVER - 1);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_EQ(budget.bytes, UINT64_C(4000000000));

	w = leat_rate_init(&r, 1, 0);
	budget = budget_at(UINT64_MAX, LEAT_NEVER - 1);	/* earns its byte after the end of time */
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
	w->ops->moved(w, 5, LEAT_ROUTE_COPY);
	budget = budget_at(0, 1);
	CHECK_EQ(ask(w, &budget), 0);	/* nothing wanted, nothing to wait for */
	CHECK_EQ(budget.wake_at_ns, LEAT_NEVER);
}

/* The clock of a transfer may be read before another thread's. */
static void clock_that_lags(void)
{
	struct leat_bucket bucket;
	struct leat_rate r;
	struct leat_wrapper *w;
	struct leat_budget budget = budget_at(1000, 10 * LEAT_SECOND);

	leat_bucket_init(&bucket, 1000, 0);
	w = leat_rate_init_shared(&r, &bucket);
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	budget = budget_at(1000, 9 * LEAT_SECOND);
	CHECK_EQ(ask(w, &budget), LEAT_WAIT);
	budget = budget_at(1000, 10 * LEAT_SECOND + 100 * MS);
	CHECK_EQ(ask(w, &budget), 0);
	CHECK_LE(budget.bytes, 40);
}

/* Four transfers stepped in the same order at each waking: each gets its share, together they keep the rate. */
static void shared_bucket_is_fair(void)
{
	enum { SHARES = 4 };
	struct leat_bucket bucket;
	struct leat_rate r[SHARES];
	uint64_t bytes[SHARES] = { 0 }, now = LEAT_SECOND, wake;
	const uint64_t rate = 1000000;

	leat_bucket_init(&bucket, rate, 0);
	for (int i = 0; i < SHARES; i++)
		leat_rate_init_shared(&r[i], &bucket);
	record_count = 0;
	for (; now < 11 * LEAT_SECOND; now = (wake + MS - 1) / MS * MS) {	/* poll rounds up to milliseconds */
		wake = LEAT_NEVER;
		for (int i = 0; i < SHARES; i++) {
			struct leat_budget budget = budget_at(LEAT_UNKNOWN / 2, now);

			while (ask(&r[i].wrapper, &budget) == 0) {
				records[record_count++] = (struct record){ now, budget.bytes };
				bytes[i] += budget.bytes;
				move(&r[i].wrapper, NULL, budget.bytes, now);
				budget = budget_at(LEAT_UNKNOWN / 2, now);
			}
			wake = budget.wake_at_ns < wake ? budget.wake_at_ns : wake;
		}
	}
	check_windows(0, rate - rate / 20, rate + rate / 20);
	for (int i = 0; i < SHARES; i++)
		CHECK_SAY(bytes[i] >= rate * 10 / SHARES / 2, "transfer %d got %llu", i, (unsigned long long)bytes[i]);
}

static uint64_t shared_now_ns, shared_bytes;

static void *share(void *arg)
{
	struct leat_wrapper *w = arg;
	uint64_t now, seen;

	while ((now = __atomic_load_n(&shared_now_ns, __ATOMIC_RELAXED)) < 20 * LEAT_SECOND) {
		struct leat_budget budget = budget_at(LEAT_UNKNOWN / 2, now);

		if (ask(w, &budget) == 0) {
			w->ops->moved(w, budget.bytes, LEAT_ROUTE_COPY);
			__atomic_fetch_add(&shared_bytes, budget.bytes, __ATOMIC_RELAXED);
			continue;
		}
		seen = now;	/* the time of all goes on to the waking of one */
		__atomic_compare_exchange_n(&shared_now_ns, &seen, budget.wake_at_ns, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void shared_by_threads(void)
{
	enum { THREADS = 4 };
	const uint64_t rate = 10000000, burst = 3000000;
	struct leat_bucket bucket;
	struct leat_rate r[THREADS];
	pthread_t threads[THREADS];
	uint64_t seconds;

	leat_bucket_init(&bucket, rate, burst);
	shared_now_ns = shared_bytes = 0;
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, share, leat_rate_init_shared(&r[i], &bucket)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	seconds = shared_now_ns / LEAT_SECOND;
	CHECK_GE(shared_bytes, burst + rate * (seconds - 1));
	CHECK_LE(shared_bytes, burst + rate * (seconds + 1) + rate / 20 * THREADS);
	CHECK_EQ(bucket.lock, 0);
}

/* A lost update would show in tokens: every charge is counted once. */
#define CHARGES 300000
static pthread_barrier_t together;

static void *charge(void *arg)
{
	struct leat_wrapper *w = arg;

	pthread_barrier_wait(&together);
	for (int i = 0; i < CHARGES; i++)
		w->ops->moved(w, 3, LEAT_ROUTE_COPY);
	return NULL;
}

static void charges_of_threads_add_up(void)
{
	struct leat_bucket bucket;
	struct leat_rate r[4];
	pthread_t threads[4];

	leat_bucket_init(&bucket, 1, 1000000);
	pthread_barrier_init(&together, NULL, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, charge, leat_rate_init_shared(&r[i], &bucket)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(bucket.tokens, 1000000 - 4 * CHARGES * 3);
	pthread_barrier_destroy(&together);
}

/* A rate may be copied before it is wrapped: its own bucket goes with it. */
static void own_bucket_moves_along(void)
{
	struct leat_rate first, second;
	struct leat_budget budget = budget_at(100, 1);

	leat_rate_init(&first, 1000, 50);
	second = first;
	memset(&first, 0xff, sizeof first);
	CHECK_EQ(ask(&second.wrapper, &budget), 0);
	CHECK_EQ(budget.bytes, 50);
}

static void null_and_misuse(void)
{
	struct leat_bucket bucket;
	struct leat_rate r;

	leat_bucket_init(NULL, 1, 1);
	CHECK(!leat_rate_init(NULL, 1, 1) && !leat_rate_init_shared(NULL, &bucket));
	CHECK(leat_rate_init(&r, 0, 1) == &r.wrapper);
	CHECK(!r.wrapper.ops);
	CHECK(leat_rate_init_shared(&r, NULL) == &r.wrapper);
	CHECK(!r.wrapper.ops);
	leat_bucket_init(&bucket, 0, 1);
	leat_rate_init_shared(&r, &bucket);
	CHECK(!r.wrapper.ops);
}

static const struct test tests[] = {
	TEST(window_holds_under_full_demand), TEST(window_holds_over_random_demand), TEST(slow_rates_lose_nothing),
	TEST(questions_cost_no_rate), TEST(allow_has_no_side_effect), TEST(burst_goes_at_once_and_only_once),
	TEST(at_least_is_waited_for), TEST(at_least_beyond_the_bucket_goes_on_credit), TEST(small_rest_is_not_held_up),
	TEST(extremes), TEST(clock_that_lags), TEST(shared_bucket_is_fair), TEST(shared_by_threads),
	TEST(charges_of_threads_add_up), TEST(own_bucket_moves_along), TEST(null_and_misuse),
};
TEST_MAIN(tests)
