/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define CHAIN_MOST 8		/* frames of the way in which it was called; more are counted */
#define NAME_COLUMNS 100

static void add_calls(const struct calls *calls, const char *before, char *text, size_t size)
{
	char number[WORDS_NUMBER];

	for (unsigned i = 0; i < calls->count; i++) {
		size_t length = strlen(text);

		snprintf(text + length, size - length, "%s%s %s", i ? " + " : before, words_number(calls->of[i].count, number),
			 calls->of[i].name);
	}
}

/* 65,536 read + 65,536 write, 32 KiB each; sendfile would need about 512 */
static void calls_line(struct line *line, const struct model *model, const struct finding *finding)
{
	const struct flow *flow = model_flow(model, finding->flow);
	uint64_t mean = finding->writes ? finding->bytes / finding->writes : 0;
	char text[LINE_TEXT] = "", number[WORDS_NUMBER], size[WORDS_NUMBER];
	size_t length;
	struct calls calls;

	words_calls(model, finding, SIDE_READ, &calls);
	add_calls(&calls, "", text, sizeof text);
	words_calls(model, finding, SIDE_WRITE, &calls);
	add_calls(&calls, *text ? " + " : "", text, sizeof text);
	/* The last piece is a shorter one nearly always. */
	if (flow && finding->flow_count == 1 && mean >= flow->largest - flow->largest / 50)
		snprintf(size, sizeof size, "%s each", words_size(flow->largest, number));
	else
		snprintf(size, sizeof size, "%s on average", words_size(mean, number));
	length = strlen(text);
	snprintf(text + length, sizeof text - length, ", %s%s", size, finding->cost.kernel_calls ? ";" : "");
	line_to(line, 5);
	line->indent = 5;
	line_words(line, text);
	if (finding->cost.kernel_calls) {
		snprintf(text, sizeof text, "%s would need about %s",
			 words_route(flow ? model_file(model, flow->from) : NULL, flow ? model_file(model, flow->to) : NULL),
			 words_number(finding->cost.kernel_calls, number));
		line_words(line, text);
	}
	if (finding->again) {
		snprintf(text, sizeof text, "(%s more met EAGAIN)", words_number(finding->again, number));
		line_words(line, text);
	}
	line_end(line);
}

static const char *seconds(double value, char text[WORDS_NUMBER])
{
	snprintf(text, WORDS_NUMBER, value >= 0.0995 ? "%.2f s" : "%.1f ms", value >= 0.0995 ? value : value * 1000);
	return text;
}

static void cost_line(struct line *line, const struct cost *cost)
{
	char text[LINE_TEXT], about[WORDS_NUMBER], low[WORDS_NUMBER], high[WORDS_NUMBER], method[LINE_TEXT], name[LINE_TEXT];
	int edge = line->width < 92 ? line->width : 92;
	double saved = cost->user_s - cost->kernel_route_s;

	if (!cost->method || !isfinite(saved) || !isfinite(cost->share))
		return;
	text_label(line, "cost");
	if (saved > 0)
		snprintf(text, sizeof text, "about %s of CPU", seconds(saved, about));
	else
		snprintf(text, sizeof text, "no CPU that could be measured");
	if (cost->high_s > cost->low_s)
		snprintf(text + strlen(text), sizeof text - strlen(text), " (%s to %s)", seconds(cost->low_s, low),
			 seconds(cost->high_s, high));
	if (saved > 0)
		snprintf(text + strlen(text), sizeof text - strlen(text), ", %.0f %% of this flow", cost->share * 100);
	line_words(line, text);
	snprintf(method, sizeof method, "method: %.900s", line_name(line, cost->method, 200, name));
	if (line->at + 3 + escape_columns(method) <= edge)
		line_to(line, edge - escape_columns(method) - 1);
	else if (line->at + 3 + escape_columns(method) <= line->width)
		line_to(line, line->at + 2);
	else
		line_break(line);
	line_words(line, method);
	line_end(line);
}

/* A frame's name without what only lengthens it: of Go the path of the package, and of a method the package too. */
static const char *short_name(const struct line *line, const struct frame *frame, char ret[LINE_TEXT])
{
	char whole[WORDS_NAME];
	const char *name = words_frame(frame, whole), *method, *slash;

	if (frame->function && frame->owner == OWNER_RUNTIME && (method = strstr(name, ".(*")) && !strchr(name, ' '))
		name = method + 1;
	else if (frame->function && !strpbrk(name, " <:") && (slash = strrchr(name, '/')) && slash[1])
		name = slash + 1;
	return line_name(line, name, NAME_COLUMNS, ret);
}

