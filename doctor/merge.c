/* SPDX-License-Identifier: MIT */
/* One program loses one route at one place, but shows as many flows: a collision of site numbers, a wrapper met through two
 * callers, forked workers, a pool of threads. What the reader can change is the place, so that is what is counted. */
#include "merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE(a, b) \
	do { \
		if ((a) != (b)) \
			return (a) < (b) ? -1 : 1; \
	} while (0)

static int text_order(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a ? 1 : 0) - (b ? 1 : 0);
}

static int end_order(const struct model *model, uint32_t a, uint32_t b)
{
	const struct file *x = model_file(model, a), *y = model_file(model, b);

	BEFORE(x ? (int)x->kind : -1, y ? (int)y->kind : -1);
	return 0;
}

static int frame_order(const struct frame *a, const struct frame *b)
{
	int order = text_order(a->module, b->module);

	order = order ? order : text_order(a->function, b->function);
	order = order ? order : text_order(a->file, b->file);
	if (order)
		return order;
	BEFORE(a->line, b->line);
	if (!a->function) {	/* nothing but its place tells it from others */
		BEFORE(a->module_offset, b->module_offset);
		if (!a->module)
			BEFORE(a->ip, b->ip);
	}
	return 0;
}

/* Without a frame of the program, all that one executable, and one script, does inside its runtime is one. */
static int executable_order(const struct model *model, const struct flow *a, const struct flow *b)
{
	const struct process *x = model_process(model, a->pid), *y = model_process(model, b->pid);

	int order;

	BEFORE(x ? 1 : 0, y ? 1 : 0);
	order = x && y ? text_order(x->executable ? x->executable : x->name, y->executable ? y->executable : y->name) : 0;
	return order || !x || !y ? order : text_order(x->script, y->script);
}

static int culprit_order(const struct model *model, const struct merge_flow *a, const struct merge_flow *b)
{
	const struct frame *x = model_frame(model, a->culprit.site, a->culprit.frame);
	const struct frame *y = model_frame(model, b->culprit.site, b->culprit.frame);

	BEFORE(a->culprit.side, b->culprit.side);
	BEFORE(x ? 1 : 0, y ? 1 : 0);
	if (x)
		return frame_order(x, y);
	return executable_order(model, &model->flows[a->flow], &model->flows[b->flow]);
}

int merge_place_order(const struct model *model, const struct merge_flow *a, const struct merge_flow *b)
{
	const struct flow *x = &model->flows[a->flow], *y = &model->flows[b->flow];
	int order;

	order = end_order(model, x->from, y->from);
	order = order ? order : end_order(model, x->to, y->to);
	order = order ? order : culprit_order(model, a, b);
	return order ? order : executable_order(model, x, y);
}

/* Between two file systems goes another call of the kernel than within one, and other remedies work. */
static bool is_apart(const struct model *model, const struct flow *flow)
{
	const struct file *from = model_file(model, flow->from), *to = model_file(model, flow->to);

	return from && to && model_two_filesystems(from, to);
}

/* 0: one finding. */
static int key_order(const struct model *model, const struct merge_flow *a, const struct merge_flow *b)
{
	const struct flow *x = &model->flows[a->flow], *y = &model->flows[b->flow];
	int order;

	BEFORE(a->judgement.verdict, b->judgement.verdict);
	BEFORE(a->judgement.reason, b->judgement.reason);
	if (a->judgement.verdict == VERDICT_KERNEL)
		BEFORE(x->how, y->how);
	else
		BEFORE(is_apart(model, x), is_apart(model, y));
	order = end_order(model, x->from, y->from);
	order = order ? order : end_order(model, x->to, y->to);
	return order ? order : culprit_order(model, a, b);
}

/* Within a finding the largest flow first, then as they came, so that one recording always gives one report. */
static int flow_order(const void *x, const void *y, void *arg)
{
	const struct merge_flow *a = x, *b = y;
	const struct model *model = arg;
	int order = key_order(model, a, b);

	if (order)
		return order;
	BEFORE(model->flows[b->flow].bytes, model->flows[a->flow].bytes);
	BEFORE(a->flow, b->flow);
	return 0;
}

/* As sure as the flows that carry half of the bytes are: a small certain one says little of a large doubtful one. */
static enum confidence confidence_of(const struct model *model, const struct merge_flow *flows, uint32_t count, uint64_t bytes)
{
	uint64_t so_far = 0;

	for (int level = CONFIDENCE_CERTAIN; level > CONFIDENCE_NONE; level--) {
		for (uint32_t i = 0; i < count; i++)
			if (flows[i].judgement.confidence == (enum confidence)level)
				so_far = model_plus(so_far, model->flows[flows[i].flow].bytes);
		if (so_far && so_far >= bytes / 2)
			return level;
	}
	return flows[0].judgement.confidence;
}

static void join(const struct model *model, const struct merge_flow *flows, uint32_t count, struct finding *finding)
{
	*finding = (struct finding){
		.verdict = flows[0].judgement.verdict,
		.reason = flows[0].judgement.reason,
		.flow = flows[0].flow,
		.flow_count = count,
		.culprit = flows[0].culprit,
	};
	for (uint32_t i = 0; i < count; i++) {
		const struct flow *flow = &model->flows[flows[i].flow];

		finding->bytes = model_plus(finding->bytes, flow->bytes);
		finding->reads = model_plus(finding->reads, flow->reads);
		finding->writes = model_plus(finding->writes, flow->writes);
		finding->again = model_plus(finding->again, flow->again);
	}
	finding->confidence = confidence_of(model, flows, count, finding->bytes);
}

static int rank(enum verdict verdict)
{
	if (verdict_loses(verdict))
		return 0;
	return verdict == VERDICT_KERNEL ? 2 : 1;
}

static int finding_order(const void *x, const void *y)
{
	const struct finding *a = x, *b = y;

	BEFORE(rank(a->verdict), rank(b->verdict));
	BEFORE(b->bytes, a->bytes);
	BEFORE(a->flow, b->flow);
	return 0;
}

static void point(struct model *model)
{
	for (uint32_t f = 0; f < model->finding_count; f++)
		for (uint32_t i = 0; i < model->findings[f].flow_count; i++)
			model->flows[model->members[model->findings[f].first + i]].finding = &model->findings[f];
}

int merge_flows(struct model *model, struct merge_flow *flows, uint32_t count)
{
	struct finding *findings, *fewer;
	uint32_t *members, n = 0;

	model_drop_findings(model);
	if (!count)
		return 0;
	findings = calloc(count, sizeof *findings);
	members = calloc(count, sizeof *members);
	if (!findings || !members) {
		free(findings);
		free(members);
		return -ENOMEM;
	}
	qsort_r(flows, count, sizeof *flows, flow_order, model);
	for (uint32_t i = 0, end; i < count; i = end) {
		for (end = i; end < count && !key_order(model, &flows[i], &flows[end]); end++)
			members[end] = flows[end].flow;
		join(model, &flows[i], end - i, &findings[n]);
		findings[n++].first = i;
	}
	qsort(findings, n, sizeof *findings, finding_order);
	fewer = reallocarray(findings, n, sizeof *findings);
	model->findings = fewer ? fewer : findings;
	model->finding_count = n;
	model->members = members;
	point(model);
	return 0;
}
