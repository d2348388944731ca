/* SPDX-License-Identifier: MIT */
/* Wrappers that see the bytes and keep nothing of them but a digest: hash, by the user's own functions, and xxh3. */
#include "wrap.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool went_well(const struct leat_event *event)
{
	return event->kind == LEAT_EVENT_END && (!event->report || !event->report->error);
}

/* ---- hash ---- */

/*
 * leat_hash.begun. A cancel or failure leaves it as it is: the next transfer goes on with the same hash. A hash that was
 * finished, in a transfer that failed afterwards, can take no more bytes.
 */
enum { HASH_NOT_BEGUN, HASH_BEGUN, HASH_FINISHED };

static int hash_begin(struct leat_hash *hash)
{
	int error;

	if (hash->begun)
		return 0;
	error = hash->ops->init ? hash->ops->init(hash->state) : 0;
	if (error >= 0)
		hash->begun = HASH_BEGUN;
	return error < 0 ? error : 0;
}

static int hash_see(struct leat_wrapper *wrapper, const void *bytes, size_t length)
{
	struct leat_hash *hash = (struct leat_hash *)wrapper;
	int error = hash_begin(hash);

	if (error)
		return error;
	if (hash->begun == HASH_FINISHED)
		return -EINVAL;
	error = hash->ops->update(hash->state, bytes, length);
	return error < 0 ? error : 0;
}

static int hash_close(struct leat_hash *hash)
{
	int error = hash_begin(hash);	/* of no bytes at all */

	if (error || hash->begun == HASH_FINISHED)
		return error;
	hash->begun = HASH_FINISHED;
	error = hash->ops->finish ? hash->ops->finish(hash->state) : 0;
	return error < 0 ? error : 0;
}

/* May be asked again, because of another wrapper on the way. */
static int hash_finish(struct leat_wrapper *wrapper, struct leat_budget *budget)
{
	return hash_close((struct leat_hash *)wrapper);
}

static void hash_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	struct leat_hash *hash = (struct leat_hash *)wrapper;

	if (!went_well(event))
		return;
	hash_close(hash);
	hash->begun = HASH_NOT_BEGUN;
}

const struct leat_wrapper_ops hash_ops = {
	.name = "hash",
	.need = LEAT_NEED_CONTENT,
	.see = hash_see,
	.finish = hash_finish,
	.event = hash_event,
};

static bool hash_works(const struct leat_hash_ops *ops)
{
	return ops && ops->name && ops->update && !ops->reserved[0] && !ops->reserved[1];
}

struct leat_wrapper *leat_hash_init(struct leat_hash *hash, const struct leat_hash_ops *ops, void *state)
{
	if (!hash)
		return NULL;
	hash->ops = ops;
	hash->state = state;
	hash->begun = HASH_NOT_BEGUN;
	return leat_wrapper_init(&hash->wrapper, hash_works(ops) ? &hash_ops : NULL);
}

/* ---- xxh3 ---- */

/*
 * XXH3_state_t wants 64-byte alignment, which the caller's struct need not have: it stands at the first such address inside.
 * The last word is never reached: 1 when the transfer it belongs to has ended well, and the next one begins anew.
 */
#define XXH3_ALIGN 64
#define XXH3_OVER 79

_Static_assert(_Alignof(XXH3_state_t) <= XXH3_ALIGN, "its alignment");
_Static_assert(sizeof(XXH3_state_t) + XXH3_ALIGN - _Alignof(struct leat_xxh3) <= XXH3_OVER * sizeof(uint64_t),
	       "the state fits from whatever address");

static XXH3_state_t *xxh3_state(const struct leat_xxh3 *xxh3)
{
	uintptr_t at = ((uintptr_t)xxh3->state + XXH3_ALIGN - 1) & ~(uintptr_t)(XXH3_ALIGN - 1);

	return (XXH3_state_t *)at;
}

static int xxh3_see(struct leat_wrapper *wrapper, const void *bytes, size_t length)
{
	XXH3_64bits_update(xxh3_state((struct leat_xxh3 *)wrapper), bytes, length);
	return 0;
}

static void xxh3_event(struct leat_wrapper *wrapper, const struct leat_event *event)
{
	struct leat_xxh3 *xxh3 = (struct leat_xxh3 *)wrapper;

	if (event->kind == LEAT_EVENT_BEGIN && xxh3->state[XXH3_OVER]) {
		xxh3->state[XXH3_OVER] = 0;
		XXH3_64bits_reset(xxh3_state(xxh3));
	} else if (went_well(event)) {
		xxh3->state[XXH3_OVER] = 1;
	}
}

const struct leat_wrapper_ops xxh3_ops = {
	.name = "xxh3",
	.need = LEAT_NEED_CONTENT,
	.see = xxh3_see,
	.event = xxh3_event,
};

struct leat_wrapper *leat_xxh3_init(struct leat_xxh3 *xxh3)
{
	if (!xxh3)
		return NULL;
	memset(xxh3->state, 0, sizeof xxh3->state);
	XXH3_64bits_reset(xxh3_state(xxh3));
	return leat_wrapper_init(&xxh3->wrapper, &xxh3_ops);
}

uint64_t leat_xxh3_result(const struct leat_xxh3 *xxh3)
{
	return xxh3 ? XXH3_64bits_digest(xxh3_state(xxh3)) : 0;
}
