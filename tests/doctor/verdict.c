/* SPDX-License-Identifier: MIT */
/* The table of verdicts and confidence, row by row, and how flows become findings. */
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

/* One loop that copies within a file system and to another one: two findings, for two calls of the kernel mend it. */
static void two_filesystems_are_another_finding(void)
{
	fresh(FILE_REGULAR, FILE_REGULAR);
	model.files[0].device = model.files[1].device = 7;
	made_flow(&model, FILE_REGULAR, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE);
	model.files[2].device = 7;
	model.files[3].device = 8;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	model.files[3].device = 7;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
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

/* ---- Findings ---------------------------------------------------------------------------------------------------------------- */

static void flows_of_one_place_are_one_finding(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE)->bytes = 1000 * 65536;
	made_flow(&model, FILE_REGULAR, FILE_UNIX_STREAM, MADE_C_READ, MADE_C_WRITE);
	made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE);
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, NULL, MADE_C_WRITE);
	flow->how = HOW_SENDFILE;
	flow->bytes = UINT64_C(1) << 40;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 4);
	CHECK_EQ(model.findings[0].flow_count, 2);
	CHECK_EQ(model.findings[0].flow, 1);	/* the larger */
	CHECK_EQ(model.findings[0].bytes, 1000 * (65536 + 32768));
	CHECK_EQ(model.findings[0].writes, 2000);
	CHECK_EQ(model.findings[3].verdict, VERDICT_KERNEL);	/* the kernel's come last, however large */
	for (uint32_t i = 0; i < model.flow_count; i++)
		CHECK(model.flows[i].finding);
	CHECK(model.flows[0].finding == &model.findings[0]);
	CHECK(model.flows[1].finding == &model.findings[0]);
	CHECK(model.flows[4].finding == &model.findings[3]);
	CHECK_EQ(verdict_all(&model), 0);	/* may be asked again */
	CHECK_EQ(model.finding_count, 4);
}

static void verdicts_are_never_mixed(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE)->whole_changed = 7;
	made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE)->how = HOW_COPIED;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 3);
	CHECK_EQ(model.findings[2].verdict, VERDICT_CHANGED);
}

static void confidence_of_half_the_bytes(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	flow->samples_weak = flow->samples_equal;	/* constant bytes */
	flow->samples_equal = flow->whole_equal = 0;
	flow->bytes = 100 * model.flows[0].bytes;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	CHECK_EQ(model.findings[0].confidence, CONFIDENCE_MEDIUM);
	model.flows[1].bytes = model.flows[0].bytes / 2;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.findings[0].confidence, CONFIDENCE_CERTAIN);
}

/* Another connection of the place, of which so much was seen. */
static struct flow *beside(uint64_t equal, uint64_t whole_equal, uint64_t whole_changed)
{
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	flow->samples_equal = equal;
	flow->whole_equal = whole_equal;
	flow->whole_changed = whole_changed;
	return flow;
}

static void finding_is(uint32_t place, enum verdict verdict, enum confidence confidence, uint32_t flows)
{
	CHECK(place < model.finding_count);
	CHECK_STR(verdict_name(model.findings[place].verdict), verdict_name(verdict));
	CHECK_STR(confidence_name(model.findings[place].confidence), confidence_name(confidence));
	CHECK_EQ(model.findings[place].flow_count, flows);
}

static void bytes_of_one_speak_for_the_place(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	for (int i = 0; i < 17; i++)
		beside(i & 1 ? 0 : 60, 0, 0);	/* nobody looked, or at a few bytes */
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, 18);
	model.flows[0].whole_changed = model.flows[0].whole_equal;	/* one byte of each: no sample meets it */
	model.flows[0].whole_equal = 0;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	finding_is(0, VERDICT_CHANGED, CONFIDENCE_CERTAIN, 18);
}

static void own_bytes_come_first(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	beside(1000, 0, 7);
	beside(1000, 90000, 0)->bytes *= 4;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, 2);	/* 7 of 90014: it may be chance */
	finding_is(1, VERDICT_CHANGED, CONFIDENCE_CERTAIN, 1);
	flow->whole_equal = 7;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 2);	/* who changes some looks at all */
	finding_is(1, VERDICT_CHANGED, CONFIDENCE_CERTAIN, 1);
}

