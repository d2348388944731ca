/* SPDX-License-Identifier: MIT */
/*
 * One tiny wrapper for each system call the library makes; each returns the result or -errno. This is the only file that
 * makes them, and the seam where tests put faults (-Wl,--wrap=sys_sendfile). Raw calls with explicit offsets: glibc 2.41's
 * copy_file_range could corrupt beyond 2 GiB (sourceware 33245).
 */
#ifndef LEAT_SYS_H
#define LEAT_SYS_H

#include "types.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Transfer calls. offset NULL: the descriptor's own. */
int64_t sys_sendfile(int out, int in, uint64_t *offset, uint64_t bytes);
int64_t sys_splice(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes, unsigned flags);
int64_t sys_copy_file_range(int in, uint64_t *in_offset, int out, uint64_t *out_offset, uint64_t bytes);
int sys_clone_range(int out, uint64_t out_offset, int in, uint64_t in_offset, uint64_t bytes);
int64_t sys_tee(int in, int out, uint64_t bytes, unsigned flags);
int64_t sys_read(int fd, void *bytes, uint64_t size);
int64_t sys_pread(int fd, void *bytes, uint64_t size, uint64_t offset);
int64_t sys_write(int fd, const void *bytes, uint64_t size);
int64_t sys_pwrite(int fd, const void *bytes, uint64_t size, uint64_t offset);
int64_t sys_recv(int fd, void *bytes, uint64_t size, int flags);
int64_t sys_send(int fd, const void *bytes, uint64_t size, int flags);
int64_t sys_send_parts(int fd, struct iovec *parts, unsigned count);	/* one message, MSG_DONTWAIT | MSG_NOSIGNAL */

/* Looking. */
int sys_fstat(int fd, struct stat *stat);
int64_t sys_fs_magic(int fd);
int sys_get_flags(int fd);
int sys_get_seals(int fd);
int sys_socket_option(int fd, int level, int name, void *value, unsigned *size);
int64_t sys_device_bytes(int fd);
bool sys_is_terminal(int fd);
int sys_can_read(int fd);				/* by a read of nothing: 0, or -EINVAL */
bool sys_is_pty_master(int fd);				/* opened again it would be another pseudo terminal */
bool sys_is_eventfd(int fd);				/* the one device that takes no more when it is full */
int64_t sys_readable_bytes(int fd);			/* FIONREAD */
bool sys_at_urgent(int fd);				/* SIOCATMARK: urgent data is next; who has none does not know the call */
int64_t sys_unsent_bytes(int fd);			/* SIOCOUTQNSD */
uint32_t sys_unsent_most(void);				/* net.ipv4.tcp_notsent_lowat; UINT32_MAX: none, or not to be read */
int64_t sys_resident(int fd, uint64_t offset, uint64_t bytes);	/* so many of them are in memory; -EAGAIN: not the first one */
int sys_poll(struct pollfd *fds, unsigned count, int timeout_ms);
uint64_t sys_now_ns(void);
uint64_t sys_clock(const struct leat_options *options);	/* the caller's clock, or sys_now_ns */

/* Positions, holes, sizes. */
int64_t sys_seek(int fd, uint64_t offset, int whence);
int sys_truncate(int fd, uint64_t size);
int sys_punch_hole(int fd, uint64_t offset, uint64_t bytes);
int sys_lengthen(int fd, uint64_t size);			/* never shortens, whoever else writes; takes a block at the end */
int sys_will_need(int fd, uint64_t offset, uint64_t bytes);

/* Descriptors of our own, all O_CLOEXEC. */
int sys_reopen(int fd, int flags);			/* a private open file of the same inode; -ESTALE: it was another */
int sys_temporary(int dir);				/* O_TMPFILE, O_RDWR */
int sys_pipe(int fd[2]);				/* O_NONBLOCK */
int64_t sys_pipe_size(int fd, uint64_t wanted);		/* sets, then gets; wanted 0: gets */
int sys_dup(int fd);
int sys_eventfd(void);					/* O_NONBLOCK */
void sys_close(int fd);
int sys_set_cork(int fd, int on);

/* true: somebody holds a record lock on the file (or the kernel does not say). Closing any descriptor of a file drops all
 * F_SETLK locks that the process has on it, and F_OFD_GETLK is the one call that shows our own. */
bool sys_locked(int fd);

/* A joinable thread with a small stack that blocks all signals. 0, -errno. */
int sys_thread(pthread_t *thread, void *(*body)(void *), void *arg);
void sys_name_thread(const char *name);			/* the calling one, as top and ps show it */
int sys_pid(void);

/* SIGPIPE of this thread. mask_pipe returns what unmask_pipe needs, or -errno. raised: a write may have raised it. */
int sys_mask_pipe(void);
void sys_unmask_pipe(int masked, bool raised);

/* Bits ROUTE_BIT(): calls that exist here, found on invalid descriptors and remembered for the process. */
uint32_t sys_features(void);
/* The version of the running kernel, major << 16 | minor, remembered for the process; 0 when it does not say. */
uint32_t sys_kernel(void);
/* LEAT_ROUTES of the environment, read once by secure_getenv: the routes it removes, as bits. */
uint32_t sys_routes_off(void);

#endif
