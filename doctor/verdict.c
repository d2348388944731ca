/* SPDX-License-Identifier: MIT */
/* The table of verdicts and confidence. The order of the questions is the order of the evidence: what the bytes say comes before
 * what the ends can do, and that before what it would be worth. */
#include "verdict.h"

#include <errno.h>
#include <stdlib.h>

#include <leat.h>

#include "culprit.h"
#include "merge.h"

/*
 * When are bytes other than those of their read, though nobody changes what is carried? Where threads have mixed up a read's note,
 * which has no lock; where one writes into the buffer before we have looked at it, which is a fault of the program's but
 * happens; where something was read there that no call says (AIO, memory of another process). These are single ones in
 * thousands. And where a program makes the head of an answer anew in the buffer: once for each answer, HAProxy's 6 in 6,168
 * buffers of downloads of 16 MiB (of one connection sampled, 1 in 66), and what differs in the head only is counted as a sample.
 * A program that means to change does it again. So one proves nothing unless it is one of few, for then it makes the engine
 * look at 32 more as a whole (pairing_write.h); two do, if they are more than one in 256 wholes, or one in 32 samples, half
 * of the rarest change that a few dozen looks can be expected to meet twice. One in each of several connections is not two.
 */
#define CHANGED_LEAST 2
#define WHOLE_CHANGED_ONE_IN 256
#define WHOLE_CHANGED_ONE_OF 16		/* a single one, if fewer were looked at */
#define HEAD_EQUAL_LEAST 4		/* connections that begin together share the looks that follow a change */
#define HEADS_LEAST 2			/* connections that are equal but for one change, for a head to be what it is */
#define SAMPLES_CHANGED_ONE_IN 32
#define SAMPLE_CHANGED_ONE_OF 10
#define READ_CHANGED_ONE_IN 32		/* of its bytes a flow of reads that are changed elsewhere must be accompanied by */
#define COPIED_WHOLE_LEAST 2
#define UNSEEN_WRITES 64	/* from so many on a flow is told of whose bytes nobody has compared */
#define UNSEEN_WRITES_OF_READ 16	/* from so many on other bytes stand where something was read once */
#define COPIED_ONE_IN 16	/* bytes that go to one end: less than that is chance, as a block that could not be packed */

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICTS] = { "unknown", "kernel", "bounce", "copied", "mmap-write", "changed", "small",
						     "cannot" };

	return (unsigned)verdict < VERDICTS ? names[verdict] : names[VERDICT_UNKNOWN];
}

const char *confidence_name(enum confidence confidence)
{
	static const char *const names[] = { "none", "low", "medium", "high", "certain" };

	return (unsigned)confidence <= CONFIDENCE_CERTAIN ? names[confidence] : names[CONFIDENCE_NONE];
}

bool verdict_loses(enum verdict verdict)
{
	return verdict == VERDICT_BOUNCE || verdict == VERDICT_COPIED || verdict == VERDICT_MMAP_WRITE;
}

static struct judgement says(enum verdict verdict, enum confidence confidence, enum leat_reason reason)
{
	return (struct judgement){ .verdict = verdict, .confidence = confidence, .reason = reason };
}

static uint64_t sampled(const struct flow *flow)
{
	return flow->samples_equal + flow->samples_changed + flow->samples_weak;
}

static bool changed(const struct flow *flow, struct judgement *judgement)
{
	uint64_t whole = flow->whole_equal + flow->whole_changed;
	bool proven = flow->whole_changed >= CHANGED_LEAST && flow->whole_changed > whole / WHOLE_CHANGED_ONE_IN;
	bool many = flow->samples_changed > sampled(flow) / SAMPLE_CHANGED_ONE_OF ||
		    (flow->samples_changed >= CHANGED_LEAST && flow->samples_changed > sampled(flow) / SAMPLES_CHANGED_ONE_IN);
	bool of_few = flow->whole_changed > whole / WHOLE_CHANGED_ONE_OF;

	if (!proven && !many && !of_few)
		return false;
	*judgement = says(VERDICT_CHANGED, proven ? CONFIDENCE_CERTAIN : many ? CONFIDENCE_HIGH : CONFIDENCE_LOW,
			  LEAT_CHANGES_BYTES);
	return true;
}

