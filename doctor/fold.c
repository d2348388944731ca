/* SPDX-License-Identifier: MIT */
#include "fold.h"

#include "hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum level { LEVEL_SAME, LEVEL_KINDS, LEVEL_NOWHERE };

struct work {
	struct collect *collect;
	struct model *model;
	struct fold *fold;
	uint8_t *over;				/* flows */
	uint32_t *flows, *sites, *files;	/* place before → place now; MODEL_NONE: left out */
	uint8_t *lives;				/* files that a flow names which goes on */
	size_t files_most;
	struct table same_sites, same_flows;
	struct collect fresh;
};

struct same_site {
	uint64_t signature;
	uint32_t place, zero;	/* 1 and up */
};

struct flow_name {	/* what flows have to have in common */
	uint32_t pid, from, to, site_read, site_write;
	uint16_t call_read, call_write;
	uint32_t how, place;
};

/* ---- Places ---------------------------------------------------------------------------------------------------------------- */

static uint64_t mixed_text(uint64_t hash, const char *text)
{
	return text ? hash_bytes(hash, text, strlen(text) + 1) : hash_bytes(hash, "\1", 1);
}

/* Of the program, what it interprets, and its stack: what merge.c tells places by, and where code lies in its file. */
static uint64_t signature_of(const struct model *model, const struct site *site)
{
	const struct process *process = model_process(model, site->pid);
	uint64_t hash = mixed_text(HASH_FIRST, !process ? NULL : process->executable ? process->executable : process->name);

	hash = mixed_text(hash, process ? process->script : NULL);
	for (uint32_t i = 0; i < site->frame_count; i++) {
		const struct frame *frame = &site->frames[i];

		hash = mixed_text(mixed_text(mixed_text(hash, frame->module), frame->function), frame->file);
		hash = hash_bytes(hash, &frame->line, sizeof frame->line);
		if (frame->module)
			hash = hash_bytes(hash, &frame->module_offset, sizeof frame->module_offset);
		else
			hash = hash_bytes(hash, &frame->ip, sizeof frame->ip);
	}
	return hash ^ site->truncated;
}

static bool is_alive(const struct work *w, uint32_t pid)
{
	return w->fold->alive[pid & (FOLD_PIDS - 1)];
}

/* The place that stands for this one from now on; MODEL_NONE: there is no memory. */
static uint32_t stands_for(struct work *w, uint32_t place)
{
	uint64_t signature = signature_of(w->model, &w->model->sites[place]);
	struct same_site *same = table_make(&w->same_sites, &signature);

	if (!same)
		return place;
	if (!same->place)
		same->place = place + 1;
	return same->place - 1;
}

/* Of processes that have ended: what no flow names goes, and of those that look the same one stays. */
static void join_sites(struct work *w)
{
	struct model *model = w->model;

	for (uint32_t i = 0; i < model->site_count; i++)
		w->sites[i] = is_alive(w, model->sites[i].pid) ? i : MODEL_NONE;
	for (uint32_t i = 0; i < model->flow_count; i++) {
		struct flow *flow = &model->flows[i];
		uint32_t *ends[] = { &flow->site_read, &flow->site_write };

		for (int k = 0; k < 2; k++) {
			uint32_t place = *ends[k];

			if (place >= model->site_count)
				continue;
			if (w->sites[place] == MODEL_NONE)
				w->sites[place] = stands_for(w, place);
			if (w->over[i] && w->sites[place] != place) {
				*ends[k] = w->sites[place];
				flow->pid = model->sites[*ends[k]].pid;
			}
		}
	}
}

/* ---- Flows ----------------------------------------------------------------------------------------------------------------- */

/* A file that stands for all of its kind; what was written to them besides the flows goes over to it. */
static uint32_t kind_of(struct work *w, uint32_t place, uint32_t sink)
{
	struct event_file_key key = { .sink = sink };
	const struct file *file;
	uint32_t facts, kind;

	if (place >= w->model->file_count)
		return place;
	file = &w->model->files[place];
	if (w->lives[place] || !file->inode || w->model->file_count >= w->files_most)
		return place;
	facts = (file->can_splice_from ? EVENT_CAN_SPLICE_FROM : 0) | (file->can_splice_to ? EVENT_CAN_SPLICE_TO : 0) |
		(file->append ? EVENT_APPEND : 0) | (file->direct ? EVENT_DIRECT : 0) | (file->ulp_tls ? EVENT_TLS : 0) |
		(file->splice_unknown ? EVENT_SPLICE_UNKNOWN : 0);
	key.inode = EVENT_SUMMARY | (uint64_t)facts << 8 | file->kind;
	kind = collect_file(w->collect, w->model, &key);
	if (kind == MODEL_NONE)
		return place;
	w->model->files[kind].unpaired_bytes += w->model->files[place].unpaired_bytes;
	w->model->files[place].unpaired_bytes = 0;
	return kind;
}

