/* SPDX-License-Identifier: MIT */
/* Expressions that fail a job, and baselines: what is taken, what is refused, and when one is true. */
#include "../../doctor/gate.h"

#include "../../doctor/baseline.h"
#include "../../doctor/verdict.h"
#include "made.h"

static struct model model;
static struct gate gate;
static struct gate_result result;
static char why[200];

static bool fails(const char *text, const struct baseline *baseline)
{
	CHECK_SAY(!gate_parse(&gate, text, why, sizeof why), "%s: %s", text, why);
	return gate_fails(&gate, 1, &model, baseline, &result);
}

/* 30 MiB bounce, 70 MiB by the kernel, and 20 MiB that the program changes. */
static void fresh(void)
{
	struct flow *flow;

	model_free(&model);
	made_process(&model, RUNTIME_GO, NULL);
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE);
	flow->bytes = 30 << 20;
	flow->writes = 960;
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, NULL, MADE_GO_WRITE);
	flow->how = HOW_SENDFILE;
	flow->bytes = 70 << 20;
	flow = made_flow(&model, FILE_TCP, FILE_TCP, MADE_C_READ, MADE_C_WRITE);
	flow->whole_changed = 100;
	flow->bytes = 20 << 20;
	CHECK_EQ(verdict_all(&model), 0);
	model.findings[0].cost = (struct cost){ .user_s = 0.5, .kernel_route_s = 0.1, .method = "m" };
}

static void words_pick(void)
{
	fresh();
	CHECK(fails("bounce", NULL));
	CHECK_EQ(result.count, 1);
	CHECK_EQ(result.finding, 0);
	CHECK_EQ(result.bytes, 30 << 20);
	CHECK(result.share > 0.2999 && result.share < 0.3001);	/* what is changed could not have been moved */
	CHECK(fails("loss", NULL));
	CHECK(fails("changed", NULL));
	CHECK(!fails("copied", NULL));
	CHECK(!fails("mmap-write", NULL));
	CHECK(!fails("cannot", NULL));
	CHECK(fails("copied,bounce", NULL));	/* one or the other */
	CHECK(fails("copied or mmap-write , bounce", NULL));
	CHECK(!fails("copied, mmap-write and share > 5%", NULL));
	CHECK(!fails("share > 5% and copied, bounce and new", NULL));
	model.flows[0].how = HOW_COPIED;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(fails("bounce", NULL));	/* it bounces, and is copied once more */
	CHECK(fails("copied", NULL));
}

static void limits_are_limits(void)
{
	fresh();
	CHECK(fails("share > 5%", NULL));
	CHECK(fails("share>29.9%", NULL));
	CHECK(fails("share >= 30%", NULL));
	CHECK(!fails("share > 30%", NULL));
	CHECK(fails("bytes >= 30m", NULL));
	CHECK(fails("bytes > 0.02g", NULL));
	CHECK(!fails("bytes > 30m", NULL));
	CHECK(!fails("bytes > 31457280", NULL));
	CHECK(fails("bytes > 31457279", NULL));
	CHECK(fails("cpu > 0.3s", NULL));
	CHECK(!fails("cpu > 0.5s", NULL));
	CHECK(!fails("share > 5% and bytes > 1g", NULL));
	CHECK(fails("bounce and share > 5% and bytes > 1MiB", NULL));
	CHECK(!fails("copied and share > 5%", NULL));
}

static void doubtful_losses_fail_nothing_unasked(void)
{
	fresh();
	model.findings[0].confidence = CONFIDENCE_LOW;
	CHECK(!fails("bounce", NULL));
	CHECK(fails("bounce and confidence >= low", NULL));
	model.findings[0].confidence = CONFIDENCE_MEDIUM;
	CHECK(fails("bounce", NULL));
	CHECK(!fails("bounce and confidence >= certain", NULL));
}

static void nothing_seen_fails_nothing(void)
{
	model_free(&model);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(!fails("loss", NULL));
	CHECK(!fails("share >= 0%", NULL));
}

