/* SPDX-License-Identifier: MIT */
/*
 * Folded stacks, as flame graph programs read them: "process;outermost;...;innermost BYTES". A flow stands twice, once by the
 * stack that took its bytes in and once by the one that sent them out; what was found stands in brackets at the inner end.
 */
#include "print.h"
#include "../escape.h"
#include "../verdict.h"
#include "words.h"

#include <inttypes.h>

static void one(FILE *to, const struct model *model, const struct flow *flow, uint32_t place, const char *call)
{
	const struct process *process = model_process(model, flow->pid);
	const struct site *site = words_site(model, place);
	char name[WORDS_NAME];

	if (!site || !flow->bytes)
		return;
	if (process && process->name && *process->name)
		escape(to, ESCAPE_FOLDED, process->name);
	else
		fprintf(to, "%" PRIu32, flow->pid);
	for (uint32_t i = site->frame_count; i-- > 0;) {
		fputc(';', to);
		escape(to, ESCAPE_FOLDED, words_frame(&site->frames[i], name));
	}
	fprintf(to, ";[%s %s] %" PRIu64 "\n", call ? call : "call",
		verdict_name(flow->finding ? flow->finding->verdict : VERDICT_UNKNOWN), flow->bytes);
}

int print_folded(FILE *to, const struct model *model, const struct print_options *options)
{
	words_begin();
	for (uint32_t i = 0; i < model->flow_count; i++) {
		const struct flow *flow = &model->flows[i];

		if (flow->how < HOW_MAPPED || flow->how == HOW_IO_URING)
			one(to, model, flow, flow->site_read, words_call(flow->call_read));
		one(to, model, flow, flow->site_write,
		    flow->how >= HOW_KERNEL_FROM ? words_how(flow->how) : words_call(flow->call_write));
	}
	return words_end(to);
}
