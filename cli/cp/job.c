/* SPDX-License-Identifier: MIT */
#include "job.h"
#include "../out.h"
#include "check.h"
#include "keep.h"
#include "move.h"
#include "written.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What opening came to. */
static enum status of_open(struct job *job, int r, enum status otherwise)
{
	job->error = r;
	return stop_flag ? job_stopped() : r == -ETIMEDOUT ? STATUS_TIMEOUT : r == DEST_IN_PLACE_ONLY ? STATUS_REFUSED : otherwise;
}

static enum status no_use(struct job *job, const char *text, const char *why)
{
	out_error("%s: %s", text, why);
	job->why = why;
	return STATUS_USAGE;
}

static enum status wrong_source(struct job *job, int error, const char *why)
{
	out_error("%s: %s", job->from_addr->text, why);
	job->error = error;
	return STATUS_SOURCE;
}

static enum status open_source(struct job *job)
{
	const struct settings *settings = job->settings;
	int regular, r;

	job->from.addr = *job->from_addr;
	r = end_open(&job->from, 0, settings_timeout_ms(settings));
	if (r < 0)
		return of_open(job, r, STATUS_SOURCE);
	if (fstat(job->from.fd, &job->source_is) < 0)
		return wrong_source(job, -errno, strerror(errno));
	if (S_ISDIR(job->source_is.st_mode))
		return wrong_source(job, -EISDIR, "it is a directory; -r copies it with all that is in it");
	regular = S_ISREG(job->source_is.st_mode);
	if (!regular && job->from_addr->in_tree)
		return wrong_source(job, LEAT_ECHANGED, "it was a file, and is none any more");
	if (!regular && (settings->resume || settings->preserve))
		return no_use(job, job->from_addr->text, "it is no file, so --resume and --preserve mean nothing");
	job->begin = settings->offset;
	if (regular && !job->from.ours)
		job->begin += (uint64_t)lseek(job->from.fd, 0, SEEK_CUR);
	return STATUS_OK;
}

/* Whether what is made may be met again: by a link; in a directory that several sources are added to; in one that is there already,
 * under a name that its file system takes for the same. In a new one that is seen when it gets its name. */
static int may_be_met(const struct job *job)
{
	return !job->to_addr->fresh || job->settings->several;
}

/* What was made of one source is not written again from another one, that has the same name or one that leads there. */
static enum status claim(struct job *job)
{
	const struct dest *dest = &job->dest;
	const char *other = NULL;

	if (!dest->taken || dest->only_read || dest->way == DEST_DIRECT)
		return STATUS_OK;
	if (dest->way == DEST_IN_PLACE && (dest->was.st_nlink > 1 || may_be_met(job)))
		other = written_claim(job->settings->written, &dest->was, &job->source_is, job->from_addr->text);
	else if (may_be_met(job))
		other = written_by(job->settings->written, &dest->was, &job->source_is);
	if (!other)
		return STATUS_OK;
	if (job->to_addr->in_tree && dest->was.st_nlink == 1) {
		out_error("%s: %s was made from %s just now, and is not overwritten", job->from_addr->text, job->to_addr->text, other);
		job->why = "it was made from another source just now";
		return STATUS_DEST;
	}
	out_error("%s: it is the file that %s was just written to, by another name (%s); remove this name, and copy again",
		  job->to_addr->text, other, dest->was.st_nlink > 1 ? "hard link" : "symbolic link");
	job->why = "it is what another source was just written to, by another name";
	return STATUS_REFUSED;
}

/* So long will the destination be, if the source is a file. */
static uint64_t whole(const struct job *job)
{
	uint64_t size = (uint64_t)job->source_is.st_size, rest = size > job->begin ? size - job->begin : 0;

	return rest < job->settings->limit ? rest : job->settings->limit;
}

static enum status open_dest(struct job *job)
{
	const struct settings *settings = job->settings;
	int kept = settings->resume || settings->in_place || settings->preserve, r;

