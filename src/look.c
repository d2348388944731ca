/* SPDX-License-Identifier: MIT */
/* The facts of a descriptor: its kind, flags, size and times. Asked once; only an unpromised file's size is asked again. */
#include "endpoint.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sysmacros.h>

#define XFS_MAGIC 0x58465342U

bool kind_is_socket(uint8_t kind)
{
	return kind == LEAT_KIND_TCP || kind == LEAT_KIND_UNIX || kind == LEAT_KIND_STREAM || kind == LEAT_KIND_DATAGRAM;
}

bool kind_is_file(uint8_t kind)
{
	return kind == LEAT_KIND_FILE || kind == LEAT_KIND_GENERATED || kind == LEAT_KIND_BLOCK;
}

bool kind_waits(uint8_t kind)
{
	return kind_is_socket(kind) || kind == LEAT_KIND_PIPE || kind == LEAT_KIND_TERMINAL || kind == LEAT_KIND_DEVICE;
}

bool source_seekable(const struct leat_source *source)
{
	return source->facts.kind == LEAT_KIND_FILE || source->facts.kind == LEAT_KIND_BLOCK ||
	       source->facts.kind == LEAT_KIND_MEMORY;
}

/* A kind, or -ENOTCONN: what listens is ready for ever, or never, and takes and gives no bytes. */
static int socket_kind(int fd)
{
	int type = 0, domain = 0, protocol = 0, listens = 0;
	unsigned size = sizeof type;

	if (sys_socket_option(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type == SOCK_DGRAM)
		return LEAT_KIND_DATAGRAM;
	sys_socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
	if (listens)
		return -ENOTCONN;
	if (type != SOCK_STREAM)
		return LEAT_KIND_DATAGRAM;
	sys_socket_option(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	if (domain == AF_UNIX)
		return LEAT_KIND_UNIX;
	sys_socket_option(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
	return (domain == AF_INET || domain == AF_INET6) && protocol == IPPROTO_TCP ? LEAT_KIND_TCP : LEAT_KIND_STREAM;
}

/*
 * A file system that makes its files up as they are read (procfs, sysfs: size 0 or 4096 whatever is in them) lives on an
 * anonymous device, as do tmpfs, btrfs and overlayfs, whose sizes are true. Anything else that says size 0 is read to its
 * end: FUSE may not know its sizes (hazards 23, 24).
 */
static uint8_t regular_kind(int fd, const struct stat *stat, struct leat_facts *facts)
{
	int64_t magic;

	if (major(stat->st_dev) != 0)
		return LEAT_KIND_FILE;
	magic = facts->fs_magic ? facts->fs_magic : sys_fs_magic(fd);
	facts->fs_magic = magic < 0 ? 0 : (uint32_t)magic;
	switch (facts->fs_magic) {
	case PROC_SUPER_MAGIC: case SYSFS_MAGIC: case DEBUGFS_MAGIC: case TRACEFS_MAGIC: case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC: case SECURITYFS_MAGIC: case BPF_FS_MAGIC: case PSTOREFS_MAGIC: case EFIVARFS_MAGIC:
		return LEAT_KIND_GENERATED;
	case TMPFS_MAGIC: case BTRFS_SUPER_MAGIC: case OVERLAYFS_SUPER_MAGIC: case XFS_MAGIC: case HUGETLBFS_MAGIC:
		return LEAT_KIND_FILE;
	default:
		return stat->st_size ? LEAT_KIND_FILE : LEAT_KIND_GENERATED;
	}
}

static uint64_t time_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * LEAT_SECOND + (uint64_t)time->tv_nsec;
}

static void take_stat(struct leat_facts *facts, const struct stat *stat)
{
	/* A block device is the same one by whichever node it was opened. */
	facts->dev = S_ISBLK(stat->st_mode) ? stat->st_rdev : stat->st_dev;
	facts->ino = S_ISBLK(stat->st_mode) ? 0 : stat->st_ino;
	facts->size = stat->st_size > 0 ? (uint64_t)stat->st_size : 0;
	facts->blocks = (uint64_t)stat->st_blocks;
	facts->block_bytes = (uint32_t)stat->st_blksize;
	facts->mtime_ns = time_ns(&stat->st_mtim);
	facts->ctime_ns = time_ns(&stat->st_ctim);
	facts->links = (uint8_t)stat->st_nlink;
}

/* An enum leat_kind, or an error. */
static int kind_of(int fd, const struct stat *stat, struct leat_facts *facts, bool own_offset)
{
	uint8_t kind;

	if (S_ISREG(stat->st_mode)) {
		kind = regular_kind(fd, stat, facts);
		/* Some of the made-up ones have no offset of their own, as tracefs's trace_pipe: they are devices in all but name. */
		return kind == LEAT_KIND_GENERATED && own_offset && sys_seek(fd, 0, SEEK_CUR) == -ESPIPE ? LEAT_KIND_DEVICE : kind;
	}
	if (S_ISFIFO(stat->st_mode))
		return LEAT_KIND_PIPE;
	if (S_ISSOCK(stat->st_mode))
		return socket_kind(fd);
	if (S_ISDIR(stat->st_mode)) {
		facts->kind = LEAT_KIND_DIRECTORY;	/* for the report */
		return -EISDIR;
	}
	if (S_ISBLK(stat->st_mode))
		return LEAT_KIND_BLOCK;
	return sys_is_terminal(fd) ? LEAT_KIND_TERMINAL : LEAT_KIND_DEVICE;
}

static int look(int fd, struct leat_facts *facts, bool own_offset)
{
	struct stat stat;
	int r = sys_fstat(fd, &stat);
	int64_t bytes;

	if (r < 0)
		return r;
	take_stat(facts, &stat);
	if (!(facts->known & KNOW_TYPE)) {
		r = kind_of(fd, &stat, facts, own_offset);
		if (r < 0)
			return r;
		facts->kind = (uint8_t)r;
		facts->known |= KNOW_TYPE;
	}
	if (facts->kind != LEAT_KIND_BLOCK)
		return 0;
	bytes = sys_device_bytes(fd);
	if (bytes < 0)
		return (int)bytes;
	facts->size = (uint64_t)bytes;
	return 0;
}

static int look_flags(int fd, struct leat_facts *facts, int wrong_mode)
{
	int flags;

	if (facts->known & KNOW_FLAGS)
		return 0;
	flags = sys_get_flags(fd);
	if (flags < 0)
		return flags;
	if ((flags & O_ACCMODE) == wrong_mode || (flags & O_PATH))
		return -EBADF;
	facts->open_flags = (uint32_t)flags;
	facts->known |= KNOW_FLAGS;
	return 0;
}

static bool changes(const struct leat_source *source)
{
	return source->stability == LEAT_UNSTABLE && (source->facts.kind == LEAT_KIND_FILE || source->facts.kind == LEAT_KIND_GENERATED);
}

static int check_seals(const struct leat_source *source)
{
	int seals = sys_get_seals(source->fd);

	if (seals < 0)
		return seals;
	return (seals & (F_SEAL_WRITE | F_SEAL_SHRINK)) == (F_SEAL_WRITE | F_SEAL_SHRINK) ? 0 : -EPERM;
}

int source_look(struct leat_source *source)
{
	bool known = source->facts.known & KNOW_TYPE;
	int r;

	if (source->error || source->kind != LEAT_KIND_NONE || source->state & END_VIEW)
		return source->error;
	if (!source->length && !source->exact) {	/* all-zero is valid and empty, and not descriptor 0 */
		source->kind = source->facts.kind = LEAT_KIND_MEMORY;
		return 0;
	}
	if (known && !changes(source))
		return 0;
	r = look(source->fd, &source->facts, source->own_offset);
	if (!r)
		r = look_flags(source->fd, &source->facts, O_WRONLY);
	if (!r && source->facts.kind == LEAT_KIND_DEVICE)	/* not an epoll: it would be waited for, and never read */
		r = sys_can_read(source->fd);
	if (!r && !known && source->stability == LEAT_SEALED)
		r = check_seals(source);
	if (!r && !source->own_offset && !kind_is_file(source->facts.kind))
		r = -ESPIPE;
	/* A message that is read in part loses its rest, and an empty one would be the end of the stream. */
	if (!r && source->facts.kind == LEAT_KIND_DATAGRAM)
		r = LEAT_EDATAGRAM;
	if (r < 0)	/* looked at in part: the next look starts anew */
		source->facts.known = 0;
	return r;
}

static int sink_fits(const struct leat_sink *sink)
{
	if (!sink->own_offset && !kind_is_file(sink->facts.kind))
		return -ESPIPE;
	return !sink->own_offset && sink->facts.open_flags & O_APPEND ? -EINVAL : 0;
}

int sink_look(struct leat_sink *sink)
{
	int corked = 0, r;
	unsigned size = sizeof corked;

	if (sink->error || sink->kind != LEAT_KIND_NONE || sink->state & END_VIEW)
		return sink->error;
	if (!sink->length)	/* all-zero: nothing was attached, and it is not descriptor 0 */
		return -EBADF;
	if (sink->facts.known & KNOW_TYPE && !kind_is_file(sink->facts.kind))
		return 0;
	r = look(sink->fd, &sink->facts, sink->own_offset);
	if (!r)
		r = look_flags(sink->fd, &sink->facts, O_RDONLY);
	if (!r)
		r = sink_fits(sink);
	if (r < 0) {
		sink->facts.known = 0;
		return r;
	}
	if (sink->facts.kind == LEAT_KIND_TCP) {
		sys_socket_option(sink->fd, IPPROTO_TCP, TCP_CORK, &corked, &size);
		sink->facts.corked = corked != 0;
	}
	return 0;
}

int leat_look(struct leat_source *source)
{
	return source ? source_look(source) : -EINVAL;
}

int leat_look_sink(struct leat_sink *sink)
{
	return sink ? sink_look(sink) : -EINVAL;
}

/* A socket's facts are its kind and flags, which all that one listener accepts have in common. */
static bool serves_for_others(const struct leat_facts *facts)
{
	return facts->known & KNOW_TYPE && kind_is_socket(facts->kind);
}

void leat_from_alike(struct leat_source *source, int fd, const struct leat_source *looked_at)
{
	leat_from_fd(source, fd);
	if (!source || source->error)
		return;
	if (looked_at && looked_at != source && serves_for_others(&looked_at->facts))
		source->facts = looked_at->facts;
	else
		source->error = -EINVAL;
}

void leat_to_alike(struct leat_sink *sink, int fd, const struct leat_sink *looked_at)
{
	leat_to_fd(sink, fd);
	if (!sink || sink->error)
		return;
	if (looked_at && looked_at != sink && serves_for_others(&looked_at->facts))
		sink->facts = looked_at->facts;
	else
		sink->error = -EINVAL;
}

enum leat_reason source_compare(const struct leat_source *source)
{
	struct leat_facts now = { .kind = source->facts.kind };
	struct stat stat;

	if (!changes(source) || source->facts.kind == LEAT_KIND_GENERATED)
		return LEAT_OK;
	if (sys_fstat(source->fd, &stat) < 0)
		return LEAT_SOURCE_CHANGED;
	take_stat(&now, &stat);
	if (now.size > source->facts.size)
		return LEAT_SOURCE_GREW;	/* an append moves mtime too; what it hides is in the manual */
	if (now.size != source->facts.size || now.mtime_ns != source->facts.mtime_ns)
		return LEAT_SOURCE_CHANGED;
	/* Another file renamed onto this one, or this one unlinked, moves ctime too, and leaves the bytes alone (hazard 12). */
	if (now.ctime_ns != source->facts.ctime_ns && now.links == source->facts.links)
		return LEAT_SOURCE_CHANGED;
	return LEAT_OK;
}
