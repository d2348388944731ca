/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* ---- Calls ---------------------------------------------------------------------------------------------------------------- */

#ifdef OUR_ARCHITECTURE
int confine_calls(const int *calls, size_t count)
{
	struct sock_filter *filter = malloc((2 * count + 6) * sizeof *filter);
	struct sock_fprog program = { .filter = filter };
	unsigned short n = 0;
	int r;

	if (!filter)
		return -ENOMEM;
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCHITECTURE, 1, 0);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < count; i++) {
		filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
		filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = n;
	r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) ? -errno : 0;
	free(filter);
	return r;
}
#else
int confine_calls(const int *calls, size_t count)
{
	return -EOPNOTSUPP;
}
#endif

/* ---- Files and ports ------------------------------------------------------------------------------------------------------- */

/* As of Linux 6.7; older headers have the first member only. */
struct ruleset { uint64_t files, ports; };
struct port_rule { uint64_t allowed, port; };

#define PORT_RULE 2
#define PORT_BIND (1u << 0)
#define PORT_CONNECT (1u << 1)
#define FILES_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_EXECUTE)
#define FILES_ABI_1 ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define FILES_ABI_2 (1u << 13)		/* moving between directories */
#define FILES_ABI_3 (1u << 14)		/* truncating */

static struct ruleset all_of(long abi)
{
	struct ruleset all = { .files = FILES_ABI_1 };

	if (abi >= 2)
		all.files |= FILES_ABI_2;
	if (abi >= 3)
		all.files |= FILES_ABI_3;
	if (abi >= 4)
		all.ports = PORT_BIND | PORT_CONNECT;
	return all;
}

static int allow_files(int rules, const char *const *readable)
{
	for (; readable && *readable; readable++) {
		struct landlock_path_beneath_attr below = { .allowed_access = FILES_READ };
		struct stat st;
		long r;

		below.parent_fd = open(*readable, O_PATH | O_CLOEXEC);
		if (below.parent_fd < 0)
			continue;
		if (fstat(below.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
			below.allowed_access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
		r = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
		close(below.parent_fd);
		if (r < 0)
			return -errno;
	}
	return 0;
}

static int allow_ports(int rules, const struct confine_reach *reach)
{
	for (size_t i = 0; i < reach->ports_count; i++) {
		struct port_rule rule = { PORT_CONNECT, reach->ports[i] };

		if (syscall(SYS_landlock_add_rule, rules, PORT_RULE, &rule, 0) < 0)
			return -errno;
	}
	return 0;
}

int confine_reach(const struct confine_reach *reach)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset all = all_of(abi);
	int rules, r;

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? -EOPNOTSUPP : -errno;
	rules = (int)syscall(SYS_landlock_create_ruleset, &all, abi >= 4 ? sizeof all : sizeof all.files, 0);
	if (rules < 0)
		return -errno;
	r = allow_files(rules, reach->readable);
	if (!r && all.ports)
		r = allow_ports(rules, reach);
	if (!r && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, rules, 0)))
		r = -errno;
	close(rules);
	return r;
}
