/* SPDX-License-Identifier: MIT */
/* Which upstream has which count: the same one as long as anybody is left who may count there, and nobody else's until then. */
#include "../../cli/proxy/places.c"

#include "check.h"

static struct places *no_places(void)
{
	static struct board_counts counts;
	static struct places places;

	memset(&places, 0, sizeof places);
	places.counts = &counts;
	return &places;
}

static unsigned add(struct places *places, struct board_places *set, const char *name, const char *sni)
{
	CHECK_EQ(places_add(places, set, name, sni), 0);
	return set->at[set->count - 1];
}

static void by_both_names(void)
{
	struct places *places = no_places();
	struct board_places first = { 0 }, second = { 0 };
	unsigned one = add(places, &first, "a:1", ""), other = add(places, &first, "a:1", "x.test");

	CHECK(one != other);
	CHECK_EQ(add(places, &second, "a:1", "X.test"), other);
	CHECK_EQ(add(places, &second, "a:1", ""), one);
	CHECK(add(places, &second, "a:10", "") != one);
	CHECK_EQ(second.count, 3);
}

/* The configuration has left it, and a process that counts there is still there; or it is killed, and another one follows. */
static void as_long_as_somebody_counts(void)
{
	struct places *places = no_places();
	struct board_places before = { 0 }, process, now = { 0 };
	unsigned one = add(places, &before, "a:1", "");

	places_share(places, &process, &before);
	places->counts->upstreams[one].active = 3;
	places_leave(places, &before);
	CHECK(add(places, &now, "b:1", "") != one);
	CHECK_EQ(add(places, &now, "a:1", ""), one);
	CHECK_EQ(places->counts->upstreams[one].active, 3);
	places_leave(places, &now);
	places_leave(places, &process);
	CHECK_EQ(add(places, &now, "c:1", ""), one);
	CHECK_EQ(places->counts->upstreams[one].active, 0);
}

static void none_is_free(void)
{
	struct places *places = no_places();
	struct board_places sets[BOARD_PLACES / BOARD_UPSTREAMS] = { 0 }, more = { 0 };
	char name[20];

	for (unsigned i = 0; i < BOARD_PLACES; i++) {
		snprintf(name, sizeof name, "a:%u", i + 1);
		add(places, &sets[i / BOARD_UPSTREAMS], name, "");
	}
	CHECK_EQ(places_add(places, &more, "b:1", ""), -ENOSPC);
	CHECK_EQ(more.count, 0);
	add(places, &more, "a:7", "");
	places_leave(places, &more);
	places_leave(places, &sets[0]);
	CHECK_EQ(add(places, &more, "b:1", ""), 0);
}

static const struct test tests[] = {
	TEST(by_both_names), TEST(as_long_as_somebody_counts), TEST(none_is_free),
};
TEST_MAIN(tests)