/* " server.go:12" with its blank, or "" */
static const char *place(const struct line *line, const struct frame *frame, char ret[LINE_TEXT])
{
	char name[LINE_TEXT];

	*ret = 0;
	if (frame->file && *frame->file && frame->line)
		snprintf(ret, LINE_TEXT, " %.900s:%" PRIu32, line_name(line, words_base(frame->file), 60, name), frame->line);
	return ret;
}

static void chain_frame(struct line *line, const struct frame *frame, bool first, bool with_place)
{
	char name[LINE_TEXT], at[LINE_TEXT], text[LINE_TEXT * 2 + 8];

	snprintf(text, sizeof text, "%s%s%s", first ? "" : line->how == ESCAPE_ASCII ? "<- " : "← ", short_name(line, frame, name),
		 with_place ? place(line, frame, at) : "");
	line_piece(line, text);
}

/* Frames from, inclusive, to, exclusive; outwards. Those of the program with their places. arrow: one before the first. */
static void chain(struct line *line, const struct site *site, uint32_t from, uint32_t to, bool arrow)
{
	uint32_t hidden = to - from > CHAIN_MOST ? to - from - CHAIN_MOST : 0, shown = 0;
	char text[64];

	for (uint32_t i = from; i < to; i++) {
		if (hidden && shown == CHAIN_MOST - 1) {
			snprintf(text, sizeof text, "%s %" PRIu32 " more", line->how == ESCAPE_ASCII ? "<-" : "←", hidden);
			line_piece(line, text);
			i += hidden;
			hidden = 0;
		}
		chain_frame(line, &site->frames[i], !shown && !arrow, site->frames[i].owner == OWNER_PROGRAM);
		shown++;
	}
}

/* The frame behind the first of the program that stands at from or further out. */
static uint32_t past_program(const struct site *site, uint32_t from)
{
	for (uint32_t i = from; i < site->frame_count; i++)
		if (site->frames[i].owner == OWNER_PROGRAM)
			return i + 1;
	return site->frame_count;
}

/* The function that a loop calls on one side, and from which line. */
static void loop_side(struct line *line, const struct model *model, const char *verb, uint32_t place_of, uint32_t loop)
{
	const struct site *site = model_site(model, place_of);
	char name[LINE_TEXT], text[LINE_TEXT * 2];

	if (!site || loop >= site->frame_count)
		return;
	snprintf(text, sizeof text, "%s", verb);
	line_words(line, text);
	if (loop)
		line_piece(line, short_name(line, &site->frames[loop - 1], name));
	if (site->frames[loop].line) {
		snprintf(text, sizeof text, "%sin line %" PRIu32, loop ? "" : "itself ", site->frames[loop].line);
		line_words(line, text);
	}
}

/* Around the culprit: what called it, up to the program; of a loop what it reads and writes by; of a caller what it called. */
static void way(struct line *line, const struct model *model, const struct finding *finding, const struct site *site)
{
	const struct culprit *culprit = &finding->culprit;
	const struct flow *flow = model_flow(model, finding->flow);
	uint32_t loop = site == model_site(model, flow ? flow->site_write : MODEL_NONE) ? culprit->loop_write : culprit->loop_read;
	uint32_t from = culprit->frame + 1;

	text_label(line, "");
	if (culprit->side == SIDE_LOOP && flow) {
		loop_side(line, model, "reads by", flow->site_read, culprit->loop_read);
		loop_side(line, model, "and writes by", flow->site_write, culprit->loop_write);
		if (from < site->frame_count)
			chain(line, site, from, past_program(site, from), true);
	} else if (culprit->side == SIDE_CALLER) {
		uint32_t inner = loop < culprit->frame ? loop : 0;

		line_words(line, culprit->frame > inner ? "calls" : "calls it itself");
		chain(line, site, inner, culprit->frame, false);
	} else {
		chain(line, site, from, past_program(site, loop < site->frame_count && loop >= from ? loop : from), false);
	}
	line_end(line);
}

