/* SPDX-License-Identifier: MIT */
/* Who is watched by the ptrace engine: found at the beginning, and looked for again before each burst; and why not. */
#include "feed_ptrace.h"

#include "cmd.h"
#include "privilege.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIDFDS_MOST 512		/* and half of the descriptors there may be: bursts and stacks need the others */
#define LISTED_MOST 4096	/* processes of a name, or of all */
#define CGROUP_DEPTH 16

/* ---- What /proc says ------------------------------------------------------------------------------------------------------- */

enum { CODE, CODE_END, STACK, ADDRESSES };	/* fields 26 to 28 of a process's line */

/* What may not be seen is less than a page. */
static void read_addresses(uint32_t pid, uint64_t addresses[ADDRESSES])
{
	int memory = process_memory_of((pid_t)pid), fd = openat(memory, "stat", O_RDONLY | O_CLOEXEC);
	FILE *stat = fd < 0 ? NULL : fdopen(fd, "r");
	char line[1024], *at = NULL;

	if (stat && fgets(line, sizeof line, stat))
		at = strrchr(line, ')');
	for (int field = 2; at && field < 26; field++)
		at = strchr(at + 1, ' ');
	for (int i = 0; i < ADDRESSES; i++)
		addresses[i] = at ? strtoull(at, &at, 10) : 0;
	if (stat)
		fclose(stat);
	else if (fd >= 0)
		close(fd);
	if (memory >= 0)
		close(memory);
}

/* Does it serve a file system (FUSE)? Then others may wait for it while they are looked into. */
static bool serves_files(uint32_t pid)
{
	char path[64], target[32];
	const struct dirent *entry;
	bool serves = false;
	DIR *fds;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/fd", pid);
	fds = opendir(path);
	while (fds && !serves && (entry = readdir(fds))) {
		ssize_t length = readlinkat(dirfd(fds), entry->d_name, target, sizeof target - 1);

		serves = length == 9 && memcmp(target, "/dev/fuse", 9) == 0;
	}
	if (fds)
		closedir(fds);
	return serves;
}

/* ---- The list -------------------------------------------------------------------------------------------------------------- */

void traced_new_program(struct feed_ptrace *feed, uint32_t place)
{
	struct traced_process *process = &feed->processes[place];
	uint64_t addresses[ADDRESSES];

	read_addresses(process->pid, addresses);
	process->program = ++feed->programs;
	process->stack_start = addresses[STACK];
	process->code = addresses[CODE];
	process->code_end = addresses[CODE_END];
}

bool traced_is_new_program(const struct feed_ptrace *feed, uint32_t place)
{
	uint64_t addresses[ADDRESSES];

	read_addresses(feed->processes[place].pid, addresses);
	return addresses[STACK] != feed->processes[place].stack_start;
}

static uint32_t pidfds_most(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < PIDFDS_MOST ? (uint32_t)(limit.rlim_cur / 2) : PIDFDS_MOST;
}

/* Takes process. */
static uint32_t add(struct feed_ptrace *feed, const struct process *process)
{
	struct traced_process *p;

	if (feed->process_count == feed->process_room) {
		uint32_t room = feed->process_room ? feed->process_room * 2 : 16;
		struct traced_process *bigger = reallocarray(feed->processes, room, sizeof *bigger);

		if (!bigger)
			return MODEL_NONE;
		feed->processes = bigger;
		feed->process_room = room;
	}
	p = &feed->processes[feed->process_count];
	*p = (struct traced_process){ .process = *process, .pid = process->pid, .place = MODEL_NONE, .pidfd = -1,
				       .status = -1 };
	if (feed->process_count < pidfds_most())
		p->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)p->pid, 0);
	p->serves_files = serves_files(p->pid);
	if (!feed->alive++)
		feed->gap_ns = 0;
	traced_new_program(feed, feed->process_count);
	feed->processes[feed->process_count].told = feed->programs;
	return feed->process_count++;
}

static uint32_t find(const struct feed_ptrace *feed, uint32_t pid)
{
	for (uint32_t i = feed->process_count; i-- > 0;)	/* the latest of that number */
		if (feed->processes[i].pid == pid && !feed->processes[i].exited)
			return i;
	return MODEL_NONE;
}

