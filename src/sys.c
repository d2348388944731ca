/* SPDX-License-Identifier: MIT */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* The kernel moves at most this much in one call, and EOVERFLOW and EFBIG near the end of offsets come from longer asks. */
#define MOST_BYTES UINT64_C(0x40000000)

static int64_t result(int64_t value)
{
	return value < 0 ? -errno : value;
}

static uint64_t at_most(uint64_t bytes)
{
	return bytes < MOST_BYTES ? bytes : MOST_BYTES;
}

int64_t sys_sendfile(int out, int in, uint64_t *offset, uint64_t bytes)
{
	off_t at = offset ? (off_t)*offset : 0;
	int64_t n = result(sendfile(out, in, offset ? &at : NULL, at_most(bytes)));

	if (offset)
		*offset = (uint64_t)at;
	return n;
}

int64_t sys_splice(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags)
{
	loff_t from = in_offset ? (loff_t)*in_offset : 0, to = out_offset ? (loff_t)*out_offset : 0;
	int64_t n = result(splice(in, in_offset ? &from : NULL, out, out_offset ? &to : NULL, at_most(bytes), flags));

	if (in_offset)
		*in_offset = (uint64_t)from;
	if (out_offset)
		*out_offset = (uint64_t)to;
	return n;
}

int64_t sys_copy_file_range(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes)
{
	loff_t from = (loff_t)*in_offset, to = (loff_t)*out_offset;
	int64_t n = result(syscall(SYS_copy_file_range, in, &from, out, &to, (size_t)at_most(bytes), 0U));

	*in_offset = (uint64_t)from;
	*out_offset = (uint64_t)to;
	return n;
}

int sys_clone_range(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes)
{
	struct file_clone_range range = {
		.src_fd = in, .src_offset = in_offset, .src_length = bytes, .dest_offset = out_offset
	};

	return (int)result(ioctl(out, FICLONERANGE, &range));
}

int64_t sys_tee(int in, int out, uint64_t bytes, unsigned flags)
{
	return result(tee(in, out, at_most(bytes), flags));
}

int64_t sys_read(int fd, void *bytes, uint64_t size)
{
	return result(read(fd, bytes, at_most(size)));
}

int64_t sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset)
{
	return result(pread(fd, bytes, at_most(size), (off_t)offset));
}

int64_t sys_write(int fd, const void *bytes, uint64_t size)
{
	return result(write(fd, bytes, at_most(size)));
}

int64_t sys_pwrite(int fd, const void *bytes, uint64_t size, uint64_t offset)
{
	return result(pwrite(fd, bytes, at_most(size), (off_t)offset));
}

int64_t sys_recv(int fd, void *bytes, uint64_t size, int flags)
{
	return result(recv(fd, bytes, at_most(size), flags));
}

int64_t sys_send(int fd, const void *bytes, uint64_t size, int flags)
{
	return result(send(fd, bytes, at_most(size), flags));
}

int64_t sys_send_parts(int fd, struct iovec *parts, unsigned count)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };

	return result(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int sys_fstat(int fd, struct stat *stat)
{
	return (int)result(fstat(fd, stat));
}

int64_t sys_fs_magic(int fd)
{
	struct statfs fs;
	int64_t r = result(fstatfs(fd, &fs));

	return r < 0 ? r : (int64_t)(uint32_t)fs.f_type;
}

int sys_get_flags(int fd)
{
	return (int)result(fcntl(fd, F_GETFL));
}

int sys_get_seals(int fd)
{
	return (int)result(fcntl(fd, F_GET_SEALS));
}

int sys_socket_option(int fd, int level, int name, void *value, unsigned *size)
{
	return (int)result(getsockopt(fd, level, name, value, size));
}

int64_t sys_device_bytes(int fd)
{
	uint64_t bytes = 0;
	int64_t r = result(ioctl(fd, BLKGETSIZE64, &bytes));

	return r < 0 ? r : (int64_t)bytes;
}

bool sys_is_terminal(int fd)
{
	return isatty(fd);
}

int sys_can_read(int fd)
{
	struct iovec nothing = { .iov_base = &nothing, .iov_len = 0 };

	return (int)result(readv(fd, &nothing, 1));
}

bool sys_is_pty_master(int fd)
{
	unsigned number;

	return ioctl(fd, TIOCGPTN, &number) == 0;
}

bool sys_is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[40], link[sizeof name];

	snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
	return readlink(path, link, sizeof link) == sizeof name - 1 && !memcmp(link, name, sizeof name - 1);
}

