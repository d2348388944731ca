/* SPDX-License-Identifier: MIT */
/* The table of verdicts and confidence, row by row. finding.c: how flows become findings. */
#include "../../doctor/verdict.h"

#include "made.h"

static struct model model;
static struct flow *flow;

static void fresh(enum file_kind from, enum file_kind to)
{
	model_free(&model);
	made_process(&model, RUNTIME_C, NULL);
	flow = made_flow(&model, from, to, MADE_C_READ, MADE_C_WRITE);
}

static void is(enum verdict verdict, enum confidence confidence, enum leat_reason reason)
{
	struct judgement judgement;

	verdict_flow(&model, flow, SIDE_LOOP, &judgement);
	CHECK_STR(verdict_name(judgement.verdict), verdict_name(verdict));
	CHECK_STR(confidence_name(judgement.confidence), confidence_name(confidence));
	CHECK_EQ(judgement.reason, reason);
}

static void bounce_by_its_evidence(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	flow->how = HOW_INSIDE_BUFFER;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	flow->how = HOW_IO_URING;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	flow->samples_weak = flow->samples_equal;	/* constant data */
	flow->samples_equal = 0;
	is(VERDICT_BOUNCE, CONFIDENCE_MEDIUM, LEAT_OK);
	flow->whole_equal = 0;	/* one byte of 64 KiB may be another: no sample meets it */
	is(VERDICT_BOUNCE, CONFIDENCE_LOW, LEAT_OK);
	flow->samples_equal = flow->samples_weak;
	is(VERDICT_BOUNCE, CONFIDENCE_LOW, LEAT_OK);
	flow->samples_equal = flow->samples_weak = 0;
	is(VERDICT_BOUNCE, CONFIDENCE_LOW, LEAT_OK);
	flow->reads = 62;	/* what was generated stands where something was read before */
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	flow->reads = 63;
	is(VERDICT_BOUNCE, CONFIDENCE_LOW, LEAT_OK);
	flow->writes = 63;	/* an address is met again by chance as well */
	flow->bytes = flow->writes * 32768;
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	flow->whole_equal = 1;
	is(VERDICT_BOUNCE, CONFIDENCE_MEDIUM, LEAT_OK);
}

static void copied_by_its_evidence(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	flow->how = HOW_COPIED;
	is(VERDICT_COPIED, CONFIDENCE_HIGH, LEAT_OK);
	flow->whole_equal = 1;	/* equal bytes of two sources */
	is(VERDICT_COPIED, CONFIDENCE_MEDIUM, LEAT_OK);
	flow->whole_equal = 0;
	is(VERDICT_COPIED, CONFIDENCE_LOW, LEAT_OK);
}

static void mapped_file(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	flow->how = HOW_MAPPED;
	is(VERDICT_MMAP_WRITE, CONFIDENCE_MEDIUM, LEAT_OK);	/* the mapping may be private and changed */
}

static void changed_bytes(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	flow->whole_equal = 0;
	flow->whole_changed = 7;	/* one byte of 64 KiB: the samples miss it */
	is(VERDICT_CHANGED, CONFIDENCE_CERTAIN, LEAT_CHANGES_BYTES);
	flow->whole_changed = 1;	/* alone it proves nothing, but a bounce it is not */
	is(VERDICT_CHANGED, CONFIDENCE_LOW, LEAT_CHANGES_BYTES);
	flow->whole_equal = 14;	/* of so few, it may be one byte of every eighth buffer */
	is(VERDICT_CHANGED, CONFIDENCE_LOW, LEAT_CHANGES_BYTES);
	flow->whole_equal = 38;	/* those that were looked at for it were equal */
	is(VERDICT_BOUNCE, CONFIDENCE_MEDIUM, LEAT_OK);
	flow->whole_changed = 4;	/* one of eight, looked at closer */
	is(VERDICT_CHANGED, CONFIDENCE_CERTAIN, LEAT_CHANGES_BYTES);
	flow->whole_changed = 2;
	flow->whole_equal = 2000;	/* races of buffers used again, in a long watch */
	is(VERDICT_BOUNCE, CONFIDENCE_MEDIUM, LEAT_OK);
	flow->whole_equal = 500;
	is(VERDICT_CHANGED, CONFIDENCE_CERTAIN, LEAT_CHANGES_BYTES);
	flow->whole_changed = 0;
	flow->samples_equal = 480;
	flow->samples_changed = 32;	/* every sixteenth buffer */
	is(VERDICT_CHANGED, CONFIDENCE_HIGH, LEAT_CHANGES_BYTES);
	flow->samples_equal = 62;
	flow->samples_changed = 2;
	is(VERDICT_BOUNCE, CONFIDENCE_MEDIUM, LEAT_OK);
	flow->samples_equal = 61;
	is(VERDICT_CHANGED, CONFIDENCE_HIGH, LEAT_CHANGES_BYTES);
	flow->samples_changed = 1;	/* the head of an answer */
	flow->samples_equal = 9;
	is(VERDICT_BOUNCE, CONFIDENCE_MEDIUM, LEAT_OK);
	flow->samples_equal = 8;
	is(VERDICT_CHANGED, CONFIDENCE_HIGH, LEAT_CHANGES_BYTES);
}