static void add(struct flow *to, const struct flow *from)
{
	to->reads += from->reads;
	to->writes += from->writes;
	to->bytes += from->bytes;
	to->again += from->again;
	if (from->smallest && (from->smallest < to->smallest || !to->smallest))
		to->smallest = from->smallest;
	if (from->largest > to->largest)
		to->largest = from->largest;
	for (unsigned i = 0; i < FLOW_SIZES; i++)
		to->sizes[i] += from->sizes[i];
	to->samples_equal += from->samples_equal;
	to->samples_changed += from->samples_changed;
	to->samples_weak += from->samples_weak;
	to->whole_equal += from->whole_equal;
	to->whole_changed += from->whole_changed;
	to->other_thread += from->other_thread;
	if (from->first_ns < to->first_ns)
		to->first_ns = from->first_ns;
	if (from->last_ns > to->last_ns)
		to->last_ns = from->last_ns;
}

/* Joins those that are over and have the same name on that level; says how many of them are left. */
static uint32_t join_flows(struct work *w, enum level level)
{
	struct model *model = w->model;
	uint32_t left = 0;

	table_clear(&w->same_flows);
	for (uint32_t i = 0; i < model->flow_count; i++) {
		struct flow *flow = &model->flows[i];
		struct flow_name name = { .how = flow->how, .call_read = flow->call_read, .call_write = flow->call_write }, *same;

		if (!w->over[i] || w->flows[i] != i)
			continue;
		if (level >= LEVEL_KINDS) {
			flow->from = kind_of(w, flow->from, 0);
			flow->to = kind_of(w, flow->to, 1);
		}
		if (level >= LEVEL_NOWHERE && !is_alive(w, flow->pid)) {
			flow->site_read = flow->site_write = MODEL_NONE;
			flow->pid = 0;
		}
		name.pid = flow->pid;
		name.from = flow->from;
		name.to = flow->to;
		name.site_read = flow->site_read;
		name.site_write = flow->site_write;
		same = table_make(&w->same_flows, &name);
		if (same && same->place) {
			add(&model->flows[same->place - 1], flow);
			w->flows[i] = same->place - 1;
			continue;
		}
		if (same)
			same->place = i + 1;
		left++;
	}
	return left;
}

/* ---- Closing up ------------------------------------------------------------------------------------------------------------ */

/* Flows that were joined go; those that stay move up. */
static void close_flows(struct work *w)
{
	struct model *model = w->model;
	uint32_t count = 0;

	for (uint32_t i = 0; i < model->flow_count; i++) {
		if (w->flows[i] != i) {
			w->flows[i] = MODEL_NONE;
			continue;
		}
		model->flows[count] = model->flows[i];
		w->flows[i] = count++;
	}
	model->flow_count = count;
}

static void close_sites(struct work *w, uint8_t *keep)
{
	struct model *model = w->model;
	uint32_t count = 0;

	for (uint32_t i = 0; i < model->site_count; i++)
		keep[i] = is_alive(w, model->sites[i].pid);
	for (uint32_t i = 0; i < model->flow_count; i++) {
		if (model->flows[i].site_read < model->site_count)
			keep[model->flows[i].site_read] = 1;
		if (model->flows[i].site_write < model->site_count)
			keep[model->flows[i].site_write] = 1;
	}
	for (uint32_t i = 0; i < model->site_count; i++) {
		if (!keep[i]) {
			model_drop_frames(&model->sites[i]);
			w->sites[i] = MODEL_NONE;
			continue;
		}
		model->sites[count] = model->sites[i];
		w->sites[i] = count++;
	}
	for (uint32_t i = 0; i < model->flow_count; i++) {
		struct flow *flow = &model->flows[i];

		flow->site_read = flow->site_read < model->site_count ? w->sites[flow->site_read] : MODEL_NONE;
		flow->site_write = flow->site_write < model->site_count ? w->sites[flow->site_write] : MODEL_NONE;
	}
	model->site_count = count;
}

