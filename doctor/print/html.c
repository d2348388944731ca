/* SPDX-License-Identifier: MIT */
/* The report as one page: no script, nothing fetched, light and dark. Its details are those of the text, preformatted. */
#include "print.h"
#include "../advice.h"
#include "flame.h"
#include "html_style.h"
#include "text.h"

#include <leat.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LOST_MOST 200		/* findings that are shown; the others are counted */
#define OTHERS_MOST 100
#define FRAMES_MOST 64

static void stranger(FILE *to, const char *text)
{
	escape(to, ESCAPE_HTML, text);
}

static void head(FILE *to, const struct model *model)
{
	const char *name = model->process_count ? model->processes[0].name : NULL;

	/* The policy holds even if an escape were wrong: nothing of the page may run or fetch. */
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>leat doctor</title>\n<style>\n", to);
	fputs(html_style, to);
	fputs("</style></head><body><main>\n<h1>", to);
	stranger(to, name ? name : "no process");
	fputs("</h1>\n<p class=\"soft\">", to);
	for (uint32_t i = 0; i < model->process_count && i < 20; i++) {
		fprintf(to, "%spid %" PRIu32, i ? ", " : "", model->processes[i].pid);
		if (model->processes[i].version) {
			fputc(' ', to);
			stranger(to, model->processes[i].version);
		}
	}
	if (model->process_count > 20)
		fprintf(to, " and %" PRIu32 " more", model->process_count - 20);
	fprintf(to, " \u00b7 %.1f s watched by leat doctor %s, engine %s</p>\n", words_seconds(model), leat_version(),
		words_engine(model->engine));
}

static void tile(FILE *to, bool bad, const char *value, const char *what)
{
	fprintf(to, "<div class=\"tile\"><b%s>%s</b><span>%s</span></div>\n", bad ? " class=\"bad\"" : "", value, what);
}

static void tiles(FILE *to, const struct model *model)
{
	struct tally tally = words_tally(model);
	bool complete = known_coverage(model), costed = false;
	char text[WORDS_NUMBER * 2], lost[WORDS_NUMBER], all[WORDS_NUMBER];
	double saved = 0;

	for (uint32_t i = 0; i < model->finding_count; i++) {
		const struct cost *cost = &model->findings[i].cost;

		if (!verdict_loses(model->findings[i].verdict) || !cost->method || !isfinite(cost->user_s - cost->kernel_route_s))
			continue;
		saved += cost->user_s - cost->kernel_route_s;
		costed = true;
	}
	fputs("<div class=\"tiles\">\n", to);
	snprintf(text, sizeof text, "%s of %s", words_number(tally.lost_flows, lost), words_number(tally.flows, all));
	tile(to, tally.lost_flows, text, "flows lose zero copy");
	tile(to, tally.lost_bytes, words_size(tally.lost_bytes, lost), "carried through user space in vain");
	if (costed) {
		snprintf(text, sizeof text, "%.2f s", saved);
		tile(to, true, text, "of CPU that the kernel's route would have saved, about");
	}
	tile(to, !complete, complete ? "complete" : "not complete", "coverage: what was not seen stands below");
	fputs("</div>\n", to);
}

/* ---- findings ---- */

static void stack_row(FILE *to, const struct frame *frame, bool culprit)
{
	char name[WORDS_NAME];

	fprintf(to, "<tr%s><td class=\"code\">",
		culprit ? " class=\"culprit\"" : frame->owner == OWNER_PROGRAM ? "" : " class=\"outside\"");
	stranger(to, words_frame(frame, name));
	if (frame->inlined)
		fputs(" (inlined)", to);
	fputs("</td><td class=\"code\">", to);
	if (frame->file)
		stranger(to, frame->file);
	if (frame->file && frame->line)
		fprintf(to, ":%" PRIu32, frame->line);
	fputs("</td></tr>\n", to);
}

static void stack(FILE *to, const char *title, const struct model *model, const struct culprit *culprit, uint32_t place)
{
	const struct site *site = model_site(model, place);

	if (!site || !site->frame_count)
		return;
	fprintf(to, "<table><tr><th>%s</th><th>source</th></tr>\n", title);
	for (uint32_t i = 0; i < site->frame_count && i < FRAMES_MOST; i++)
		stack_row(to, &site->frames[i], culprit->site == place && culprit->frame == i);
	if (site->frame_count > FRAMES_MOST || site->truncated)
		fputs("<tr class=\"outside\"><td colspan=\"2\">further frames are not shown</td></tr>\n", to);
	fputs("</table>\n", to);
}

static void row(FILE *to, const char *label, const char *text)
{
	if (!text)
		return;
	fprintf(to, "<dt>%s</dt><dd>", label);
	stranger(to, text);
	fputs("</dd>", to);
}

