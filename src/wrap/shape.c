/* SPDX-License-Identifier: MIT */
/* Wrappers that say how much may pass and when, without looking at the bytes: limit, section, rate, deadline. */
#include "wrap.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---- limit and section ---- */

/* at_least is not looked at: whether the rest is of use is known to the frame that asked. */
static int limit_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct leat_limit *limit = (struct leat_limit *)wrapper;

	if (!limit->left)
		return LEAT_END;
	budget->bytes = least(budget->bytes, limit->left);
	return 0;
}

static void limit_skipped(struct leat_wrapper *wrapper, uint64_t bytes)
{
	struct leat_limit *limit = (struct leat_limit *)wrapper;

	limit->left -= least(bytes, limit->left);
}

static void limit_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	limit_skipped(wrapper, bytes);
}

static int limit_finish(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	const struct leat_limit *limit = (struct leat_limit *)wrapper;

	return limit->exact && limit->left ? LEAT_ESHORT : 0;
}

const struct leat_wrapper_ops limit_ops = {
	.name = "limit",
	.need = LEAT_NEED_NOTHING,
	.allow = limit_allow,
	.moved = limit_moved,
	.skipped = limit_skipped,
	.finish = limit_finish,
};

const struct leat_wrapper_ops section_ops = {
	.name = "section",
	.need = LEAT_NEED_NOTHING,
	.allow = limit_allow,
	.moved = limit_moved,
	.skipped = limit_skipped,
};

static struct leat_wrapper *limit_prepare(struct leat_limit *limit, const struct leat_wrapper_ops *ops, uint64_t skip,
					  uint64_t bytes, int exact)
{
	if (!limit)
		return NULL;
	limit->left = bytes;
	limit->skip = skip;
	limit->exact = exact;
	return leat_wrapper_init(&limit->wrapper, ops);
}

struct leat_wrapper *leat_limit_init(struct leat_limit *limit, uint64_t bytes)
{
	return limit_prepare(limit, &limit_ops, 0, bytes, 0);
}

struct leat_wrapper *leat_limit_init_exact(struct leat_limit *limit, uint64_t bytes)
{
	return limit_prepare(limit, &limit_ops, 0, bytes, 1);
}

struct leat_wrapper *leat_section_init(struct leat_limit *section, uint64_t skip, uint64_t bytes)
{
	return limit_prepare(section, &section_ops, skip, bytes, 0);
}

void section_skipped(struct leat_limit *section, uint64_t bytes)
{
	section->skip -= least(bytes, section->skip);
}

/* ---- rate ---- */

/*
 * tokens is what the bucket held at filled_ns; since then it has earned bytes_per_s, exactly: filled_ns moves on by whole
 * seconds only, or to now when the bucket runs over. So no rounding adds up, however often somebody asks.
 * The first burst is never earned again. tokens may be negative: what several transfers were allowed at the same time, or a
 * piece that goes whole, is paid back.
 * spare is 0 until the clock of the bucket starts, then counts turns: see turn_bytes.
 */

/*
 * 40 ms of the rate: with the second itself 1.04 of the rate in any second, of 1.05 promised; and a timer may be 35 ms late
 * before any rate is lost. 5 ms of the rate is worth waking for: 200 times in a second.
 */
static uint64_t bucket_capacity(const struct leat_bucket *bucket)
{
	return most(bucket->bytes_per_s / 25, 1);
}

static uint64_t bucket_quantum(const struct leat_bucket *bucket)
{
	return bucket->bytes_per_s / 200 + (bucket->bytes_per_s % 200 > 0);
}

static void bucket_lock(struct leat_bucket *bucket)
{
	while (__atomic_exchange_n(&bucket->lock, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&bucket->lock, __ATOMIC_RELAXED))
			sched_yield();
}

static void bucket_unlock(struct leat_bucket *bucket)
{
	__atomic_store_n(&bucket->lock, 0, __ATOMIC_RELEASE);
}

/*
 * What the bucket holds at now_ns. It may hold up to a byte more than its capacity, of which no more than the capacity is
 * whole bytes: at one byte in a bucket, a late timer would lose rate otherwise.
 */
static int64_t bucket_level(struct leat_bucket *bucket, uint64_t now_ns)
{
	int64_t capacity = (int64_t)bucket_capacity(bucket), level;
	uint64_t elapsed_ns, earned;

	if (!bucket->spare) {
		bucket->spare = 1;
		bucket->filled_ns = now_ns;
	}
	elapsed_ns = now_ns > bucket->filled_ns ? now_ns - bucket->filled_ns : 0;	/* another thread's clock was read later */
	earned = mul_div(bucket->bytes_per_s, elapsed_ns, LEAT_SECOND);
	if (earned > INT64_MAX || __builtin_add_overflow(bucket->tokens, (int64_t)earned, &level))
		level = INT64_MAX;
	if (level > capacity) {
		if (bucket->tokens < capacity)
			bucket->tokens = capacity;
		bucket->filled_ns = now_ns > bucket->filled_ns ? now_ns : bucket->filled_ns;
		return bucket->tokens;
	}
	bucket->tokens += (int64_t)(elapsed_ns / LEAT_SECOND * bucket->bytes_per_s);
	bucket->filled_ns += elapsed_ns / LEAT_SECOND * LEAT_SECOND;
	return level;
}

