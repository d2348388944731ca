/* SPDX-License-Identifier: MIT */
/* hash and xxh3, driven by their ops. */
#include "wrap-drive.h"
#include "wrap/wrap.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct mine {		/* a hash that keeps what it is told */
	char calls[400];
	int init_error, update_error, finish_error;
};

static void note_call(struct mine *mine, const void *bytes, size_t length)
{
	size_t at = strlen(mine->calls);

	CHECK(at + length < sizeof mine->calls);
	memcpy(mine->calls + at, bytes, length);
}

static int mine_init(void *state)
{
	note_call(state, "<", 1);
	return ((struct mine *)state)->init_error;
}

static int mine_update(void *state, const void *bytes, size_t length)
{
	note_call(state, bytes, length);
	return ((struct mine *)state)->update_error;
}

static int mine_finish(void *state)
{
	note_call(state, ">", 1);
	return ((struct mine *)state)->finish_error;
}

static const struct leat_hash_ops mine_ops = { .name = "mine", .init = mine_init, .update = mine_update, .finish = mine_finish };

static int finish(struct leat_wrapper *w)
{
	struct leat_budget budget = budget_at(0, 1);

	return w->ops->finish(w, &budget);
}

static void hash_init_update_finish(void)
{
	struct mine mine = { 0 };
	struct leat_hash hash;
	struct leat_wrapper *w = leat_hash_init(&hash, &mine_ops, &mine);

	CHECK(w->ops->need == LEAT_NEED_CONTENT);
	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(move(w, "abc", 3, 1), 0);
	CHECK_EQ(move(w, "de", 2, 1), 0);
	CHECK_EQ(finish(w), 0);
	CHECK_EQ(finish(w), 0);		/* another wrapper of the way had to wait */
	CHECK_STR(mine.calls, "<abcde>");
	end(w, 0, 1);
	CHECK_STR(mine.calls, "<abcde>");
	tell(w, LEAT_EVENT_BEGIN, 2);	/* the next transfer has a hash of its own */
	CHECK_EQ(move(w, "f", 1, 2), 0);
	CHECK_EQ(finish(w), 0);
	end(w, 0, 2);
	CHECK_STR(mine.calls, "<abcde><f>");
}

static void hash_goes_on_after_a_cancel(void)
{
	struct mine mine = { 0 };
	struct leat_hash hash;
	struct leat_wrapper *w = leat_hash_init(&hash, &mine_ops, &mine);

	for (int i = 0; i < 3; i++) {
		tell(w, LEAT_EVENT_BEGIN, 1);
		CHECK_EQ(move(w, "ab", 2, 1), 0);
		if (i < 2)
			end(w, i ? -EPIPE : -ECANCELED, 1);
	}
	CHECK_EQ(finish(w), 0);
	end(w, 0, 1);
	CHECK_STR(mine.calls, "<ababab>");
}

static void hash_of_nothing(void)
{
	struct mine mine = { 0 };
	struct leat_hash hash;
	struct leat_wrapper *w = leat_hash_init(&hash, &mine_ops, &mine);

	tell(w, LEAT_EVENT_BEGIN, 1);
	CHECK_EQ(finish(w), 0);
	end(w, 0, 1);
	CHECK_STR(mine.calls, "<>");
	tell(w, LEAT_EVENT_BEGIN, 1);
	end(w, 0, 1);			/* even where nobody asked to finish */
	CHECK_STR(mine.calls, "<><>");
	tell(w, LEAT_EVENT_BEGIN, 1);
	end(w, -EIO, 1);
	CHECK_STR(mine.calls, "<><>");
}

static void hash_errors_fail_the_transfer(void)
{
	struct mine mine = { .init_error = -ENOMEM };
	struct leat_hash hash;
	struct leat_wrapper *w = leat_hash_init(&hash, &mine_ops, &mine);

	CHECK_EQ(move(w, "a", 1, 1), -ENOMEM);
	CHECK_EQ(finish(w), -ENOMEM);
	CHECK_STR(mine.calls, "<<");
	mine = (struct mine){ .update_error = -EIO };
	CHECK_EQ(move(w, "a", 1, 1), -EIO);
	mine = (struct mine){ .finish_error = -EBADMSG };
	CHECK_EQ(finish(w), -EBADMSG);
	end(w, -EBADMSG, 1);
	CHECK_STR(mine.calls, ">");	/* finish is called once */
	CHECK_EQ(move(w, "a", 1, 1), -EINVAL);	/* no wrong hash: it can take no more */
	CHECK_STR(mine.calls, ">");
}

