/* SPDX-License-Identifier: MIT */
/* The report a person reads: who was watched, each finding, what was not seen, and what it comes to. */
#include "print.h"
#include "../advice.h"
#include "text.h"

#include <inttypes.h>
#include <sys/wait.h>

#define RIGHT_EDGE 92		/* what stands at the right does not move further out on a wider terminal */
#define STATEMENT_AT 38		/* where the ends of a flow stop and what is said of it begins; with 80 columns 36 */
#define DETAIL_AT 12
#define LOST_MOST 50		/* findings that are shown; the others are counted */
#define OTHERS_MOST 20

static const char *ending(const struct process *process, char text[64])
{
	*text = 0;
	if (process->exited && process->exit_status < 0)
		snprintf(text, 64, ", ended");
	else if (process->exited && WIFSIGNALED(process->exit_status))
		snprintf(text, 64, ", ended by signal %d", WTERMSIG(process->exit_status));
	else if (process->exited)
		snprintf(text, 64, ", exited with %d", WEXITSTATUS(process->exit_status));
	return text;
}

/* server (pid 4242, Go 1.19) · 5.0 s watched · 2 flows */
static void header(struct line *line, const struct model *model)
{
	const struct process *first = model->process_count ? &model->processes[0] : NULL;
	char name[LINE_TEXT], version[LINE_TEXT], end[64], number[WORDS_NUMBER], text[LINE_TEXT * 3];
	struct tally tally = words_tally(model);

	line->indent = 0;
	if (first) {
		line_name(line, first->version, 40, version);
		line_style(line, STYLE_STRONG);
		line_piece(line, line_name(line, first->name, 40, name));
		line_style(line, STYLE_PLAIN);
		snprintf(text, sizeof text, "(pid %" PRIu32 "%s%s%s)", first->pid, *version ? ", " : "", version, ending(first, end));
		line_words(line, text);
	} else {
		line_words(line, "no process");
	}
	if (model->process_count > 1) {
		snprintf(text, sizeof text, "and %s more", words_number(model->process_count - 1, number));
		line_words(line, text);
	}
	snprintf(text, sizeof text, "· %.1f s watched · %s flow%s", words_seconds(model), words_number(tally.flows, number),
		 tally.flows == 1 ? "" : "s");
	line_words(line, line_spelt(line, text, name));
	line_end(line);
}

static const char *mark(const struct line *line, const struct finding *finding)
{
	if (verdict_loses(finding->verdict))
		return line->how == ESCAPE_ASCII ? "x" : "✗";
	if (finding->verdict == VERDICT_KERNEL)
		return line->how == ESCAPE_ASCII ? "+" : "✓";
	return line->how == ESCAPE_ASCII ? "-" : "·";
}

static void right(struct line *line, const char *text)
{
	int edge = line->width < RIGHT_EDGE ? line->width : RIGHT_EDGE, columns = escape_columns(text);

	if (line->at + 2 + columns > edge)
		return;
	line_to(line, edge - columns);
	line_own(line, text);
}

/* The line of the mark. Two lines where one has no room; the second begins under the ends. */
static void head(struct line *line, const struct model *model, const struct finding *finding)
{
	bool lost = verdict_loses(finding->verdict);
	int statement_at = line->width < RIGHT_EDGE ? STATEMENT_AT - 2 : STATEMENT_AT;
	const char *sure = lost ? confidence_name(finding->confidence) : "";
	char between[LINE_TEXT], said[LINE_TEXT];
	int ends_columns, columns;

	text_ends(line, model, finding, between);
	text_statement(model, finding, said);
	ends_columns = escape_columns(between);
	columns = 3 + ends_columns + 2 > statement_at ? 3 + ends_columns + 2 : statement_at;
	columns += escape_columns(said) + (lost ? 2 + escape_columns(sure) : 0);
	line_to(line, 1);
	line_style(line, lost ? STYLE_BAD : finding->verdict == VERDICT_KERNEL ? STYLE_GOOD : STYLE_SOFT);
	line_own(line, mark(line, finding));
	line_style(line, STYLE_PLAIN);
	line->indent = 3;
	line_to(line, 3);
	line_piece(line, between);
	if (columns > line->width) {
		line->indent = 5;
		line_break(line);
		line_words(line, said);
	} else {
		line_to(line, 3 + ends_columns + 2 > statement_at ? 3 + ends_columns + 2 : statement_at);
		line_own(line, said);
	}
	if (lost)
		right(line, sure);
	line_end(line);
}

void text_label(struct line *line, const char *label)
{
	line->indent = 0;
	line_to(line, 5);
	line_style(line, STYLE_SOFT);
	line_own(line, label);
	line_style(line, STYLE_PLAIN);
	line_to(line, DETAIL_AT);
	line->indent = DETAIL_AT;
}

/* The words of ours, and those with names of the case in them, which are not. */
static void labelled(struct line *line, const char *label, const char *text)
{
	char *copy, buffer[LINE_TEXT * 2];

	if (!text || !*text)
		return;
	text_label(line, label);
	copy = escape_text(buffer, sizeof buffer, line->how, text, 1000);
	line_words(line, copy);
	line_end(line);
}

