/* SPDX-License-Identifier: MIT */
/*
 * trace.c: what this kernel lets a tool see of another process: tracepoints, kprobes, hardware counters, BPF, ptrace.
 *
 * Hazard 76. Decides how leat bench lets the kernel count calls, and which engine leat doctor starts with. None of the
 * library relies on any of it.
 */
#define _GNU_SOURCE
#include "fact.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct fact facts[] = {
	{ "trace-raw-syscalls", NULL, "76: the raw_syscalls tracepoints (tracefs mounted or not: by their perf id)" },
	{ "trace-kprobes", NULL, "76: kprobes through perf" },
	{ "trace-uprobes", NULL, "76: uprobes through perf" },
	{ "trace-hardware-cycles", NULL, "76: perf_event_open of the cycle counter: CPU loss must not need it" },
	{ "trace-software-task-clock", NULL, "76: perf_event_open of the task clock" },
	{ "trace-bpf", NULL, "76: bpf(2): a map created" },
	{ "trace-btf", NULL, "76: /sys/kernel/btf/vmlinux: the kernel's types, for portable BPF programs" },
	{ "trace-ptrace-child", NULL, "77: ptrace of an own child: strace counts work" },
	{ "trace-perf-paranoid", NULL, "76: /proc/sys/kernel/perf_event_paranoid" },
};

static bool there(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static const char *event(uint32_t type, uint64_t config)
{
	struct perf_event_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = type;
	attr.config = config;
	attr.disabled = 1;
	fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return fact_result(-1);
	close(fd);
	return "works";
}

static const char *text_of(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return NULL;
	if (!fgets(buf, (int)size, f))
		buf[0] = '\0';
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

/* tracefs is mounted on itself when somebody looks at it below /sys/kernel/debug; else it is mounted here, for us alone */
static const char *raw_syscalls(void)
{
	static const char *const roots[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing", "tracefs" };
	char path[128], id[32];

	for (size_t i = 0; i < 3; i++) {
		if (i == 2 && (mkdir(roots[i], 0700) < 0 || mount("tracefs", roots[i], "tracefs", 0, NULL) < 0))
			break;
		snprintf(path, sizeof(path), "%s/events/raw_syscalls/sys_enter/id", roots[i]);
		if (text_of(path, id, sizeof(id))) {
			if (i == 2)
				umount(roots[i]);
			return event(PERF_TYPE_TRACEPOINT, strtoull(id, NULL, 10));
		}
	}
	umount(roots[2]);
	return there(roots[0]) ? "tracefs cannot be read" : "absent";
}

static const char *bpf_map(void)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 8;
	attr.max_entries = 1;
	fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return fact_result(-1);
	close(fd);
	return "works";
}

static const char *traced_child(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		fact_die("fork");
	if (pid == 0) {
		fact_sleep_ms(1000);
		_exit(0);
	}
	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) < 0)
		return fact_result(-1);
	waitpid(pid, &status, 0);
	ptrace(PTRACE_KILL, pid, NULL, NULL);
	waitpid(pid, NULL, 0);
	return WIFSTOPPED(status) ? "works" : "no stop";
}

static void run(void)
{
	char buf[64];
	const char *paranoid = text_of("/proc/sys/kernel/perf_event_paranoid", buf, sizeof(buf));

	fact_say("trace-perf-paranoid", "%s", paranoid ? paranoid : "absent");
	fact_say("trace-raw-syscalls", "%s", raw_syscalls());
	fact_say("trace-kprobes", "%s", there("/sys/bus/event_source/devices/kprobe") ? "present" : "absent");
	fact_say("trace-uprobes", "%s", there("/sys/bus/event_source/devices/uprobe") ? "present" : "absent");
	fact_say("trace-hardware-cycles", "%s", event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES));
	fact_say("trace-software-task-clock", "%s", event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK));
	fact_say("trace-bpf", "%s", bpf_map());
	fact_say("trace-btf", "%s", there("/sys/kernel/btf/vmlinux") ? "present" : "absent");
	fact_say("trace-ptrace-child", "%s", traced_child());
}

int main(int argc, char **argv)
{
	static const struct fact_set set = FACT_SET(facts, run, NULL);

	return fact_main(argc, argv, &set);
}