/* Whether the kernel could splice, nobody has seen. */
static bool is_unknown(const struct file *from, const struct file *to)
{
	return (!from->can_splice_from && from->splice_unknown) || (!to->can_splice_to && to->splice_unknown);
}

/* Of two ends that no call of the kernel joins, why not. */
static bool cannot(const struct file *from, const struct file *to, struct judgement *judgement)
{
	enum leat_reason reason = LEAT_OK;

	if (to->kind == FILE_DATAGRAM || from->kind == FILE_DATAGRAM)
		reason = LEAT_SINK_DATAGRAM;
	else if (is_unknown(from, to))
		return false;
	else if (from->kind == FILE_GENERATED && !from->can_splice_from)
		reason = LEAT_SRC_GENERATED;
	else if (!from->can_splice_from || !to->can_splice_to)
		reason = LEAT_NOT_APPLICABLE;
	else if (to->append && to->kind == FILE_REGULAR)
		reason = LEAT_OUT_APPEND;
	if (reason == LEAT_OK)
		return false;
	*judgement = says(VERDICT_CANNOT, CONFIDENCE_CERTAIN, reason);
	return true;
}

/* An address alone: buffers are used again, be it by what only reads and then writes what it makes. What was found by content has
 * been compared when it was. */
static bool unseen(const struct flow *flow)
{
	return flow->how != HOW_COPIED && flow->how != HOW_MAPPED && !sampled(flow) && !flow->whole_equal &&
	       (flow->writes < UNSEEN_WRITES || flow->writes / UNSEEN_WRITES_OF_READ >= flow->reads);
}

static enum confidence how_sure(const struct flow *flow)
{
	bool differs = flow->samples_changed || flow->whole_changed;

	if (flow->how == HOW_MAPPED)	/* a private one may hold other bytes than its file */
		return CONFIDENCE_MEDIUM;
	if (!flow->whole_equal)		/* samples miss a byte that is another, be it in every buffer */
		return CONFIDENCE_LOW;
	if (differs || !flow->samples_equal)
		return CONFIDENCE_MEDIUM;
	/* Another buffer: only every byte of it proves it the same data; and once may be chance, as where a download is compared with a
	 * file that is sent elsewhere. */
	if (flow->how == HOW_COPIED)
		return flow->whole_equal >= COPIED_WHOLE_LEAST ? CONFIDENCE_HIGH : CONFIDENCE_MEDIUM;
	return CONFIDENCE_CERTAIN;
}

static enum leat_reason lost_by(enum culprit_side side)
{
	switch (side) {
	case SIDE_READ:
		return LEAT_OPAQUE_SOURCE;
	case SIDE_WRITE:
		return LEAT_OPAQUE_SINK;
	default:	/* no wrapper hides an end: nobody asked the kernel */
		return LEAT_OK;
	}
}

static enum verdict loss(enum flow_how how)
{
	return how == HOW_COPIED ? VERDICT_COPIED : how == HOW_MAPPED ? VERDICT_MMAP_WRITE : VERDICT_BOUNCE;
}

void verdict_flow(const struct model *model, const struct flow *flow, enum culprit_side side, struct judgement *judgement)
{
	const struct file *from = model_file(model, flow->from), *to = model_file(model, flow->to);

	*judgement = says(VERDICT_UNKNOWN, CONFIDENCE_NONE, LEAT_NOT_APPLICABLE);
	if (flow->how >= HOW_KERNEL_FROM && flow->how < HOWS) {
		if (flow->writes)
			*judgement = says(VERDICT_KERNEL, CONFIDENCE_CERTAIN, LEAT_OK);
		return;
	}
	if (!from || !to || !flow->writes || !flow->bytes)
		return;
	if (changed(flow, judgement) || cannot(from, to, judgement) || is_unknown(from, to))
		return;
	/* What overlaps has no route within a file, and where in it the two were nobody has seen. */
	if (model_one_file(from, to))
		return;
	if (flow->bytes / flow->writes < VERDICT_SMALL_BYTES)
		*judgement = says(VERDICT_SMALL, CONFIDENCE_CERTAIN, LEAT_SMALL);
	else if (!unseen(flow))
		*judgement = says(loss(flow->how), how_sure(flow), lost_by(side));
}

