/* SPDX-License-Identifier: MIT */
/* A recording gives the model back, names no live address, and is not believed when it is damaged. */
#include "../../doctor/record.h"

#include "../../doctor/verdict.h"
#include "made.h"

static struct model model, again;

static char *written(const struct model *from)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	CHECK(to);
	CHECK_EQ(record_write(from, to), 0);
	fclose(to);
	CHECK(text);
	return text;
}

static int taken(const char *text, struct record_error *error)
{
	FILE *from = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int r;

	CHECK(from);
	model_free(&again);
	r = record_read(&again, from, error);
	fclose(from);
	return r;
}

static void fresh(void)
{
	struct flow *flow;

	model_free(&model);
	made_process(&model, RUNTIME_GO, "Go 1.19");
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, MADE_GO_READ, MADE_GO_WRITE);
	flow->again = 3;
	flow->call_write = 1;
	flow = made_flow(&model, FILE_REGULAR, FILE_TCP, NULL, MADE_GO_WRITE);
	flow->how = HOW_SENDFILE;
	model.engine = ENGINE_PTRACE;
	model.begin_ns = 5;
	model.end_ns = UINT64_MAX;
	model.coverage.sampled_1_in = 16;
	model.coverage.tls_records = 4;
	model.processes[0].exit_status = 0;
	model.processes[0].missing = MISSING_BOTH;
	model.files[1].peer = (struct file_address){ .family = 2, .port = 51234, .ip = { 127, 0, 0, 1 } };
	free(model.files[0].path);
	model.files[0].path = made_text("/srv/a b%\n\x1b[31m\xff=");
	model.sites[0].frames[1].sp = 0x7ffc12345000;
	model.sites[0].frames[2].sp = 0x7ffc12345040;
	CHECK_NE(model_add_calibration(&model), MODEL_NONE);
	model.calibrations[0].from = FILE_REGULAR;
	model.calibrations[0].user_ns = 440000000;
}

static void gives_the_model_back(void)
{
	char *first, *second;

	fresh();
	first = written(&model);
	CHECK_EQ(taken(first, NULL), 0);
	second = written(&again);
	CHECK_STR(first, second);
	CHECK_STR(again.files[0].path, model.files[0].path);
	CHECK_STR(again.processes[0].version, "Go 1.19");
	CHECK_EQ(again.processes[0].exit_status, 0);
	CHECK_EQ(again.processes[0].missing, MISSING_BOTH);
	CHECK_EQ(again.engine, ENGINE_PTRACE);
	CHECK_EQ(again.end_ns, UINT64_MAX);
	CHECK_EQ(again.flows[0].sizes[15], 1000);
	CHECK_EQ(again.flows[1].site_read, MODEL_NONE);
	CHECK_EQ(again.flows[1].how, HOW_SENDFILE);
	CHECK_BYTES(&again.files[1].peer, &model.files[1].peer, sizeof model.files[1].peer);
	CHECK(!again.files[1].path);
	CHECK_EQ(again.calibrations[0].user_ns, 440000000);
	free(first);
	free(second);
}

static void judges_the_same(void)
{
	char *text;

	fresh();
	text = written(&model);
	CHECK_EQ(taken(text, NULL), 0);
	CHECK_EQ(verdict_all(&model), 0);
	CHECK_EQ(verdict_all(&again), 0);
	CHECK_EQ(again.finding_count, model.finding_count);
	for (uint32_t i = 0; i < model.finding_count; i++) {
		const struct finding *a = &model.findings[i], *b = &again.findings[i];

		CHECK_EQ(a->verdict, b->verdict);
		CHECK_EQ(a->bytes, b->bytes);
		CHECK_EQ(a->culprit.site, b->culprit.site);
		CHECK_EQ(a->culprit.frame, b->culprit.frame);
		CHECK_EQ(a->culprit.loop_read, b->culprit.loop_read);
	}
	free(text);
}

static void names_no_live_address(void)
{
	char *text;

	fresh();
	text = written(&model);
	CHECK(!strstr(text, "140720612397056"));	/* 0x7ffc12345000 */
	CHECK(!strstr(text, " ip="));
	CHECK(!strchr(text, '\x1b'));
	CHECK_EQ(taken(text, NULL), 0);
	CHECK_EQ(again.sites[0].frames[2].sp - again.sites[0].frames[1].sp, 0x40);
	free(text);
}

static void later_words_are_passed_over(void)
{
	CHECK_EQ(taken("leat-recording 1\nwatch begin=7 moon=full\nweather rain=1\nend 3\n", NULL), 0);
	CHECK_EQ(again.begin_ns, 7);
}

