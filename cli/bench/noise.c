/* SPDX-License-Identifier: MIT */
/* What everybody together uses of our two CPUs, so that what is neither the server's nor ours can be told. */
#include "noise.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char cpuacct[] = "/sys/fs/cgroup/cpuacct/cpuacct.usage_percpu";

/* cgroup v1: nanoseconds for each CPU, on one line. */
static uint64_t read_cpuacct(const struct noise *noise)
{
	FILE *f = fopen(cpuacct, "re");
	unsigned long long value;
	uint64_t sum = 0;

	for (int cpu = 0; f && fscanf(f, "%llu", &value) == 1; cpu++)
		if (cpu == noise->cpu[0] || cpu == noise->cpu[1])
			sum += value;
	if (f)
		fclose(f);
	return sum;
}

/* The seventh number of a cpu line: nanoseconds spent running tasks. Only kernels with CONFIG_SCHEDSTATS have it. */
static uint64_t read_schedstat(const struct noise *noise)
{
	FILE *f = fopen("/proc/schedstat", "re");
	unsigned long long running;
	uint64_t sum = 0;
	char line[512];
	int cpu;

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "cpu%d %*u %*u %*u %*u %*u %*u %llu", &cpu, &running) == 2 &&
		    (cpu == noise->cpu[0] || cpu == noise->cpu[1]))
			sum += running;
	if (f)
		fclose(f);
	return sum;
}

/* Ticks that were not idle; field 8 of a cpu line is what the hypervisor took. */
static uint64_t read_stat(const struct noise *noise, int only_stolen)
{
	FILE *f = fopen("/proc/stat", "re");
	uint64_t ticks = 0;
	char line[512];

	while (f && fgets(line, sizeof line, f)) {
		unsigned long long v[8] = { 0 };
		int cpu;

		if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, v, v + 1, v + 2, v + 3, v + 4, v + 5,
			   v + 6, v + 7) < 9 || (cpu != noise->cpu[0] && cpu != noise->cpu[1]))
			continue;
		ticks += only_stolen ? v[7] : v[0] + v[1] + v[2] + v[5] + v[6] + v[7];
	}
	if (f)
		fclose(f);
	return ticks * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static pid_t find_ksoftirqd(int cpu)
{
	char want[32], path[300], have[32];
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	pid_t pid = 0;

	snprintf(want, sizeof want, "ksoftirqd/%d\n", cpu);
	while (proc && !pid && (entry = readdir(proc))) {
		FILE *f;

		snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		f = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fgets(have, sizeof have, f) && strcmp(have, want) == 0)
			pid = (pid_t)strtol(entry->d_name, NULL, 10);
		fclose(f);
	}
	if (proc)
		closedir(proc);
	return pid;
}

void noise_init(struct noise *noise, int cpu_a, int cpu_b)
{
	noise->cpu[0] = cpu_a < 0 ? 0 : cpu_a;
	noise->cpu[1] = cpu_b < 0 ? noise->cpu[0] : cpu_b;
	for (int i = 0; i < 2; i++)
		noise->ksoftirqd[i] = i && noise->cpu[0] == noise->cpu[1] ? 0 : find_ksoftirqd(noise->cpu[i]);
	if (read_cpuacct(noise))
		noise->source = NOISE_CPUACCT;
	else if (read_schedstat(noise))
		noise->source = NOISE_SCHEDSTAT;
	else if (read_stat(noise, 0))
		noise->source = NOISE_TICKS;
	else
		noise->source = NOISE_NONE;
}

const char *noise_name(enum noise_source source)
{
	static const char *const names[] = { "nothing", "cpuacct.usage_percpu", "/proc/schedstat", "/proc/stat" };

	return names[source];
}

uint64_t noise_all_ns(const struct noise *noise)
{
	switch (noise->source) {
	case NOISE_CPUACCT:
		return read_cpuacct(noise) + read_stat(noise, 1);
	case NOISE_SCHEDSTAT:
		return read_schedstat(noise) + read_stat(noise, 1);
	case NOISE_TICKS:
		return read_stat(noise, 0);
	default:
		return 0;
	}
}

/* ksoftirqd does our own network work when there is much of it. */
uint64_t noise_softirq_ns(const struct noise *noise)
{
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		struct timespec t;
		clockid_t clock;

		if (noise->ksoftirqd[i] && clock_getcpuclockid(noise->ksoftirqd[i], &clock) == 0 &&
		    clock_gettime(clock, &t) == 0)
			sum += (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	}
	return sum;
}
