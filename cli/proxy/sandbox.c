/* SPDX-License-Identifier: MIT */
#include "sandbox.h"
#include "../confine.h"
#include "../out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define DNS 53

/* x86-64 has older names for some that the C library may use; arm64 has not. */
#ifdef __NR_poll
#define OLD_CALLS __NR_poll, __NR_epoll_wait, __NR_pipe, __NR_open, __NR_stat, __NR_lstat, __NR_access, __NR_readlink, __NR_time, \
		  __NR_select,
#else
#define OLD_CALLS
#endif

#define SHARED_CALLS \
	OLD_CALLS \
	__NR_read, __NR_write, __NR_writev, __NR_close, __NR_fcntl, __NR_ioctl, __NR_fstat, __NR_newfstatat, __NR_statx, __NR_lseek, \
	__NR_socket, __NR_connect, __NR_getsockname, __NR_getpeername, __NR_getsockopt, __NR_setsockopt, __NR_shutdown, \
	__NR_accept, __NR_accept4, __NR_recvfrom, __NR_recvmsg, __NR_sendto, __NR_sendmsg, \
	__NR_ppoll, __NR_epoll_create1, __NR_epoll_ctl, __NR_epoll_pwait, \
	__NR_mmap, __NR_mremap, __NR_munmap, __NR_mprotect, __NR_madvise, __NR_brk, __NR_futex, \
	__NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigtimedwait, __NR_sigaltstack, __NR_restart_syscall, \
	__NR_clock_gettime, __NR_clock_nanosleep, __NR_nanosleep, __NR_gettimeofday, __NR_getrandom, \
	__NR_getpid, __NR_gettid, __NR_tgkill, __NR_sched_yield, __NR_exit, __NR_exit_group

static const int worker_calls[] = {
	SHARED_CALLS, __NR_splice, __NR_tee, __NR_pipe2, __NR_pwritev2, __NR_prlimit64,
};

/* The C library's resolver, and a thread for it. Its modules do what they like: what is missing here they do without. */
static const int keeper_calls[] = {
	SHARED_CALLS, __NR_openat, __NR_pread64, __NR_faccessat, __NR_readlinkat, __NR_getdents64, __NR_uname, __NR_sysinfo, __NR_bind,
	__NR_sendmmsg, __NR_recvmmsg, __NR_pselect6, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid, __NR_getppid,
	__NR_clone, __NR_clone3, __NR_set_robust_list, __NR_rseq, __NR_set_tid_address, __NR_sched_getaffinity,
	__NR_prlimit64, __NR_prctl, __NR_socketpair,
};

static const char *const nothing[] = { NULL };
static const char *const resolver[] = {
	"/etc", "/usr", "/lib", "/lib64", "/run", "/var/lib", "/proc/sys", "/sys/devices/system/cpu", NULL,
};

static uint16_t port_of(const struct board_address *address)
{
	if (address->any.sa_family == AF_INET)
		return ntohs(address->in.sin_port);
	return address->any.sa_family == AF_INET6 ? ntohs(address->in6.sin6_port) : 0;
}

/* A name's port stays when its addresses change; without an address yet, it stands behind the last colon. */
static uint16_t port_of_upstream(const struct board_upstream *up)
{
	const char *colon = strrchr(up->name, ':');
	struct board_address addresses[BOARD_ADDRESSES];

	if (board_read(up, addresses, NULL))
		return port_of(&addresses[0]);
	return colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

static int enter(const struct board *board, const char *const *readable, int with_dns, const int *calls, size_t count)
{
	uint16_t ports[BOARD_UPSTREAMS + 1];
	struct confine_reach reach = { .readable = readable, .ports = ports };
	int r;

	for (unsigned i = 0; i < board->count; i++) {
		uint16_t port = port_of_upstream(&board->upstreams[i]);

		if (port)
			ports[reach.ports_count++] = port;
	}
	if (with_dns)
		ports[reach.ports_count++] = DNS;
	r = confine_reach(&reach);
	if (r == 0 || r == -EOPNOTSUPP) {	/* before Linux 5.13, or not configured */
		r = confine_calls(calls, count);
		if (r == -EOPNOTSUPP || r == -EINVAL)	/* a kernel without seccomp */
			r = 0;
	}
	if (r < 0)
		out_error("the sandbox cannot be entered: %s; --no-sandbox goes without it", strerror(-r));
	return r;
}

int sandbox_worker(const struct board *board)
{
	return enter(board, nothing, 0, worker_calls, sizeof worker_calls / sizeof *worker_calls);
}

int sandbox_keeper(const struct board *board)
{
	return enter(board, resolver, 1, keeper_calls, sizeof keeper_calls / sizeof *keeper_calls);
}
