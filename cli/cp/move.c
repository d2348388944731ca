/* SPDX-License-Identifier: MIT */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS (LEAT_SECOND / 5)

static void make_sink(struct leat_sink *sink, const struct dest *dest)
{
	if (dest->only_read)	/* it is complete, and gets nothing */
		leat_to_nothing(sink);
	else if (dest->way == DEST_DIRECT)
		leat_to_fd(sink, dest->fd);
	else
		leat_to_file(sink, dest->fd, dest->start);
}

/* The wrappers that were asked for, and no others: what is not asked costs nothing. */
static void wrap(struct job *job)
{
	const struct settings *settings = job->settings;
	uint64_t skip = settings->offset + job->dest.start;
	uint64_t left = job->complete ? 0 : settings->limit == NO_LIMIT ? NO_LIMIT : settings->limit - job->dest.start;

	if (skip || left != NO_LIMIT)
		leat_wrap(&job->source, leat_section_init(&job->section, skip, left));
	if (settings->hash == HASH_XXH3 && !job->hash_after)
		leat_wrap(&job->source, leat_xxh3_init(&job->xxh3));
	else if (settings->hash == HASH_SHA256 && !job->hash_after)
		leat_wrap(&job->source, leat_hash_init(&job->hash, &sha256_ops, &job->sha256));
	if (job->gone_by)
		leat_wrap(&job->source, leat_xxh3_init(&job->sent));
	if (settings->tee)
		leat_wrap(&job->source, second_tee(&job->second));
	if (settings->bucket)
		leat_wrap(&job->source, leat_rate_init_shared(&job->rate, settings->bucket));
	if (settings->timeout_s)
		leat_wrap_sink(&job->sink, leat_deadline_init(&job->deadline, settings->timeout_s * LEAT_SECOND, 0));
	if (settings->no_cache)
		leat_wrap_sink(&job->sink, cache_init(&job->cache, job->from.fd, job->begin + job->dest.start,
						      job->to_file ? job->dest.fd : -1, job->dest.start));
	if (settings->no_cache && settings->tee)
		leat_wrap_sink(&job->sink, second_cache(&job->second));
	if (job->show->live) {
		leat_wrap_sink(&job->sink, leat_log_init(&job->log, show_route, &job->watch));
		leat_wrap_sink(&job->sink, leat_progress_init(&job->progress, TICK_NS, show_progress, &job->watch));
	}
}

