/* SPDX-License-Identifier: MIT */
#include "known.h"

/* A log, the head of an answer or a result are less, and a program that only writes what it makes is more than all of them. */
#define SOURCELESS_LEAST (1u << 20)
#define SOURCELESS_ONE_IN 20	/* of the bytes that were written, or moved by the kernel */

static bool nobody_saw(const struct file *file, bool can)
{
	return !can && file->splice_unknown;
}

uint64_t known_unknown_ends(const struct model *model)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < model->flow_count; i++) {
		const struct flow *flow = &model->flows[i];
		const struct file *from = model_file(model, flow->from), *to = model_file(model, flow->to);

		if (flow->how >= HOW_KERNEL_FROM || !from || !to)
			continue;
		count += nobody_saw(from, from->can_splice_from) || nobody_saw(to, to->can_splice_to);
	}
	return count;
}

uint64_t known_sourceless(const struct model *model)
{
	uint64_t bytes = model->coverage.unpaired_write_bytes, all = model->coverage.write_bytes;

	for (uint32_t i = 0; i < model->flow_count; i++)
		if (model->flows[i].how >= HOW_KERNEL_FROM)
			all = model_plus(all, model->flows[i].bytes);
	return bytes >= SOURCELESS_LEAST && bytes > all / SOURCELESS_ONE_IN ? bytes : 0;
}

bool known_coverage(const struct model *model)
{
	const struct coverage *c = &model->coverage;

	for (uint32_t i = 0; i < model->process_count; i++)
		if (model->processes[i].is_32_bit)
			return false;
	/* A burst of ptrace is a sample: what runs between two of them is not seen. */
	return model->engine != ENGINE_PTRACE && !c->bursts && !c->untraced && !c->lost_pairs && !c->lost_bytes &&
	       !c->lost_flows && !c->unheard_flows && !c->missed_calls && !c->cut_vectors && !c->io_uring_blind &&
	       !c->calls_32_bit && !c->aio_requests && !c->mapped_read_bytes && !c->no_stack && !known_unknown_ends(model);
}

static bool all_judged(const struct model *model)
{
	for (uint32_t i = 0; i < model->finding_count; i++)
		if (model->findings[i].verdict == VERDICT_UNKNOWN && model->findings[i].bytes)
			return false;
	return true;
}

enum known known_of(const struct model *model)
{
	if (!known_coverage(model))
		return KNOWN_IN_PART;
	if (known_sourceless(model))
		return KNOWN_NO_SOURCE;
	if (!model->finding_count)
		return KNOWN_NOTHING;
	return all_judged(model) ? KNOWN_ENOUGH : KNOWN_NO_VERDICT;
}

const char *known_words(enum known known)
{
	switch (known) {
	case KNOWN_IN_PART:
		return "not everything was seen";
	case KNOWN_NOTHING:
		return "no transfer was seen";
	case KNOWN_NO_SOURCE:
		return "much was written that came from no read that was seen";
	case KNOWN_NO_VERDICT:
		return "not all could be judged";
	default:
		return NULL;
	}
}

static bool has_frames(const struct model *model, uint32_t site)
{
	const struct frame *innermost = model_frame(model, site, 0);

	return innermost && innermost->module;
}

enum known_place known_place_of(const struct model *model, const struct finding *finding)
{
	const struct frame *frame = model_frame(model, finding->culprit.site, finding->culprit.frame);
	const struct flow *flow = model_flow(model, finding->flow);

	if (frame)
		return frame->function ? PLACE_FUNCTION : PLACE_OFFSET;
	return flow && (has_frames(model, flow->site_read) || has_frames(model, flow->site_write)) ? PLACE_STACKS : PLACE_CALLS;
}

const char *known_place_name(enum known_place place)
{
	static const char *const names[] = { "function", "offset", "stacks", "calls" };

	return names[place <= PLACE_CALLS ? place : PLACE_CALLS];
}

const char *known_place_words(enum known_place place)
{
	switch (place) {
	case PLACE_STACKS:
		return "no function of the program is known, only what its runtime calls; another place of it that has the same called, "
		       "between such ends, would count as this one";
	case PLACE_CALLS:
		return "no stack is known, only the system calls; another place of the program that makes the same, between such ends, "
		       "would count as this one";
	default:
		return NULL;
	}
}