int64_t sys_readable_bytes(int fd)
{
	int bytes = 0;
	int64_t r = result(ioctl(fd, FIONREAD, &bytes));

	return r < 0 ? r : bytes;
}

bool sys_at_urgent(int fd)
{
	int at_mark = 0;

	return ioctl(fd, SIOCATMARK, &at_mark) == 0 && at_mark;
}

int64_t sys_unsent_bytes(int fd)
{
	int bytes = 0;
	int64_t r = result(ioctl(fd, SIOCOUTQNSD, &bytes));

	return r < 0 ? r : bytes;
}

uint32_t sys_unsent_most(void)
{
	char text[16] = "";
	int fd = open("/proc/sys/net/ipv4/tcp_notsent_lowat", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

	if (fd >= 0)
		close(fd);
	return length > 0 ? (uint32_t)strtoul(text, NULL, 10) : UINT32_MAX;
}

#define LOOK_PARTS 256

/* Read, as far as that does not wait, and each page into the same one: it stays in the processor's nearest cache. */
int64_t sys_resident(int fd, uint64_t offset, uint64_t bytes)
{
	char page[4096];
	struct iovec parts[LOOK_PARTS];
	int count = 0;

	for (; bytes && count < LOOK_PARTS; bytes -= parts[count++].iov_len)
		parts[count] = (struct iovec){ .iov_base = page, .iov_len = bytes < sizeof page ? bytes : sizeof page };
	return result(preadv2(fd, parts, count, (off_t)offset, RWF_NOWAIT));
}

int sys_poll(struct pollfd *fds, unsigned count, int timeout_ms)
{
	return (int)result(poll(fds, count, timeout_ms));
}

uint64_t sys_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * LEAT_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t sys_clock(const struct leat_options *options)
{
	return options->clock_ns ? options->clock_ns(options->clock_arg) : sys_now_ns();
}

int64_t sys_seek(int fd, uint64_t offset, int whence)
{
	return result(lseek(fd, (off_t)offset, whence));
}

int sys_truncate(int fd, uint64_t size)
{
	return (int)result(ftruncate(fd, (off_t)size));
}

int sys_punch_hole(int fd, uint64_t offset, uint64_t bytes)
{
	return (int)result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes));
}

int sys_lengthen(int fd, uint64_t size)
{
	return (int)result(fallocate(fd, 0, (off_t)size - 1, 1));
}

int sys_will_need(int fd, uint64_t offset, uint64_t bytes)
{
	return -posix_fadvise(fd, (off_t)offset, (off_t)bytes, POSIX_FADV_WILLNEED);
}

