/* SPDX-License-Identifier: MIT */
#include "dest.h"
#include "../out.h"
#include "bars.h"
#include "keep.h"
#include "part.h"
#include "patient.h"
#include "place.h"
#include "same.h"
#include "stop.h"
#include "written.h"

#include <leat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int dest_failed(const struct dest *dest, const char *what, int error)
{
	out_error("%s: %s: %s", dest->shown, what, strerror(error));
	return -error;
}

static int in_place_only(const struct dest *dest, const char *why)
{
	out_error("%s: %s, so it cannot be replaced by a new file; --in-place writes into it", dest->shown, why);
	return DEST_IN_PLACE_ONLY;
}

/* Whether what is there may be replaced by a file beside it. In a tree a file of several names is made anew, name by name, from one
 * that has as many: the links are those of an earlier copy of it, as far as can be told. */
static int may_replace(struct dest *dest, const struct bar *bar, const struct stat *source, const struct dest_options *options)
{
	if (dest->was.st_nlink > 1 && !(options->in_tree && source && dest->was.st_nlink <= source->st_nlink))
		return in_place_only(dest, "it has other names (hard links)");
	if (bar->is_mount)
		return in_place_only(dest, "something is mounted on it");
	if (dest->was.st_uid != geteuid() && geteuid() != 0)
		return in_place_only(dest, "it belongs to somebody else");
	return 0;
}

/* Before the first byte, what giving the name would say after the last one. */
static int may_change(const struct dest *dest, const struct bar *bar)
{
	if (!bar->word)
		return 0;
	out_error("%s: it is %s; `chattr -%c` lets it be replaced", dest->shown, bar->word, bar->letter);
	return -EPERM;
}

/* In an append-only directory what is new gets its name at once, or by a rename not at all. */
static int may_name(const struct dest *dest, const struct dest_options *options)
{
	struct bar bar = bar_of(dest->dir, "");
	char why[100];

	if (!bar.word || (bar.letter == 'a' && !dest->taken && !options->resume))
		return 0;
	snprintf(why, sizeof why, "its directory is %s (`chattr -%c` on it lifts that)", bar.word, bar.letter);
	if (dest->exists)
		return in_place_only(dest, why);
	out_error("%s: its directory is %s; `chattr -%c` on it lets one be %s", dest->shown, bar.word, bar.letter,
		  bar.letter == 'i' ? "made" : "renamed there");
	return -EPERM;
}

static int busy(const struct dest *dest)
{
	return dest_failed(dest, "somebody is copying to it", EBUSY);
}

/* In a tree a look at the source's directory, which is left out where no temporary name is needed. */
static int choose_temporary(struct dest *dest)
{
	int r = *dest->temporary ? 0 : part_name(dest->name, dest->source_dir, dest->temporary);

	if (r < 0) {
		out_error("%s: %s", dest->shown, part_why(r, dest->name, dest->source_dir));
		dest->temporary[0] = 0;
	}
	return r;
}

static int sweep(struct dest *dest)
{
	int r = part_sweep(dest->dir, dest->temporary, S_IFREG);

	return r == -EWOULDBLOCK ? busy(dest) : r < 0 ? dest_failed(dest, dest->temporary, -r) : 0;
}

/* Naming a file without a name takes its link in /proc; without that no byte shall be written in vain. */
static int can_be_named(void)
{
	static int can;	/* 1: yes, 2: no */
	int known = __atomic_load_n(&can, __ATOMIC_RELAXED);

	if (!known) {
		known = access("/proc/self/fd", F_OK) == 0 ? 1 : 2;
		__atomic_store_n(&can, known, __ATOMIC_RELAXED);
	}
	return known == 1;
}

static int no_temporary(const struct dest *dest, int error)
{
	if ((error == EACCES || error == EPERM) && dest->exists)
		return in_place_only(dest, "there is no right to create a file beside it");
	return dest_failed(dest, "cannot create it", error);
}