static void reasons(FILE *to, const struct model *model, const struct finding *finding)
{
	fputs("<dl>", to);
	row(to, "reason", words_reason(finding));
	row(to, "why", finding->why_text ? finding->why_text : finding->why);
	row(to, "mend", finding->mend ? finding->mend : advice_no_mend(model, finding));
	fputs("</dl>\n", to);
}

static void finding_card(FILE *to, const struct model *model, const struct finding *finding)
{
	const struct flow *flow = model_flow(model, finding->flow);
	bool lost = verdict_loses(finding->verdict);
	struct line line = { .to = to, .how = ESCAPE_HTML, .width = 100 };
	char text[LINE_TEXT];

	fprintf(to, "<article class=\"%s\"><div class=\"what\"><h3>",
		lost ? "lost" : finding->verdict == VERDICT_KERNEL ? "kernel" : "other");
	text_ends(&line, model, finding, text);
	fputs(text, to);
	text_statement(model, finding, text);
	fprintf(to, "</h3><span%s>%s</span><span class=\"soft\">%s%s%s</span></div>\n", lost ? " class=\"bad\"" : "", text,
		verdict_name(finding->verdict), lost ? ", " : "", lost ? confidence_name(finding->confidence) : "");
	if (lost) {
		fputs("<pre>", to);
		text_details(&line, model, finding);
		fputs("</pre>\n", to);
	}
	if (finding->verdict != VERDICT_KERNEL)
		reasons(to, model, finding);
	if (flow && lost) {
		fputs("<details><summary>stacks, innermost frame first</summary><div class=\"stacks\">\n", to);
		stack(to, "where the bytes are read", model, &finding->culprit, flow->site_read);
		stack(to, "where they are written", model, &finding->culprit, flow->site_write);
		fputs("</div></details>\n", to);
	}
	fputs("</article>\n", to);
}

static void findings(FILE *to, const struct model *model)
{
	uint32_t lost = 0, others = 0, hidden = 0;
	char number[WORDS_NUMBER];

	fputs("<h2>Flows</h2>\n", to);
	if (!model->finding_count)
		fputs("<p>No transfer from one descriptor to another was seen.</p>\n", to);
	for (uint32_t i = 0; i < model->finding_count; i++) {
		const struct finding *finding = &model->findings[i];

		if (verdict_loses(finding->verdict) ? lost++ < LOST_MOST : others++ < OTHERS_MOST)
			finding_card(to, model, finding);
		else
			hidden++;
	}
	if (hidden)
		fprintf(to, "<p class=\"soft\">%s more findings, smaller ones, are in the JSON.</p>\n", words_number(hidden, number));
}

static int graph(FILE *to, const struct model *model)
{
	int error;

	fputs("<h2>Where the bytes pass</h2>\n<p>What goes through user space stands twice: by the stack that takes its bytes "
	      "in, and by the one that sends them out. Outermost frames are at the bottom; width is bytes.</p>\n"
	      "<div class=\"legend\"><span><i style=\"background:var(--lost)\"></i>lost: through user space in vain</span>"
	      "<span><i style=\"background:var(--lost);outline:2px solid var(--mark)\"></i>the frame that lost it</span>"
	      "<span><i style=\"background:var(--kernel)\"></i>inside the kernel</span>"
	      "<span><i style=\"background:var(--other)\"></i>other</span></div>\n<div class=\"chart\">\n", to);
	error = flame_draw(to, model);
	fputs("</div>\n", to);
	return error;
}

static void coverage(FILE *to, const struct model *model)
{
	struct line line = { .to = to, .how = ESCAPE_HTML, .width = 100 };
	char number[WORDS_NUMBER];

	fputs("<h2>What was seen, and what was not</h2>\n<pre>", to);
	text_coverage(&line, model);
	fputs("</pre>\n", to);
	if (advice_tls(&model->coverage)) {
		fprintf(to, "<p>%s records of TLS were written. ", words_number(model->coverage.tls_records, number));
		stranger(to, advice_tls(&model->coverage));
		fputs(".", to);
		if (advice_tls_mend(model)) {
			fputs(" <b>Mend</b>: ", to);
			stranger(to, advice_tls_mend(model));
			fputs(".", to);
		}
		fputs("</p>\n", to);
	}
	if (advice_sourceless(model)) {
		fprintf(to, "<p>%s written that came from no read that was seen: ", words_size(known_sourceless(model), number));
		stranger(to, advice_sourceless(model));
		fputs(".</p>\n", to);
	}
	fputs("<p class=\"soft\">leat-doctor(1) explains every word of this page.</p>\n", to);
}

int print_html(FILE *to, const struct model *model, const struct print_options *options)
{
	int error;

	words_begin();
	head(to, model);
	tiles(to, model);
	findings(to, model);
	error = graph(to, model);
	coverage(to, model);
	fputs("</main></body></html>\n", to);
	return error ? error : words_end(to);
}