static void ends_that_cannot(void)
{
	fresh(FILE_GENERATED, FILE_TCP);
	is(VERDICT_CANNOT, CONFIDENCE_CERTAIN, LEAT_SRC_GENERATED);
	fresh(FILE_REGULAR, FILE_DATAGRAM);
	is(VERDICT_CANNOT, CONFIDENCE_CERTAIN, LEAT_SINK_DATAGRAM);
	fresh(FILE_DATAGRAM, FILE_REGULAR);
	is(VERDICT_CANNOT, CONFIDENCE_CERTAIN, LEAT_SINK_DATAGRAM);
	fresh(FILE_REGULAR, FILE_ANONYMOUS);
	is(VERDICT_CANNOT, CONFIDENCE_CERTAIN, LEAT_NOT_APPLICABLE);
	fresh(FILE_TCP, FILE_REGULAR);
	model.files[1].append = true;
	is(VERDICT_CANNOT, CONFIDENCE_CERTAIN, LEAT_OUT_APPEND);
	fresh(FILE_REGULAR, FILE_PIPE);	/* O_APPEND means nothing there */
	model.files[1].append = true;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	model.files[1].can_splice_to = false;
	is(VERDICT_CANNOT, CONFIDENCE_CERTAIN, LEAT_NOT_APPLICABLE);
	flow->whole_changed = 7;	/* who changes the bytes would not be helped by another end */
	is(VERDICT_CHANGED, CONFIDENCE_CERTAIN, LEAT_CHANGES_BYTES);
}

/* Who rewrites its own file in place, or moves it by a block, has no call of the kernel: EINVAL, and EXDEV between file systems
 * has another way. */
static void one_file_and_two_filesystems(void)
{
	fresh(FILE_REGULAR, FILE_REGULAR);
	model.files[0].device = model.files[1].device = 7;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	model.files[1].inode = model.files[0].inode;
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	flow->how = HOW_MAPPED;
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	flow->how = HOW_COPY_FILE_RANGE;	/* two ranges that do not overlap */
	is(VERDICT_KERNEL, CONFIDENCE_CERTAIN, LEAT_OK);
	flow->how = HOW_SAME_BUFFER;
	model.files[1].device = 8;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	model.files[0].device = model.files[1].device = 0;	/* of both nothing is known */
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
}

/* Unknown is no "cannot", and matters only where the other word is not said. */
static void ends_that_nobody_knows(void)
{
	fresh(FILE_GENERATED, FILE_TCP);
	model.files[0].splice_unknown = true;
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	model.files[0].can_splice_from = true;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	fresh(FILE_REGULAR, FILE_TCP);
	model.files[1].splice_unknown = true;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	model.files[1].can_splice_to = false;
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	flow->whole_changed = 7;
	is(VERDICT_CHANGED, CONFIDENCE_CERTAIN, LEAT_CHANGES_BYTES);
}

static void small_and_empty(void)
{
	fresh(FILE_TCP, FILE_TCP);
	flow->bytes = 1000 * 4095;
	is(VERDICT_SMALL, CONFIDENCE_CERTAIN, LEAT_SMALL);
	flow->bytes = 1000 * 4096;
	is(VERDICT_BOUNCE, CONFIDENCE_CERTAIN, LEAT_OK);
	flow->writes = 0;
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	flow->writes = 1;
	flow->from = 99;	/* a place that is not there */
	is(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
}

static void kernel_routes(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	for (int how = HOW_KERNEL_FROM; how < HOWS; how++) {
		flow->how = how;
		is(VERDICT_KERNEL, CONFIDENCE_CERTAIN, LEAT_OK);
	}
}

static void reason_names_the_hidden_end(void)
{
	struct judgement judgement;

	fresh(FILE_REGULAR, FILE_TCP);
	verdict_flow(&model, flow, SIDE_READ, &judgement);
	CHECK_EQ(judgement.reason, LEAT_OPAQUE_SOURCE);
	verdict_flow(&model, flow, SIDE_WRITE, &judgement);
	CHECK_EQ(judgement.reason, LEAT_OPAQUE_SINK);
}

static const struct test tests[] = {
	TEST(bounce_by_its_evidence), TEST(copied_by_its_evidence), TEST(mapped_file), TEST(changed_bytes),
	TEST(one_file_and_two_filesystems), TEST(ends_that_cannot), TEST(ends_that_nobody_knows), TEST(small_and_empty),
	TEST(kernel_routes), TEST(reason_names_the_hidden_end),
};
TEST_MAIN(tests)