/* When it will hold bytes, more than it does now. */
static uint64_t bucket_ready_ns(const struct leat_bucket *bucket, uint64_t bytes)
{
	uint64_t missing = bytes - (uint64_t)bucket->tokens;

	return add_capped(bucket->filled_ns, add_capped(mul_div(missing, LEAT_SECOND, bucket->bytes_per_s), 1));
}

static bool shared(const struct leat_rate *rate)
{
	return rate->bucket;	/* NULL is own: so that the struct may be copied before it is wrapped */
}

static struct leat_bucket *bucket_of(struct leat_rate *rate)
{
	return rate->bucket ? rate->bucket : &rate->own;
}

/*
 * What the bucket must hold before this transfer takes its turn. Of several transfers on a bucket, who had the last turn
 * waits half a quantum longer than who had none for long: or the first to ask at each waking would get everything. Still
 * below 10 ms. Alone on its bucket, a piece that goes whole is waited for; on a shared one it goes on credit, for others
 * would always come first.
 */
static uint64_t turn_bytes(const struct leat_rate *rate, const struct leat_bucket *bucket, uint64_t at_least)
{
	uint64_t quantum = bucket_quantum(bucket);
	uint32_t age = bucket->spare - rate->own.spare;

	if (shared(rate))
		return quantum + quantum / 2 / ((uint64_t)age + 1);
	return most(quantum, least(at_least, bucket_capacity(bucket)));
}

static int rate_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct leat_rate *rate = (struct leat_rate *)wrapper;
	struct leat_bucket *bucket = bucket_of(rate);
	uint64_t need, may;
	int64_t level;
	int result = 0;

	if (!budget->bytes)
		return 0;
	bucket_lock(bucket);
	level = bucket_level(bucket, budget->now_ns);
	need = turn_bytes(rate, bucket, budget->at_least);
	if (level < (int64_t)least(need, budget->bytes)) {
		wake_by(budget, bucket_ready_ns(bucket, need));
		budget->bytes = 0;
		budget->wait.fd = -1;
		result = LEAT_WAIT;
	} else {
		may = (uint64_t)level;
		if (shared(rate))	/* others are allowed theirs before this is charged: keep what all owe below 5 % */
			may = least(may, most(need, may / 4));
		budget->bytes = least(budget->bytes, most(may, budget->at_least));
	}
	bucket_unlock(bucket);
	return result;
}

static void rate_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct leat_rate *rate = (struct leat_rate *)wrapper;
	struct leat_bucket *bucket = bucket_of(rate);

	bucket_lock(bucket);
	if (bytes > INT64_MAX || __builtin_sub_overflow(bucket->tokens, (int64_t)bytes, &bucket->tokens))
		bucket->tokens = INT64_MIN;
	if (shared(rate)) {
		if (!++bucket->spare)
			bucket->spare = 1;
		rate->own.spare = bucket->spare;
	}
	bucket_unlock(bucket);
}

const struct leat_wrapper_ops rate_ops = {
	.name = "rate",
	.need = LEAT_NEED_NOTHING,
	.allow = rate_allow,
	.moved = rate_moved,
};

void leat_bucket_init(struct leat_bucket *bucket, uint64_t bytes_per_s, uint64_t burst)
{
	if (!bucket)
		return;
	memset(bucket, 0, sizeof *bucket);
	bucket->bytes_per_s = bytes_per_s;
	bucket->tokens = (int64_t)least(burst, INT64_MAX);
}

/* A rate of nothing a second is a misuse: such a transfer would never end. */
struct leat_wrapper *leat_rate_init(struct leat_rate *rate, uint64_t bytes_per_s, uint64_t burst)
{
	if (!rate)
		return NULL;
	leat_bucket_init(&rate->own, bytes_per_s, burst);
	rate->bucket = NULL;
	return leat_wrapper_init(&rate->wrapper, bytes_per_s ? &rate_ops : NULL);
}

struct leat_wrapper *leat_rate_init_shared(struct leat_rate *rate, struct leat_bucket *bucket)
{
	if (!rate)
		return NULL;
	leat_bucket_init(&rate->own, 0, 0);
	rate->bucket = bucket;
	return leat_wrapper_init(&rate->wrapper, bucket && bucket->bytes_per_s ? &rate_ops : NULL);
}

/* ---- deadline ---- */

/*
 * begin_ns and own.last_ns are in active time. Events bring the plain clock: it stands there with this bit until allow, which
 * knows both clocks, has looked; NO_TIME: just now, but nobody said when. An activity that two directions share is always in
 * the plain clock, as each has an active time of its own; own.last_ns is then how long this one had starved when it looked last.
 */