static const struct frame *program_frame(const struct site *site)
{
	for (uint32_t i = 0; site && i < site->frame_count; i++)
		if (site->frames[i].owner == OWNER_PROGRAM)
			return &site->frames[i];
	return NULL;
}

/* No frame is shared: both places are told, and that they are two threads'. */
static void threads(struct line *line, const struct model *model, const struct flow *flow)
{
	const struct frame *read = program_frame(model_site(model, flow->site_read));
	const struct frame *write = program_frame(model_site(model, flow->site_write));

	text_label(line, "");
	line_words(line, "different threads: read by");
	if (read)
		chain_frame(line, read, true, true);
	else
		line_words(line, "code that is not the program's");
	line_words(line, "and written by");
	if (write)
		chain_frame(line, write, true, true);
	else
		line_words(line, "code that is not the program's");
	line_end(line);
}

static void lost_line(struct line *line, const struct model *model, const struct finding *finding)
{
	const struct culprit *culprit = &finding->culprit;
	const struct frame *frame = model_frame(model, culprit->site, culprit->frame);
	const struct flow *flow = model_flow(model, finding->flow);
	char name[LINE_TEXT], at[LINE_TEXT], whole[WORDS_NAME], text[LINE_TEXT + 16];

	text_label(line, "lost");
	if (frame) {
		line_style(line, STYLE_STRONG);
		line_piece(line, line_name(line, words_frame(frame, whole), NAME_COLUMNS, name));
		line_style(line, STYLE_PLAIN);
		snprintf(text, sizeof text, "  %s%s", *place(line, frame, at) ? at + 1 : "(line not known)",
			 frame->inlined ? " (inlined)" : "");
		line_piece(line, text);
	} else if (culprit->inside) {
		snprintf(text, sizeof text, "inside %.900s", line_name(line, culprit->inside, NAME_COLUMNS, name));
		line_words(line, text);
	} else {
		line_words(line, "the place in the program is not known");
	}
	line_end(line);
	if (culprit->side == SIDE_THREADS && flow)
		threads(line, model, flow);
	else if (frame && (culprit->frame + 1 < model->sites[culprit->site].frame_count || culprit->side == SIDE_CALLER))
		way(line, model, finding, &model->sites[culprit->site]);
}

/* What would show more names, and what may make them wrong and is not seen in them. */
static void notes(struct line *line, const struct model *model, const struct finding *finding)
{
	const struct flow *flow = model_flow(model, finding->flow);
	const struct site *read = flow ? model_site(model, flow->site_read) : NULL;
	const struct site *write = flow ? model_site(model, flow->site_write) : NULL;

	if (finding->culprit.more) {
		text_label(line, "note");
		line_words(line, finding->culprit.more);
		line_end(line);
	}
	if ((read && read->different_file) || (write && write->different_file)) {
		text_label(line, "note");
		line_words(line, "the program's file is not the one that runs; names may be missing or wrong");
		line_end(line);
	}
	if ((read && read->truncated) || (write && write->truncated)) {
		text_label(line, "note");
		line_words(line, "a stack could not be followed to its end");
		line_end(line);
	}
}

static void whole_path(struct line *line, const char *label, const struct file *file)
{
	char name[LINE_TEXT];

	if (!file || !file->path || words_base(file->path) == file->path || file->kind != FILE_REGULAR)
		return;
	text_label(line, label);
	line_piece(line, escape_tail(name, sizeof name, line->how, file->path, line->width - line->indent));
	line_end(line);
}

void text_details(struct line *line, const struct model *model, const struct finding *finding)
{
	const struct flow *flow = model_flow(model, finding->flow);
	const struct process *process = flow ? model_process(model, flow->pid) : NULL;
	char text[LINE_TEXT + 32], name[LINE_TEXT];

	calls_line(line, model, finding);
	if (flow && model->process_count > 1) {
		text_label(line, "in");
		snprintf(text, sizeof text, "%.900s (pid %" PRIu32 ")", process ? line_name(line, process->name, 40, name) : "?",
			 flow->pid);
		line_words(line, text);
		line_end(line);
	}
	whole_path(line, "from", flow ? model_file(model, flow->from) : NULL);
	whole_path(line, "to", flow ? model_file(model, flow->to) : NULL);
	cost_line(line, &finding->cost);
	lost_line(line, model, finding);
	notes(line, model, finding);
}