/* OpenSSL's way of saying yes is 1. */
static int yes(void *state)
{
	return 1;
}

static int yes_update(void *state, const void *bytes, size_t length)
{
	return 1;
}

static void hash_positive_is_fine(void)
{
	static const struct leat_hash_ops ops = { .name = "yes", .init = yes, .update = yes_update, .finish = yes };
	struct leat_hash hash;
	struct leat_wrapper *w = leat_hash_init(&hash, &ops, NULL);

	CHECK_EQ(move(w, "a", 1, 1), 0);
	CHECK_EQ(finish(w), 0);
}

static unsigned char bytes[1 << 20];

static void fill_bytes(void)
{
	uint64_t seed = 99;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)random_below(&seed, 256);
}

/* In random pieces, from structs at every alignment. */
static void xxh3_is_the_one_shot_hash(void)
{
	static const size_t lengths[] = { 0, 1, 3, 16, 17, 128, 129, 240, 241, 256, 1024, 4097, 65536, sizeof bytes };
	static unsigned char room[sizeof(struct leat_xxh3) + 64];
	uint64_t seed = 1;

	fill_bytes();
	for (size_t shift = 0; shift < 64; shift += sizeof(uint64_t)) {
		struct leat_xxh3 *xxh3 = (void *)(((uintptr_t)room & ~(uintptr_t)7) + (((uintptr_t)room & 7) ? 8 : 0) + shift);

		if ((unsigned char *)(xxh3 + 1) > room + sizeof room)
			break;
		for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
			struct leat_wrapper *w = leat_xxh3_init(xxh3);

			CHECK(w == &xxh3->wrapper);
			for (size_t done = 0, n; done < lengths[i]; done += n) {
				n = 1 + random_below(&seed, i % 2 ? 100000 : 300);
				n = n > lengths[i] - done ? lengths[i] - done : n;
				CHECK_EQ(move(w, bytes + done, n, 1), 0);
				CHECK_EQ(leat_xxh3_result(xxh3), XXH3_64bits(bytes, done + n));	/* so far */
			}
			CHECK_EQ(leat_xxh3_result(xxh3), XXH3_64bits(bytes, lengths[i]));
		}
	}
}

static void xxh3_over_transfers(void)
{
	struct leat_xxh3 xxh3;
	struct leat_wrapper *w = leat_xxh3_init(&xxh3);

	fill_bytes();
	tell(w, LEAT_EVENT_BEGIN, 1);
	move(w, bytes, 1000, 1);
	end(w, -ECANCELED, 1);
	tell(w, LEAT_EVENT_BEGIN, 2);	/* a restart goes on */
	move(w, bytes + 1000, 1000, 1);
	end(w, 0, 2);
	CHECK_EQ(leat_xxh3_result(&xxh3), XXH3_64bits(bytes, 2000));
	tell(w, LEAT_EVENT_BEGIN, 3);	/* after a success it begins anew */
	CHECK_EQ(leat_xxh3_result(&xxh3), XXH3_64bits(bytes, 0));
	move(w, bytes, 70000, 1);
	end(w, 0, 3);
	CHECK_EQ(leat_xxh3_result(&xxh3), XXH3_64bits(bytes, 70000));
}

static void null_and_misuse(void)
{
	static const struct leat_hash_ops no_update = { .name = "none", .init = mine_init };
	struct leat_hash hash;
	static struct leat_xxh3 zero;

	CHECK(!leat_hash_init(NULL, &mine_ops, NULL) && !leat_xxh3_init(NULL));
	CHECK(leat_hash_init(&hash, NULL, NULL) == &hash.wrapper && !hash.wrapper.ops);
	CHECK(leat_hash_init(&hash, &no_update, NULL) == &hash.wrapper && !hash.wrapper.ops);
	CHECK_EQ(leat_xxh3_result(NULL), 0);
	leat_xxh3_result(&zero);
}

static const struct test tests[] = {
	TEST(hash_init_update_finish), TEST(hash_goes_on_after_a_cancel), TEST(hash_of_nothing),
	TEST(hash_errors_fail_the_transfer), TEST(hash_positive_is_fine), TEST(xxh3_is_the_one_shot_hash),
	TEST(xxh3_over_transfers), TEST(null_and_misuse),
};
TEST_MAIN(tests)
