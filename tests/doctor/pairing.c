/* SPDX-License-Identifier: MIT */
/* The pairing rules by address, where loops or the tables matter; the cases are files, events/addresses. */
#include "paired.h"

#include <sys/syscall.h>

/* ---- Places ---------------------------------------------------------------------------------------------------------------- */

enum { CODE = 0x400000, CODE_BYTES = 0x10000 };

static uint64_t path(const uint64_t *stack)
{
	return pairing_path(&p, 7, (uintptr_t)stack, CODE, CODE_BYTES);
}

static void paths_by_what_stands_on_the_stack(void)
{
	uint64_t stack[PAIRING_PATH_WORDS] = { 1, CODE + 100, 2, CODE + 200, CODE + 300 }, first;

	begin();
	first = path(stack);
	CHECK_NE(first, 7);
	CHECK_EQ(path(stack), first);
	stack[0] = stack[2] = CODE + CODE_BYTES;	/* data, and other people's code */
	stack[15] = CODE - 1;
	stack[4] = CODE + 304;				/* far out */
	CHECK_EQ(path(stack), first);
	stack[3] = CODE + 204;
	CHECK_NE(path(stack), first);
	stack[3] = CODE + 200;
	stack[1] = CODE + 104;
	CHECK_NE(path(stack), first);
	memset(stack, 0, sizeof stack);
	CHECK_EQ(path(stack), 7);
}

static void places_by_what_is_called(void)
{
	uint64_t read = pairing_site(SYS_read, 0x401000, 0x7fff1000, 1);

	CHECK_EQ(pairing_site(SYS_read, 0x401000, 0xc000001000, 1), read);	/* another stack */
	CHECK_NE(pairing_site(SYS_write, 0x401000, 0x7fff1000, 1), read);
	CHECK_NE(pairing_site(SYS_read, 0x401010, 0x7fff1000, 1), read);
	CHECK_NE(pairing_site(SYS_read, 0x401000, 0x7fff1010, 1), read);
	CHECK_NE(pairing_site(SYS_read, 0x401000, 0x7fff1000, 2), read);
}

/* ---- Cases ----------------------------------------------------------------------------------------------------------------- */

static void ring_buffer(void)
{
	uint64_t in = 0, out = 0;

	begin();
	while (in < 100000) {
		fill(memory + in % 16384, 1024);
		reads(memory + in % 16384, 1024, 1);
		in += 1024;
		while (in - out >= 700) {	/* never over the end */
			uint64_t bytes = 16384 - out % 16384 < 700 ? 16384 - out % 16384 : 700;

			writes(memory + out % 16384, bytes, 2);
			out += bytes;
		}
	}
	CHECK_EQ(p.counts.unpaired_write_bytes, 0);
	CHECK_EQ(flows[0].flow.bytes + (flow_count > 1 ? flows[1].flow.bytes : 0), out);
	CHECK_EQ(flows[0].flow.changed, 0);
}

static void one_byte_changed(void)
{
	static const unsigned places[] = { 0, 511, 1000, 4095, 4096, 32768, 65535 };

	for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
		begin();
		fill(memory, 65536);
		reads(memory, 65536, 1);
		memory[places[i]] ^= 1;
		writes(memory, 65536, 2);
		CHECK_EQ(flow_of(HOW_SAME_BUFFER)->whole_changed, places[i] >= 4096);
		CHECK_EQ(flows[0].flow.changed, places[i] < 4096);	/* in its head, as of an answer that is passed on */
		CHECK_EQ(flows[0].flow.whole_equal, 0);
	}
}

static void vectors_count_as_one_read(void)
{
	begin();
	fill(memory, 8192);
	p.vector = 1;
	for (int i = 0; i < 3; i++) {
		p.head = 0;
		for (int k = 0; k < 8; k++)
			reads(memory + k * 1024, 1024, 1);
		p.total = 8192;
		p.inode = 2;
		p.site = 5;
		p.charged = p.paired = 0;
		for (int k = 1; k < 8; k++)	/* what came first was for the program */
			pairing_write(&p, (uintptr_t)memory + (unsigned)k * 1024, 1024, 1024);
	}
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->reads, 3);
	CHECK_EQ(flows[0].flow.writes, 3);
	CHECK_EQ(flows[0].flow.bytes, 3 * 7168);
}