static const struct damaged {
	const char *text;
	int error;
	uint32_t line;
} damages[] = {
	{ "\n", -EBADMSG, 1 },
	{ "leat-recording\n", -EBADMSG, 1 },
	{ "leat-recording 1 \nend 1\n", -EBADMSG, 1 },
	{ "leat-recording 2\nend 1\n", -EPROTONOSUPPORT, 1 },
	{ "leat-recording 1\n", -EBADMSG, 1 },				/* its end is missing */
	{ "leat-recording 1\nend 1", -EBADMSG, 2 },
	{ "leat-recording 1\nend 2\n", -EBADMSG, 2 },			/* a line is missing */
	{ "leat-recording 1\nend\n", -EBADMSG, 2 },
	{ "leat-recording 1\nwatch begin=18446744073709551616\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nwatch begin=-1\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nwatch begin=\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nwatch begin\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nwatch engine=steam\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nfile append=2\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nfile path=%4\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nfile path=a%00b\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nfile path=a path=b\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nfile peer=2/80/7f\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nfile peer=2/65536/00000000000000000000000000000000\nend 2\n", -EBADMSG, 2 },
	{ "leat-recording 1\nflow bytes=1\nend 2\n", -EBADMSG, 2 },		/* ends that are not there */
	{ "leat-recording 1\nfile\nflow from=1\nend 3\n", -EBADMSG, 3 },
	{ "leat-recording 1\nfile\nflow read_site=0\nend 3\n", -EBADMSG, 3 },
	{ "leat-recording 1\nfile\nflow sizes=32:1\nend 3\n", -EBADMSG, 3 },
	{ "leat-recording 1\nfile\nflow sizes=1:1,\nend 3\n", -EBADMSG, 3 },
	{ "leat-recording 1\nframe function=f\nend 2\n", -EBADMSG, 2 },
};

static void damage_is_told(void)
{
	for (unsigned i = 0; i < sizeof damages / sizeof damages[0]; i++) {
		struct record_error error;

		test_note(damages[i].text);
		CHECK_EQ(taken(damages[i].text, &error), damages[i].error);
		CHECK_EQ(error.line, damages[i].line);
		CHECK(error.what);
		CHECK_EQ(again.file_count, 0);	/* nothing is left of it */
	}
}

/* Cut anywhere, it is no recording; or it holds the whole. */
static void every_beginning_is_refused(void)
{
	char *text;

	fresh();
	text = written(&model);
	for (size_t length = strlen(text) - 1; length > 0; length--) {
		text[length] = 0;
		CHECK_EQ(taken(text, NULL), -EBADMSG);
	}
	free(text);
}

static char *many(const char *first, const char *line, unsigned count)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	CHECK(to);
	fputs(first, to);
	for (unsigned i = 0; i < count; i++)
		fputs(line, to);
	fclose(to);
	CHECK(text);
	return text;
}

static void bounds_hold(void)
{
	struct record_error error;
	char *text = many("leat-recording 1\nsite\n", "frame\n", MODEL_FRAMES_MAX + 1);

	CHECK_EQ(taken(text, &error), -EBADMSG);
	CHECK_EQ(error.line, 2 + MODEL_FRAMES_MAX + 1);
	free(text);
	text = many("leat-recording 1\nfile path=", "a", 4097);
	strcpy(text + strlen(text) - 1, "\n");
	CHECK_EQ(taken(text, &error), -EBADMSG);	/* its end is missing, but the text was taken */
	CHECK_STR(error.what, "its end is missing");
	free(text);
	text = many("leat-recording 1\nfile path=a", "a", 4097);
	strcpy(text + strlen(text) - 1, "\n");
	CHECK_EQ(taken(text, &error), -EBADMSG);
	CHECK_EQ(error.line, 2);
	free(text);
	text = many("leat-recording 1\nfile path=", "a", RECORD_LINE_MOST);
	CHECK_EQ(taken(text, &error), -EBADMSG);
	CHECK_EQ(error.line, 2);
	free(text);
	text = many("leat-recording 1\nfile\n", "flow\n", 1000000);	/* 5 MB that would become 900 */
	CHECK_EQ(taken(text, &error), -ENOMEM);
	free(text);
}

static void full_disk_is_told(void)
{
	FILE *full = fopen("/dev/full", "we");

	if (!full)
		test_skip("no /dev/full here");
	fresh();
	CHECK_EQ(record_write(&model, full), -ENOSPC);
	fclose(full);
	CHECK_EQ(record_load(&again, "/nowhere/at/all", NULL), -ENOENT);
}

static const struct test tests[] = {
	TEST(gives_the_model_back),
	TEST(judges_the_same),
	TEST(names_no_live_address),
	TEST(later_words_are_passed_over),
	TEST(damage_is_told),
	TEST(every_beginning_is_refused),
	TEST(bounds_hold),
	TEST(full_disk_is_told),
};
TEST_MAIN(tests)
