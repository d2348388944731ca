/* SPDX-License-Identifier: MIT */
#include "privilege.h"
#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534
#define MEMORY_BYTES (2ull << 30)	/* more than there is; the largest programs' files are mapped whole, privately */

int privilege_drop_all(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	/* Where there is no such user, as in some containers, or no right to become it, one stays who one is. */
	if (setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY))
		return -errno;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return 0;
}

/* What reading open files, computing and one line take. What is not named here fails, and is no reason to end. */
static const int calls[] = {
	__NR_read, __NR_pread64, __NR_lseek, __NR_fstat, __NR_newfstatat, __NR_fcntl, __NR_close,
	__NR_mmap, __NR_mremap, __NR_munmap, __NR_mprotect, __NR_madvise, __NR_brk,
	__NR_rt_sigaction, __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_sigaltstack, __NR_restart_syscall,
	__NR_sendmsg, __NR_recvmsg, __NR_clock_gettime, __NR_getrandom, __NR_futex, __NR_getpid, __NR_gettid,
	__NR_exit, __NR_exit_group,
};

/* Of private memory that can be written to: files that libelf maps count, too. A sanitizer's shadow is there already. */
static int bound_memory(void)
{
	struct rlimit limit;
	unsigned long pages;
	FILE *file = fopen("/proc/self/statm", "re");
	int found = file ? fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) : 0;		/* NOLINT(cert-err34-c) */

	if (file)
		fclose(file);
	if (found != 1)
		return -EIO;
	limit.rlim_cur = limit.rlim_max = pages * (unsigned long)sysconf(_SC_PAGESIZE) + MEMORY_BYTES;
	return setrlimit(RLIMIT_DATA, &limit) && errno != EPERM ? -errno : 0;	/* EPERM: there is a lower one */
}

int privilege_confine(void)
{
	static const int none[] = { RLIMIT_CORE, RLIMIT_FSIZE };
	const struct rlimit zero = { 0, 0 };
	int error = bound_memory();

	for (size_t i = 0; i < sizeof none / sizeof *none && !error; i++)
		error = setrlimit(none[i], &zero) ? -errno : 0;
	return error ? error : confine_calls(calls, sizeof calls / sizeof *calls);
}
