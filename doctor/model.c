/* SPDX-License-Identifier: MIT */
/* The model in memory: tables that grow by doubling up to a bound, and what is freed with them. No system calls. */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_FIRST 16

/* Room for one more; tables grow when their count is a power of two. */
static void *grown(void *table, uint32_t count, uint32_t most, size_t size)
{
	uint32_t room = count < TABLE_FIRST ? TABLE_FIRST : count * 2;

	if (count >= most)
		return NULL;
	if (count && (count < TABLE_FIRST || (count & (count - 1))))
		return table;
	return reallocarray(table, room, size);
}

#define ADD(model, table, count, most) \
	({ \
		void *add_table = grown((model)->table, (model)->count, most, sizeof *(model)->table); \
		uint32_t add_place = MODEL_NONE; \
		if (add_table) { \
			(model)->table = add_table; \
			add_place = (model)->count++; \
			memset(&(model)->table[add_place], 0, sizeof *(model)->table); \
		} \
		add_place; \
	})

uint32_t model_add_process(struct model *model)
{
	uint32_t place = ADD(model, processes, process_count, MODEL_PROCESSES_MAX);

	if (place != MODEL_NONE)
		model->processes[place].exit_status = -1;
	return place;
}

uint32_t model_add_file(struct model *model)
{
	return ADD(model, files, file_count, MODEL_FILES_MAX);
}

uint32_t model_add_site(struct model *model)
{
	return ADD(model, sites, site_count, MODEL_SITES_MAX);
}

uint32_t model_add_flow(struct model *model)
{
	uint32_t place = ADD(model, flows, flow_count, MODEL_FLOWS_MAX);

	if (place != MODEL_NONE) {
		model->flows[place].site_read = MODEL_NONE;
		model->flows[place].site_write = MODEL_NONE;
	}
	return place;
}

uint32_t model_add_calibration(struct model *model)
{
	return ADD(model, calibrations, calibration_count, MODEL_CALIBRATIONS_MAX);
}

struct frame *model_add_frame(struct site *site)
{
	uint32_t place = ADD(site, frames, frame_count, MODEL_FRAMES_MAX);

	return place == MODEL_NONE ? NULL : &site->frames[place];
}

static int by_pid(const void *x, const void *y, void *arg)
{
	const struct process *processes = arg;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	if (processes[a].pid != processes[b].pid)
		return processes[a].pid < processes[b].pid ? -1 : 1;
	return a < b ? -1 : a > b;
}

int model_index(struct model *model)
{
	uint32_t count = model->process_count, *places = reallocarray(model->by_pid, count + 1, sizeof *places);

	if (!places)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		places[i] = i;
	qsort_r(places, count, sizeof *places, by_pid, model->processes);
	model->by_pid = places;
	model->by_pid_count = count;
	return 0;
}

const struct process *model_process(const struct model *model, uint32_t pid)
{
	bool indexed = model->by_pid_count == model->process_count;
	uint32_t low = 0, high = indexed ? model->process_count : 0;

	for (uint32_t i = 0; !indexed && i < model->process_count; i++)
		if (model->processes[i].pid == pid)
			return &model->processes[i];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (model->processes[model->by_pid[middle]].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	if (!indexed || low == model->process_count || model->processes[model->by_pid[low]].pid != pid)
		return NULL;
	return &model->processes[model->by_pid[low]];
}

uint64_t model_plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool are_files(const struct file *from, const struct file *to)
{
	return from->kind == FILE_REGULAR && to->kind == FILE_REGULAR && from->device && to->device;
}

bool model_two_filesystems(const struct file *from, const struct file *to)
{
	return are_files(from, to) && from->device != to->device;
}

bool model_one_file(const struct file *from, const struct file *to)
{
	return are_files(from, to) && from->device == to->device && from->inode == to->inode;
}

const struct file *model_file(const struct model *model, uint32_t place)
{
	return place < model->file_count ? &model->files[place] : NULL;
}

const struct site *model_site(const struct model *model, uint32_t place)
{
	return place < model->site_count ? &model->sites[place] : NULL;
}

const struct flow *model_flow(const struct model *model, uint32_t place)
{
	return place < model->flow_count ? &model->flows[place] : NULL;
}

const struct frame *model_frame(const struct model *model, uint32_t place, uint32_t frame)
{
	const struct site *site = model_site(model, place);

	return site && frame < site->frame_count ? &site->frames[frame] : NULL;
}

void model_drop_findings(struct model *model)
{
	for (uint32_t i = 0; i < model->finding_count; i++)
		free(model->findings[i].why_text);
	free(model->findings);
	free(model->members);
	model->findings = NULL;
	model->members = NULL;
	model->finding_count = 0;
	for (uint32_t i = 0; i < model->flow_count; i++)
		model->flows[i].finding = NULL;
}

void model_drop_frames(struct site *site)
{
	for (uint32_t i = 0; i < site->frame_count; i++) {
		free(site->frames[i].module);
		free(site->frames[i].function);
		free(site->frames[i].file);
	}
	free(site->frames);
	site->frames = NULL;
	site->frame_count = 0;
}

void model_free_texts(const struct process *process)
{
	free(process->name);
	free(process->version);
	free(process->executable);
	free(process->script);
}

void model_free(struct model *model)
{
	model_drop_findings(model);
	for (uint32_t i = 0; i < model->process_count; i++)
		model_free_texts(&model->processes[i]);
	for (uint32_t i = 0; i < model->file_count; i++)
		free(model->files[i].path);
	for (uint32_t i = 0; i < model->site_count; i++)
		model_drop_frames(&model->sites[i]);
	free(model->processes);
	free(model->by_pid);
	free(model->files);
	free(model->sites);
	free(model->flows);
	free(model->calibrations);
	memset(model, 0, sizeof *model);
}
