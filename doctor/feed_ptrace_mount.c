/* SPDX-License-Identifier: MIT */
/*
 * Whether the kernel can splice from or to a file, without a look at its operations. Of file systems that store, and of
 * sockets, pipes and block devices, it is known. Of what is made up as it is read it is not; where one file stands for all of its
 * kind, one of our own is tried. The target's files are never read or written: that might change them.
 */
#include "feed_ptrace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- File systems ---------------------------------------------------------------------------------------------------------- */

static enum file_class class_of(const char *type)
{
	static const char *const odd[] = { "autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset",
					   "debugfs", "devpts", "efivarfs", "functionfs", "fusectl", "mqueue", "nfsd", "nsfs", "pstore",
					   "resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "tracefs", "xenfs" };

	if (strcmp(type, "proc") == 0)
		return CLASS_PROCFS;
	if (strcmp(type, "sysfs") == 0)
		return CLASS_SYSFS;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		if (strcmp(type, odd[i]) == 0)
			return CLASS_ODD;
	return CLASS_STORED;
}

/* One that is not mounted where the process sees it (a memfd, a file passed by another) stores. */
static enum file_class look_for_mount(pid_t tid, uint32_t device)
{
	enum file_class class = CLASS_STORED;
	char path[64], *line = NULL;
	size_t room = 0;
	FILE *mounts;

	snprintf(path, sizeof path, "/proc/%d/mountinfo", (int)tid);
	mounts = fopen(path, "re");
	while (mounts && getline(&line, &room, mounts) > 0) {
		const char *dash = strstr(line, " - ");
		unsigned major, minor;
		char type[32];

		if (sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2 || !dash ||	/* NOLINT(cert-err34-c) */
		    (major << 20 | minor) != device || sscanf(dash + 3, "%31s", type) != 1)
			continue;
		class = class_of(type);
		break;
	}
	free(line);
	if (mounts)
		fclose(mounts);
	return class;
}

enum file_class traced_class(struct feed_ptrace *feed, pid_t tid, uint32_t device)
{
	struct device_class *known = &feed->classes[(device ^ device >> 20) % CLASSES];

	if (known->class == CLASS_NONE || known->device != device)
		*known = (struct device_class){ device, look_for_mount(tid, device) };
	return known->class;
}

/* ---- Trying one of our own ------------------------------------------------------------------------------------------------- */

/* splice(2) says EINVAL where there is none; EAGAIN, ENOSPC or a byte where there is. */
static uint32_t try_from(int fd)
{
	uint32_t facts = EVENT_SPLICE_UNKNOWN;
	int pipes[2];

	if (fd < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return facts;
	if (splice(fd, NULL, pipes[1], NULL, 1, SPLICE_F_NONBLOCK) >= 0 || errno == EAGAIN)
		facts = EVENT_CAN_SPLICE_FROM;
	else if (errno == EINVAL)
		facts = 0;
	close(pipes[0]);
	close(pipes[1]);
	return facts;
}

static uint32_t try_to(int fd)
{
	uint32_t facts = EVENT_SPLICE_UNKNOWN;
	int pipes[2];

	if (fd < 0 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return facts;
	if (write(pipes[1], "", 1) == 1) {
		if (splice(pipes[0], NULL, fd, NULL, 1, SPLICE_F_NONBLOCK) >= 0 || errno == EAGAIN || errno == ENOSPC)
			facts = EVENT_CAN_SPLICE_TO;
		else if (errno == EINVAL)
			facts = 0;
	}
	close(pipes[0]);
	close(pipes[1]);
	return facts;
}

/* The other end of a pseudo-terminal that nobody else has. */
static int own_terminal(int *ret_master)
{
	char name[64];
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	*ret_master = master;
	if (master < 0 || grantpt(master) || unlockpt(master) || ptsname_r(master, name, sizeof name))
		return -1;
	return open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static void try_terminal(struct probe *probe)
{
	int master, fd = own_terminal(&master);

	probe->from = try_from(fd);
	probe->to = try_to(fd);
	if (fd >= 0)
		close(fd);
	if (master >= 0)
		close(master);
}

static void try_path(struct probe *probe, const char *path, bool writes)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	probe->from = try_from(fd);
	if (fd >= 0)
		close(fd);
	fd = writes ? open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) : -1;
	probe->to = try_to(fd);
	if (fd >= 0)
		close(fd);
}

uint32_t traced_probe(struct feed_ptrace *feed, unsigned which, bool sink)
{
	/* written to are only those that throw it away */
	static const struct { const char *path; bool writes; } tried[PROBES] = {
		[PROBE_SYSFS] = { "/sys/kernel/uevent_seqnum", false }, [PROBE_NULL] = { "/dev/null", true },
		[PROBE_ZERO] = { "/dev/zero", true }, [PROBE_FULL] = { "/dev/full", true },
		[PROBE_RANDOM] = { "/dev/random", false }, [PROBE_URANDOM] = { "/dev/urandom", false },
	};
	struct probe *probe = &feed->probes[which];

	if (!probe->done && tried[which].path)
		try_path(probe, tried[which].path, tried[which].writes);
	else if (!probe->done)
		try_terminal(probe);
	probe->done = true;
	return sink ? probe->to : probe->from;
}