static int by_place(const void *x, const void *y, void *arg)
{
	const struct merge_flow *a = x, *b = y;
	int order = merge_place_order(arg, a, b);

	return order ? order : a->flow < b->flow ? -1 : 1;
}

static void take_samples(struct flow *flow, const struct flow *from)
{
	flow->samples_equal += from->samples_equal;
	flow->samples_changed += from->samples_changed;
	flow->samples_weak += from->samples_weak;
}

static void take_wholes(struct flow *flow, const struct flow *from)
{
	flow->whole_equal += from->whole_equal;
	flow->whole_changed += from->whole_changed;
}

/* The bytes that were seen at one place: by each way, and in all. */
struct evidence {
	struct flow ways[HOWS], all;
	uint32_t equal;	/* flows of equal buffers, but for one */
	bool again;	/* a flow changes more than one */
};

/* One change beside equal buffers may be the head that a proxy makes anew for each connection. */
static bool has_head(const struct flow *flow)
{
	return flow->whole_changed == 1 && flow->whole_equal >= HEAD_EQUAL_LEAST;
}

static bool changes_once(const struct flow *flow)
{
	return flow->whole_changed <= 1 && flow->samples_changed <= 1;
}

/* What a flow tells of others: nothing of its head. And where a read of few bytes is all that a write has of its bytes, as of a
 * request in whose place an answer is made, nothing is carried. */
static void take_evidence(struct evidence *seen, const struct flow *flow)
{
	bool once = changes_once(flow);
	struct flow tells = *flow;

	if (has_head(flow))
		tells.whole_changed = 0;
	take_samples(&seen->all, &tells);
	take_wholes(&seen->all, &tells);
	if (!flow->writes || flow->bytes / flow->writes < VERDICT_SMALL_BYTES)
		return;
	seen->equal += once && flow->whole_equal >= HEAD_EQUAL_LEAST;
	seen->again |= !once;
	take_samples(&seen->ways[flow->how], &tells);
	take_wholes(&seen->ways[flow->how], &tells);
}

/* What is known of the flow with what its place tells. False: all of it comes from the place's other ways. */
static bool with_evidence(const struct evidence *seen, struct flow *flow)
{
	const struct flow *way = &seen->ways[flow->how];

	if (!sampled(flow))
		take_samples(flow, way);
	if (flow->whole_changed < CHANGED_LEAST && (flow->whole_changed || !flow->whole_equal)) {
		flow->whole_changed = has_head(flow);
		flow->whole_equal = 0;
		take_wholes(flow, way);
	}
	if (sampled(flow) || flow->whole_equal || flow->whole_changed)
		return true;
	take_samples(flow, &seen->all);
	take_wholes(flow, &seen->all);
	return false;
}

/* The one change of this flow is a head: no connection of the place has two. It is forgotten then, if it proves nothing by itself. */
static bool forget_head(const struct evidence *seen, struct flow *flow)
{
	struct judgement judgement;

	if (seen->again || seen->equal < HEADS_LEAST || !changes_once(flow) || (!flow->whole_changed && !flow->samples_changed) ||
	    changed(flow, &judgement))
		return false;
	flow->whole_changed = flow->samples_changed = 0;
	return true;
}

/*
 * The flows of one place: which of them is looked at is chance, so where a flow's own bytes say nothing, those of the others do.
 * Where they do say something they come first: a program may change what goes to some and carry the rest. But who changes
 * anything at that place may have to look at it all, so of a loss beside it nobody is sure. copied: bytes of copies by file.
 */
