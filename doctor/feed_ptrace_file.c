/* SPDX-License-Identifier: MIT */
/*
 * What stands at a descriptor of a stopped process. All is asked of /proc, and in such a way that no file system has to ask
 * anybody: a daemon that serves one (FUSE) may be among those that are stopped just now.
 */
#include "feed_ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DELETED " (deleted)"

static uint32_t device_of(uint32_t major, uint32_t minor)
{
	return major << 20 | (minor & 0xfffff);
}

static int look_at(const char *path, struct statx *st)
{
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | STATX_INO | STATX_NLINK, st))
		return -errno;
	return 0;
}

/* ---- Facts ----------------------------------------------------------------------------------------------------------------- */

/* Flags of the open file, as F_GETFL gives them to the process itself. */
static uint32_t open_flags(uint32_t tid, uint32_t fd)
{
	char path[64], line[128];
	unsigned flags = 0;
	FILE *info;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/fdinfo/%" PRIu32, tid, fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof line, info))
		if (strncmp(line, "flags:", 6) == 0) {
			flags = (unsigned)strtoul(line + 6, NULL, 8);
			break;
		}
	if (info)
		fclose(info);
	return (flags & O_APPEND ? EVENT_APPEND : 0) | (flags & O_DIRECT ? EVENT_DIRECT : 0) |
	       (flags & O_NONBLOCK ? EVENT_NONBLOCKING : 0);
}

#define BOTH_WAYS (EVENT_CAN_SPLICE_FROM | EVENT_CAN_SPLICE_TO)

/* Of a file that lies in a file system: what can be told from which one that is. */
static void stored_facts(struct feed_ptrace *feed, uint32_t tid, uint32_t device, bool sink, struct event_file *facts)
{
	facts->kind = FILE_REGULAR;
	switch (traced_class(feed, (pid_t)tid, device)) {
	case CLASS_PROCFS:	/* some of its files splice and some do not, and to read one may change it */
		facts->kind = FILE_GENERATED;
		facts->facts |= EVENT_SPLICE_UNKNOWN;
		break;
	case CLASS_SYSFS:
		facts->kind = FILE_GENERATED;
		facts->facts |= traced_probe(feed, PROBE_SYSFS, sink);
		break;
	case CLASS_ODD:
		facts->facts |= EVENT_SPLICE_UNKNOWN;
		break;
	default:
		facts->facts |= BOTH_WAYS;
	}
}

static void character_facts(struct feed_ptrace *feed, uint32_t major, uint32_t minor, bool sink, struct event_file *facts)
{
	static const uint8_t memory[] = { [3] = PROBE_NULL, [5] = PROBE_ZERO, [7] = PROBE_FULL, [8] = PROBE_RANDOM,
					  [9] = PROBE_URANDOM };

	facts->kind = FILE_DEVICE;
	/* 4 and 5: consoles and serial lines; 136 to 143: pseudo-terminals */
	if (major == 4 || major == 5 || (major >= 136 && major <= 143)) {
		facts->kind = FILE_TERMINAL;
		facts->facts |= traced_probe(feed, PROBE_TERMINAL, sink);
	} else if (major == 1 && minor < sizeof memory && memory[minor]) {
		facts->facts |= traced_probe(feed, memory[minor], sink);
	} else {
		facts->facts |= EVENT_SPLICE_UNKNOWN;
	}
}

static void facts_of_type(struct feed_ptrace *feed, uint32_t tid, const struct statx *st, bool sink, struct event_file *facts)
{
	if (!st->stx_nlink)
		facts->facts |= EVENT_DELETED;
	switch (st->stx_mode & S_IFMT) {
	case S_IFREG:
		stored_facts(feed, tid, device_of(st->stx_dev_major, st->stx_dev_minor), sink, facts);
		break;
	case S_IFIFO:
		facts->kind = FILE_PIPE;
		facts->facts |= BOTH_WAYS;
		break;
	case S_IFBLK:
		facts->kind = FILE_BLOCK;
		facts->facts |= BOTH_WAYS;
		break;
	case S_IFCHR:
		character_facts(feed, st->stx_rdev_major, st->stx_rdev_minor, sink, facts);
		break;
	case S_IFSOCK:
		facts->facts |= BOTH_WAYS;
		break;
	default:	/* eventfd and its like: none of them splices */
		facts->kind = st->stx_mode & S_IFMT ? FILE_UNKNOWN : FILE_ANONYMOUS;
	}
}

