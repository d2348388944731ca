/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *board_text(const struct board_address *address, char text[BOARD_TEXT])
{
	char host[INET6_ADDRSTRLEN] = "";

	if (address->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &address->in.sin_addr, host, sizeof host);
		snprintf(text, BOARD_TEXT, "%s:%u", host, ntohs(address->in.sin_port));
	} else if (address->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &address->in6.sin6_addr, host, sizeof host);
		snprintf(text, BOARD_TEXT, "[%s]:%u", host, ntohs(address->in6.sin6_port));
	} else if (address->length > offsetof(struct sockaddr_un, sun_path) && *address->un.sun_path) {
		snprintf(text, BOARD_TEXT, "unix:%.*s", (int)sizeof address->un.sun_path, address->un.sun_path);
	} else {
		snprintf(text, BOARD_TEXT, "unix");
	}
	return text;
}

/* A set that is copied is written anew only when a whole one after it has been: then its version is another. */
unsigned board_read(const struct board_upstream *up, struct board_address addresses[BOARD_ADDRESSES], uint32_t numbers[BOARD_ADDRESSES])
{
	uint32_t version, count;

	do {
		const struct board_set *set;

		version = __atomic_load_n(&up->version, __ATOMIC_ACQUIRE);
		set = &up->sets[version & 1];
		count = BOARD_GET(set->count);
		memcpy(addresses, set->at, sizeof set->at);
		if (numbers)
			memcpy(numbers, set->numbers, sizeof set->numbers);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (BOARD_GET(up->version) != version);
	return count;
}

unsigned board_numbers(const struct board_upstream *up, uint32_t numbers[BOARD_ADDRESSES])
{
	const struct board_set *set = &up->sets[__atomic_load_n(&up->version, __ATOMIC_ACQUIRE) & 1];
	unsigned count = BOARD_GET(set->count);

	for (unsigned i = 0; i < count; i++)
		numbers[i] = BOARD_GET(set->numbers[i]);
	return count;
}

int board_find(const struct board_upstream *up, uint32_t number, struct board_address *ret_address)
{
	uint32_t version;
	int is_there;

	do {
		const struct board_set *set;
		unsigned i = 0, count;

		version = __atomic_load_n(&up->version, __ATOMIC_ACQUIRE);
		set = &up->sets[version & 1];
		count = BOARD_GET(set->count);
		while (i < count && BOARD_GET(set->numbers[i]) != number)
			i++;
		is_there = i < count;
		if (is_there)
			*ret_address = set->at[i];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (BOARD_GET(up->version) != version);
	return is_there;
}

/* Its number in the set, or 0, which is nobody's. */
static uint32_t number_in(const struct board_set *set, unsigned count, const struct board_address *address)
{
	for (unsigned i = 0; i < count; i++)
		if (set->at[i].length == address->length && memcmp(&set->at[i].any, &address->any, address->length) == 0)
			return set->numbers[i];
	return 0;
}

static uint64_t fate_of(uint32_t number, uint32_t value)
{
	return (uint64_t)number << 32 | value;
}

/* taken: places of fates, as bits. One is always free: so many have the set that holds, and the one that is written. */
static uint32_t new_number(struct board_upstream *up, uint64_t taken)
{
	struct board_fate *fate;

	do
		up->last++;
	while (!up->last || taken >> up->last % BOARD_FATES & 1);
	fate = &up->fates[up->last % BOARD_FATES];
	BOARD_SET(fate->failures, fate_of(up->last, 0));
	BOARD_SET(fate->down_until, fate_of(up->last, 0));
	BOARD_SET(fate->checks, fate_of(up->last, 0));
	return up->last;
}

void board_write(struct board_upstream *up, const struct board_address *addresses, unsigned count)
{
	const struct board_set *holds = &up->sets[up->version & 1];
	struct board_set *set = &up->sets[(up->version + 1) & 1];
	uint64_t taken = 0;

	for (unsigned i = 0; i < holds->count; i++)
		taken |= UINT64_C(1) << holds->numbers[i] % BOARD_FATES;
	__atomic_thread_fence(__ATOMIC_RELEASE);	/* the version that holds is told before the other set changes */
	for (unsigned i = 0; i < count; i++) {
		uint32_t number;

		set->at[i] = addresses[i];
		number = number_in(holds, holds->count, &set->at[i]);
		if (!number)
			number = number_in(set, i, &set->at[i]);
		if (!number)
			number = new_number(up, taken);
		taken |= UINT64_C(1) << number % BOARD_FATES;
		BOARD_SET(set->numbers[i], number);
	}
	BOARD_SET(set->count, count);
	__atomic_store_n(&up->version, up->version + 1, __ATOMIC_RELEASE);
}

unsigned board_addresses(const struct board_upstream *up)
{
	return BOARD_GET(up->sets[BOARD_GET(up->version) & 1].count);
}

#define SICK (UINT32_C(1) << 31)		/* in checks */
#define TENTH_NS (LEAT_SECOND / 10)

/* 0 when it is another one's by now. */
static uint32_t fate_get(const uint64_t *member, uint32_t number)
{
	uint64_t fate = BOARD_GET(*member);

	return fate >> 32 == number ? (uint32_t)fate : 0;
}

/* Who is up writes nothing: its fate stays in every CPU's cache. */
static void fate_set(uint64_t *member, uint32_t number, uint32_t value)
{
	uint64_t fate = BOARD_GET(*member);

	while (fate >> 32 == number && (uint32_t)fate != value &&
	       !__atomic_compare_exchange_n(member, &fate, fate_of(number, value), 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

/* The value of before and one. */
static uint32_t fate_add(uint64_t *member, uint32_t number)
{
	uint64_t fate = BOARD_GET(*member);

	while (fate >> 32 == number && (uint32_t)fate < SICK - 1 &&
	       !__atomic_compare_exchange_n(member, &fate, fate + 1, 1, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return (uint32_t)fate + 1;
}

int board_address_is_up(const struct board_upstream *up, uint32_t number, uint64_t now_ns)
{
	const struct board_fate *fate = &up->fates[number % BOARD_FATES];

	return !(fate_get(&fate->checks, number) & SICK) && fate_get(&fate->down_until, number) * TENTH_NS <= now_ns;
}

unsigned board_up(const struct board_upstream *up, unsigned most, uint64_t now_ns)
{
	uint32_t numbers[BOARD_ADDRESSES];
	unsigned count = board_numbers(up, numbers), found = 0;

	for (unsigned i = 0; i < count && found < most; i++)
		found += (unsigned)board_address_is_up(up, numbers[i], now_ns);
	return found;
}

void board_reached(struct board_upstream *up, uint32_t number)
{
	fate_set(&up->fates[number % BOARD_FATES].failures, number, 0);
}

void board_failed(struct board_upstream *up, uint32_t number, uint64_t limit, uint64_t until_ns)
{
	struct board_fate *fate = &up->fates[number % BOARD_FATES];

	if (limit && fate_add(&fate->failures, number) >= limit)
		fate_set(&fate->down_until, number, (uint32_t)((until_ns + TENTH_NS - 1) / TENTH_NS));
}

void board_checked(struct board_upstream *up, uint32_t number, int is_there, uint64_t limit)
{
	struct board_fate *fate = &up->fates[number % BOARD_FATES];
	uint32_t failed = is_there ? 0 : (fate_get(&fate->checks, number) & ~SICK) + 1;

	fate_set(&fate->checks, number, failed | (failed && failed >= limit ? SICK : 0));
	if (is_there) {
		fate_set(&fate->failures, number, 0);
		fate_set(&fate->down_until, number, 0);
	}
}

void board_inherit(struct board_upstream *up, const struct board_upstream *from, int by_connects, int by_checks)
{
	const struct board_set *holds = &up->sets[up->version & 1];
	struct board_address addresses[BOARD_ADDRESSES];
	uint32_t theirs[BOARD_ADDRESSES];
	unsigned count = board_read(from, addresses, theirs);

	for (unsigned i = 0; i < count; i++) {
		const struct board_fate *was = &from->fates[theirs[i] % BOARD_FATES];
		uint32_t number = number_in(holds, holds->count, &addresses[i]);
		struct board_fate *is = &up->fates[number % BOARD_FATES];

		if (by_connects) {
			fate_set(&is->failures, number, fate_get(&was->failures, theirs[i]));
			fate_set(&is->down_until, number, fate_get(&was->down_until, theirs[i]));
		}
		if (by_checks)
			fate_set(&is->checks, number, fate_get(&was->checks, theirs[i]));
	}
}

/*
 * Who dies between the two steps leaves the common count too high by one, never the share: to take back more than was added would
 * make a count that is no number at all.
 */
void board_active(struct board *board, struct board_share *share, int by)
{
	if (by < 0)
		BOARD_ADD(share->active, by);
	BOARD_ADD(board->counts->active, by);
	if (by > 0)
		BOARD_ADD(share->active, by);
}

void board_at(struct board *board, struct board_share *share, int upstream, int by)
{
	if (by < 0)
		BOARD_ADD(share->at[upstream], by);
	BOARD_ADD(*board->upstreams[upstream].active, by);
	if (by > 0)
		BOARD_ADD(share->at[upstream], by);
}

void board_pipes(struct board *board, struct board_share *share, uint64_t pipes)
{
	uint64_t before = share->pipes;

	if (pipes < before)
		BOARD_SET(share->pipes, pipes);
	BOARD_ADD(board->counts->pipes, pipes - before);
	BOARD_SET(share->pipes, pipes);
}

void board_take_back(struct board_counts *counts, const struct board_places *places, struct board_share *share)
{
	BOARD_ADD(counts->active, -share->active);
	BOARD_ADD(counts->pipes, -share->pipes);
	for (unsigned i = 0; i < places->count; i++)
		BOARD_ADD(counts->upstreams[places->at[i]].active, -share->at[i]);
	*share = (struct board_share){ 0 };
}

/* Who holds it now is not waited for, at worst: two charges meet, and one of them is lost. */
void board_unlock(struct board_counts *counts)
{
	for (unsigned i = 0; i < sizeof counts->rates / sizeof *counts->rates; i++)
		BOARD_SET(counts->rates[i].lock, 0);
}

/* A rate of nothing would be waited for for ever by who has a bucket already. */
#define UNLIMITED (UINT64_C(1) << 60)
#define LOCK_MS 50	/* who holds it needs less than one, unless he is stopped */
#define SETTLE_MS 20	/* what was allowed by the rate before has been moved, and charged, unless the machine is very busy */

static void pause_ms(int ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000000L };

	nanosleep(&pause, NULL);
}

/* The lock is not awaited for ever, as above. */
static void renew(struct leat_bucket *bucket, const struct leat_bucket *fresh)
{
	for (int ms = 0; __atomic_exchange_n(&bucket->lock, 1, __ATOMIC_ACQUIRE) && ms < LOCK_MS; ms++)
		pause_ms(1);
	*bucket = *fresh;
	__atomic_store_n(&bucket->lock, 0, __ATOMIC_RELEASE);
}

/*
 * What is owed by the rate before would take long to be paid by a lower one. So twice: what is charged behind the first time was
 * allowed before it, and who was not waited for has then written what he had read.
 */
void board_set_rate(struct board_counts *counts, uint64_t rate)
{
	const unsigned count = sizeof counts->rates / sizeof *counts->rates;
	uint64_t before = counts->rates[0].bytes_per_s;
	struct leat_bucket fresh;

	leat_bucket_init(&fresh, rate ? rate : UNLIMITED, rate / 10 + 1);
	fresh.lock = 1;
	if (before == fresh.bytes_per_s)
		return;
	for (unsigned i = 0; i < count; i++)
		renew(&counts->rates[i], &fresh);
	if (!before)
		return;
	pause_ms(SETTLE_MS);
	for (unsigned i = 0; i < count; i++)
		renew(&counts->rates[i], &fresh);
}
