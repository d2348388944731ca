/* SPDX-License-Identifier: MIT */
/*
 * The sizes of the public structs are part of the binary interface: programs allocate them. Growing one needs a new
 * soname; members come out of the reserved words instead. (Offsets are watched by ci/gates/abi.)
 */
#include "leat.h"

#include "check.h"

#define SIZE(name, bytes) { #name, sizeof(struct name), bytes }

static const struct {
	const char *name;
	size_t is, frozen;
} sizes[] = {
	SIZE(leat_report, 328),
	SIZE(leat_budget, 64),
	SIZE(leat_change, 56),
	SIZE(leat_event, 48),
	SIZE(leat_wrapper_ops, 112),
	SIZE(leat_wrapper, 88),
	SIZE(leat_facts, 64),
	SIZE(leat_source, 208),
	SIZE(leat_sink, 152),
	SIZE(leat_queue, 48),
	SIZE(leat_source_ops, 40),
	SIZE(leat_sink_ops, 40),
	SIZE(leat_options, 120),
	SIZE(leat_transfer, 1024),
	SIZE(leat_wait, 32),
	SIZE(leat_helper, 256),
	SIZE(leat_limit, 112),
	SIZE(leat_bucket, 56),
	SIZE(leat_rate, 152),
	SIZE(leat_activity, 8),
	SIZE(leat_deadline, 128),
	SIZE(leat_count, 104),
	SIZE(leat_log, 104),
	SIZE(leat_trace, 128),
	SIZE(leat_progress_state, 56),
	SIZE(leat_progress, 176),
	SIZE(leat_hash_ops, 48),
	SIZE(leat_hash, 112),
	SIZE(leat_xxh3, 728),
	SIZE(leat_tee, 160),
	SIZE(leat_frame_ops, 64),
	SIZE(leat_frame, 200),
};

static void public_structs_keep_their_size(void)
{
	if (sizeof(void *) != 8)
		test_skip("the frozen sizes are those of 64-bit systems");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		test_note(sizes[i].name);
		CHECK_EQ(sizes[i].is, sizes[i].frozen);
	}
}

/* Codes are stored and logged by users: the last of each list says whether something was put in between or taken out. */
static void codes_keep_their_number(void)
{
	CHECK_EQ(LEAT_ROUTE_COPY, 7);
	CHECK_EQ(LEAT_NOT_APPLICABLE, 24);
	CHECK_EQ(LEAT_KIND_NOTHING, 15);
	CHECK_EQ(LEAT_NEED_CHANGE, 4);
	CHECK_EQ(LEAT_EVENT_END, 5);
	CHECK_EQ(LEAT_ENDED_BY_ERROR, 4);
	CHECK_EQ(LEAT_ECONTRACT, -4104);
}

static const struct test tests[] = {
	TEST(public_structs_keep_their_size),
	TEST(codes_keep_their_number),
};
TEST_MAIN(tests)