/* ---- Paths ----------------------------------------------------------------------------------------------------------------- */

/* As seen from the process's own root. Owned by the caller; NULL: it has none. */
static char *path_at(uint32_t tid, const char *link, bool deleted)
{
	char path[PATH_MAX], root[PATH_MAX], *from = path;
	char root_link[64];
	ssize_t length = readlink(link, path, sizeof path - 1), root_length;

	if (length <= 0 || path[0] != '/')
		return NULL;
	path[length] = 0;
	if (deleted && (size_t)length > strlen(DELETED) && strcmp(path + length - strlen(DELETED), DELETED) == 0)
		path[(size_t)length - strlen(DELETED)] = 0;
	snprintf(root_link, sizeof root_link, "/proc/%u/root", tid);
	root_length = readlink(root_link, root, sizeof root - 1);
	if (root_length > 1 && strncmp(path, root, (size_t)root_length) == 0 && path[root_length] == '/')
		from += root_length;
	return strdup(from);
}

/* ---- By descriptor --------------------------------------------------------------------------------------------------------- */

static struct traced_file *file_of(struct feed_ptrace *feed, uint64_t inode, uint32_t device, bool sink)
{
	struct event_file_key key = { .inode = inode, .device = device, .sink = sink };

	return table_make(&feed->files, &key);
}

void traced_file_unpaired(struct feed_ptrace *feed, uint64_t inode, uint32_t device, uint64_t bytes)
{
	struct traced_file *file = file_of(feed, inode, device, true);

	if (file)
		file->facts.unpaired += bytes;
}

int traced_file(struct feed_ptrace *feed, const struct traced_thread *t, uint32_t fd, bool sink, uint64_t *ret_inode,
		uint32_t *ret_device)
{
	struct traced_file *file;
	struct event_file facts = { 0 };
	struct statx st;
	char link[64];
	int error;

	snprintf(link, sizeof link, "/proc/%" PRIu32 "/fd/%" PRIu32, t->tid, fd);
	error = look_at(link, &st);
	if (error == -ENOENT) {		/* closed by another thread since the call began: bytes passed all the same */
		*ret_inode = 0;
		*ret_device = EVENT_CLOSED;
		return 0;
	}
	if (error)
		return error;
	*ret_inode = st.stx_ino;
	*ret_device = device_of(st.stx_dev_major, st.stx_dev_minor);
	file = file_of(feed, *ret_inode, *ret_device, sink);
	if (!file || file->burst == feed->burst)
		return 0;
	file->burst = feed->burst;
	facts.facts = open_flags(t->tid, fd);
	facts.unpaired = file->facts.unpaired;
	facts_of_type(feed, t->tid, &st, sink, &facts);
	if (S_ISSOCK(st.stx_mode))
		traced_socket(feed, t, fd, st.stx_ino, &facts);
	file->facts = facts;
	if (!file->path && !S_ISSOCK(st.stx_mode))
		file->path = path_at(t->tid, link, !st.stx_nlink);
	return 0;
}

void traced_files_free(struct feed_ptrace *feed)
{
	struct traced_file *file;
	uint32_t at = 0;

	while ((file = table_next(&feed->files, &at)))
		free(file->path);
	table_free(&feed->files);
}

/* ---- By mapping ------------------------------------------------------------------------------------------------------------ */

struct mapping {
	uint64_t begin, end, inode;
	unsigned major, minor;
	char access[8];
	char *path;	/* in the line it was parsed from */
};

static bool parse_mapping(char *line, struct mapping *m)
{
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*x %x:%x %" SCNu64 " %n",	/* NOLINT(cert-err34-c) */
		   &m->begin, &m->end, m->access, &m->major, &m->minor, &m->inode, &path) != 6 || !path)
		return false;
	m->path = line + path;
	m->path[strcspn(m->path, "\n")] = 0;
	return true;
}

