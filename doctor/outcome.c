/* SPDX-License-Identifier: MIT */
#include "outcome.h"

#include <errno.h>
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
	status = status ? status : output_file_open(&outcome->record_file, outcome->record, "--record", S_IRUSR | S_IWUSR);
	status = status ? status : output_file_open(&outcome->baseline_file, outcome->save_baseline, "--save-baseline", 0666);
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

static int write_file(struct output_file *file, int (*write)(const struct model *model, FILE *to), const struct model *model)
{
	int error;

	if (!file->open)
		return 0;
	error = output_file_begin(file);
	return output_file_end(file, error ? error : write(model, file->to));
}

int outcome_write(struct outcome *outcome, const struct model *model, int exit_status)
{
	int status;

	say_gates(outcome, model, exit_status);
	status = write_file(&outcome->record_file, record_write, model);
	return write_file(&outcome->baseline_file, baseline_write, model) || status ? EXIT_BROKEN : 0;
}

void outcome_close(struct outcome *outcome)
{
	output_file_close(&outcome->record_file);
	output_file_close(&outcome->baseline_file);
	baseline_free(&outcome->known);
}