/* With --full no call goes without a look, and no place of a buffer: whatever the step between two reads. */
static void every_place_in_its_turn(void)
{
	enum { CALLS = 4000 };

	for (unsigned step = 1; step <= 64; step++) {
		unsigned looked[PAIRING_SAMPLES] = { 0 };

		for (unsigned i = 0; i < CALLS; i++) {
			uint32_t look = pairing_some_samples(pairing_chance(i * step));

			CHECK_EQ(__builtin_popcount(look), 3);
			for (unsigned k = 0; k < PAIRING_SAMPLES; k++)
				looked[k] += look >> k & 1;
		}
		for (unsigned k = 0; k < PAIRING_SAMPLES; k++)
			CHECK_GE(looked[k], CALLS / 5);
	}
}

static void evictions_are_counted(void)
{
	uint64_t lost = 0;

	begin();
	p.look = p.first = p.whole = 0;
	for (unsigned i = 0; i < 1024; i++)
		reads(memory + i * 1024, 1024, 1);
	for (unsigned i = 0; i < 1024; i++)
		writes(memory + i * 1024, 1024, 2);
	CHECK_EQ(flows[0].flow.bytes + (flow_count > 1 ? flows[1].flow.bytes : 0) + p.counts.unpaired_write_bytes, 1 << 20);
	lost = p.counts.lost_bytes;
	CHECK(lost >= p.counts.unpaired_write_bytes);
	CHECK_EQ(lost, p.counts.lost_pairs * 1024);
	CHECK(lost > 0);
}

/* As segments of a network fill a buffer that is written at once. Where in memory, so that none is pushed out of the table. */
static void many_reads_one_write(void)
{
	enum { READS = 100, BYTES = 1448 };
	unsigned at = 0;

	do {
		begin();
		p.look = p.first = p.whole = 0;
		for (unsigned i = 0; i < READS; i++)
			reads(memory + at + (size_t)i * BYTES, BYTES, 1);
		at += 16;
	} while (p.counts.lost_pairs && at < MEMORY - READS * BYTES);
	writes(memory + at - 16, READS * BYTES, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, READS * BYTES);
	CHECK_EQ(flows[0].flow.reads, READS);
	CHECK_EQ(flows[0].flow.writes, 1);
	CHECK_EQ(p.counts.unpaired_write_bytes, 0);
}

/* Those behind one that was pushed out are found all the same: what is lost is lost exactly. Wherever in memory: at some places
 * it is the first one's mark that another has taken. */
static void behind_a_read_that_was_pushed_out(void)
{
	enum { READS = 700, BYTES = 1448, PLACES = 1024 };
	unsigned first_taken = 0;

	for (unsigned at = 0; at < PLACES * 16; at += 16) {
		uint64_t lost, mark, name;

		begin();
		p.look = p.first = p.whole = 0;
		for (unsigned i = 0; i < READS; i++)
			reads(memory + at + (size_t)i * BYTES, BYTES, 1);
		lost = p.counts.lost_bytes;
		CHECK(lost > 0);
		name = pairing_mix((uintptr_t)memory + at, p.tgid);
		mark = *pairing_pushed(&p, (uint32_t)name);
		first_taken += mark && mark >> 32 != name >> 32;
		writes(memory + at, READS * BYTES, 2);
		CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, READS * BYTES - lost);
		CHECK_EQ(p.counts.unpaired_write_bytes, lost);
		CHECK(p.counts.lost_bytes >= lost);
	}
	CHECK(first_taken > 0);
}

static void tiny(void)
{
	begin();
	for (uint32_t n = 1; n < 20; n++) {
		fill(memory, n);
		reads(memory, n, 1);
		writes(memory, n, 2);
	}
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 190);
	CHECK_EQ(flows[0].flow.writes, 19);
	CHECK_EQ(flows[0].flow.changed, 0);
	CHECK_EQ(flows[0].flow.whole_changed, 0);
}

static const struct test tests[] = {
	TEST(paths_by_what_stands_on_the_stack), TEST(places_by_what_is_called),
	TEST(ring_buffer),
	TEST(one_byte_changed),
	TEST(vectors_count_as_one_read),
	TEST(every_place_in_its_turn), TEST(evictions_are_counted), TEST(many_reads_one_write), TEST(behind_a_read_that_was_pushed_out),
	TEST(tiny),
};
TEST_MAIN(tests)