/* A buffer used again while it was looked at: of one flow of a place it proves nothing. */
static void one_difference_is_asked_of_the_place(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	model.flows[0].whole_equal = 38;
	beside(60, 0, 1)->bytes *= 4;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 2);
	flow->whole_equal = 1;	/* nor of two looks at one */
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	flow->whole_equal = 0;
	beside(60, 0, 1);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 1);
	finding_is(1, VERDICT_CHANGED, CONFIDENCE_CERTAIN, 2);
}

/* A proxy makes the head of each answer anew, and carries the rest: of several connections that is one change each. */
static void heads_made_anew(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	beside(96, 24, 1)->samples_changed = 1;
	beside(87, 22, 1)->samples_changed = 1;
	for (int i = 0; i < 3; i++)
		beside(66, 3, 0);
	for (int i = 0; i < 2; i++) {	/* a request was read to where the answer's head is made */
		beside(0, 0, 1)->bytes = 76;
		flow->writes = flow->reads = 1;
	}
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, 6);
	CHECK_EQ(model.findings[1].flow_count, 2);
	model.flows[1].whole_equal = model.flows[2].whole_equal = 4;	/* just so many */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, 6);
	model.flows[1].whole_equal = model.flows[2].whole_equal = 3;	/* too few to tell */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 4);
	model.flows[1].whole_equal = 4;
	model.flows[2].whole_changed = 2;	/* again, in one of them */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 4);
	CHECK_STR(verdict_name(model.findings[1].verdict), verdict_name(VERDICT_CHANGED));
}

/* And where it was met in most of them, which it is by chance, that makes nobody less sure than the others do. */
static void heads_in_most(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	model.flows[0].whole_equal = 9;
	model.flows[0].samples_changed = 1;	/* met by a sample only */
	beside(80, 17, 1)->samples_changed = 1;
	beside(75, 1, 0)->samples_changed = 1;
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_HIGH, 3);
	model.flows[1].samples_changed = 2;	/* again, in one of them */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 3);
	model.flows[1].samples_changed = 1;
	model.flows[0].whole_equal = 3;		/* only one in which enough was equal */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 3);
	model.flows[0].whole_equal = 4;
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_HIGH, 3);
}

/* A flow whose own way tells nothing has what the other ways of the place tell, and is never more than probable by that. */
static void other_ways_of_the_place(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	model.flows[0].how = HOW_COPIED;
	beside(0, 0, 0)->writes = 1;
	flow->bytes = 32768;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	finding_is(0, VERDICT_COPIED, CONFIDENCE_HIGH, 1);
	finding_is(1, VERDICT_BOUNCE, CONFIDENCE_MEDIUM, 1);
	model.flows[0].samples_changed = model.flows[0].samples_equal;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	finding_is(0, VERDICT_CHANGED, CONFIDENCE_HIGH, 2);
}

/* A block of a file that could not be packed goes out as it came: of what is written there, it is next to nothing. */
static void copied_is_what_goes_there(void)
{
	fresh(FILE_REGULAR, FILE_TCP);
	flow->how = HOW_COPIED;
	model.files[flow->to].unpaired_bytes = 16 * flow->bytes;
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_COPIED, CONFIDENCE_HIGH, 1);
	model.files[flow->to].unpaired_bytes = 17 * flow->bytes;
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_CHANGED, CONFIDENCE_MEDIUM, 1);
	CHECK_EQ(model_add_flow(&model), 1);
	model.flows[1] = model.flows[0];	/* by two places to one end */
	model.flows[1].site_read = made_site(&model, MADE_GO_READ);
	model.flows[1].site_write = made_site(&model, MADE_GO_WRITE);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
	finding_is(0, VERDICT_COPIED, CONFIDENCE_HIGH, 1);
	finding_is(1, VERDICT_COPIED, CONFIDENCE_HIGH, 1);
	model.flow_count = 1;
	model.flows[0].how = HOW_SAME_BUFFER;	/* these bytes are the same, whatever else is sent */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, 1);
}