	job->dest_options = (struct dest_options){
		.in_place = settings->in_place, .resume = settings->resume, .sync = settings->sync,
		.read_back = settings->verify || settings->hash != HASH_NONE, .timeout_ms = settings_timeout_ms(settings),
		.in_tree = job->to_addr->in_tree, .source_dir = job->from_addr->at, .fresh = job->to_addr->fresh, .mask = settings->mask,
		.whole = whole(job), .mode = S_ISREG(job->source_is.st_mode) ? job->source_is.st_mode & 0777 : 0666,
	};
	job->to_file = job->to_addr->kind == ADDR_FILE;
	if (!job->to_file) {
		if (settings->verify || kept)
			return no_use(job, job->to_addr->text,
				      "it is no file, so --verify, --resume, --in-place and --preserve mean nothing");
		job->to.addr = *job->to_addr;
		r = end_open(&job->to, 1, settings_timeout_ms(settings));
		return r < 0 ? of_open(job, r, STATUS_DEST) : STATUS_OK;
	}
	r = dest_open(&job->dest, job->to_addr->at, job->to_addr->path, job->to_addr->text, &job->source_is, &job->dest_options);
	if (r < 0)
		return of_open(job, r, STATUS_DEST);
	if (job->dest.way == DEST_DIRECT && kept)
		return no_use(job, job->to_addr->text, "it is no file, so --resume, --in-place and --preserve mean nothing");
	if (job->dest.way == DEST_DIRECT && settings->verify && !S_ISBLK(job->dest.was.st_mode))
		return no_use(job, job->to_addr->text, "it cannot be read back, so --verify means nothing");
	return claim(job);
}

/* The source has some. */
static void let_holes(struct job *job, uint64_t length)
{
	if (job->to_file)
		dest_size(&job->dest, length, &job->dest_options);
	if (job->settings->tee)
		second_holes(&job->second, job->from.fd, job->begin, length, &job->dest_options);
}

/* --resume: what is as long as it shall be is complete, or is written as any other. */
static enum status look_at_whole(struct job *job)
{
	int same, r;
	enum status status = check_equal(job->from.fd, job->begin, job->dest.fd, job->dest_options.whole, job->to_addr->text, &same);

	if (status != STATUS_OK)
		return status;
	job->complete = same;
	r = same ? dest_adopt(&job->dest) : dest_reject(&job->dest, &job->source_is, &job->dest_options);
	return r < 0 ? of_open(job, r, STATUS_DEST) : same ? STATUS_OK : claim(job);
}

/* What is there of the destination before anything is moved. */
static enum status look_at_part(struct job *job)
{
	uint64_t size = (uint64_t)job->source_is.st_size, length = job->dest_options.whole;
	enum status status = job->dest.only_read ? look_at_whole(job) : STATUS_OK;

	if (status != STATUS_OK || job->complete)
		return status;
	if (job->dest.start)
		return check_part(&job->dest, job->from.fd, job->begin, length, job->to_addr->text);
	if ((uint64_t)job->source_is.st_blocks < size / 512)
		let_holes(job, length);
	return STATUS_OK;
}

/* Of one source that is no part to go on from: the options of the destination are its own, too. */
static enum status open_second(struct job *job)
{
	const struct dest *second = &job->second.dest;
	int r;

	if (!job->settings->tee)
		return STATUS_OK;
	r = second_open(&job->second, job->settings->tee, &job->source_is, &job->dest_options);
	if (r < 0)
		return of_open(job, r, STATUS_DEST);
	if (job->settings->verify && second->way == DEST_DIRECT && !S_ISBLK(second->was.st_mode))
		return no_use(job, job->settings->tee, "it cannot be read back, so --verify means nothing");
	if (job->to_file && dest_is_same(&job->dest, second)) {
		out_error("%s: it is the destination itself; nothing was copied", job->settings->tee);
		job->error = -EINVAL;
		return STATUS_DEST;
	}
	return STATUS_OK;
}

static enum status verify(const struct job *job, int there, uint64_t length, const char *text)
{
	const struct sent sent = { .shown = text, .report = &job->report, .start = job->dest.start };

	return job->gone_by ? check_sent(leat_xxh3_result(&job->sent), there, length, &sent) :
			      check_same(job->from.fd, job->begin, there, length, &sent);
}

static enum status hash(struct job *job, uint64_t length)
{
	struct leat_wrapper *wrapper = job->settings->hash == HASH_XXH3 ? leat_xxh3_init(&job->xxh3) :
								       leat_hash_init(&job->hash, &sha256_ops, &job->sha256);

	return check_hash(job->dest.fd, length, wrapper, job->to_addr->text);
}

/* Before it has its name: what is in it is what was sent, and it is what it shall be. */
static enum status complete_file(struct job *job)
{
	const struct settings *settings = job->settings;
	uint64_t length = job->dest.start + job->report.bytes;
	enum status status = STATUS_OK;
	int r;

	if (!job->to_file)
		return STATUS_OK;
	if (job->dest.way != DEST_DIRECT)
		status = check_length(job->dest.fd, length, job->to_addr->text);
	if (status == STATUS_OK && settings->verify) {
		status = verify(job, job->dest.fd, length, job->to_addr->text);
		job->verified = status == STATUS_OK;
	}
	if (status == STATUS_OK && job->hash_after)
		status = hash(job, length);
	if (status != STATUS_OK)
		return status;
	r = dest_take_over(&job->dest, &job->dest_options, length);
	if (!r && settings->preserve)
		r = keep_attributes(job->from.fd, &job->source_is, job->dest.fd, settings->preserve, job->to_addr->text);
	if (!r && settings->no_cache)
		r = cache_flush(&job->cache, job->to_addr->text);
	return r < 0 ? of_open(job, r, STATUS_DEST) : STATUS_OK;
}

