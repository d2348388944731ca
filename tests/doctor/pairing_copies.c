/* SPDX-License-Identifier: MIT */
/* The pairing rules by content: bytes that are written from another place than they were read to. */
#include "paired.h"

static uint8_t other[MEMORY];

static void copied(void)
{
	begin();
	for (int i = 0; i < 10; i++) {
		fill(memory, 8192);
		reads(memory, 8192, 1);
		memcpy(other, memory, 8192);
		writes(other, 8192, 2);
	}
	CHECK_EQ(flow_of(HOW_COPIED)->bytes, 81920);
	CHECK_EQ(flows[0].flow.whole_equal, 10);
	CHECK_EQ(flows[0].flow.reads, 10);
}

/* The same bytes may have been read there before anybody looked. */
static void copies_of_who_knows_what(void)
{
	begin();
	fill(memory, 8192);
	memcpy(other, memory, 8192);
	reads(memory, 8192, 1);
	filled = 0;
	writes(other, 8192, 2);
	CHECK_EQ(flow_count, 0);
	CHECK_EQ(p.counts.unpaired_write_bytes, 8192);
	writes(memory, 8192, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 8192);
}

/* Two buffers on one stack: where one path reads another path writes, and a read that was there long ago is found first. */
static void copied_to_where_others_read(void)
{
	for (uint8_t samples = 0; samples < 2; samples++) {
		begin();
		p.look = p.whole = samples;
		for (int i = 0; i < 10; i++) {
			fill(memory, 8192);
			reads(memory, 8192, 1);
			memcpy(other, memory, 8192);
			writes(other, 8192, 2);
		}
		for (int i = 0; i < 10; i++) {
			fill(other, 8192);
			reads(other, 8192, 1);
			memcpy(memory, other, 8192);
			writes(memory, 8192, 2);
		}
		CHECK_EQ(flow_of(HOW_COPIED)->bytes, 20 * 8192);
		CHECK_EQ(flows[0].flow.changed + flows[0].flow.whole_changed, 0);
		CHECK_EQ(p.counts.unpaired_write_bytes, 0);
	}
}

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

static void copied_one_block_late(void)
{
	begin();
	fill(memory, 8192);
	reads(memory, 8192, 1);
	memcpy(other, memory, 8192);
	for (int i = 0; i < 10; i++) {
		fill(memory, 8192);
		reads(memory, 8192, 1);
		writes(other, 8192, 2);
		memcpy(other, memory, 8192);
	}
	CHECK_EQ(flow_of(HOW_COPIED)->bytes, 81920);
}

static void copied_and_split(void)
{
	begin();
	fill(memory, 8192);
	reads(memory, 8192, 1);
	memcpy(other, memory, 8192);
	writes(other, 5000, 2);
	writes(other + 5000, 3192, 2);
	CHECK_EQ(flow_of(HOW_COPIED)->bytes, 8192);
	CHECK_EQ(flows[0].flow.changed, 0);
}

static void transformed_to_another_buffer(void)
{
	begin();
	fill(memory, 8192);
	reads(memory, 8192, 1);
	for (int i = 0; i < 8192; i++)
		other[i] = memory[i] ^ 0x55;
	writes(other, 8192, 2);
	CHECK_EQ(flow_count, 0);
	CHECK_EQ(p.counts.unpaired_write_bytes, 8192);
}

/* Answers that begin alike are no copies of each other. */
static void same_first_bytes(void)
{
	begin();
	fill(memory, 8192);
	fill(other, 8192);
	memcpy(other, memory, 64);
	reads(memory, 8192, 1);
	writes(other, 8192, 2);
	CHECK_EQ(flow_count, 0);
}

static void zeros_are_never_a_copy(void)
{
	begin();
	memset(memory, 0, 8192);
	memset(other, 0, 8192);
	reads(memory, 8192, 1);
	writes(other, 8192, 2);
	CHECK_EQ(flow_count, 0);
	writes(memory, 8192, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->weak, 1);
	CHECK_EQ(flows[0].flow.equal, 0);
}

static const struct test tests[] = {
	TEST(copied), TEST(copies_of_who_knows_what), TEST(copied_to_where_others_read), TEST(copied_of_many),
	TEST(copies_without_room_are_lost), TEST(what_is_mapped_is_not_lost), TEST(copied_one_block_late), TEST(copied_and_split),
	TEST(transformed_to_another_buffer), TEST(same_first_bytes), TEST(zeros_are_never_a_copy),
};
TEST_MAIN(tests)