/* Other ends, another line: another place. */
static void other_places_say_nothing(void)
{
	static const char read[] = "S read -|P other_block srv.c:90|P other srv.c:117|P main srv.c:40|S __libc_start_main -";
	static const char write[] = "S write -|P other srv.c:118|P main srv.c:40|S __libc_start_main -";

	fresh(FILE_REGULAR, FILE_TCP);
	made_flow(&model, FILE_REGULAR, FILE_UNIX_STREAM, MADE_C_READ, MADE_C_WRITE)->whole_equal = 0;
	made_flow(&model, FILE_REGULAR, FILE_TCP, read, write)->whole_equal = 0;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 3);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, 1);
	finding_is(1, VERDICT_BOUNCE, CONFIDENCE_LOW, 1);
	finding_is(2, VERDICT_BOUNCE, CONFIDENCE_LOW, 1);
}

/* One line writes the half of each buffer that was changed, another the other half. */
static void parts_of_one_read(void)
{
	static const char elsewhere[] = "S write -|P main srv.c:300|S __libc_start_main -";

	fresh(FILE_REGULAR, FILE_TCP);
	CHECK_EQ(model_add_flow(&model), 1);
	model.flows[1] = model.flows[0];
	model.flows[1].site_write = made_site(&model, elsewhere);
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, CONFIDENCE_CERTAIN, model.findings[0].flow_count);
	model.flows[1].whole_changed = 7;
	model.flows[1].whole_equal = 0;
	CHECK_EQ(verdict_all(&model), 0);
	for (uint32_t i = 0; i < model.finding_count; i++)
		CHECK_STR(verdict_name(model.findings[i].verdict), "changed");
	model.flows[1].bytes = model.flows[0].bytes / 33;	/* now and then something else is written */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, model.findings[0].confidence, 1);
	model.flows[1].bytes = model.flows[0].bytes;
	model.flows[1].to = made_file(&model, FILE_TCP, NULL);	/* to somebody else */
	CHECK_EQ(verdict_all(&model), 0);
	finding_is(0, VERDICT_BOUNCE, model.findings[0].confidence, 1);
}

static void inside_a_runtime_by_executable(void)
{
	static const char read[] = "S read -|R eval c.c:1@7|S start -", write[] = "S send -|R eval c.c:1@8|S start -";

	fresh(FILE_REGULAR, FILE_TCP);
	model.flow_count = 0;
	made_flow(&model, FILE_REGULAR, FILE_TCP, read, write);
	made_flow(&model, FILE_REGULAR, FILE_TCP, read, write);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	made_process(&model, RUNTIME_PYTHON, NULL);
	model.processes[1].pid = 7;
	free(model.processes[1].executable);
	model.processes[1].executable = made_text("/usr/bin/python3");
	model.flows[1].pid = 7;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 2);
}

static void many_flows(void)
{
	enum { FLOWS = 10000 };
	uint64_t bytes = 0;

	fresh(FILE_REGULAR, FILE_TCP);
	while (model.flow_count < FLOWS) {
		uint32_t place = model_add_flow(&model);

		CHECK_NE(place, MODEL_NONE);
		model.flows[place] = model.flows[0];
		model.flows[place].bytes += place;
	}
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	CHECK_EQ(model.findings[0].flow, FLOWS - 1);
	for (uint32_t i = 0; i < FLOWS; i++)
		bytes += model.flows[i].bytes;
	CHECK_EQ(model.findings[0].bytes, bytes);
}

static void nothing_seen(void)
{
	model_free(&model);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 0);
}

static const struct test tests[] = {
	TEST(bounce_by_its_evidence),
	TEST(copied_by_its_evidence),
	TEST(mapped_file),
	TEST(changed_bytes),
	TEST(one_file_and_two_filesystems), TEST(two_filesystems_are_another_finding),
	TEST(ends_that_cannot), TEST(ends_that_nobody_knows),
	TEST(small_and_empty),
	TEST(kernel_routes),
	TEST(reason_names_the_hidden_end),
	TEST(flows_of_one_place_are_one_finding),
	TEST(verdicts_are_never_mixed),
	TEST(confidence_of_half_the_bytes),
	TEST(bytes_of_one_speak_for_the_place), TEST(own_bytes_come_first), TEST(one_difference_is_asked_of_the_place),
	TEST(heads_made_anew), TEST(heads_in_most),
	TEST(other_ways_of_the_place), TEST(copied_is_what_goes_there), TEST(other_places_say_nothing), TEST(parts_of_one_read),
	TEST(inside_a_runtime_by_executable),
	TEST(many_flows),
	TEST(nothing_seen),
};
TEST_MAIN(tests)