static void reason(struct line *line, const struct model *model, const struct finding *finding)
{
	labelled(line, "why", finding->why_text ? finding->why_text : finding->why);
	labelled(line, "mend", finding->mend ? finding->mend : advice_no_mend(model, finding));
}

static void one(struct line *line, const struct model *model, const struct finding *finding)
{
	head(line, model, finding);
	if (verdict_loses(finding->verdict))
		text_details(line, model, finding);
	if (finding->verdict != VERDICT_KERNEL)
		reason(line, model, finding);
}

static void remark(struct line *line, const char *text)
{
	line_to(line, 1);
	line_style(line, STYLE_SOFT);
	line_own(line, line->how == ESCAPE_ASCII ? "-" : "·");
	line_style(line, STYLE_PLAIN);
	line->indent = 3;
	line_to(line, 3);
	line_words(line, text);
	line_end(line);
}

/* Writes that are no flow, because what was read is encrypted before it is written. */
static void tls(struct line *line, const struct model *model)
{
	const struct coverage *coverage = &model->coverage;
	const char *why = advice_tls(coverage), *mend = advice_tls_mend(model);
	char text[LINE_TEXT], number[WORDS_NUMBER];

	if (!why)
		return;
	snprintf(text, sizeof text, "%s record%s of TLS made in user space", words_number(coverage->tls_records, number),
		 coverage->tls_records == 1 ? "" : "s");
	remark(line, text);
	labelled(line, "why", why);
	if (mend)
		labelled(line, "mend", mend);
}

/* Neither a loss nor clean: nobody knows whether it was read before. */
static void sourceless(struct line *line, const struct model *model)
{
	const char *why = advice_sourceless(model);
	char text[LINE_TEXT], size[WORDS_NUMBER];

	if (!why)
		return;
	snprintf(text, sizeof text, "%s written that came from no read that was seen", words_size(known_sourceless(model), size));
	remark(line, text);
	labelled(line, "why", why);
}

/* A report for eyes ends somewhere; what is left out is said. */
static void findings(struct line *line, const struct model *model)
{
	uint32_t lost = 0, others = 0, hidden = 0;
	char number[WORDS_NUMBER], text[LINE_TEXT], spelt[LINE_TEXT];

	for (uint32_t i = 0; i < model->finding_count; i++) {
		const struct finding *finding = &model->findings[i];

		if (verdict_loses(finding->verdict) ? lost++ < LOST_MOST : others++ < OTHERS_MOST)
			one(line, model, finding);
		else
			hidden++;
	}
	if (!hidden)
		return;
	snprintf(text, sizeof text, "… and %s more findings, smaller ones; --json has them all", words_number(hidden, number));
	line->indent = 1;
	line_to(line, 1);
	line_words(line, line_spelt(line, text, spelt));
	line_end(line);
}

/* Never "clean" when something was not seen. */
static void summary(struct line *line, const struct model *model, const struct print_options *options)
{
	struct tally tally = words_tally(model);
	char lost[WORDS_NUMBER], all[WORDS_NUMBER], text[LINE_TEXT];
	char but[LINE_TEXT] = ".";

	words_number(tally.lost_flows, lost);
	words_number(tally.flows, all);
	if (tally.known == KNOWN_IN_PART)
		snprintf(but, sizeof but, ", but not everything was: see coverage.");
	else if (tally.known != KNOWN_ENOUGH && tally.known != KNOWN_NOTHING)
		snprintf(but, sizeof but, ", but %s.", known_words(tally.known));
	if (tally.lost_flows)
		snprintf(text, sizeof text, "%s of %s flow%s lose%s zero copy.", lost, all, tally.flows == 1 ? "" : "s",
			 tally.lost_flows == 1 ? "s" : "");
	else if (!tally.flows)
		snprintf(text, sizeof text, "No transfer from one descriptor to another was seen%s", but);
	else if (tally.clean)
		snprintf(text, sizeof text, "Clean: %s flow%s, none loses zero copy.", all, tally.flows == 1 ? "" : "s");
	else
		snprintf(text, sizeof text, "No loss of zero copy was seen in %s flow%s%s", all, tally.flows == 1 ? "" : "s", but);
	line->indent = 1;
	line_to(line, 1);
	line_style(line, tally.lost_flows ? STYLE_BAD : tally.clean ? STYLE_GOOD : STYLE_STRONG);
	line_words(line, text);
	line_style(line, STYLE_PLAIN);
	if (options->say_exit) {
		snprintf(text, sizeof text, "exit %d", options->exit_status);
		right(line, text);
	}
	line_end(line);
}

int print_text(FILE *to, const struct model *model, const struct print_options *options)
{
	struct line line = {
		.to = to, .how = options->utf8 ? ESCAPE_TERMINAL : ESCAPE_ASCII, .color = options->color,
		.width = options->width > 0 ? options->width : 80,
	};

	if (line.width < 40)	/* narrower than what cannot be broken */
		line.width = 40;
	words_begin();
	header(&line, model);
	line_end(&line);
	findings(&line, model);
	tls(&line, model);
	sourceless(&line, model);
	if (model->finding_count || model->coverage.tls_records || known_sourceless(model))
		line_end(&line);
	text_coverage(&line, model);
	summary(&line, model, options);
	return words_end(to);
}
