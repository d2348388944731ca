/* SPDX-License-Identifier: MIT */
#include "print.h"
#include "text.h"

#include <string.h>

struct list { char text[LINE_TEXT * 2]; };

#define ADD(list, ...) snprintf((list)->text + strlen((list)->text), sizeof(list)->text - strlen((list)->text), __VA_ARGS__)

/* "; 12 vectors cut short", nothing for 0 */
static void counted(struct list *list, uint64_t count, const char *one, const char *many)
{
	char number[WORDS_NUMBER];

	if (count)
		ADD(list, "; %s %s", words_number(count, number), count == 1 ? one : many);
}

static void losses(struct list *list, const struct model *model)
{
	const struct coverage *c = &model->coverage;
	char number[WORDS_NUMBER], size[WORDS_NUMBER];

	ADD(list, "; %s lost pair%s", words_number(c->lost_pairs, number), c->lost_pairs == 1 ? "" : "s");
	if (c->lost_bytes)
		ADD(list, " (%s)", words_size(c->lost_bytes, size));
	counted(list, c->lost_flows, "flow lost, the table was full", "flows lost, the table was full");
	counted(list, c->unheard_flows, "flow lost, as the beginning of its process was not heard of",
		"flows lost, as the beginning of their processes was not heard of");
	counted(list, c->missed_calls, "call missed, as the kernel was looking at another",
		"calls missed, as the kernel was looking at others");
	counted(list, c->cut_vectors, "vector too long to walk", "vectors too long to walk");
	counted(list, c->calls_32_bit, "32-bit call not seen", "32-bit calls not seen");
	counted(list, c->aio_requests, "request of native AIO not seen", "requests of native AIO not seen");
	if (c->mapped_read_bytes)
		ADD(list, "; %s and more read straight into mapped files", words_size(c->mapped_read_bytes, size));
	counted(list, c->no_stack, "place without a stack", "places without a stack");
	counted(list, known_unknown_ends(model), "flow with an end that could not be looked at",
		"flows with an end that could not be looked at");
	counted(list, c->unnamed, "place without names, as its program's files could not be read",
		"places without names, as their programs' files could not be read");
	counted(list, c->ended, "place without names, as its process ended before it could be looked at",
		"places without names, as their processes ended before they could be looked at");
	if (c->unpaired_write_bytes)
		ADD(list, "; %s written that had no pair", words_size(c->unpaired_write_bytes, size));
}

static void engine(struct list *list, const struct model *model)
{
	const struct coverage *c = &model->coverage;
	char number[WORDS_NUMBER], seen[WORDS_NUMBER];

	if (model->engine == ENGINE_PTRACE || c->bursts)
		ADD(list, "; a sample by ptrace: transfers in %s of %s bursts", words_number(c->bursts_seen, seen),
		    words_number(c->bursts, number));
	counted(list, c->untraced, "process not traced: not allowed, or its turn did not come",
		"processes not traced: not allowed, or their turn did not come");
	if (c->sampled_1_in > 1)
		ADD(list, "; bytes compared in 1 call of %s", words_number(c->sampled_1_in, number));
}

void text_coverage(struct line *line, const struct model *model)
{
	const struct coverage *c = &model->coverage;
	uint32_t narrow = 0;
	struct list list = { "" };

	for (uint32_t i = 0; i < model->process_count; i++)
		narrow += model->processes[i].is_32_bit;
	line_to(line, 1);
	line->indent = 1;
	line_style(line, STYLE_SOFT);
	line_words(line, "coverage:");
	line_style(line, STYLE_PLAIN);
	if (!known_coverage(model)) {
		line_style(line, STYLE_STRONG);
		line_words(line, "not complete;");
		line_style(line, STYLE_PLAIN);
	}
	ADD(&list, "read, write, vector, message and socket calls; io_uring %s",
	    !c->io_uring_calls && !c->io_uring_blind ? "not used" : "used");
	counted(&list, c->io_uring_blind, "request of it not seen", "requests of it not seen");
	losses(&list, model);
	engine(&list, model);
	counted(&list, narrow, "process of 32 bits: not covered", "processes of 32 bits: not covered");
	line_words(line, list.text);
	line_end(line);
}