/* Not /proc/self: that is the first thread's table of descriptors, and a thread may have one of its own (unshare). */
int sys_reopen(int fd, int flags)
{
	struct stat theirs, ours;
	char path[40];
	int own;

	snprintf(path, sizeof path, "/proc/thread-self/fd/%d", fd);
	own = (int)result(open(path, flags | O_CLOEXEC | O_NOCTTY));
	if (own < 0)
		return own;
	if (fstat(fd, &theirs) == 0 && fstat(own, &ours) == 0 && theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return own;
	close(own);
	return -ESTALE;
}

int sys_temporary(int dir)
{
	return (int)result(openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

int sys_pipe(int fd[2])
{
	return (int)result(pipe2(fd, O_CLOEXEC | O_NONBLOCK));
}

int64_t sys_pipe_size(int fd, uint64_t wanted)
{
	if (wanted && fcntl(fd, F_SETPIPE_SZ, (int)at_most(wanted)) < 0 && errno != EPERM && errno != EBUSY)
		return -errno;
	return result(fcntl(fd, F_GETPIPE_SZ));
}

int sys_dup(int fd)
{
	return (int)result(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

int sys_eventfd(void)
{
	return (int)result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

bool sys_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK };

	return fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
}

/* 64 KiB of it are the read-ahead buffer. A program with much thread-local storage needs more: EINVAL says so. */
#define THREAD_STACK_BYTES (256 * KIB)

int sys_thread(pthread_t *thread, void *(*body)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int error = pthread_attr_init(&attr);

	if (error)
		return -error;
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	sigfillset(&all);
	/* Blocked before it is born: a signal must not find the thread in between. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, &attr, body, arg);
	if (error == EINVAL)
		error = pthread_create(thread, NULL, body, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return -error;
}

void sys_name_thread(const char *name)
{
	prctl(PR_SET_NAME, name, 0, 0, 0);
}

int sys_pid(void)
{
	return getpid();
}

void sys_close(int fd)
{
	close(fd);	/* Linux frees the number whatever it returns, EINTR too */
}

int sys_set_cork(int fd, int on)
{
	return (int)result(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on));
}

/* OURS: to be unblocked. BLOCKED: by the program, but none pending. PENDING: one that is the program's own. */
enum { PIPE_OURS, PIPE_BLOCKED, PIPE_PENDING };

int sys_mask_pipe(void)
{
	sigset_t pipe, before;
	int error;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	error = pthread_sigmask(SIG_BLOCK, &pipe, &before);
	if (error)
		return -error;
	if (!sigismember(&before, SIGPIPE))
		return PIPE_OURS;
	sigpending(&before);
	return sigismember(&before, SIGPIPE) ? PIPE_PENDING : PIPE_BLOCKED;
}

void sys_unmask_pipe(int masked, bool raised)
{
	sigset_t pipe;

	if (masked == PIPE_PENDING)
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	/* SIGPIPE of a write is directed at this thread; none was pending before, so this one is ours. */
	if (raised)
		while (sigtimedwait(&pipe, NULL, &(struct timespec){ 0, 0 }) < 0 && errno == EINTR)
			;
	if (masked == PIPE_OURS)
		pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

uint32_t sys_kernel(void)
{
	static _Atomic uint32_t cache;
	uint32_t found = atomic_load_explicit(&cache, memory_order_relaxed);
	unsigned major, minor;
	struct utsname name;

	if (found || uname(&name) < 0 || sscanf(name.release, "%5u.%5u", &major, &minor) != 2)
		return found;
	found = (major & 0xffff) << 16 | (minor & 0xffff);
	atomic_store_explicit(&cache, found, memory_order_relaxed);
	return found;
}

/* A call that exists says EBADF to descriptor -1; a kernel without it says ENOSYS, a sandbox often EPERM. */
static bool exists(int64_t r)
{
	return r >= 0 || errno == EBADF || errno == EINVAL;
}

uint32_t sys_features(void)
{
	static _Atomic uint32_t cache;
	uint32_t found = atomic_load_explicit(&cache, memory_order_relaxed);
	struct file_clone_range range = { .src_fd = -1 };
	loff_t at = 0;

	if (found)
		return found;
	found = ROUTE_BIT(LEAT_ROUTE_COPY) | ROUTE_BIT(LEAT_ROUTE_MEMORY);
	if (exists(ioctl(-1, FICLONERANGE, &range)))
		found |= ROUTE_BIT(LEAT_ROUTE_CLONE);
	if (exists(syscall(SYS_copy_file_range, -1, &at, -1, &at, (size_t)1, 0U)))
		found |= ROUTE_BIT(LEAT_ROUTE_COPY_FILE_RANGE);
	if (exists(sendfile(-1, -1, NULL, 1)))
		found |= ROUTE_BIT(LEAT_ROUTE_SENDFILE);
	if (exists(splice(-1, NULL, -1, NULL, 1, 0)))
		found |= ROUTE_BIT(LEAT_ROUTE_SPLICE) | ROUTE_BIT(LEAT_ROUTE_SPLICE_PIPE);
	sys_kernel();	/* so that all that is asked once is asked now */
	atomic_store_explicit(&cache, found, memory_order_relaxed);
	return found;
}

static uint32_t read_routes_off(void)
{
	const char *text = secure_getenv("LEAT_ROUTES");
	uint32_t allowed = 0;

	if (!text)
		return 0;
	for (const char *word = text; *word;) {
		size_t length = strcspn(word, ", ");

		for (int r = LEAT_ROUTE_CLONE; r < LEAT_ROUTES; r++)
			if (strlen(leat_route_name(r)) == length && !strncmp(word, leat_route_name(r), length))
				allowed |= ROUTE_BIT(r);
		word += length;
		word += strspn(word, ", ");
	}
	/* Memory and copy stay: without them nothing that needs content could move at all. */
	return ~(allowed | ROUTE_BIT(LEAT_ROUTE_MEMORY) | ROUTE_BIT(LEAT_ROUTE_COPY)) & (ROUTE_BIT(LEAT_ROUTES) - 1);
}

uint32_t sys_routes_off(void)
{
	static _Atomic uint32_t cache;		/* bit 31: read */
	uint32_t off = atomic_load_explicit(&cache, memory_order_relaxed);

	if (!off) {
		off = read_routes_off() | UINT32_C(1) << 31;
		atomic_store_explicit(&cache, off, memory_order_relaxed);
	}
	return off & ~(UINT32_C(1) << 31);
}
