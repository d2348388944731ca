/* SPDX-License-Identifier: MIT */
/* The pairing rules by address: same buffer, inside of it, what is left of it; and what the bytes say of that. */
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

static void same_buffer(void)
{
	const struct event_flow *flow;

	begin();
	for (int i = 0; i < 10; i++) {
		fill(memory, 32768);
		reads(memory, 32768, 1);
		writes(memory, 32768, 2);
	}
	flow = flow_of(HOW_SAME_BUFFER);
	CHECK_EQ(flow->bytes, 327680);
	CHECK_EQ(flow->reads, 10);
	CHECK_EQ(flow->writes, 10);
	CHECK_EQ(flow->sizes[15], 10);
	CHECK_EQ(flow->equal, 10);
	CHECK_EQ(flow->whole_equal, 10);
	CHECK_EQ(flow->changed + flow->weak + flow->whole_changed + flow->other_thread, 0);
	CHECK_EQ(flow->smallest, 32768);
	CHECK_EQ(flow->largest, 32768);
	CHECK_EQ(flows[0].key.from_inode, 1);
	CHECK_EQ(flows[0].key.to_inode, 2);
	CHECK_EQ(flows[0].key.site_read, 3);
	CHECK_EQ(flows[0].key.site_write, 5);
	CHECK_EQ(p.counts.unpaired_write_bytes, 0);
	CHECK_EQ(p.counts.paired_read_bytes, 327680);
	CHECK_EQ(p.counts.lost_pairs, 0);
}

static void nothing_is_looked_at(void)
{
	begin();
	p.look = p.first = p.whole = 0;
	reads(memory, 4096, 1);
	writes(memory, 4096, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 4096);
	CHECK_EQ(flows[0].flow.equal + flows[0].flow.whole_equal, 0);
}

static void partial_writes(void)
{
	const struct event_flow *flow;

	begin();
	fill(memory, 65536);
	reads(memory, 65536, 1);
	writes_of(memory, 65536, 10000, 2);
	p.again = 1;
	writes_of(memory + 10000, 55536, 0, 2);
	p.again = 0;
	writes_of(memory + 10000, 55536, 1, 2);
	writes_of(memory + 10001, 55535, 55535, 2);
	flow = flow_of(HOW_SAME_BUFFER);
	CHECK_EQ(flow->bytes, 65536);
	CHECK_EQ(flow->reads, 1);
	CHECK_EQ(flow->writes, 3);
	CHECK_EQ(flow->again, 1);
	CHECK_EQ(flow->smallest, 1);
	CHECK_EQ(flow->changed, 0);
	CHECK_EQ(flow->whole_equal, 1);
	CHECK_EQ(p.counts.unpaired_write_bytes, 0);
}

static void many_peers(void)
{
	begin();
	fill(memory, 4096);
	reads(memory, 4096, 1);
	for (int i = 0; i < 5; i++)
		writes(memory, 4096, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 5 * 4096);
	CHECK_EQ(flows[0].flow.reads, 1);
	CHECK_EQ(flows[0].flow.writes, 5);
}

static void inside_the_buffer(void)
{
	begin();
	fill(memory, 8192);
	reads(memory, 8192, 1);
	writes(memory + 100, 8000, 2);
	CHECK_EQ(flow_of(HOW_INSIDE_BUFFER)->bytes, 8000);
	CHECK_EQ(flows[0].flow.changed, 0);
	CHECK_EQ(flows[0].flow.equal, 1);
}

static void header_before_the_body(void)
{
	begin();
	fill(memory, 8192);
	reads(memory + 20, 8000, 1);
	writes(memory, 8020, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 8000);
	CHECK_EQ(p.counts.unpaired_write_bytes, 20);
}

static void many_reads_one_write(void)
{
	begin();
	fill(memory, 65536);
	for (int i = 0; i < 16; i++)
		reads(memory + i * 4096, 4096, 1);
	writes(memory, 65536, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 65536);
	CHECK_EQ(flows[0].flow.reads, 16);
	CHECK_EQ(flows[0].flow.writes, 1);
	CHECK_EQ(flows[0].flow.largest, 65536);
}

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