#define PLAIN_CLOCK (UINT64_C(1) << 63)
#define NO_TIME UINT64_MAX

/*
 * Active nanoseconds since *at_ns, which is brought into active time. Once the transfer has starved, a time in the plain
 * clock counts as the present: it is late by less than a step, for what begins or moves does so where allow is asked next.
 */
static uint64_t since(uint64_t *at_ns, const struct leat_budget *budget)
{
	if (*at_ns == NO_TIME || (*at_ns & PLAIN_CLOCK && budget->now_ns != budget->active_ns))
		*at_ns = budget->active_ns;
	*at_ns &= ~PLAIN_CLOCK;
	return budget->active_ns > *at_ns ? budget->active_ns - *at_ns : 0;
}

/* A queue starves only when all before was delivered, so the end of starving counts as progress of both. */
static uint64_t since_activity(struct leat_deadline *deadline, const struct leat_budget *budget)
{
	struct leat_activity *activity = deadline->activity;
	uint64_t starved_ns = budget->now_ns - budget->active_ns;

	if (activity->last_ns == NO_TIME || deadline->begin_ns == NO_TIME || starved_ns > deadline->own.last_ns)
		activity->last_ns = budget->now_ns;
	deadline->own.last_ns = starved_ns;
	return budget->now_ns > activity->last_ns ? budget->now_ns - activity->last_ns : 0;
}

static int due(struct leat_budget *budget, uint64_t spent_ns, uint64_t most_ns)
{
	if (!most_ns)
		return 0;
	if (spent_ns >= most_ns)
		return -ETIMEDOUT;
	wake_by(budget, add_capped(budget->now_ns, most_ns - spent_ns));
	return 0;
}

/* leat_read has no begin: the first question is one. */
static int deadline_allow(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	struct leat_deadline *deadline = (struct leat_deadline *)wrapper;
	uint64_t idle_ns = deadline->activity ? since_activity(deadline, budget) : since(&deadline->own.last_ns, budget);
	uint64_t total_ns = since(&deadline->begin_ns, budget);
	int error = due(budget, idle_ns, deadline->idle_ns);

	return error ? error : due(budget, total_ns, deadline->total_ns);
}

static void deadline_moved(struct leat_wrapper *wrapper, uint64_t bytes, enum leat_route route)
{
	struct leat_deadline *deadline = (struct leat_deadline *)wrapper;

	if (deadline->activity)
		deadline->activity->last_ns = NO_TIME;
	else
		deadline->own.last_ns = NO_TIME;
}

/* Bytes that a section further on drops are progress as well. */
static void deadline_skipped(struct leat_wrapper *wrapper, uint64_t bytes)
{
	deadline_moved(wrapper, bytes, LEAT_ROUTE_NONE);
}

static void progress_at(struct leat_deadline *deadline, uint64_t now_ns)
{
	if (deadline->activity)
		deadline->activity->last_ns = now_ns;
	else
		deadline->own.last_ns = now_ns | PLAIN_CLOCK;
}

static void deadline_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	struct leat_deadline *deadline = (struct leat_deadline *)wrapper;

	if (event->kind == LEAT_EVENT_BEGIN) {
		deadline->own.last_ns = 0;
		deadline->begin_ns = event->now_ns | PLAIN_CLOCK;
	}
	if (event->kind == LEAT_EVENT_BEGIN || event->kind == LEAT_EVENT_MOVED)
		progress_at(deadline, event->now_ns);
	if (event->kind == LEAT_EVENT_END) {
		deadline->begin_ns = NO_TIME;
		deadline->own.last_ns = deadline->activity ? 0 : NO_TIME;
	}
}

const struct leat_wrapper_ops deadline_ops = {
	.name = "deadline",
	.need = LEAT_NEED_NOTHING,
	.allow = deadline_allow,
	.moved = deadline_moved,
	.skipped = deadline_skipped,
	.event = deadline_event,
};

static struct leat_wrapper *deadline_prepare(struct leat_deadline *deadline, uint64_t idle, uint64_t total,
					     struct leat_activity *activity, const struct leat_wrapper_ops *ops)
{
	if (!deadline)
		return NULL;
	deadline->own.last_ns = activity ? 0 : NO_TIME;
	deadline->activity = activity;
	deadline->idle_ns = idle;
	deadline->total_ns = total;
	deadline->begin_ns = NO_TIME;
	return leat_wrapper_init(&deadline->wrapper, ops);
}

struct leat_wrapper *leat_deadline_init(struct leat_deadline *deadline, uint64_t idle, uint64_t total)
{
	return deadline_prepare(deadline, idle, total, NULL, &deadline_ops);
}

struct leat_wrapper *leat_deadline_init_shared(struct leat_deadline *deadline, uint64_t idle, uint64_t total,
					       struct leat_activity *activity)
{
	return deadline_prepare(deadline, idle, total, activity, activity ? &deadline_ops : NULL);
}
