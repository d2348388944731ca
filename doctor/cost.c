/* SPDX-License-Identifier: MIT */
/* Seconds of a finding from ns for a GiB of such ends, such pieces. */
#include "cost.h"

#include <leat.h>

#include <errno.h>

#include "verdict.h"

#define GIB (1024.0 * 1024 * 1024)

/* The kind whose ends are measured for such a file; FILE_UNKNOWN: none are. */
static enum file_kind stand_in(enum file_kind kind)
{
	switch (kind) {
	case FILE_REGULAR: case FILE_BLOCK: return FILE_REGULAR;
	case FILE_TCP: case FILE_STREAM_SOCKET: return FILE_TCP;
	case FILE_PIPE: case FILE_UNIX_STREAM: return kind;
	default: return FILE_UNKNOWN;
	}
}

/* The power of two that is nearest by ratio. */
static uint32_t piece_of(uint64_t mean)
{
	uint32_t piece = COST_PIECE_LEAST;

	while (piece < COST_PIECE_MOST && mean > piece + piece / 2)
		piece *= 2;
	return piece;
}

bool cost_key(const struct model *model, const struct finding *finding, struct calibration *ret_key)
{
	const struct flow *flow = model_flow(model, finding->flow);
	const struct file *from = flow ? model_file(model, flow->from) : NULL, *to = flow ? model_file(model, flow->to) : NULL;

	if (!from || !to || !verdict_loses(finding->verdict) || !finding->writes)
		return false;
	*ret_key = (struct calibration){
		.from = stand_in(from->kind),
		.to = stand_in(to->kind),
		.piece_bytes = piece_of(finding->bytes / finding->writes),
		.how = finding->verdict == VERDICT_COPIED ? HOW_COPIED :
		       finding->verdict == VERDICT_MMAP_WRITE ? HOW_MAPPED : HOW_SAME_BUFFER,
		.apart = model_two_filesystems(from, to),
	};
	if (ret_key->how == HOW_MAPPED && ret_key->from != FILE_REGULAR)
		return false;
	return ret_key->from != FILE_UNKNOWN && ret_key->to != FILE_UNKNOWN;
}

const struct calibration *cost_figures(const struct model *model, const struct calibration *key)
{
	for (uint32_t i = 0; i < model->calibration_count; i++) {
		const struct calibration *c = &model->calibrations[i];

		if (c->from == key->from && c->to == key->to && c->piece_bytes == key->piece_bytes && c->how == key->how &&
		    c->apart == key->apart)
			return c;
	}
	return NULL;
}

static void apply(struct finding *finding, const struct calibration *c)
{
	double gib = (double)finding->bytes / GIB, user = (double)c->user_ns, kernel = (double)c->kernel_ns;

	finding->cost = (struct cost){
		.user_s = gib * user / 1e9,
		.kernel_route_s = gib * kernel / 1e9,
		.low_s = gib * (double)c->low_ns / 1e9,
		.high_s = gib * (double)c->high_ns / 1e9,
		.share = user > kernel ? (user - kernel) / user : 0,
		.kernel_calls = c->kernel_bytes ? (finding->bytes + c->kernel_bytes - 1) / c->kernel_bytes : 0,
		.method = COST_METHOD,
	};
}

/* 0: *key's figures are in the model. */
static int measure_one(struct model *model, struct calibration *key, uint64_t end_ns)
{
	uint64_t now = leat_now_ns();
	uint32_t place;
	int error;

	if (now >= end_ns)
		return -ETIME;
	error = cost_measure(key, end_ns - now);
	if (error)
		return error;
	place = model_add_calibration(model);
	if (place == MODEL_NONE)
		return -ENOMEM;
	model->calibrations[place] = *key;
	return 0;
}

static bool all_at_hand(const struct model *model)
{
	for (uint32_t i = 0; i < model->finding_count; i++) {
		struct calibration key;

		if (cost_key(model, &model->findings[i], &key) && !cost_figures(model, &key))
			return false;
	}
	return true;
}

int cost_all(struct model *model, bool measure)
{
	uint64_t end_ns = leat_now_ns() + COST_BUDGET_NS;
	bool added = false;

	/* A recording has its own figures; those of this machine are not mixed in unless it is this machine that is measured. */
	if (measure && !all_at_hand(model))
		cost_cache_load(model);
	for (uint32_t i = 0; i < model->finding_count; i++) {
		struct finding *finding = &model->findings[i];
		const struct calibration *figures;
		struct calibration key;

		finding->cost = (struct cost){ .method = NULL };
		if (!cost_key(model, finding, &key))
			continue;
		if (!cost_figures(model, &key) && measure)
			added |= !measure_one(model, &key, end_ns);
		figures = cost_figures(model, &key);
		if (figures)
			apply(finding, figures);
	}
	if (added)
		cost_cache_save(model);
	return 0;
}