/* Open and locked, and under its name still. A file system without locks has none. */
static int open_temporary(struct dest *dest, int flags)
{
	int r = choose_temporary(dest);

	if (r < 0)
		return r;
	dest->way = DEST_TEMPORARY;
	for (int tries = 0, locked = 1; tries < PART_TRIES && locked; tries++) {
		dest->fd = openat(dest->dir, dest->temporary, flags | O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (dest->fd < 0)
			return no_temporary(dest, errno);
		locked = flock(dest->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
		if (locked && part_is(dest->dir, dest->temporary, dest->fd))
			return 0;
		close(dest->fd);
		dest->fd = -1;
	}
	return busy(dest);
}

/* A new file that has another group, or owner, would be open to that by the bits of its mode. */
static int take_owner(const struct dest *dest)
{
	struct stat now;

	if (dest->exists && fstat(dest->fd, &now) < 0)
		return dest_failed(dest, "cannot look at it", errno);
	if (!dest->exists)
		return 0;
	if ((now.st_uid == dest->was.st_uid && now.st_gid == dest->was.st_gid) || fchown(dest->fd, dest->was.st_uid, dest->was.st_gid) == 0)
		return 0;
	return errno == EPERM ? in_place_only(dest, "a new file cannot have its owner and group") :
				dest_failed(dest, "cannot keep its owner", errno);
}

/* What has no name is seen by nobody, and may have its mode from the beginning. */
static int open_new(struct dest *dest, const struct dest_options *options)
{
	int r = options->fresh ? 0 : choose_temporary(dest);

	if (!r && !options->fresh)
		r = sweep(dest);
	if (r < 0)
		return r;
	dest->way = DEST_WITHOUT_NAME;
	if (can_be_named())
		dest->fd = openat(dest->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, dest->exists ? 0600 : options->mode);
	r = dest->fd >= 0 ? 0 : open_temporary(dest, O_EXCL);
	return r < 0 ? r : take_owner(dest);
}

/* Others may neither have put there what is under the name, nor have it open, nor have it under a name of theirs. */
static int is_part(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1 && !(st->st_mode & 022);
}

/* What an interrupted run left, by --resume; else a new one under that name. */
static int open_part(struct dest *dest)
{
	struct stat st;
	int r = open_temporary(dest, 0);

	if (r < 0)
		return r;
	if (fstat(dest->fd, &st) < 0)
		return dest_failed(dest, dest->temporary, errno);
	if (is_part(&st)) {
		dest->start = (uint64_t)st.st_size;
		return 0;
	}
	close(dest->fd);
	dest->fd = -1;
	return unlinkat(dest->dir, dest->temporary, 0) < 0 ? dest_failed(dest, dest->temporary, errno) : open_temporary(dest, O_EXCL);
}

/* What was not there: by another name that the file system takes for the same, if not by somebody else. In a directory that we have
 * made all is so. */
static int met(const struct dest *dest)
{
	out_error("%s: " WRITTEN_MET, dest->shown);
	return -EEXIST;
}

/* Nothing is written but to what was looked at: a file, though another thing may have its name since. */
static int is_file_still(const struct dest *dest)
{
	struct stat now;

	if (fstat(dest->fd, &now) == 0 && S_ISREG(now.st_mode))
		return 0;
	out_error("%s: something else has its name since it was looked at", dest->shown);
	return LEAT_ECHANGED;
}

static int open_itself(struct dest *dest, enum dest_way way, const struct dest_options *options)
{
	int file = way == DEST_IN_PLACE, fifo = dest->exists && S_ISFIFO(dest->was.st_mode);
	int reads = file ? options->read_back || options->resume : options->read_back && S_ISBLK(dest->was.st_mode);
	int flags = O_CLOEXEC | O_NOCTTY | (reads ? O_RDWR : O_WRONLY) | (file && !dest->exists ? O_CREAT | O_EXCL : 0) |
		    (dest->magic ? 0 : O_NOFOLLOW);

	dest->way = way;
	if (file || fifo)
		dest->fd = patient_open(dest->dir, dest->name, flags, options->mode, fifo ? ENXIO : EWOULDBLOCK, options->timeout_ms);
	else
		dest->fd = openat(dest->dir, dest->name, flags);
	if (dest->fd < 0)
		return stop_flag ? -EINTR : errno == EEXIST ? met(dest) : dest_failed(dest, "cannot open it for writing", errno);
	if ((file || fifo) && fcntl(dest->fd, F_SETFL, 0) < 0)
		return dest_failed(dest, "cannot open it for writing", errno);
	if (file && options->resume && dest->exists)
		dest->start = (uint64_t)dest->was.st_size;
	return file ? is_file_still(dest) : 0;
}

/* Written to where it stands, and as it was opened: another open file would begin at the first byte. */
static int open_own(struct dest *dest, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	dest->way = DEST_DIRECT;
	if ((flags & O_ACCMODE) == O_RDONLY) {
		out_error("%s: it is open for reading only", dest->shown);
		return -EBADF;
	}
	dest->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return dest->fd < 0 ? dest_failed(dest, "cannot open it for writing", errno) : 0;
}

/* Nothing is needed of a file that is complete but to read it: it may be one that nobody may change. */
static int open_to_compare(struct dest *dest, const struct dest_options *options)
{
	if (!options->resume || !dest->exists || dest->magic || !options->whole || (uint64_t)dest->was.st_size != options->whole)
		return 0;
	dest->fd = openat(dest->dir, dest->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	dest->way = DEST_IN_PLACE;
	dest->only_read = dest->fd >= 0;
	return dest->only_read;
}

static int open_file(struct dest *dest, const struct stat *source, const struct dest_options *options)
{
	struct bar bar = dest->exists && !dest->magic ? bar_of(dest->dir, dest->name) : (struct bar){ 0 };
	int r = may_change(dest, &bar);

	if (r < 0)
		return r;
	if (dest->magic || (options->in_place && (dest->exists || !dest->taken)))
		return open_itself(dest, DEST_IN_PLACE, options);
	r = dest->exists ? may_replace(dest, &bar, source, options) : 0;
	if (!r && !options->fresh)
		r = may_name(dest, options);
	if (r < 0)
		return r;
	return options->resume ? open_part(dest) : open_new(dest, options);
}

int dest_open(struct dest *dest, int at, const char *path, const char *shown, const struct stat *source,
	      const struct dest_options *options)
{
	int r, own;

	*dest = (struct dest){ .shown = shown, .fd = -1, .source_dir = options->in_tree ? options->source_dir : -1 };
	r = place_find(dest, at, path, options);
	if (r < 0)
		return r;
	dest->taken = dest->exists;
	if (dest->exists && S_ISDIR(dest->was.st_mode))
		return dest_failed(dest, "cannot be written", EISDIR);
	if (options->in_tree && !S_ISREG(dest->was.st_mode))
		dest->exists = 0;	/* replaced by a file that has nothing of it */
	if (dest->exists && source && same_file(source, &dest->was)) {
		out_error("%s: it is the source itself; nothing was copied", shown);
		return -EINVAL;
	}
	own = place_own_descriptor(dest);
	if (own >= 0)
		return open_own(dest, own);
	if (dest->exists && (!S_ISREG(dest->was.st_mode) || place_is_generated(dest)))
		return open_itself(dest, DEST_DIRECT, options);
	return open_to_compare(dest, options) ? 0 : open_file(dest, source, options);
}

int dest_is_same(const struct dest *a, const struct dest *b)
{
	struct stat in_a, in_b;

	if (a->way == DEST_DIRECT || b->way == DEST_DIRECT)
		return 0;
	if (a->exists && b->exists)
		return same_file(&a->was, &b->was);
	return strcmp(a->name, b->name) == 0 && fstatat(a->dir, ".", &in_a, 0) == 0 && fstatat(b->dir, ".", &in_b, 0) == 0 &&
	       same_file(&in_a, &in_b);
}

void dest_size(struct dest *dest, uint64_t length, const struct dest_options *options)
{
	if (dest->way == DEST_WITHOUT_NAME || (dest->way == DEST_TEMPORARY && !options->resume))
		dest->sized = ftruncate(dest->fd, (off_t)length) == 0;
}

int dest_adopt(struct dest *dest)
{
	char part[NAME_MAX + 1];
	struct stat now;
	int fd, r = part_name(dest->name, dest->source_dir, part);

	if (!r && part_sweep(dest->dir, part, S_IFREG) == -EWOULDBLOCK)
		return busy(dest);
	dest->start = (uint64_t)dest->was.st_size;
	fd = openat(dest->dir, dest->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = fstat(fd, &now) == 0 && same_file(&now, &dest->was);
	close(r ? dest->fd : fd);
	dest->fd = r ? fd : dest->fd;
	dest->only_read = !r;
	return 0;
}

int dest_reject(struct dest *dest, const struct stat *source, const struct dest_options *options)
{
	close(dest->fd);
	dest->fd = -1;
	dest->only_read = 0;
	return open_file(dest, source, options);
}

int dest_take_over(struct dest *dest, const struct dest_options *options, uint64_t length)
{
	struct stat now;
	int r;

	if ((dest->way == DEST_IN_PLACE || dest->sized) && fstat(dest->fd, &now) == 0 && now.st_size != (off_t)length &&
	    ftruncate(dest->fd, (off_t)length) < 0)
		return dest_failed(dest, "cannot cut it at its new length", errno);
	if (dest->way == DEST_DIRECT || dest->way == DEST_IN_PLACE || (dest->way == DEST_WITHOUT_NAME && !dest->exists))
		return 0;	/* a new file got its mode when it was opened */
	r = options->resume ? take_owner(dest) : 0;
	if (!r && dest->exists)	/* before the mode, whose bits of the group are what the list lets others have at most */
		r = keep_acl(dest->dir, dest->name, dest->fd, dest->shown);
	if (!r && fchmod(dest->fd, dest->exists ? dest->was.st_mode & 07777 : options->mode & ~options->mask) < 0 && errno != EPERM)
		r = dest_failed(dest, "cannot set its mode", errno);
	return r;
}

/* A file without a name gets the temporary one, as no call links over what exists; where nothing exists, its own at once. */
static int link_up(struct dest *dest, const char *to, const struct dest_options *options)
{
	char self[40];

	snprintf(self, sizeof self, "/proc/self/fd/%d", dest->fd);
	for (int tries = 0;; tries++) {
		int r;

		if (to == dest->temporary)
			flock(dest->fd, LOCK_EX | LOCK_NB);	/* nobody sweeps it, or goes on from it */
		if (linkat(AT_FDCWD, self, dest->dir, to, AT_SYMLINK_FOLLOW) == 0)
			break;
		if (errno != EEXIST || tries == PART_TRIES)
			return dest_failed(dest, "cannot name it", errno);
		if (options->fresh)
			return met(dest);
		r = to == dest->temporary ? sweep(dest) : choose_temporary(dest);
		if (r < 0)
			return r;
		to = dest->temporary;	/* somebody made one in the meantime: the last one wins, as with rename */
	}
	dest->way = to == dest->temporary ? DEST_TEMPORARY : DEST_IN_PLACE;
	return 0;
}

/* A file system over a network tells at close what could not be written; each descriptor of the file asks it. Those that have
 * files without a name do not. */
static int ask_server(const struct dest *dest)
{
	int fd = fcntl(dest->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 || close(fd) < 0 ? dest_failed(dest, "cannot be written", errno) : 0;
}

static int flush_directory(const struct dest *dest)
{
	int fd = openat(dest->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 || fsync(fd) < 0 ? dest_failed(dest, "it is there, but its directory cannot be flushed", errno) : 0;

	if (fd >= 0)
		close(fd);
	return r;
}

static int flush_file(const struct dest *dest, const struct dest_options *options)
{
	if (options->sync && fsync(dest->fd) < 0 && (dest->way != DEST_DIRECT || errno != EINVAL))	/* a pipe has no disk */
		return dest_failed(dest, "cannot flush it", errno);
	return 0;
}

int dest_stand_by(struct dest *dest, const struct dest_options *options)
{
	int r = flush_file(dest, options);

	if (!r && dest->way == DEST_WITHOUT_NAME)
		r = choose_temporary(dest);
	return !r && dest->way == DEST_WITHOUT_NAME ? link_up(dest, dest->temporary, options) : r;
}

/* Not every file system can leave what is there; then it is looked for. */
static int rename_to_name(const struct dest *dest, const struct dest_options *options)
{
	struct stat st;

	if (options->fresh) {
		if (renameat2(dest->dir, dest->temporary, dest->dir, dest->name, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno == EEXIST || fstatat(dest->dir, dest->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			unlinkat(dest->dir, dest->temporary, 0);	/* nor is it a part to go on from */
			return met(dest);
		}
	}
	if (renameat(dest->dir, dest->temporary, dest->dir, dest->name) == 0)
		return 0;
	return errno == EBUSY ? in_place_only(dest, "something is mounted on it") : dest_failed(dest, "cannot give it its name", errno);
}

int dest_commit(struct dest *dest, const struct dest_options *options)
{
	int r = flush_file(dest, options);

	if (!r && (dest->way == DEST_TEMPORARY || dest->way == DEST_IN_PLACE))
		r = ask_server(dest);
	if (!r && dest->way == DEST_WITHOUT_NAME)
		r = link_up(dest, dest->taken ? dest->temporary : dest->name, options);
	if (!r && dest->way == DEST_TEMPORARY) {
		r = rename_to_name(dest, options);
		dest->way = r < 0 ? DEST_TEMPORARY : DEST_IN_PLACE;
	}
	if (r < 0 || !options->sync || options->in_tree || dest->way == DEST_DIRECT || dest->magic)
		return r;
	return flush_directory(dest);
}

void dest_close(struct dest *dest, int keep_part)
{
	if (dest->fd >= 0) {
		if (dest->way == DEST_TEMPORARY && !keep_part)
			unlinkat(dest->dir, dest->temporary, 0);
		close(dest->fd);
	}
	if (dest->dir_is_ours)
		close(dest->dir);
	dest->dir_is_ours = 0;
	dest->fd = -1;
}
