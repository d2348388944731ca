/* SPDX-License-Identifier: MIT */
/*
 * Folded stacks, as flame graph programs read them: "process;outermost;...;innermost BYTES". A flow through user space stands
 * twice, once by the stack that took its bytes in and once by the one that sent them out; what was found stands in brackets at
 * the inner end. Flows of the same stack, call and verdict are one line.
 */
#include "print.h"
#include "escape.h"
#include "../verdict.h"
#include "words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct stack {
	uint32_t pid, site;
	enum verdict verdict;
	const char *call;
	uint64_t bytes;
};

struct stacks {
	struct stack *of;
	size_t count;
};

static void add(struct stacks *stacks, const struct model *model, const struct flow *flow, uint32_t site, const char *call)
{
	if (!model_site(model, site) || !flow->bytes)
		return;
	stacks->of[stacks->count++] = (struct stack){
		.pid = flow->pid, .site = site, .call = call ? call : "call", .bytes = flow->bytes,
		.verdict = flow->finding ? flow->finding->verdict : VERDICT_UNKNOWN,
	};
}

static void add_flow(struct stacks *stacks, const struct model *model, const struct flow *flow)
{
	bool kernel = flow->how >= HOW_KERNEL_FROM;

	if (!kernel && flow->how != HOW_MAPPED)
		add(stacks, model, flow, flow->site_read, words_call(flow->call_read));
	add(stacks, model, flow, flow->site_write, kernel ? words_how(flow->how) : words_call(flow->call_write));
}

static int compare(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	if (x->verdict != y->verdict)
		return x->verdict < y->verdict ? -1 : 1;
	return strcmp(x->call, y->call);
}

static void print(FILE *to, const struct model *model, const struct stack *stack, uint64_t bytes)
{
	const struct process *process = model_process(model, stack->pid);
	const struct site *site = model_site(model, stack->site);
	char name[WORDS_NAME];

	if (process && process->name && *process->name)
		escape(to, ESCAPE_FOLDED, process->name);
	else
		fprintf(to, "%" PRIu32, stack->pid);
	for (uint32_t i = site->frame_count; i-- > 0;) {
		fputc(';', to);
		escape(to, ESCAPE_FOLDED, words_frame(&site->frames[i], name));
	}
	fprintf(to, ";[%s %s] %" PRIu64 "\n", stack->call, verdict_name(stack->verdict), bytes);
}

int print_folded(FILE *to, const struct model *model, const struct print_options *options)
{
	struct stacks stacks = { .of = calloc(2 * (size_t)model->flow_count + 1, sizeof *stacks.of) };
	uint64_t bytes = 0;

	if (!stacks.of)
		return -ENOMEM;
	words_begin();
	for (uint32_t i = 0; i < model->flow_count; i++)
		add_flow(&stacks, model, &model->flows[i]);
	qsort(stacks.of, stacks.count, sizeof *stacks.of, compare);
	for (size_t i = 0; i < stacks.count; i++) {
		bytes += stacks.of[i].bytes;
		if (i + 1 < stacks.count && compare(&stacks.of[i], &stacks.of[i + 1]) == 0)
			continue;
		print(to, model, &stacks.of[i], bytes);
		bytes = 0;
	}
	free(stacks.of);
	return words_end(to);
}
