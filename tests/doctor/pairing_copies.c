/* SPDX-License-Identifier: MIT */
/* The pairing rules by content, where the tables matter; the cases are files, events/copies. */
#include "paired.h"

static uint8_t other[MEMORY];

/* Blocks that all begin alike. */
static void copied_of_many(void)
{
	begin();
	for (int i = 0; i < PAIRING_WAYS; i++) {
		fill(memory + i * 8192, 8192);
		memcpy(memory + i * 8192, "HTTP/1.1 200 OK\r\n", 16);
		reads(memory + i * 8192, 8192, 1);
	}
	memcpy(other, memory, sizeof other);
	for (int i = PAIRING_WAYS; i-- > 0;)
		writes(other + i * 8192, 8192, 2);
	CHECK_EQ(flow_of(HOW_COPIED)->bytes, PAIRING_WAYS * 8192);
	CHECK_EQ(p.counts.lost_bytes, 0);
}

/* Truth lies between what is reported and that with what is said to be lost. */
static void copies_without_room_are_lost(void)
{
	enum { BLOCKS = 1024 };
	uint64_t paired;

	begin();
	fill(memory, MEMORY);
	memcpy(other, memory, MEMORY);
	for (unsigned i = 0; i < BLOCKS; i++)
		reads(memory + i * 1024, 1024, 1);
	memset(sets, 0, sizeof sets);
	p.counts.lost_pairs = p.counts.lost_bytes = 0;
	for (unsigned i = 0; i < BLOCKS; i++)
		writes(other + i * 1024, 1024, 2);
	paired = flow_of(HOW_COPIED)->bytes;
	CHECK(paired >= 200 * 1024 && paired < MEMORY);
	CHECK_EQ(paired + p.counts.unpaired_write_bytes, MEMORY);
	CHECK_EQ(p.counts.lost_bytes, p.counts.unpaired_write_bytes);
	begin();
	for (unsigned i = 0; i < 8 * BLOCKS; i++) {	/* what goes nowhere is no loss */
		fill(memory, 1024);
		reads(memory, 1024, 1);
		fill(other, 1024);
		writes(other, 1024, 2);
	}
	CHECK_EQ(p.counts.lost_bytes, 0);
}

/* What is found in another way is not lost, though a read without room began like it. */
static void what_is_mapped_is_not_lost(void)
{
	enum { BLOCKS = 1024, BYTES = 40000 };

	begin();
	fill(memory, MEMORY);
	memcpy(other, memory, MEMORY);
	for (unsigned i = 0; i < BLOCKS; i++)
		reads(memory + i * 1024, 1024, 1);
	memset(sets, 0, sizeof sets);
	p.counts.lost_pairs = p.counts.lost_bytes = 0;
	mapped_bytes = MEMORY;
	for (unsigned i = 0; i + BYTES / 1024 < BLOCKS; i += 50)
		writes(other + i * 1024, BYTES, 2);
	mapped_bytes = 0;
	CHECK_EQ(p.counts.unpaired_write_bytes, 0);
	CHECK_EQ(p.counts.lost_bytes, 0);
}

static const struct test tests[] = {
	TEST(copied_of_many),
	TEST(copies_without_room_are_lost), TEST(what_is_mapped_is_not_lost),
};
TEST_MAIN(tests)