static void judge_place(const struct model *model, const uint64_t *copied, struct merge_flow *flows, uint32_t count)
{
	struct evidence seen = { 0 };
	struct judgement of_way;

	for (uint32_t i = 0; i < count; i++)
		take_evidence(&seen, &model->flows[flows[i].flow]);
	for (uint32_t i = 0; i < count; i++) {
		struct flow flow = model->flows[flows[i].flow];
		struct judgement *judgement = &flows[i].judgement;
		bool sure = with_evidence(&seen, &flow) && !changed(&seen.ways[flow.how], &of_way);
		enum confidence most = !sure ? CONFIDENCE_MEDIUM : forget_head(&seen, &flow) ? CONFIDENCE_HIGH : CONFIDENCE_CERTAIN;

		verdict_flow(model, &flow, flows[i].culprit.side, judgement);
		if (!verdict_loses(judgement->verdict))
			continue;
		if (flow.how == HOW_COPIED && copied[flow.to] < model->files[flow.to].unpaired_bytes / COPIED_ONE_IN)
			*judgement = says(VERDICT_CHANGED, CONFIDENCE_MEDIUM, LEAT_CHANGES_BYTES);
		else if (judgement->confidence > most)
			judgement->confidence = most;
	}
}

static int by_read(const void *x, const void *y, void *arg)
{
	const struct model *model = arg;
	const struct merge_flow *a = x, *b = y;
	const struct flow *f = &model->flows[a->flow], *g = &model->flows[b->flow];

	if (f->from != g->from)
		return f->from < g->from ? -1 : 1;
	if (f->to != g->to)
		return f->to < g->to ? -1 : 1;
	if (f->site_read != g->site_read)
		return f->site_read < g->site_read ? -1 : 1;
	return a->flow < b->flow ? -1 : 1;
}

static bool of_one_read(const struct model *model, const struct merge_flow *a, const struct merge_flow *b)
{
	const struct flow *f = &model->flows[a->flow], *g = &model->flows[b->flow];

	return f->from == g->from && f->to == g->to && f->site_read == g->site_read && f->site_read < model->site_count;
}

/* A program that changes what it reads, and writes the part with the change by one line and the rest by another, carries all of
 * it for that: the rest is no loss either. */
static void judge_parts(const struct model *model, struct merge_flow *flows, uint32_t count)
{
	uint64_t changed_bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		if (flows[i].judgement.verdict == VERDICT_CHANGED && flows[i].judgement.confidence >= CONFIDENCE_HIGH)
			changed_bytes = model_plus(changed_bytes, model->flows[flows[i].flow].bytes);
	for (uint32_t i = 0; i < count; i++)
		if (verdict_loses(flows[i].judgement.verdict) &&
		    changed_bytes > model->flows[flows[i].flow].bytes / READ_CHANGED_ONE_IN)
			flows[i].judgement = says(VERDICT_CHANGED, CONFIDENCE_MEDIUM, LEAT_CHANGES_BYTES);
}

int verdict_all(struct model *model)
{
	struct merge_flow *flows = calloc(model->flow_count ? model->flow_count : 1, sizeof *flows);
	uint64_t *copied = calloc(model->file_count ? model->file_count : 1, sizeof *copied);
	int error = -ENOMEM;

	if (!flows || !copied || model_index(model))
		goto out;
	model_drop_findings(model);
	for (uint32_t i = 0; i < model->flow_count; i++) {
		const struct flow *flow = &model->flows[i];

		flows[i].flow = i;
		culprit_find(model, flow, &flows[i].culprit);
		if (flow->how == HOW_COPIED && flow->to < model->file_count)
			copied[flow->to] += flow->bytes;
	}
	qsort_r(flows, model->flow_count, sizeof *flows, by_place, model);
	for (uint32_t i = 0, end; i < model->flow_count; i = end) {
		for (end = i + 1; end < model->flow_count && !merge_place_order(model, &flows[i], &flows[end]); end++)
			;
		judge_place(model, copied, flows + i, end - i);
	}
	qsort_r(flows, model->flow_count, sizeof *flows, by_read, model);
	for (uint32_t i = 0, end; i < model->flow_count; i = end) {
		for (end = i + 1; end < model->flow_count && of_one_read(model, &flows[i], &flows[end]); end++)
			;
		judge_parts(model, flows + i, end - i);
	}
	error = merge_flows(model, flows, model->flow_count);
out:
	free(copied);
	free(flows);
	return error;
}