uint32_t traced_process_of(struct feed_ptrace *feed, pid_t pid)
{
	uint32_t place = find(feed, (uint32_t)pid);
	struct process process;

	if (place != MODEL_NONE)
		return place;
	if (feed->process_count >= MODEL_PROCESSES_MAX || process_look(pid, &process))
		return MODEL_NONE;
	place = find(feed, process.pid);	/* pid may have been a thread's */
	if (place == MODEL_NONE)
		place = add(feed, &process);
	else
		model_free_texts(&process);
	if (place == MODEL_NONE)
		model_free_texts(&process);
	return place;
}

void traced_process_ended(struct feed_ptrace *feed, uint32_t place, int status)
{
	struct traced_process *p = &feed->processes[place];

	if (p->exited)
		return;
	p->exited = true;
	p->status = status;
	feed->alive--;
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
}

bool traced_ask_end(struct feed_ptrace *feed, uint32_t place)
{
	const struct traced_process *p = &feed->processes[place];
	struct pollfd one = { .fd = p->pidfd, .events = POLLIN };

	if (!p->exited && (p->pidfd >= 0 ? poll(&one, 1, 0) > 0 : !process_is_same(&p->process)))
		traced_process_ended(feed, place, -1);
	return p->exited;
}

void traced_ask_ends(struct feed_ptrace *feed)
{
	for (uint32_t i = 0; i < feed->process_count; i++)
		traced_ask_end(feed, i);
}

void traced_ask_programs(struct feed_ptrace *feed)
{
	for (uint32_t i = 0; i < feed->process_count; i++)
		if (!feed->processes[i].exited && traced_is_new_program(feed, i))
			traced_new_program(feed, i);
}

void traced_forget_all(struct feed_ptrace *feed)
{
	for (uint32_t i = 0; i < feed->process_count; i++) {
		if (feed->processes[i].pidfd >= 0)
			close(feed->processes[i].pidfd);
		if (feed->processes[i].place == MODEL_NONE)
			model_free_texts(&feed->processes[i].process);
	}
	free(feed->processes);
}

/* ---- Who came since -------------------------------------------------------------------------------------------------------- */

/* Its children that began after the watch did: what it forks is followed, what it had forked is not. */
static void discover_children(struct feed_ptrace *feed)
{
	struct process_line *lines = calloc(LISTED_MOST, sizeof *lines);
	int count = lines ? process_list(NULL, lines, LISTED_MOST) : 0;

	for (int i = 0; i < count; i++)
		if (lines[i].start_ticks >= feed->begin_ticks && find(feed, (uint32_t)lines[i].parent) != MODEL_NONE)
			traced_process_of(feed, lines[i].pid);
	free(lines);
}

static void discover_named(struct feed_ptrace *feed, const char *name)
{
	struct process_line *lines = calloc(LISTED_MOST, sizeof *lines);
	int count = lines ? process_list(name, lines, LISTED_MOST) : 0;

	for (int i = 0; i < count; i++)
		traced_process_of(feed, lines[i].pid);
	free(lines);
}

static void discover_in(struct feed_ptrace *feed, int directory, int depth)
{
	DIR *entries = directory < 0 ? NULL : fdopendir(directory);
	const struct dirent *entry;
	FILE *list;
	int fd, pid;

	if (!entries) {
		if (directory >= 0)
			close(directory);
		return;
	}
	fd = openat(dirfd(entries), "cgroup.procs", O_RDONLY | O_CLOEXEC);
	list = fd < 0 ? NULL : fdopen(fd, "r");
	while (list && fscanf(list, "%d", &pid) == 1)	/* NOLINT(cert-err34-c) */
		if (pid > 0 && !process_is_ours(pid))
			traced_process_of(feed, pid);
	if (list)
		fclose(list);
	while (depth < CGROUP_DEPTH && (entry = readdir(entries)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			discover_in(feed, openat(dirfd(entries), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), depth + 1);
	closedir(entries);
}

void traced_discover(struct feed_ptrace *feed)
{
	const struct feed_target *target = &feed->options.target;
	struct feed_error ignored;

	if (target->all)
		discover_named(feed, NULL);
	else if (feed->alive)
		discover_children(feed);
	if (target->name)
		discover_named(feed, target->name);
	if (target->cgroup)
		discover_in(feed, feed_open_cgroup(target->cgroup, &ignored), 0);
}

static int check_cgroup(const char *name, struct feed_error *error)
{
	int fd = feed_open_cgroup(name, error), result = 0;
	struct statfs fs;

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &fs) || (fs.f_type != CGROUP2_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC))
		result = feed_fail(error, EXIT_USAGE, -EINVAL, "%.300s is no cgroup", name);
	close(fd);
	return result;
}