/* What nobody saw is no loss, and no health. */
static void incomplete_is_asked_for(void)
{
	fresh();
	CHECK(!fails("incomplete", NULL));
	model.coverage.lost_pairs = 1;
	CHECK(fails("incomplete", NULL));
	CHECK_EQ(result.known, KNOWN_IN_PART);
	CHECK_EQ(result.count, 0);
	CHECK(!fails("copied", NULL));
	model.coverage = (struct coverage){ .aio_requests = 1 };
	CHECK(fails("incomplete", NULL));
	model.coverage = (struct coverage){ .write_bytes = 120 << 20, .unpaired_write_bytes = 20 << 20 };
	CHECK(fails("incomplete", NULL));
	CHECK_EQ(result.known, KNOWN_NO_SOURCE);
	model.coverage.unpaired_write_bytes = 2 << 20;
	CHECK(!fails("incomplete", NULL));
	model_free(&model);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(fails("incomplete", NULL));
	CHECK_EQ(result.known, KNOWN_NOTHING);
}

static void one_of_several_is_enough(void)
{
	struct gate gates[2];

	fresh();
	CHECK_EQ(gate_parse(&gates[0], "bytes > 1t", why, sizeof why), 0);
	CHECK_EQ(gate_parse(&gates[1], "share > 5%", why, sizeof why), 0);
	CHECK(gate_fails(gates, 2, &model, NULL, &result));
	CHECK_STR(result.gate->text, "share > 5%");
	CHECK(!gate_fails(gates, 1, &model, NULL, &result));
	CHECK(!gate_fails(gates, 0, &model, NULL, &result));
}

static void wrong_expressions_are_told(void)
{
	static const char *const wrong[] = {
		"share > liiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii",
		"", " ", "bounces", "bounce and copied", "new and loss and copied", "bounce,", ",bounce", "bounce,new", "bounce copied",
		"bounce and", "and bounce", "bounce or share > 5%", "share > 5% or bounce", "new or bounce", "bounce,,copied", "share",
		"share > ", "share > 5% and share > 6%", "confidence >= low and bounce and confidence >= high",
		"share 5%", "share > 5", "share < 5%", "share = 5%", "share >> 5%", "share > five%", "share > -5%", "share > 101%",
		"share > 0x5%", "share > inf%", "share > nan%", "bytes > 5x", "bytes > 5 m", "bytes > 1e30", "bytes > -1", "cpu > 5",
		"cpu > 5ms", "confidence > high", "confidence >= sure", "kernel", "bounce)", "not bounce",
		"incomplete and bounce", "share > 5% and incomplete",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "share > 00000000000000000000000000000000000000000000005%",
	};

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		test_note(wrong[i]);
		*why = 0;
		CHECK_EQ(gate_parse(&gate, wrong[i], why, sizeof why), -EINVAL);
		CHECK(*why);
	}
}

/* ---- Baselines ------------------------------------------------------------------------------------------------------------------ */

static char *written(void)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	CHECK(to);
	CHECK_EQ(baseline_write(&model, to), 0);
	fclose(to);
	CHECK(text);
	return text;
}

static int taken(struct baseline *baseline, const char *text)
{
	FILE *from = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int error;

	CHECK(from);
	*baseline = (struct baseline){ .count = 0 };
	error = baseline_read(baseline, from);
	fclose(from);
	return error;
}

static void new_is_what_the_baseline_has_not(void)
{
	struct baseline baseline;
	char *text;

	fresh();
	text = written();
	CHECK_STR(text, "leat-baseline 1\nbounce file tcp server read main.justReader.Read server.go\n");
	CHECK_EQ(taken(&baseline, text), 0);
	CHECK_EQ(baseline.count, 1);
	CHECK(!fails("new", &baseline));
	CHECK(!fails("new", NULL));
	model.sites[0].frames[3].line = 999;	/* an edit above it */
	model.flows[0].bytes *= 10;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(!fails("new", &baseline));
	made_flow(&model, FILE_TCP, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE)->bytes = 5 << 20;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK(fails("new", &baseline));
	CHECK_EQ(result.count, 1);
	CHECK_EQ(result.bytes, 5 << 20);
	CHECK(!fails("new and share > 50%", &baseline));
	CHECK(!fails("new and copied", &baseline));
	baseline_free(&baseline);
	free(text);
}

