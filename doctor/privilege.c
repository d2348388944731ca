/* SPDX-License-Identifier: MIT */
#include "privilege.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct sets {
	uint64_t effective, permitted;
};

static int get(struct sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	if (syscall(SYS_capget, &header, data))
		return -errno;
	sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

static int set(const struct sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = (uint32_t)sets->effective, .permitted = (uint32_t)sets->permitted },
		{ .effective = (uint32_t)(sets->effective >> 32), .permitted = (uint32_t)(sets->permitted >> 32) },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* Asked about no object at all, a kernel that wants nothing for the question says that there is none. */
static bool may_read_maps(void)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.info.bpf_fd = (uint32_t)-1;
	return syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) == 0 || errno != EPERM;
}

bool privilege_has(unsigned capability)
{
	struct sets sets = { 0 };

	return get(&sets) == 0 && sets.effective >> capability & 1;
}

void privilege_keep_from_command(void)
{
	static const int ours[] = { CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH };

	for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, ours[i], 0, 0);
}

int privilege_drop(void)
{
	const uint64_t bpf = UINT64_C(1) << CAP_BPF;
	uint64_t keep = UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
	struct sets sets = { 0 };
	int result = get(&sets);

	if (result || !(sets.effective | sets.permitted))
		return result;
	/* CAP_BPF stays to be had until it has turned out that it is not needed. */
	sets.permitted &= keep | bpf;
	sets.effective &= keep;
	result = set(&sets);
	if (result)
		return result;
	if (may_read_maps())
		sets.permitted &= keep;
	else
		sets.effective |= sets.permitted & bpf;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return set(&sets);
}