static void changed_in_place(void)
{
	begin();
	fill(memory, 65536);
	reads(memory, 65536, 1);
	for (int i = 0; i < 65536; i++)
		memory[i] ^= 0x55;
	writes(memory, 65536, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->changed, 1);
	CHECK_EQ(flows[0].flow.whole_changed, 1);
	CHECK_EQ(flows[0].flow.equal, 0);
}

static void one_byte_changed(void)
{
	static const unsigned places[] = { 0, 511, 512, 32768, 65535 };

	for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
		begin();
		fill(memory, 65536);
		reads(memory, 65536, 1);
		memory[places[i]] ^= 1;
		writes(memory, 65536, 2);
		CHECK_EQ(flow_of(HOW_SAME_BUFFER)->whole_changed, 1);
		CHECK_EQ(flows[0].flow.whole_equal, 0);
	}
}

/* What was left of the buffer after the write may be the program's to change: no whole check then. */
static void whole_only_of_what_is_written(void)
{
	begin();
	fill(memory, 8192);
	reads(memory, 8192, 1);
	memory[8000] ^= 1;
	writes(memory, 4096, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->whole_changed, 0);
	CHECK_EQ(flows[0].flow.whole_equal, 0);
	CHECK_EQ(flows[0].flow.equal, 1);
}

/* A buffer that went out, and is filled with something else then: not the read's bytes any more. */
static void reused_buffer(void)
{
	begin();
	fill(memory, 8192);
	reads(memory, 8192, 1);
	writes(memory, 8192, 2);
	fill(memory, 8192);
	writes(memory, 8192, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 8192);
	CHECK_EQ(flows[0].flow.changed, 0);
	CHECK_EQ(p.counts.unpaired_write_bytes, 8192);
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

static void another_thread(void)
{
	begin();
	fill(memory, 4096);
	reads(memory, 4096, 1);
	p.tid = 11;
	writes(memory, 4096, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->other_thread, 1);
}

static void another_process(void)
{
	begin();
	fill(memory, 4096);
	reads(memory, 4096, 1);
	p.tgid = p.tid = 20;
	writes(memory, 4096, 2);
	CHECK_EQ(flow_count, 0);
}

static void mapped(void)
{
	begin();
	fill(memory, 65536);
	mapped_bytes = 40000;
	writes(memory, 65536, 2);
	CHECK_EQ(flow_of(HOW_MAPPED)->bytes, 65536);
	CHECK_EQ(flows[0].key.from_inode, 77);
	CHECK_EQ(flows[0].flow.writes, 1);
	CHECK_EQ(flows[0].flow.reads, 0);
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

static void no_room_for_a_flow(void)
{
	begin();
	flow_room = 1;
	fill(memory, 4096);
	reads(memory, 4096, 1);
	writes(memory, 4096, 2);
	writes(memory, 4096, 3);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->bytes, 4096);
	CHECK_EQ(p.counts.lost_flows, 1);
	CHECK_EQ(p.counts.lost_flow_bytes, 4096);
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

/* Long reads have a hash of the whole up to a bound. */
static void long_read(void)
{
	begin();
	fill(memory, MEMORY);
	reads(memory, MEMORY, 1);
	memory[MEMORY / 2 + 1] ^= 1;
	writes(memory, MEMORY, 2);
	CHECK_EQ(flow_of(HOW_SAME_BUFFER)->whole_changed, 1);
}

static const struct test tests[] = {
	TEST(paths_by_what_stands_on_the_stack), TEST(places_by_what_is_called),
	TEST(same_buffer), TEST(nothing_is_looked_at), TEST(partial_writes), TEST(many_peers),
	TEST(inside_the_buffer), TEST(header_before_the_body), TEST(many_reads_one_write), TEST(ring_buffer),
	TEST(changed_in_place), TEST(one_byte_changed),
	TEST(whole_only_of_what_is_written), TEST(reused_buffer), TEST(vectors_count_as_one_read),
	TEST(another_thread), TEST(another_process), TEST(mapped), TEST(evictions_are_counted),
	TEST(no_room_for_a_flow), TEST(tiny), TEST(long_read),
};
TEST_MAIN(tests)