/* One that was asked for by its number. */
static int begin_with(struct feed_ptrace *feed, pid_t pid, struct feed_error *error)
{
	struct process process;
	int result = feed_look(pid, &process, error);

	if (result)
		return result;
	if (process.pid == (uint32_t)getpid())
		result = feed_fail(error, EXIT_USAGE, -EINVAL, "process %d is this one: nobody can trace himself", (int)pid);
	if (!result && find(feed, process.pid) == MODEL_NONE) {
		if (add(feed, &process) != MODEL_NONE)
			return 0;
		result = -ENOMEM;
	}
	model_free_texts(&process);
	return result;
}

int traced_begin(struct feed_ptrace *feed, struct feed_error *error)
{
	const struct feed_target *target = &feed->options.target;
	int result = 0;

	for (unsigned i = 0; i < target->pid_count && !result; i++)
		result = begin_with(feed, target->pids[i], error);
	if (!result && target->cgroup)
		result = check_cgroup(target->cgroup, error);
	if (!result && (target->all || target->name || target->cgroup))
		traced_discover(feed);
	return result;
}

/* ---- Why not --------------------------------------------------------------------------------------------------------------- */

static int yama_scope(void)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	char line[16];
	int scope = 0;

	if (file && fgets(line, sizeof line, file))
		scope = (int)strtol(line, NULL, 10);
	if (file)
		fclose(file);
	return scope;
}

/* /proc/PID belongs to root as long as the process does not let itself be looked into. */
static bool is_closed(uint32_t pid, long user)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/maps", pid);
	return stat(path, &st) == 0 && st.st_uid != (uid_t)user;
}

int traced_explain(uint32_t number, int refused, struct feed_error *error)
{
	int pid = (int)number, scope = yama_scope(), result = -refused;
	long tracer = process_status(pid, "TracerPid:"), user = process_status(pid, "Uid:");
	bool all = privilege_has(CAP_SYS_PTRACE);

	if (user < 0 || result == -ESRCH)
		return feed_fail(error, EXIT_GONE, -ESRCH, "there is no process %d", pid);
	if (tracer > 0)
		return feed_fail(error, EXIT_RIGHTS, result, "process %d is traced already, by %ld: a debugger or strace must let go of it "
				 "first", pid, tracer);
	if (scope >= 3)
		return feed_fail(error, EXIT_RIGHTS, result, "this system forbids all ptrace (kernel.yama.ptrace_scope is 3, until it is "
				 "booted again); the bpf engine needs CAP_BPF and CAP_PERFMON instead");
	if (!all && (uid_t)user != getuid())
		return feed_fail(error, EXIT_RIGHTS, result, "process %d belongs to user %ld: ptrace of others needs "
				 "CAP_SYS_PTRACE, or root", pid, user);
	if (!all && scope == 2)
		return feed_fail(error, EXIT_RIGHTS, result,
				 "this system lets only CAP_SYS_PTRACE use ptrace (kernel.yama.ptrace_scope is 2)");
	if (!all && is_closed(number, user))
		return feed_fail(error, EXIT_RIGHTS, result, "process %d does not let others look into it (it is not dumpable: its "
				 "program cannot be read, gives rights, or says so itself); that needs CAP_SYS_PTRACE, or root", pid);
	if (!all && scope == 1)
		return feed_fail(error, EXIT_RIGHTS, result, "this system lets a process be traced by who began it only "
				 "(kernel.yama.ptrace_scope is 1): `leat doctor -- COMMAND` works, or root, or CAP_SYS_PTRACE");
	return feed_fail(error, EXIT_RIGHTS, result, "process %d cannot be traced (%s): it may have rights this one has not, or a sandbox "
			 "forbids ptrace", pid, strerror(-result));
}
