/* SPDX-License-Identifier: MIT */
/* How flows become findings: what those of one place tell of each other, and which are one. verdict.c: the table itself. */
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
	TEST(two_filesystems_are_another_finding), TEST(flows_of_one_place_are_one_finding), TEST(verdicts_are_never_mixed),
	TEST(confidence_of_half_the_bytes), TEST(bytes_of_one_speak_for_the_place), TEST(own_bytes_come_first),
	TEST(one_difference_is_asked_of_the_place), TEST(heads_made_anew), TEST(heads_in_most), TEST(other_ways_of_the_place),
	TEST(copied_is_what_goes_there), TEST(other_places_say_nothing), TEST(parts_of_one_read),
	TEST(inside_a_runtime_by_executable), TEST(many_flows), TEST(nothing_seen),
};
TEST_MAIN(tests)