static void close_files(struct work *w)
{
	struct model *model = w->model;
	uint32_t count = 0;

	for (uint32_t i = 0; i < model->file_count; i++)
		w->files[i] = MODEL_NONE;
	for (uint32_t i = 0; i < model->flow_count; i++) {
		if (model->flows[i].from < model->file_count)
			w->files[model->flows[i].from] = 0;
		if (model->flows[i].to < model->file_count)
			w->files[model->flows[i].to] = 0;
	}
	for (uint32_t i = 0; i < model->file_count; i++) {
		if (w->files[i] == MODEL_NONE) {
			free(model->files[i].path);
			continue;
		}
		model->files[count] = model->files[i];
		w->files[i] = count++;
	}
	for (uint32_t i = 0; i < model->flow_count; i++) {
		struct flow *flow = &model->flows[i];

		flow->from = flow->from < model->file_count ? w->files[flow->from] : MODEL_NONE;
		flow->to = flow->to < model->file_count ? w->files[flow->to] : MODEL_NONE;
	}
	model->file_count = count;
}

/* keep: by number of process, all zero. */
static void close_processes(struct work *w, uint8_t *keep)
{
	struct model *model = w->model;
	bool all = model->process_count <= w->fold->most_processes;
	uint32_t count = 0;

	for (uint32_t i = 0; i < model->flow_count; i++)
		keep[model->flows[i].pid & (FOLD_PIDS - 1)] = 1;
	for (uint32_t i = 0; i < model->site_count; i++)
		keep[model->sites[i].pid & (FOLD_PIDS - 1)] = 1;
	for (uint32_t i = 0; i < model->process_count; i++) {
		struct process *process = &model->processes[i];
		uint32_t pid = process->pid & (FOLD_PIDS - 1);

		w->fold->processes[i] = MODEL_NONE;
		if (!all && process->exited && !keep[pid] && !w->fold->alive[pid]) {
			model_free_texts(process);
			continue;
		}
		w->fold->processes[i] = count;
		model->processes[count++] = *process;
	}
	model->process_count = count;
	model->by_pid_count = MODEL_NONE;	/* it has to be indexed anew */
}

/* ---- All of it ------------------------------------------------------------------------------------------------------------- */

static void look(struct work *w)
{
	const struct model *model = w->model;

	for (uint32_t i = 0; i < model->flow_count; i++)
		w->flows[i] = i;
	collect_mark_over(w->collect, w->over);
	for (uint32_t i = 0; i < model->flow_count; i++) {
		if (w->over[i])
			continue;
		if (model->flows[i].from < model->file_count)
			w->lives[model->flows[i].from] = 1;
		if (model->flows[i].to < model->file_count)
			w->lives[model->flows[i].to] = 1;
	}
}

static void work(struct work *w, uint8_t *keep_sites, uint8_t *keep_processes)
{
	uint32_t most = w->fold->most_flows;

	look(w);
	join_sites(w);
	w->fold->over = join_flows(w, LEVEL_SAME);
	for (enum level level = LEVEL_KINDS; level <= LEVEL_NOWHERE && w->fold->over > most; level++)
		w->fold->over = join_flows(w, level);
	close_flows(w);
	close_sites(w, keep_sites);
	close_files(w);
	close_processes(w, keep_processes);
	collect_moved(w->collect, &w->fresh, w->files, w->sites, w->flows);
}

#define KINDS_MOST 4096	/* of files, with their facts */

int fold_model(struct collect *collect, struct model *model, struct fold *fold)
{
	struct work w = { .collect = collect, .model = model, .fold = fold };
	uint8_t *keep_sites = calloc((size_t)model->site_count + 1, 1), *keep_processes = calloc(FOLD_PIDS, 1);
	int result = -ENOMEM;

	w.over = calloc((size_t)model->flow_count + 1, 1);
	w.flows = calloc((size_t)model->flow_count + 1, sizeof *w.flows);
	w.sites = calloc((size_t)model->site_count + 1, sizeof *w.sites);
	w.files_most = (size_t)model->file_count + KINDS_MOST;
	w.files = calloc(w.files_most, sizeof *w.files);
	w.lives = calloc(w.files_most, 1);
	fold->processes = calloc((size_t)model->process_count + 1, sizeof *fold->processes);
	table_init(&w.same_sites, sizeof(struct same_site), sizeof(uint64_t), MODEL_SITES_MAX);
	table_init(&w.same_flows, sizeof(struct flow_name), offsetof(struct flow_name, place), MODEL_FLOWS_MAX);
	if (keep_sites && keep_processes && w.over && w.flows && w.sites && w.files && w.lives && fold->processes &&
	    !model_index(model) && !collect_fresh(collect, KINDS_MOST, &w.fresh)) {
		work(&w, keep_sites, keep_processes);
		result = 0;
	}
	table_free(&w.same_sites);
	table_free(&w.same_flows);
	free(keep_sites);
	free(keep_processes);
	free(w.over);
	free(w.flows);
	free(w.sites);
	free(w.files);
	free(w.lives);
	return result;
}