/* Where a snapshot of the source can be made: its own directory. What it goes to is sent by reference only if it is no file. */
static void let_snapshot(struct job *job)
{
	const struct addr *addr = job->from_addr;
	const char *slash = strrchr(addr->path, '/');
	size_t length = slash ? (size_t)(slash - addr->path) + 1 : 0;
	char path[PATH_MAX] = ".";

	if (addr->kind != ADDR_FILE || (job->to_file && job->dest.way != DEST_DIRECT) || length >= sizeof path)
		return;
	if (length)
		snprintf(path, sizeof path, "%.*s", (int)length, addr->path);
	if (job->snapshot_dir < 0)
		job->snapshot_dir = openat(addr->at, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (job->snapshot_dir < 0)
		return;
	job->options.stable = LEAT_STABLE_SNAPSHOT;
	job->options.snapshot_dir = job->snapshot_dir;
}

static void set_options(struct job *job, int only_reflink)
{
	static const uint32_t reflink = 1u << LEAT_ROUTE_CLONE, offload = reflink | 1u << LEAT_ROUTE_COPY_FILE_RANGE;
	const struct settings *settings = job->settings;

	job->options = (struct leat_options){ .stop = &stop_flag, .helper = job->helper };
	job->options.stable = settings->stable ? LEAT_STABLE_COPY : LEAT_STABLE_NOT_ASKED;
	if (settings->stable)
		let_snapshot(job);
	if ((settings->require == REQUIRE_NOTHING && !only_reflink) || job->complete)
		return;
	job->options.policy = LEAT_REQUIRE;
	if (settings->require == REQUIRE_REFLINK || only_reflink)
		job->options.routes_off = ~reflink;
	else if (settings->require == REQUIRE_OFFLOAD)
		job->options.routes_off = ~offload;
}

static enum status of_move(const struct job *job, int error)
{
	switch (error) {
	case -ECANCELED:
		return job_stopped();
	case -ETIMEDOUT:
		return STATUS_TIMEOUT;
	case LEAT_ECHANGED:
		return STATUS_CHANGED;
	case LEAT_EREFUSED:
		return STATUS_REFUSED;
	default:
		return job->report.side == LEAT_SIDE_SOURCE ? STATUS_SOURCE :
		       job->report.side == LEAT_SIDE_SINK || job->second.tee.error ? STATUS_DEST : STATUS_FAILED;
	}
}

static void make_ends(struct job *job)
{
	if (S_ISREG(job->source_is.st_mode) && job->from.ours)
		leat_from_file(&job->source, job->from.fd, 0);
	else
		leat_from_fd(&job->source, job->from.fd);
	if (job->to_file)
		make_sink(&job->sink, &job->dest);
	else
		leat_to_fd(&job->sink, job->to.fd);
}

static int64_t run(struct job *job, int only_reflink)
{
	const struct settings *settings = job->settings;
	struct leat_report plan = { 0 };

	make_ends(job);
	if (settings->verify && !only_reflink && leat_plan(&job->sink, &job->source, NULL, &plan) == 0)
		job->gone_by = plan.source_kind != LEAT_KIND_FILE && plan.source_kind != LEAT_KIND_BLOCK;
	wrap(job);
	set_options(job, only_reflink);
	job->watch = (struct watch){ .show = job->show, .from = job->from_addr->text, .to = job->to_addr->text };
	if (settings->explain && !settings->json && leat_plan(&job->sink, &job->source, &job->options, &plan) == 0)
		show_plan(job->show, job->from_addr->text, job->to_addr->text, &plan);
	return leat_copy(&job->sink, &job->source, &job->options, &job->report);
}

/* Whether the destination is what can be hashed afterwards: a file that is ours to read. */
static int can_hash_after(const struct job *job)
{
	return job->settings->hash != HASH_NONE && S_ISREG(job->source_is.st_mode) && job->to_file && job->dest.way != DEST_DIRECT;
}

/* A hash of what passes costs a copy through user space. Where the extents can be shared, the same bytes are read afterwards;
 * so they are where a part of them is there already. */
static int64_t run_hashed(struct job *job)
{
	int64_t r;

	job->hash_after = 1;
	if (job->dest.start)
		return run(job, 0);
	r = run(job, 1);
	if (r != LEAT_EREFUSED || job->settings->require == REQUIRE_REFLINK)
		return r;
	leat_close(&job->source);
	leat_close_sink(&job->sink);
	job->hash_after = 0;
	if ((job->report.bytes && ftruncate(job->dest.fd, 0) < 0) ||
	    (!job->from.ours && lseek(job->from.fd, (off_t)(job->begin - job->settings->offset), SEEK_SET) < 0))
		return -errno;
	return run(job, 0);
}

enum status move_bytes(struct job *job)
{
	int64_t r = can_hash_after(job) && !job->settings->tee ? run_hashed(job) : run(job, 0);
	int second = job->second.tee.error != 0;

	job->moved = 1;
	if (r >= 0 && !job->to_file) {
		r = end_finish(&job->to, settings_timeout_ms(job->settings), job->settings->sync);
		job->report.side = r < 0 ? LEAT_SIDE_SINK : LEAT_SIDE_NONE;
	}
	if (r >= 0)
		return STATUS_OK;
	job->error = (int)r;
	job->why = why_of((int)r, job->settings, &job->report, job->why_text);
	why_say((int)r, job->from_addr->text, second ? job->settings->tee : job->to_addr->text, &job->report, second, job->why);
	return of_move(job, (int)r);
}