static void a_baseline_is_sorted_and_says_each_once(void)
{
	struct baseline baseline;
	char *text;

	fresh();
	free(model.sites[0].frames[3].function);
	model.sites[0].frames[3].function = made_text("evil\nbounce % \x1b");
	made_flow(&model, FILE_TCP, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE);
	made_flow(&model, FILE_PIPE, FILE_REGULAR, MADE_C_READ, MADE_C_WRITE);
	made_flow(&model, FILE_PIPE, FILE_REGULAR, "P - -@17", NULL);
	CHECK_EQ(verdict_all(&model), 0);
	text = written();
	CHECK_STR(text, "leat-baseline 1\n"
			"bounce file tcp server read evil%0Abounce%20%25%20%1B server.go\n"
			"bounce pipe file server caller server+11\n"
			"bounce pipe file server loop serve srv.c\n"
			"bounce tcp file server loop serve srv.c\n");
	CHECK_EQ(taken(&baseline, text), 0);
	CHECK_EQ(baseline.count, 4);
	CHECK(!fails("new", &baseline));
	baseline_free(&baseline);
	free(text);
}

/* Templates of one module differ at their ends only. The longest name there is, of bytes that are written as three. */
static void long_names_are_told_apart(void)
{
	static const size_t lengths[] = { 200, 2047 };
	struct baseline baseline;
	char name[2048], *text;

	memset(name, '\x80', sizeof name);
	for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		char **function;

		fresh();
		function = &model.sites[0].frames[3].function;
		free(*function);
		*function = strndup(name, lengths[i]);
		CHECK(*function);
		text = written();
		CHECK_EQ(taken(&baseline, text), 0);
		CHECK(!fails("new", &baseline));
		(*function)[lengths[i] - 1] = 'b';
		CHECK(fails("new", &baseline));
		baseline_free(&baseline);
		free(text);
	}
}

#define EVAL(at) "|R _PyEval_EvalFrameDefault -@" at "|S start -"

/* A Python program of which no function is known, that copies by these calls of the runtime. */
static void fresh_python(const char *script, const char *read, const char *write)
{
	model_free(&model);
	made_process(&model, RUNTIME_PYTHON, NULL);
	model.processes[0].script = made_text(script);
	made_flow(&model, FILE_REGULAR, FILE_REGULAR, read, write);
	CHECK_EQ(verdict_all(&model), 0);
}

/* Then it is told by the script and what the runtime calls; and that another place may look alike is said. */
static void places_without_names(void)
{
	static const char read[] = "R _io_FileIO_readinto -@1" EVAL("7"), write[] = "R _io_FileIO_write -@1" EVAL("9");
	struct baseline baseline;
	char *text;

	fresh_python("a.py", read, write);
	CHECK_EQ(known_place_of(&model, &model.findings[0]), PLACE_STACKS);
	text = written();
	CHECK(strstr(text, "leat-baseline 1\nbounce file file server a.py ") == text);
	CHECK_EQ(taken(&baseline, text), 0);
	CHECK(!fails("new", &baseline));
	CHECK_EQ(result.unsure_count, 1);
	CHECK_EQ(result.unsure_bytes, model.findings[0].bytes);
	CHECK(!fails("bounce", NULL) || !result.unsure_count);
	fresh_python("a.py", "R _io_FileIO_readinto -@2" EVAL("8"), write);	/* another build, or a specialised instruction */
	CHECK(!fails("new", &baseline));
	fresh_python("b.py", read, write);
	CHECK(fails("new", &baseline));
	fresh_python("a.py", "R os_read -@1" EVAL("7"), write);
	CHECK(fails("new", &baseline));
	fresh_python("a.py", read, write);	/* beside what is known: a finding of two flows, of which one is new */
	made_flow(&model, FILE_REGULAR, FILE_REGULAR, "R os_read -@1" EVAL("7"), "R os_write -@1" EVAL("9"))->bytes = 5 << 20;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	CHECK(fails("new", &baseline));
	CHECK_EQ(result.bytes, 5 << 20);
	CHECK_EQ(result.unsure_bytes, model.findings[0].bytes - (5 << 20));
	CHECK(!fails("new and bytes > 5m", &baseline));
	baseline_free(&baseline);
	free(text);
}