static enum status complete_second(struct job *job)
{
	const struct settings *settings = job->settings;
	enum status status = STATUS_OK;
	int r;

	if (!settings->tee)
		return STATUS_OK;
	r = second_complete(&job->second, &job->dest_options, settings->no_cache, job->report.bytes);
	if (r < 0)
		return of_open(job, r, STATUS_DEST);
	if (settings->verify) {
		status = verify(job, job->second.dest.fd, job->report.bytes, settings->tee);
		job->verified = status == STATUS_OK;
	}
	return status;
}

static void note(const struct job *job)
{
	struct stat is;

	if (job->to_file && may_be_met(job) && job->dest.way != DEST_DIRECT && fstat(job->dest.fd, &is) == 0)
		written_note(job->settings->written, &is, &job->source_is, job->from_addr->text);
}

/* Last of all that can fail: until then the old one stays, and until that has gone the one of --tee. */
static enum status name_files(struct job *job)
{
	int r = job->to_file ? dest_commit(&job->dest, &job->dest_options) : 0;

	if (!r && job->settings->tee) {
		r = second_commit(&job->second, &job->dest_options);
		if (r < 0)
			out_error("%s: it is there, but not the second file, %s", job->to_addr->text, job->settings->tee);
	}
	if (!r)
		note(job);
	return r < 0 ? of_open(job, r, STATUS_DEST) : STATUS_OK;
}

static const char *hash_of(struct job *job)
{
	if (job->settings->hash == HASH_XXH3)
		snprintf(job->hash_text, sizeof job->hash_text, "%016llx", (unsigned long long)leat_xxh3_result(&job->xxh3));
	else if (job->settings->hash == HASH_SHA256)
		sha256_text(&job->sha256, job->hash_text);
	return job->hash_text;
}

static const char *why(const struct job *job, enum status status)
{
	if (job->why || job->error)
		return job->why ? job->why : job->error == DEST_IN_PLACE_ONLY ? "only --in-place would do" : leat_strerror(job->error);
	return status == STATUS_OK ? NULL : status == STATUS_DIFFERS ? "what is there is not what was sent" : "stopped, or not done";
}

static void tell(struct job *job, enum status status)
{
	static const char *const names[] = { "xxh3", "sha256" };
	int hashed = job->settings->hash != HASH_NONE && status == STATUS_OK;
	struct result result = {
		.from = job->from_addr->text, .to = job->to_addr->text, .status = (int)status,
		.error = why(job, status),
		.report = job->moved ? &job->report : NULL,
		.hash_name = hashed ? names[job->settings->hash] : NULL, .hash = hashed ? hash_of(job) : NULL,
		.resumed_bytes = job->dest.start, .verified = job->verified,
	};

	show_result(job->show, &result);
}

static void job_close(struct job *job, enum status status)
{
	int begun = job->moved || job->dest.start;	/* else there is nothing to go on from */
	int keep = begun && job->settings->resume && status != STATUS_OK && status != STATUS_DIFFERS;

	leat_close(&job->source);
	leat_close_sink(&job->sink);
	if (job->settings->hash == HASH_SHA256)
		sha256_release(&job->sha256);
	dest_close(&job->dest, keep);
	second_close(&job->second);
	end_close(&job->from);
	end_close(&job->to);
	if (job->snapshot_dir >= 0)
		close(job->snapshot_dir);
}

enum status job_copy(const struct settings *settings, struct show *show, struct leat_helper *helper, const struct addr *from,
		     const struct addr *to)
{
	struct job job = {
		.settings = settings, .show = show, .helper = helper, .from_addr = from, .to_addr = to, .verified = -1,
		.from.fd = -1, .to.fd = -1, .dest.fd = -1, .snapshot_dir = -1,
	};
	static enum status (*const steps[])(struct job *) = {
		open_source, open_dest, open_second, look_at_part, move_bytes, complete_file, complete_second, name_files,
	};
	enum status status = STATUS_OK;

	second_init(&job.second);
	for (size_t i = 0; i < sizeof steps / sizeof steps[0] && status == STATUS_OK; i++)
		status = steps[i](&job);
	if (status == STATUS_OK && settings->no_cache)
		cache_drop(&job.cache);
	if (status == STATUS_OK && settings->no_cache && settings->tee)
		cache_drop(&job.second.cache);
	tell(&job, status);
	job_close(&job, status);
	return status;
}