/* The line of the address. 0, or -errno. */
static int find_mapping(uint32_t tid, uint64_t at, char *line, size_t size, struct mapping *m)
{
	char path[64];
	FILE *maps;
	int result = -ENOENT;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", tid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (fgets(line, (int)size, maps)) {
		if (!parse_mapping(line, m) || m->end <= at)
			continue;
		result = m->begin <= at ? 0 : -ENOENT;
		break;
	}
	fclose(maps);
	return result;
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), most = strlen(end);

	return length >= most && strcmp(text + length - most, end) == 0;
}

/*
 * Along names that are in memory, as those of a mapped file are, and no further: 0; -EAGAIN: who serves the file system would have to
 * say that they still hold.
 */
static int look_in_memory(uint32_t tid, const char *path, struct statx *st)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED | RESOLVE_NO_SYMLINKS };
	char root[PATH_MAX + 64];
	int top, fd, error;

	snprintf(root, sizeof root, "/proc/%u/root", tid);
	top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	fd = (int)syscall(SYS_openat2, top, path + 1, &how, sizeof how);
	error = fd < 0 ? -errno : 0;
	close(top);
	if (error == -ENOSYS || error == -EINVAL) {	/* before Linux 5.12 there is no way not to ask */
		snprintf(root, sizeof root, "/proc/%u/root%s", tid, path);
		return look_at(root, st);
	}
	if (fd < 0)
		return error;
	error = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_NLINK, st) ? -errno : 0;
	close(fd);
	return error;
}

/* What its line says, of one that cannot be looked at. */
static struct statx as_mapped(const struct mapping *m)
{
	return (struct statx){ .stx_mode = S_IFREG, .stx_nlink = !ends_with(m->path, DELETED), .stx_ino = m->inode,
			       .stx_dev_major = m->major, .stx_dev_minor = m->minor };
}

static bool is_program(const char *exe, const struct statx *st)
{
	struct statx own;

	return look_at(exe, &own) == 0 && own.stx_ino == st->stx_ino && own.stx_dev_major == st->stx_dev_major &&
	       own.stx_dev_minor == st->stx_dev_minor;
}

/* A deleted one cannot be looked at any more without rights. On a device of its own it is a file; else it may be memory that
 * only has a file's shape (memfd, shared memory). */
static int facts_of_mapping(uint32_t tid, const struct mapping *m, struct statx *st)
{
	bool is_own = strchr(m->access, 'w') && strchr(m->access, 'p');	/* what the program stores there is not the file's */
	char exe[64];
	int error;

	if (strchr(m->access, 'x') || is_own || !m->inode || m->path[0] != '/')
		return -ENOENT;
	snprintf(exe, sizeof exe, "/proc/%" PRIu32 "/exe", tid);
	*st = as_mapped(m);
	if (ends_with(m->path, DELETED))
		return m->major && !is_program(exe, st) ? 0 : -ENOENT;
	error = look_in_memory(tid, m->path, st);
	if ((error && error != -EAGAIN) || !S_ISREG(st->stx_mode))
		return -ENOENT;
	return is_program(exe, st) ? -ENOENT : 0;
}

/* A mapping of a regular file that others see, too: not of the program itself. */
int traced_mapping(struct feed_ptrace *feed, const struct traced_thread *t, uint64_t at, uint64_t *ret_inode,
		   uint32_t *ret_device, uint64_t *ret_bytes)
{
	char line[PATH_MAX + 256];
	struct traced_file *file;
	struct event_file facts = { 0 };
	struct mapping m = { 0 };
	struct statx st;

	if (find_mapping(t->tid, at, line, sizeof line, &m) || facts_of_mapping(t->tid, &m, &st))
		return -ENOENT;
	*ret_inode = st.stx_ino;
	*ret_device = device_of(st.stx_dev_major, st.stx_dev_minor);
	*ret_bytes = m.end - at;
	file = file_of(feed, *ret_inode, *ret_device, false);
	if (!file || file->burst == feed->burst)
		return 0;
	file->burst = feed->burst;
	facts_of_type(feed, t->tid, &st, false, &facts);
	file->facts = facts;
	if (ends_with(m.path, DELETED))
		m.path[strlen(m.path) - strlen(DELETED)] = 0;
	if (!file->path)
		file->path = strdup(m.path);
	return 0;
}