/* A recording may say that more was moved than a number holds: two such flows are not nothing. */
static void more_bytes_than_a_number_holds(void)
{
	static const char write[] = "R os_write -@1" EVAL("9");
	struct baseline baseline;

	fresh_python("a.py", "R os_read -@1" EVAL("7"), write);
	model.flows[0].bytes = UINT64_C(1) << 63;
	made_flow(&model, FILE_REGULAR, FILE_REGULAR, "R os_readv -@1" EVAL("7"), write)->bytes = UINT64_C(1) << 63;
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(model.finding_count, 1);
	CHECK_EQ(taken(&baseline, "leat-baseline 1\n"), 0);
	CHECK(fails("new", &baseline));
	CHECK_EQ(result.bytes, UINT64_MAX);
	baseline_free(&baseline);
}

/* A process that ended before anything of it could be looked at. */
static void places_without_stacks(void)
{
	struct baseline baseline;
	char *text;

	model_free(&model);
	made_process(&model, RUNTIME_UNKNOWN, NULL);
	made_flow(&model, FILE_REGULAR, FILE_REGULAR, NULL, NULL);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(known_place_of(&model, &model.findings[0]), PLACE_CALLS);
	text = written();
	CHECK_EQ(taken(&baseline, text), 0);
	CHECK(!fails("new", &baseline));
	CHECK_EQ(result.unsure_count, 1);
	model.flows[0].call_read = 17;	/* pread */
	CHECK(fails("new", &baseline));
	baseline_free(&baseline);
	free(text);
}

static void what_is_no_baseline_is_refused(void)
{
	static char longer[20000];
	struct baseline baseline;

	CHECK_EQ(taken(&baseline, "\n"), -EBADMSG);
	CHECK_EQ(taken(&baseline, "leat-baseline 2\n"), -EBADMSG);
	CHECK_EQ(taken(&baseline, "leat-recording 1\nend 1\n"), -EBADMSG);
	CHECK_EQ(taken(&baseline, "leat-baseline 1\nbounce"), -EBADMSG);	/* cut short */
	memset(longer, 'x', sizeof longer - 1);
	memcpy(longer, "leat-baseline 1\n", 16);
	CHECK_EQ(taken(&baseline, longer), -EBADMSG);
	CHECK_EQ(taken(&baseline, "leat-baseline 1\n# known since March\n\nb\na\n"), 0);
	CHECK_EQ(baseline.count, 2);
	CHECK_STR(baseline.keys[0], "a");
	baseline_free(&baseline);
	CHECK_EQ(taken(&baseline, "leat-baseline 1\n"), 0);
	CHECK_EQ(baseline.count, 0);
	fresh();
	CHECK(fails("new", &baseline));
	CHECK_EQ(baseline_load(&baseline, "/nowhere"), -ENOENT);
}

static const struct test tests[] = {
	TEST(words_pick),
	TEST(limits_are_limits),
	TEST(doubtful_losses_fail_nothing_unasked),
	TEST(nothing_seen_fails_nothing),
	TEST(incomplete_is_asked_for),
	TEST(one_of_several_is_enough),
	TEST(wrong_expressions_are_told),
	TEST(new_is_what_the_baseline_has_not),
	TEST(a_baseline_is_sorted_and_says_each_once),
	TEST(long_names_are_told_apart),
	TEST(places_without_names),
	TEST(more_bytes_than_a_number_holds),
	TEST(places_without_stacks),
	TEST(what_is_no_baseline_is_refused),
};
TEST_MAIN(tests)
