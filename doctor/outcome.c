/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "known.h"
#include "out.h"
#include "output.h"
#include "record.h"
#include "verdict.h"

static int load_baseline(struct outcome *outcome)
{
	int error = outcome->baseline ? baseline_load(&outcome->known, outcome->baseline) : 0;

	if (error == -EBADMSG)
		out_error("--baseline: %s is not a baseline of leat doctor", outcome->baseline);
	else if (error)
		out_error("--baseline: %s cannot be read: %s", outcome->baseline, strerror(-error));
	return error ? EXIT_USAGE : 0;
}

static int parse_gates(struct outcome *outcome)
{
	char why[200];

	for (unsigned i = 0; i < outcome->fail_if.count; i++) {
		const char *text = outcome->fail_if.items[i];

		if (gate_parse(&outcome->gates[i], text, why, sizeof why)) {
			out_error("--fail-if '%s': %s; leat-doctor(1) says what can stand there", text, why);
			return EXIT_USAGE;
		}
		if (outcome->gates[i].only_new && !outcome->baseline) {
			out_error("--fail-if '%s': to what? --baseline FILE names it", text);
			return EXIT_USAGE;
		}
	}
	return 0;
}

int outcome_open(struct outcome *outcome)
{
	int status = parse_gates(outcome);

	status = status ? status : load_baseline(outcome);
	/* A recording says what others' programs do: it is for who made it. */
	status = status ? status : output_file(outcome->record, "--record", S_IRUSR | S_IWUSR, &outcome->record_file);
	status = status ? status : output_file(outcome->save_baseline, "--save-baseline", 0666, &outcome->baseline_file);
	if (status)
		outcome_close(outcome);
	return status;
}

static bool has_loss(const struct model *model)
{
	for (uint32_t i = 0; i < model->finding_count; i++)
		if (verdict_loses(model->findings[i].verdict))
			return true;
	return false;
}

static bool fails(const struct outcome *outcome, const struct model *model, struct gate_result *ret)
{
	return gate_fails(outcome->gates, outcome->fail_if.count, model, outcome->baseline ? &outcome->known : NULL, ret);
}

int outcome_status(const struct outcome *outcome, const struct model *model)
{
	struct gate_result result;

	if (outcome->fail_if.count)
		return fails(outcome, model, &result) ? EXIT_FAILED : EXIT_OK;
	return has_loss(model) ? EXIT_FAILED : EXIT_OK;
}

static void say_finding(const struct model *model, const struct gate_result *result)
{
	const struct culprit *culprit = &model->findings[result->finding].culprit;
	const struct frame *frame = model_frame(model, culprit->site, culprit->frame);
	const char *name = frame && frame->function ? frame->function : culprit->inside ? culprit->inside : "code without a name";
	char bytes[32];

	out_error("--fail-if '%s': %u finding%s, %s, %.1f %% of what the kernel could have moved; first by %.300s", result->gate->text,
		  result->count, result->count == 1 ? "" : "s", out_size(result->bytes, bytes, sizeof bytes), result->share * 100, name);
}

/* Whose place has no name is known again by less than its place. */
static void say_unsure(const struct model *model, const struct gate_result *result)
{
	const struct finding *finding = result->unsure_count ? &model->findings[result->unsure] : NULL;
	const char *where = finding && finding->culprit.inside ? finding->culprit.inside : "code without a name";
	char bytes[32];

	if (!finding)
		return;
	out_error("--fail-if '%s': %u finding%s, %s, %s as known by the baseline, first inside %s: %s%s%s", result->gate->text,
		  result->unsure_count, result->unsure_count == 1 ? "" : "s", out_size(result->unsure_bytes, bytes, sizeof bytes),
		  result->unsure_count == 1 ? "counts" : "count", where, known_place_words(known_place_of(model, finding)),
		  finding->culprit.more ? "; " : "", finding->culprit.more ? finding->culprit.more : "");
}

/* Who is told that nothing holds must not take it for more than was seen. */
static void say_gates(const struct outcome *outcome, const struct model *model, int status)
{
	const char *unknown = known_words(known_of(model));
	struct gate_result result;
	bool failed = fails(outcome, model, &result);

	if (outcome->fail_if.count)
		say_unsure(model, &result);
	if (!failed) {
		if (outcome->fail_if.count && status == EXIT_OK && unknown)
			out_error("--fail-if: nothing holds, but %s; --fail-if incomplete would fail this", unknown);
	} else if (result.finding == MODEL_NONE) {
		out_error("--fail-if '%s': %s", result.gate->text, unknown ? unknown : "nothing is known");
	} else {
		say_finding(model, &result);
	}
}

/* Takes the file: it is closed, for some file systems tell only then that they are full. */
static int write_file(FILE **file, const char *path, int (*write)(const struct model *model, FILE *to), const struct model *model)
{
	struct stat facts;
	int error = 0;

	if (!*file)
		return 0;
	if (!fstat(fileno(*file), &facts) && S_ISREG(facts.st_mode) && ftruncate(fileno(*file), 0))
		error = -errno;
	error = error ? error : write(model, *file);
	if (fclose(*file) && !error)
		error = -errno;
	*file = NULL;
	if (error)
		out_error("%s could not be written: %s", path, strerror(-error));
	return error ? EXIT_BROKEN : 0;
}

int outcome_write(struct outcome *outcome, const struct model *model, int exit_status)
{
	int status;

	say_gates(outcome, model, exit_status);
	status = write_file(&outcome->record_file, outcome->record, record_write, model);
	return write_file(&outcome->baseline_file, outcome->save_baseline, baseline_write, model) || status ? EXIT_BROKEN : 0;
}

void outcome_close(struct outcome *outcome)
{
	if (outcome->record_file)
		fclose(outcome->record_file);
	if (outcome->baseline_file)
		fclose(outcome->baseline_file);
	outcome->record_file = outcome->baseline_file = NULL;
	baseline_free(&outcome->known);
}
